import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DocumentDatabase } from '../../../host/storage/documents/database.ts'
import type { PagedRead } from '../../../host/storage/documents/paged-read.ts'
import { Long } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf, soon } from './support.ts'

const SMALL = { rows: 3, bytes: 1_000_000 }

function rest(read: PagedRead, size = SMALL): unknown[] {
  const all: unknown[] = []
  for (;;) {
    const page = read.page(size, soon())
    all.push(...page.rows)
    if (!page.isMore) return all
  }
}

function numbered(count: number, limits = {}): DocumentDatabase {
  const db = openDatabase(limits)
  collectionOf(db).insert(
    ...Array.from({ length: count }, (_, _id) => ({ _id, n: _id % 4, s: 'x'.repeat(100) })),
  )
  return db
}

const idsOf = (rows: readonly unknown[]) => rows.map((row) => Reflect.get(Object(row), '_id'))

describe('a read in pages', () => {
  it('gives what the read at once gives, with and without an index that holds the order', () => {
    const value = fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.constantFrom<unknown>(null, 'a', 'b', true, new Date(5), 0.5, 2 ** 53 + 2, [2, 1], new Long(2)),
    )
    fc.assert(
      fc.property(
        fc.array(fc.record({ a: value }, { requiredKeys: [] }), { maxLength: 20 }),
        fc.constantFrom(1 as const, -1 as const),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom<Record<string, unknown>>({}, { a: { $gte: 0 } }, { a: { $in: [null, 'a', 1] } }),
        fc.boolean(),
        (docs, direction, rows, filter, isIndexed) => {
          const db = openDatabase()
          if (isIndexed) db.declare([{ name: 'things', indexes: [{ keys: { a: 1 } }] }])
          const c = collectionOf(db)
          c.insert(...docs.map((doc, _id) => ({ _id, ...doc })))
          for (const sort of [undefined, { a: direction }]) {
            const op = { op: 'find', collection: 'things', filter, ...(sort && { sort }) }
            const paged = rest(db.openPaged(op), { rows, bytes: 1_000_000 })
            expect(idsOf(paged)).toEqual(idsOf(db.read(op, soon())))
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('ends a page with the row that makes it too large', () => {
    const read = numbered(10).openPaged({ op: 'find', collection: 'things' })
    expect(read.page({ rows: 100, bytes: 250 }, soon()).rows).toHaveLength(2)
    expect(read.page({ rows: 100, bytes: 1 }, soon()).rows).toHaveLength(1)
  })

  it('stands still while others write, roll back and commit', () => {
    const db = numbered(10)
    const c = collectionOf(db)
    const read = db.openPaged({ op: 'find', collection: 'things' })
    expect(idsOf(read.page(SMALL, soon()).rows)).toEqual([0, 1, 2])
    db.begin()
    c.deleteMany({ _id: { $in: [3, 4] } })
    c.insert({ _id: 99 })
    db.commit()
    db.begin()
    c.deleteMany({})
    db.rollback()
    c.updateMany({}, { $set: { s: 'longer than before'.repeat(50) } })
    expect(idsOf(rest(read))).toEqual([5, 6, 7, 8, 9, 99])
  })

  it('holds no more than the rows that are sorted, and says how much that is', () => {
    const db = numbered(2_000)
    const sorted = db.openPaged({
      op: 'aggregate',
      collection: 'things',
      pipeline: [{ $sort: { s: 1, n: -1 } }],
    })
    sorted.page(SMALL, soon())
    expect(sorted.heldBytes).toBeGreaterThan(200_000)
    const plain = db.openPaged({ op: 'find', collection: 'things' })
    rest(plain, { rows: 500, bytes: 1_000_000 })
    expect(plain.heldBytes).toBe(0)
  })

  it('has no bound on all of its rows together, where nothing has to be held', () => {
    const db = numbered(500, { operationBytes: 20_000, resultBytes: 20_000 })
    const pipeline = [{ $set: { made: { $concat: ['$s', '$s'] } } }]
    expect(refusalOf(() => collectionOf(db).aggregate(pipeline)).code).toMatch(
      /result_too_large|query_invalid/,
    )
    expect(
      rest(db.openPaged({ op: 'aggregate', collection: 'things', pipeline }), { rows: 20, bytes: 5_000 }),
    ).toHaveLength(500)
    const sorted = db.openPaged({ op: 'aggregate', collection: 'things', pipeline: [{ $sort: { s: 1 } }] })
    expect(refusalOf(() => sorted.page(SMALL, soon())).mongoCode).toBe(292)
  })

  it('runs out of time in a page, not between pages', () => {
    const db = numbered(10)
    const read = db.openPaged({ op: 'find', collection: 'things' })
    read.page(SMALL, soon())
    expect(refusalOf(() => read.page(SMALL, performance.now() - 1)).code).toBe('time_limit')
  })

  it('is of a find or an aggregate', () => {
    expect(refusalOf(() => numbered(1).openPaged({ op: 'countDocuments', collection: 'things' })).code).toBe(
      'op_malformed',
    )
  })
})
