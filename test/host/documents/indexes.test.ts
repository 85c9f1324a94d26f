import fc from 'fast-check'
import { Query } from 'mingo/query'
import { describe, expect, it } from 'vitest'
import { checkFilter } from '../../../host/storage/documents/filter.ts'
import { newScope } from '../../../host/storage/documents/scope.ts'
import { Binary, decode, encode, Long, ObjectId } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf, soon, tempDir } from './support.ts'

type Doc = Record<string, unknown>

const INDEXES = [
  { keys: { a: 1 } },
  { keys: { 'a.b': 1 } },
  { keys: { b: -1, a: 1 } },
  { keys: { 'c.d': 1, b: 1 } },
] as const

const scalar = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(
    0.5,
    1 / 3,
    -0,
    2 ** 53,
    2 ** 60,
    1e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    0.1 + 0.2,
    9007199254740994,
  ),
  fc.constantFrom('', 'a', 'b', 'ab', 'a\0b', 'é', '\uffee', '😀', '\ud800', '1', '{"$date":5}', "o'x"),
  fc.constantFrom(true, false, null, undefined),
  fc.constantFrom(new Date(0), new Date(5), new Date(-5), new Date(8.64e15)),
  fc.constantFrom(
    new Long(1),
    new Long('9007199254740993'),
    new ObjectId('0123456789abcdef01234567'),
    new Binary(new Uint8Array([1])),
  ),
)
const nested: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  {
    weight: 1,
    arbitrary: fc.record(
      { b: scalar, d: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })) },
      { requiredKeys: [] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.array(fc.record({ b: scalar, d: scalar }, { requiredKeys: [] }), { maxLength: 3 }),
  },
)
const document = fc.record({ a: nested, b: nested, c: nested }, { requiredKeys: [] })

const operand = scalar.filter((value) => value !== undefined)
const condition = fc.oneof(
  operand,
  fc.record({ $eq: operand }),
  fc.record({ $ne: operand }),
  fc.record({ $in: fc.array(operand, { maxLength: 3 }) }),
  fc
    .record({ $gt: operand, $lt: operand }, { requiredKeys: [] })
    .filter((range) => Object.keys(range).length > 0),
  fc
    .record({ $gte: operand, $lte: operand }, { requiredKeys: [] })
    .filter((range) => Object.keys(range).length > 0),
  fc.record({ $gte: operand, $in: fc.array(operand, { maxLength: 2 }) }),
  fc.constantFrom({ $exists: true }, { $exists: false }, { $type: 'string' }, { $not: { $gt: 1 } }, [1], {
    b: 1,
  }),
)
const path = fc.constantFrom('a', 'b', 'a.b', 'c.d', 'a.0', 'c')
const clause = fc
  .array(fc.tuple(path, condition), { minLength: 1, maxLength: 3 })
  .map((pairs) => Object.fromEntries(pairs))
const filter = fc.oneof(
  { weight: 4, arbitrary: clause },
  { weight: 1, arbitrary: fc.tuple(clause, clause).map(([x, y]): Doc => ({ $and: [x, y] })) },
  { weight: 1, arbitrary: fc.tuple(clause, clause).map(([x, y]): Doc => ({ $or: [x, y] })) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 12 }), { maxLength: 4 })
      .map((ids): Doc => ({ _id: { $in: ids } })),
  },
)

