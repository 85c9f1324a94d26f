import { describe, expect, it } from 'vitest'
import { encode } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf } from './support.ts'

/** A document of exactly so many bytes as text. */
function sized(_id: number, bytes: number, fill = 'x') {
  const empty = Buffer.byteLength(encode({ _id, s: '' }))
  return { _id, s: fill.repeat((bytes - empty) / Buffer.byteLength(fill)) }
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = { n: value }
  return value
}

describe('a limit accepts what is at it and refuses what is over', () => {
  it('documentBytes, of inserts and of updates that grow', () => {
    const c = collectionOf(openDatabase({ documentBytes: 10_000 }))
    c.insert(sized(1, 10_000), sized(2, 5_000))
    const tooLarge = { code: 'document_too_large', mongoCode: 10334 }
    expect(refusalOf(() => c.insert(sized(3, 10_001)))).toMatchObject(tooLarge)
    expect(refusalOf(() => c.insert({ _id: 3, s: '\u0001'.repeat(2_000) }))).toMatchObject(tooLarge)
    c.updateOne({ _id: 2 }, { $set: { s: sized(2, 10_000).s } })
    expect(refusalOf(() => c.updateOne({ _id: 2 }, { $set: { s: `${sized(2, 10_000).s}x` } }))).toMatchObject(
      tooLarge,
    )
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $push: { a: 1 } }))).toMatchObject(tooLarge)
    expect(c.count()).toBe(2)
  })

  it('documentBytes, counted as UTF-8', () => {
    const c = collectionOf(openDatabase({ documentBytes: 10_017 }))
    c.insert(sized(1, 10_017, '😀'))
    expect(refusalOf(() => c.insert({ ...sized(2, 10_017, '😀'), a: 1 })).code).toBe('document_too_large')
  })

  it('documentBytes, of one update repeated in one transaction', () => {
    const db = openDatabase({ documentBytes: 10_000 })
    const c = collectionOf(db)
    db.begin()
    const push = () => c.updateOne({ _id: 1 }, { $push: { a: 'x'.repeat(97) } }, { upsert: true })
    const grow = () => {
      for (;;) push()
    }
    expect(refusalOf(grow)).toMatchObject({ code: 'document_too_large', index: 0 })
    db.commit()
    expect(encode(c.one()).length).toBeGreaterThan(9_850)
    expect(encode(c.one()).length).toBeLessThanOrEqual(10_000)
  })

  it('depth, of documents and of updates', () => {
    const c = collectionOf(openDatabase({ depth: 10 }))
    c.insert({ _id: 1, n: nested(9) })
    expect(refusalOf(() => c.insert({ _id: 2, n: nested(10) })).code).toBe('document_invalid')
    c.updateOne({ _id: 1 }, { $set: { 'a.b': nested(8) } })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $set: { 'a.b': nested(9) } })).code).toBe(
      'document_invalid',
    )
    c.updateOne({ _id: 1 }, { $push: { p: nested(8) } })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $push: { p: nested(9) } })).code).toBe(
      'document_invalid',
    )
    c.updateOne({ _id: 1 }, { $rename: { 'a.b': 'a.c' } })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $rename: { n: 'a.d' } })).code).toBe('document_invalid')
  })

  it('arrayGap', () => {
    const c = collectionOf(openDatabase())
    c.insert({ _id: 1, a: [0] })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $set: { 'a.1002': 1 } }))).toMatchObject({
      mongoCode: 2,
    })
    c.updateOne({ _id: 1 }, { $set: { 'a.1001': 1 } })
    expect(c.count({ a: { $size: 1_002 } })).toBe(1)
  })

  it('resultBytes', () => {
    const c = collectionOf(openDatabase({ resultBytes: 10_000 }))
    c.insert(...Array.from({ length: 12 }, (_, i) => sized(i, 1_000)))
    expect(c.find({}, { limit: 9 })).toHaveLength(9)
    expect(refusalOf(() => c.find())).toMatchObject({ code: 'result_too_large', mongoCode: 10334 })
    expect(refusalOf(() => c.aggregate([{ $match: {} }])).code).toBe('result_too_large')
    expect(c.count()).toBe(12)
  })

  it('intermediateBytes', () => {
    const c = collectionOf(openDatabase({ intermediateBytes: 8_000 }))
    c.insert({ _id: 1 })
    const range = (n: number) => c.aggregate([{ $project: { n: { $size: { $range: [0, n] } } } }])
    expect(range(1_000)).toEqual([{ _id: 1, n: 1_000 }])
    expect(refusalOf(() => range(1_001))).toMatchObject({ code: 'query_invalid', mongoCode: 292 })
  })

  it('operationBytes', () => {
    const c = collectionOf(openDatabase({ operationBytes: 100_000 }))
    c.insert(...Array.from({ length: 90 }, (_, i) => sized(i, 1_000)))
    expect(c.find({}, { sort: { s: 1 } })).toHaveLength(90)
    c.insert(...Array.from({ length: 90 }, (_, i) => sized(i + 90, 1_000)))
    for (const refused of [
      () => c.find({}, { sort: { s: 1 } }),
      () => c.aggregate([{ $group: { _id: null, all: { $push: '$s' } } }]),
      () => c.updateMany({}, { $set: { x: 1 } }),
    ])
      expect(refusalOf(refused).mongoCode).toBe(292)
    expect(c.find({}, { sort: { s: 1 }, limit: 5 })).toHaveLength(5)
  })

  it('stages, those of facets and lookups counted in', () => {
    const c = collectionOf(openDatabase({ stages: 5 }))
    const skips = (n: number) => Array.from({ length: n }, () => ({ $skip: 0 }))
    c.aggregate(skips(5))
    expect(refusalOf(() => c.aggregate(skips(6))).code).toBe('query_invalid')
    c.aggregate([{ $facet: { a: skips(2), b: skips(2) } }])
    expect(refusalOf(() => c.aggregate([{ $facet: { a: skips(2), b: skips(3) } }])).code).toBe(
      'query_invalid',
    )
  })

  it('pipelineDepth', () => {
    const c = collectionOf(openDatabase({ pipelineDepth: 2 }))
    const lookup = (pipeline: unknown[]) => [{ $lookup: { from: 'things', pipeline, as: 'x' } }]
    c.aggregate(lookup([]))
    expect(refusalOf(() => c.aggregate(lookup(lookup([])))).code).toBe('query_invalid')
  })

  it('nodes', () => {
    const c = collectionOf(openDatabase({ nodes: 100 }))
    c.find({ a: { $in: Array(90).fill(1) } })
    expect(refusalOf(() => c.find({ a: { $in: Array(101).fill(1) } })).code).toBe('query_invalid')
    const fields = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, 1]))
    c.updateOne({ _id: 1 }, { $set: fields(100) }, { upsert: true })
    expect(refusalOf(() => c.updateOne({ _id: 1 }, { $set: fields(101) })).code).toBe('update_invalid')
  })

  it('collections, which reads do not make', () => {
    const db = openDatabase({ collections: 2 })
    for (const name of ['a', 'b']) collectionOf(db, name).insert({ _id: 1 })
    collectionOf(db, 'c').find()
    expect(refusalOf(() => collectionOf(db, 'c').insert({ _id: 1 })).code).toBe('collection_limit')
    collectionOf(db, 'b').insert({ _id: 2 })
  })

  it('indexesPerCollection', () => {
    const db = openDatabase({ indexesPerCollection: 2 })
    const declare = (n: number) =>
      db.declare([
        { name: 'a', indexes: Array.from({ length: n }, (_, i) => ({ keys: { [`f${i}`]: 1 as const } })) },
      ])
    declare(2)
    expect(refusalOf(() => declare(3)).code).toBe('op_malformed')
  })

  it('opMs, of reads and of writes', () => {
    const db = openDatabase({ opMs: 0 })
    const many = Array.from({ length: 2_000 }, (_, _id) => ['insertOne', 'things', { _id }])
    expect(refusalOf(() => db.write(many))).toMatchObject({ code: 'time_limit', mongoCode: 50 })
    expect(refusalOf(() => collectionOf(db).find()).code).toBe('time_limit')
  })
})
