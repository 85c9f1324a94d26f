import { copyFileSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf, tempDir } from './support.ts'

describe('a transaction', () => {
  it('is seen from inside, and undone with all that was held in memory', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    c.insert({ _id: 1, n: 1 })
    db.begin()
    c.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    c.insert({ _id: 2 })
    c.deleteOne({ _id: 1 })
    collectionOf(db, 'made').insert({ _id: 1 })
    expect(c.ids()).toEqual([2])
    db.rollback()
    expect(c.find()).toEqual([{ _id: 1, n: 1 }])
    expect(collectionOf(db, 'made').find()).toEqual([])
    collectionOf(db, 'made').insert({ _id: 1 })
    c.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    expect(c.find()).toEqual([{ _id: 1, n: 2 }])
  })

  it('keeps what was written before a write that failed, for whoever opened it to judge', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    db.begin()
    c.insert({ _id: 1 })
    expect(refusalOf(() => c.insert({ _id: 2 }, { _id: 1 }))).toMatchObject({ index: 1 })
    db.commit()
    expect(c.ids()).toEqual([1, 2])
  })

  it('writes a document once however often it was changed', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    db.begin()
    for (let i = 0; i < 50; i++) c.updateOne({ _id: 'x' }, { $inc: { n: 1 } }, { upsert: true })
    const before = Number(db.sqlite.prepare('SELECT total_changes() AS n').get()?.n)
    db.commit()
    expect(Number(db.sqlite.prepare('SELECT total_changes() AS n').get()?.n) - before).toBe(1)
    expect(c.one()).toEqual({ _id: 'x', n: 50 })
  })

  it('keeps its documents when the memory for them is full', () => {
    const db = openDatabase({ cacheBytes: 10_000 })
    const c = collectionOf(db)
    db.begin()
    for (let i = 0; i < 500; i++)
      c.updateOne({ _id: i % 200 }, { $inc: { n: 1 }, $set: { s: 'x'.repeat(100) } }, { upsert: true })
    db.commit()
    expect(c.aggregate([{ $group: { _id: null, n: { $sum: '$n' }, docs: { $sum: 1 } } }])).toEqual([
      { _id: null, n: 500, docs: 200 },
    ])
    expect(c.ids()).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('holds the tables of others too', () => {
    const db = openDatabase()
    db.sqlite.exec('CREATE TABLE lyceum_cursors (seq INTEGER)')
    db.begin()
    collectionOf(db).insert({ _id: 1 })
    db.sqlite.exec('INSERT INTO lyceum_cursors VALUES (5)')
    db.rollback()
    expect(collectionOf(db).count()).toBe(0)
    expect(db.sqlite.prepare('SELECT count(*) AS n FROM lyceum_cursors').get()?.n).toBe(0)
  })
})

describe('a file', () => {
  it('keeps all types over a reopening', () => {
    const path = join(tempDir(), 'plugin.db')
    const doc = {
      _id: new ObjectId(),
      text: 'a "quoted" \u2028 \0 \ud800 😀',
      numbers: [0, -1.5, 1e21, 5e-324, Number.NaN, Number.POSITIVE_INFINITY],
      date: new Date(-1),
      long: new Long('-9223372036854775808'),
      decimal: new Decimal128('1E+3'),
      bytes: new Binary(new Uint8Array([0, 255]), 4),
      pattern: /x\/y/im,
      nested: { empty: {}, list: [[], null, true] },
    }
    const db = openDatabase({}, path)
    collectionOf(db).insert(doc)
    db.close()
    const [found] = collectionOf(openDatabase({}, path)).find()
    expect(found).toEqual(doc)
    expect(Object(found)._id.equals(doc._id)).toBe(true)
    expect(Object(found).long.value).toBe(doc.long.value)
    expect(Object(found).pattern.flags).toBe('im')
  })

  it('that was copied in the middle of a transaction opens with what was committed', () => {
    const dir = tempDir()
    const db = openDatabase({}, join(dir, 'plugin.db'))
    const c = collectionOf(db)
    for (let i = 0; i < 20; i++) c.insert({ _id: i, pad: 'x'.repeat(1_000) })
    db.begin()
    c.updateMany({}, { $set: { torn: true } })
    for (let i = 20; i < 2_000; i++) c.insert({ _id: i, pad: 'x'.repeat(1_000) })
    c.count()
    for (const suffix of ['', '-wal'])
      copyFileSync(join(dir, `plugin.db${suffix}`), join(dir, `copy.db${suffix}`))
    const copy = openDatabase({}, join(dir, 'copy.db'))
    expect(collectionOf(copy).count()).toBe(20)
    expect(collectionOf(copy).count({ torn: true })).toBe(0)
    collectionOf(copy).insert({ _id: 'after' })
    expect(copy.sqlite.prepare('PRAGMA integrity_check').get()?.integrity_check).toBe('ok')
  })

  it('of a later version is refused and left as it is', () => {
    const path = join(tempDir(), 'plugin.db')
    openDatabase({}, path).close()
    const raw = new DatabaseSync(path)
    raw.exec('PRAGMA user_version=999')
    raw.close()
    expect(refusalOf(() => openDatabase({}, path)).code).toBe('data_newer')
    expect(existsSync(path)).toBe(true)
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('.v'))).toEqual([])
  })

  it('shows a second connection what is committed, new collections and indexes included', () => {
    const path = join(tempDir(), 'plugin.db')
    const writer = openDatabase({}, path)
    const reader = openDatabase({}, path)
    const c = collectionOf(writer)
    writer.begin()
    c.insert({ _id: 1, a: 1 })
    expect(collectionOf(reader).find()).toEqual([])
    writer.commit()
    expect(collectionOf(reader).find()).toEqual([{ _id: 1, a: 1 }])
    writer.declare([{ name: 'things', indexes: [{ keys: { a: 1 } }] }])
    c.updateOne({ _id: 1 }, { $set: { a: 2 } })
    expect(collectionOf(reader).ids({ a: 2 })).toEqual([1])
    writer.declare([])
    expect(collectionOf(reader).ids({ a: 2 })).toEqual([1])
  })

  it('says its size', () => {
    const db = openDatabase()
    const before = db.bytes()
    collectionOf(db).insert({ pad: 'x'.repeat(100_000) })
    expect(db.bytes()).toBeGreaterThan(before + 90_000)
  })
})