describe('indexes', () => {
  it('never change what a filter or a sort finds', () => {
    const path = `${tempDir()}/property.db`
    const db = openDatabase({}, path)
    const names = ['indexed', 'plain']
    fc.assert(
      fc.property(
        fc.array(document, { maxLength: 12 }),
        fc.array(filter, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('a', 'b', 'a.b', 'c.d'),
        fc.constantFrom(1, -1),
        (docs, filters, sortPath, direction) => {
          const stored = docs.map((doc, _id) => ({ _id, ...Object(decode(encode(doc))) }))
          db.declare([
            { name: 'plain', indexes: [] },
            { name: 'indexed', indexes: INDEXES.map(({ keys }) => ({ keys: { ...keys } })) },
          ])
          for (const name of names) {
            db.write([['deleteMany', name, {}]])
            db.write(docs.map((doc, _id) => ['insertOne', name, { _id, ...doc }]))
          }
          for (const wanted of filters) {
            const query = new Query(checkFilter(wanted), newScope())
            const expected = stored.filter((doc) => query.test(doc)).map((doc) => doc._id)
            for (const name of names) expect(collectionOf(db, name).ids(wanted)).toEqual(expected)
            const [sorted, plain] = names.map((name) =>
              collectionOf(db, name).ids(wanted, { sort: { [sortPath]: direction }, limit: 5 }),
            )
            expect(sorted).toEqual(plain)
          }
        },
      ),
      { numRuns: 400 },
    )
  })

  it('are used: equality, ranges, lists and sorts do not scan', () => {
    const db = openDatabase()
    db.declare([{ name: 'things', indexes: [{ keys: { n: 1 } }] }])
    const c = collectionOf(db)
    db.write(
      Array.from({ length: 20_000 }, (_, _id) => [
        'insertOne',
        'things',
        { _id, n: _id % 5_000, when: new Date(_id) },
      ]),
    )
    // A range is read with both of its ends, and mingo decides about them.
    const spent: number[] = []
    for (const [wanted, options] of [
      [{ n: 7 }, {}],
      [{ n: { $gte: 7, $lt: 9 } }, {}],
      [{ n: { $in: [1, 2] } }, {}],
      [{}, { sort: { n: -1 }, limit: 3 }],
    ]) {
      let parses = 0
      const parse = JSON.parse
      JSON.parse = (text, reviver) => {
        parses++
        return parse(text, reviver)
      }
      try {
        expect(c.find(wanted, options).length).toBeGreaterThan(0)
      } finally {
        JSON.parse = parse
      }
      spent.push(parses)
    }
    expect(spent).toEqual([4, 12, 8, 3])
  })

  it('are built, kept and dropped as they are declared, over a reopening', () => {
    const path = `${tempDir()}/plugin.db`
    const db = openDatabase({}, path)
    const count = () =>
      db.sqlite.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name GLOB 'i[0-9]*'").get()?.n
    db.declare([{ name: 'x', indexes: [{ keys: { a: 1 } }, { keys: { b: 1, c: -1 } }] }])
    expect(count()).toBe(2)
    db.declare([{ name: 'x', indexes: [{ keys: { a: 1 } }] }])
    expect(count()).toBe(1)
    db.close()
    const again = openDatabase({}, path)
    again.write([['insertOne', 'x', { _id: 1, a: 5 }]])
    expect(collectionOf(again, 'x').ids({ a: 5 })).toEqual([1])
    again.declare([])
    expect(again.sqlite.prepare('SELECT count(*) AS n FROM indexes').get()?.n).toBe(0)
  })

  it.each([
    [{ '': 1 }],
    [{ 'a.0': 1 }],
    [{ $a: 1 }],
    [{ 'a"b': 1 }],
    [{ 'a..b': 1 }],
    [{ __proto__x: 2 }],
    [{}],
  ])('refuse keys such as %j', (keys) => {
    const declare = (value: unknown) => openDatabase().declare(value as never)
    expect(refusalOf(() => declare([{ name: 'x', indexes: [{ keys }] }])).code).toBe('op_malformed')
  })

  it('take hostile names as data', () => {
    const db = openDatabase()
    const name = "x') OR 1=1 --"
    db.declare([{ name: 'things', indexes: [{ keys: { [name]: 1 } }] }])
    const c = collectionOf(db)
    c.insert({ _id: 1, [name]: 5 }, { _id: 2 })
    expect(c.ids({ [name]: 5 })).toEqual([1])
  })
})

describe('a unique index', () => {
  const unique = (keys: Doc, docs: Doc[] = []) => {
    const db = openDatabase()
    collectionOf(db).insert(...docs)
    db.declare([{ name: 'things', indexes: [{ keys: keys as Record<string, 1>, unique: true }] }])
    return { db, c: collectionOf(db) }
  }

  it('refuses a second document with the same value, of inserts, updates and upserts', () => {
    const { c } = unique({ a: 1 })
    c.insert({ _id: 1, a: 'x' }, { _id: 2, a: 'y' })
    const duplicate = { code: 'duplicate_key', mongoCode: 11000 }
    expect(refusalOf(() => c.insert({ _id: 3, a: 'x' }))).toMatchObject(duplicate)
    expect(refusalOf(() => c.updateOne({ _id: 2 }, { $set: { a: 'x' } }))).toMatchObject(duplicate)
    expect(refusalOf(() => c.updateOne({ _id: 9 }, { $set: { a: 'x' } }, { upsert: true }))).toMatchObject(
      duplicate,
    )
    expect(refusalOf(() => c.replaceOne({ _id: 2 }, { a: 'x' }))).toMatchObject(duplicate)
    expect(c.find()).toEqual([
      { _id: 1, a: 'x' },
      { _id: 2, a: 'y' },
    ])
  })

  it('counts missing as null, and knows types apart', () => {
    const { c } = unique({ a: 1 })
    c.insert(
      { _id: 1 },
      { _id: 2, a: 1 },
      { _id: 3, a: '1' },
      { _id: 4, a: true },
      { _id: 5, a: new Date(1) },
    )
    expect(refusalOf(() => c.insert({ a: null })).code).toBe('duplicate_key')
    expect(refusalOf(() => c.insert({ a: new Long(1) })).code).toBe('duplicate_key')
  })

  it('frees a value that is changed or deleted, and none by a failed write', () => {
    const { c } = unique({ a: 1 })
    c.insert({ _id: 1, a: 1 }, { _id: 2, a: 2 })
    c.updateOne({ _id: 1 }, { $set: { a: 3 } })
    c.deleteOne({ _id: 2 })
    c.insert({ _id: 4, a: 1 }, { _id: 5, a: 2 })
    expect(refusalOf(() => c.insert({ a: 3 })).code).toBe('duplicate_key')
    expect(c.count()).toBe(3)
  })

  it('looks at each element of an array, and lets one document hold an element twice', () => {
    const { c } = unique({ 'a.b': 1 })
    c.insert({ _id: 1, a: [{ b: 1 }, { b: 1 }, { b: 2 }] })
    expect(refusalOf(() => c.insert({ _id: 2, a: { b: 2 } })).code).toBe('duplicate_key')
    c.insert({ _id: 3, a: { b: 3 } })
  })

  it('takes all of its fields together, of which one may be an array', () => {
    const { c } = unique({ a: 1, b: 1 })
    c.insert({ a: 1, b: 1 }, { a: 1, b: 2 }, { a: [3, 4], b: 1 })
    expect(refusalOf(() => c.insert({ a: 4, b: 1 })).code).toBe('duplicate_key')
    expect(refusalOf(() => c.insert({ a: [7, 8], b: [1, 2] }))).toMatchObject({ mongoCode: 171 })
  })

  it('is refused over documents that break it, and then nothing has changed', () => {
    const db = openDatabase()
    collectionOf(db).insert({ _id: 1, a: 1 }, { _id: 2, a: 1 })
    const declare = () =>
      db.declare([{ name: 'things', indexes: [{ keys: { b: 1 } }, { keys: { a: 1 }, unique: true }] }])
    expect(refusalOf(declare)).toMatchObject({ code: 'duplicate_key', mongoCode: 11000 })
    expect(db.sqlite.prepare('SELECT count(*) AS n FROM indexes').get()?.n).toBe(0)
    collectionOf(db).deleteOne({ _id: 2 })
    declare()
    expect(refusalOf(() => collectionOf(db).insert({ a: 1 })).code).toBe('duplicate_key')
  })

  it('comes back with a rollback', () => {
    const { db, c } = unique({ a: 1 }, [{ _id: 1, a: 1 }])
    db.begin()
    c.updateOne({ _id: 1 }, { $set: { a: 2 } })
    c.insert({ _id: 2, a: 1 })
    db.rollback()
    expect(refusalOf(() => c.insert({ a: 1 })).code).toBe('duplicate_key')
    c.insert({ a: 2 })
    expect(db.read({ op: 'estimatedDocumentCount', collection: 'things' }, soon())).toEqual([2])
  })
})
