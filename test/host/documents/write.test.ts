import { describe, expect, it } from 'vitest'
import { Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf } from './support.ts'

const things = (limits = {}) => collectionOf(openDatabase(limits))

describe('insertOne', () => {
  it('puts _id in front and makes one where there is none', () => {
    const c = things()
    const [outcome] = c.insert({ a: 1 })
    expect(outcome?.insertedId).toBeInstanceOf(ObjectId)
    expect(Object.keys(Object(c.one()))).toEqual(['_id', 'a'])
  })

  it('refuses a second document with an equal _id, whatever its type', () => {
    const c = things()
    c.insert({ _id: 5 }, { _id: '5' }, { _id: { a: 1, b: 2 } }, { _id: null }, { _id: new Date(5) })
    for (const _id of [5, new Long(5), { a: 1, b: 2 }, null, new Date(5)])
      expect(refusalOf(() => c.insert({ _id }))).toMatchObject({ code: 'duplicate_key', mongoCode: 11000 })
    c.insert({ _id: { b: 2, a: 1 } })
    expect(c.count()).toBe(6)
  })

  it.each([
    [{ _id: [1] }, 53],
    [{ _id: /a/ }, 53],
    [{ $set: 1 }, 52],
    [{ a: { $b: 1 } }, 52],
    [{ 'a.b': 1 }, 57],
    [JSON.parse('{"a":{"__proto__":1}}'), 2],
  ])('refuses %j', (doc, mongoCode) => {
    expect(refusalOf(() => things().insert(doc))).toMatchObject({
      code: 'document_invalid',
      mongoCode,
      index: 0,
    })
  })

  it('keeps the order of insertion, over updates too', () => {
    const c = things()
    c.insert({ _id: 'b' }, { _id: 'a' }, { _id: 'c' })
    c.updateOne({ _id: 'b' }, { $set: { x: 'longer than before'.repeat(100) } })
    c.deleteOne({ _id: 'a' })
    c.insert({ _id: 'a' })
    expect(c.ids()).toEqual(['b', 'c', 'a'])
  })

  it('tells which write of a list failed, and without a transaction does none of them', () => {
    const db = openDatabase()
    const writes = [
      ['insertOne', 'things', { _id: 1 }],
      ['insertOne', 'things', { _id: 2 }],
      ['insertOne', 'things', { _id: 1 }],
    ]
    expect(refusalOf(() => db.write(writes))).toMatchObject({ code: 'duplicate_key', index: 2 })
    expect(collectionOf(db).count()).toBe(0)
  })
})

describe('updateOne', () => {
  it('says what it matched and changed', () => {
    const c = things()
    c.insert({ _id: 1, n: 1 }, { _id: 2, n: 1 })
    expect(c.updateOne({ n: 1 }, { $set: { n: 2 } })).toEqual({
      matchedCount: 1,
      modifiedCount: 1,
      deletedCount: 0,
    })
    expect(c.updateOne({ _id: 1 }, { $set: { n: 2 } })).toEqual({
      matchedCount: 1,
      modifiedCount: 0,
      deletedCount: 0,
    })
    expect(c.updateOne({ _id: 9 }, { $set: { n: 2 } })).toEqual({
      matchedCount: 0,
      modifiedCount: 0,
      deletedCount: 0,
    })
    expect(c.updateMany({}, { $inc: { n: 1 } })).toEqual({
      matchedCount: 2,
      modifiedCount: 2,
      deletedCount: 0,
    })
    expect(c.find()).toEqual([
      { _id: 1, n: 3 },
      { _id: 2, n: 2 },
    ])
  })

  it.each([
    ['$set', { a: 1 }, { $set: { a: 2, 'b.c': 3 } }, { a: 2, b: { c: 3 } }],
    ['$set in an array', { a: [1, { b: 2 }] }, { $set: { 'a.1.b': 3, 'a.0': 9 } }, { a: [9, { b: 3 }] }],
    ['$set past the end', { a: [1] }, { $set: { 'a.3': 4 } }, { a: [1, null, null, 4] }],
    [
      '$unset',
      { a: 1, b: { c: 1, d: 2 }, e: [1, 2] },
      { $unset: { a: '', 'b.c': '', 'e.0': '', no: '' } },
      { b: { d: 2 }, e: [null, 2] },
    ],
    ['$inc', { a: 1 }, { $inc: { a: 2, b: -1 } }, { a: 3, b: -1 }],
    ['$mul', { a: 3 }, { $mul: { a: 2, b: 5 } }, { a: 6, b: 0 }],
    ['$min', { a: 3, b: 3 }, { $min: { a: 2, b: 5, c: 1 } }, { a: 2, b: 3, c: 1 }],
    ['$max', { a: 3, b: 3 }, { $max: { a: 2, b: 5, c: 1 } }, { a: 3, b: 5, c: 1 }],
    ['$min across types', { a: 'x' }, { $min: { a: 5 } }, { a: 5 }],
    [
      '$rename',
      { a: 1, b: { c: 2 } },
      { $rename: { a: 'z', 'b.c': 'y.x', no: 'w' } },
      { b: {}, z: 1, y: { x: 2 } },
    ],
    ['$setOnInsert', { a: 1 }, { $set: { a: 2 }, $setOnInsert: { b: 1 } }, { a: 2 }],
    ['$push', { a: [1] }, { $push: { a: 2, b: [3] } }, { a: [1, 2], b: [[3]] }],
    [
      '$push $each',
      { a: [5, 1] },
      { $push: { a: { $each: [3, 4], $sort: -1, $slice: 3 } } },
      { a: [5, 4, 3] },
    ],
    ['$push $position', { a: [1, 2] }, { $push: { a: { $each: [9], $position: 1 } } }, { a: [1, 9, 2] }],
    [
      '$push $sort by field',
      { a: [{ n: 2 }] },
      { $push: { a: { $each: [{ n: 1 }], $sort: { n: 1 }, $slice: -1 } } },
      { a: [{ n: 2 }] },
    ],
    ['$addToSet', { a: [1] }, { $addToSet: { a: 1, b: 1 } }, { a: [1], b: [1] }],
    [
      '$addToSet $each',
      { a: [{ x: 1 }] },
      { $addToSet: { a: { $each: [{ x: 1 }, 2, 2] } } },
      { a: [{ x: 1 }, 2] },
    ],
    ['$pop', { a: [1, 2, 3], b: [1, 2] }, { $pop: { a: 1, b: -1 } }, { a: [1, 2], b: [2] }],
    ['$pull a value', { a: [1, 2, 1] }, { $pull: { a: 1 } }, { a: [2] }],
    ['$pull operators', { a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }],
    ['$pull documents', { a: [{ x: 1, y: 1 }, { x: 2 }] }, { $pull: { a: { x: 1 } } }, { a: [{ x: 2 }] }],
    ['$pullAll', { a: [1, 2, 3] }, { $pullAll: { a: [1, 3] } }, { a: [2] }],
    ['$[]', { a: [{ n: 1 }, { n: 2 }] }, { $inc: { 'a.$[].n': 10 } }, { a: [{ n: 11 }, { n: 12 }] }],
    ['a pipeline', { a: 2 }, [{ $set: { b: { $multiply: ['$a', 2] } } }, { $unset: 'a' }], { b: 4 }],
  ])('applies %s', (_, before, update, after) => {
    const c = things()
    c.insert({ _id: 1, ...before })
    c.updateOne({ _id: 1 }, update)
    expect(c.one()).toEqual({ _id: 1, ...after })
  })

  it('applies $currentDate', () => {
    const c = things()
    const before = Date.now()
    c.insert({ _id: 1 })
    c.updateOne({ _id: 1 }, { $currentDate: { a: true, 'b.c': { $type: 'date' } } })
    const doc = Object(c.one())
    expect(doc.a.getTime()).toBeGreaterThanOrEqual(before)
    expect(doc.b.c).toBeInstanceOf(Date)
  })

  it('applies $[name] where its array filter matches', () => {
    const c = things()
    c.insert({
      _id: 1,
      g: [
        { n: 1, t: [1, 5] },
        { n: 2, t: [6] },
      ],
    })
    c.updateOne(
      { _id: 1 },
      { $set: { 'g.$[x].t.$[y]': 0 } },
      { arrayFilters: [{ 'x.n': { $lt: 2 } }, { y: { $gt: 3 } }] },
    )
    expect(c.one()).toEqual({
      _id: 1,
      g: [
        { n: 1, t: [1, 0] },
        { n: 2, t: [6] },
      ],
    })
  })

  it('keeps Longs exact and counts them on', () => {
    const c = things()
    c.insert({ _id: 1, n: new Long('9007199254740993'), d: new Decimal128('1.5') })
    c.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    expect(String(Object(c.one()).n)).toBe('9007199254740994')
    expect(
      refusalOf(() => c.updateOne({ _id: 1 }, { $inc: { n: new Long('9223372036854775807') } })),
    ).toMatchObject({ mongoCode: 2 })
    c.updateOne({ _id: 1 }, { $inc: { d: 1 } })
    expect(String(Object(c.one()).d)).toBe('2.5')
  })

  it.each([
    ['$inc of a string', { $inc: { s: 1 } }, 'update_invalid', 14],
    ['$inc by a string', { $inc: { n: 'x' } }, 'update_invalid', 14],
    ['$inc of null', { $inc: { nil: 1 } }, 'update_invalid', 14],
    ['$mul of an array', { $mul: { a: 2 } }, 'update_invalid', 14],
    ['a path through a number', { $set: { 'n.x': 1 } }, 'update_invalid', 28],
    ['a name in an array', { $set: { 'a.x': 1 } }, 'update_invalid', 28],
    ['$push to a number', { $push: { n: 1 } }, 'update_invalid', 2],
    ['$addToSet to a number', { $addToSet: { n: 1 } }, 'update_invalid', 2],
    ['$pop of a number', { $pop: { n: 1 } }, 'update_invalid', 14],
    ['$pop by 2', { $pop: { a: 2 } }, 'update_invalid', 9],
    ['one path twice', { $set: { n: 1 }, $inc: { n: 1 } }, 'update_invalid', 40],
    ['a path inside another', { $set: { 'x.y': 1 }, $unset: { x: '' } }, 'update_invalid', 40],
    ['$rename onto a changed path', { $rename: { n: 'm' }, $set: { m: 1 } }, 'update_invalid', 40],
    ['another _id', { $set: { _id: 2 } }, 'update_invalid', 66],
    ['no _id', { $unset: { _id: '' } }, 'update_invalid', 66],
    ['an empty path', { $set: { '': 1 } }, 'update_invalid', 56],
    ['an empty part', { $set: { 'a..b': 1 } }, 'update_invalid', 56],
    ['a $ part', { $set: { 'a.$b': 1 } }, 'update_invalid', 52],
    [
      'the positional $ of an array that the filter does not name',
      { $set: { 'a.$': 1 } },
      'update_invalid',
      2,
    ],
    ['a $ key in a value', { $set: { x: { $y: 1 } } }, 'document_invalid', 52],
    ['a dotted key in a value', { $set: { x: { 'y.z': 1 } } }, 'document_invalid', 57],
    ['no operators', { n: 5 }, 'update_invalid', 9],
    ['nothing', {}, 'update_invalid', 9],
    ['an unknown operator', { $increment: { n: 1 } }, 'operator_unknown', 9],
    ['an unknown modifier', { $push: { a: { $each: [], $where: 1 } } }, 'operator_unknown', 2],
    ['$[name] without its filter', { $set: { 'a.$[x]': 1 } }, 'update_invalid', 2],
    ['$[] without an array', { $set: { 'n.$[]': 1 } }, 'update_invalid', 2],
    ['a stage that is no update', [{ $group: { _id: 1 } }], 'operator_unknown', 40324],
  ])('refuses %s and leaves the document as it was', (_, update, code, mongoCode) => {
    const db = openDatabase()
    const c = collectionOf(db)
    const doc = { _id: 1, n: 1, s: 'x', nil: null, a: [1] }
    c.insert(doc)
    db.begin()
    c.updateOne({ _id: 1 }, { $set: { before: 1 } })
    const first = { $set: { first: 1 } }
    expect(refusalOf(() => c.updateOne({ _id: 1 }, update))).toMatchObject({ code, mongoCode })
    if (!Array.isArray(update) && !('$set' in update) && Object.keys(update)[0]?.startsWith('$'))
      expect(refusalOf(() => c.updateOne({ _id: 1 }, { ...first, ...update })).code).toBe(code)
    expect(c.one()).toEqual({ ...doc, before: 1 })
    db.commit()
  })
})

describe('an upsert', () => {
  it('starts from the fields that the filter says are equal', () => {
    const c = things()
    const filter = { _id: 'x', a: 1, 'b.c': { $eq: 2 }, n: { $gt: 5 }, $and: [{ d: 3 }], $or: [{ e: 1 }] }
    const outcome = c.updateOne(
      filter,
      { $set: { s: 1 }, $inc: { n: 1 }, $setOnInsert: { i: 1 } },
      { upsert: true },
    )
    expect(outcome).toEqual({ matchedCount: 0, modifiedCount: 0, deletedCount: 0, upsertedId: 'x' })
    expect(c.one()).toEqual({ _id: 'x', a: 1, b: { c: 2 }, d: 3, s: 1, n: 1, i: 1 })
  })

  it('makes an _id where neither filter nor update has one', () => {
    const c = things()
    expect(c.updateOne({ a: 1 }, { $set: { b: 1 } }, { upsert: true })?.upsertedId).toBeInstanceOf(ObjectId)
    expect(c.updateOne({ a: 1 }, { $set: { b: 2 } }, { upsert: true })?.matchedCount).toBe(1)
    expect(c.updateMany({ a: 2 }, { $setOnInsert: { _id: 7 } }, { upsert: true })?.upsertedId).toBe(7)
    expect(c.count()).toBe(2)
  })

  it('inserts where only $unset or an operator without effect is left', () => {
    const c = things()
    expect(c.updateOne({ _id: 1 }, { $unset: { a: '' } }, { upsert: true })?.upsertedId).toBe(1)
    expect(c.find()).toEqual([{ _id: 1 }])
  })

  it.each([
    [{ a: 1, $and: [{ a: 2 }] }, { $set: { b: 1 } }, 54],
    [{ _id: 1 }, { $set: { _id: 2 } }, 66],
    [{ _id: { $eq: [1] } }, { $set: { b: 1 } }, 53],
    [{ a: { b: { $where: 1 } } }, { $set: { c: 1 } }, 52],
    [{ a: { 'b.c': 1 } }, { $set: { c: 1 } }, 57],
    [{ _id: new Date(Number.NaN) }, { $set: { c: 1 } }, 2],
    [{ [Array(101).fill('a').join('.')]: 1 }, { $set: { c: 1 } }, 15],
  ])('is refused for %j', (filter, update, mongoCode) => {
    expect(refusalOf(() => things().updateOne(filter, update, { upsert: true })).mongoCode).toBe(mongoCode)
  })
})

describe('replaceOne', () => {
  it('keeps the _id and nothing else', () => {
    const c = things()
    c.insert({ _id: 1, a: 1 })
    expect(c.replaceOne({ a: 1 }, { b: 2 })).toMatchObject({ matchedCount: 1, modifiedCount: 1 })
    expect(c.replaceOne({ b: 2 }, { _id: 1, b: 2 })).toMatchObject({ matchedCount: 1, modifiedCount: 0 })
    expect(c.find()).toEqual([{ _id: 1, b: 2 }])
  })

  it('upserts with the _id of the filter, the document or a new one', () => {
    const c = things()
    expect(c.replaceOne({ _id: 1 }, { a: 1 }, { upsert: true })?.upsertedId).toBe(1)
    expect(c.replaceOne({ a: 9 }, { _id: 2 }, { upsert: true })?.upsertedId).toBe(2)
    expect(c.replaceOne({ a: 9 }, { b: 1 }, { upsert: true })?.upsertedId).toBeInstanceOf(ObjectId)
    expect(c.find({ _id: 2 })).toEqual([{ _id: 2 }])
  })

  it('refuses operators and another _id', () => {
    const c = things()
    c.insert({ _id: 1 })
    expect(refusalOf(() => c.replaceOne({ _id: 1 }, { $set: { a: 1 } }))).toMatchObject({ mongoCode: 9 })
    expect(refusalOf(() => c.replaceOne({ _id: 1 }, { _id: 2 }))).toMatchObject({ mongoCode: 66 })
  })
})

describe('deletes', () => {
  it('take the first or all that match', () => {
    const c = things()
    c.insert({ _id: 1, a: 1 }, { _id: 2, a: 1 }, { _id: 3, a: 1 }, { _id: 4 })
    expect(c.deleteOne({ a: 1 })).toMatchObject({ deletedCount: 1 })
    expect(c.deleteOne({ _id: 4 })).toMatchObject({ deletedCount: 1 })
    expect(c.deleteOne({ _id: 4 })).toMatchObject({ deletedCount: 0 })
    expect(c.ids()).toEqual([2, 3])
    expect(c.deleteMany({ a: 1 })).toMatchObject({ deletedCount: 2 })
    expect(c.count()).toBe(0)
  })
})

describe('the shape of a write', () => {
  it.each([
    [null, 'op_malformed'],
    [{ op: 'insertOne' }, 'op_malformed'],
    [['drop', 'things'], 'op_unknown'],
    [['constructor', 'things'], 'op_unknown'],
    [['insertOne', 'things'], 'op_malformed'],
    [['insertOne', 'things', []], 'op_malformed'],
    [['insertOne', 'a"; DROP TABLE c1', {}], 'op_malformed'],
    [['insertOne', '', {}], 'op_malformed'],
    [['insertOne', '__proto__', {}], 'op_malformed'],
    [['insertOne', 'x'.repeat(101), {}], 'op_malformed'],
    [['insertOne', 5, {}], 'op_malformed'],
    [['updateOne', 'things', null, {}], 'op_malformed'],
    [['updateOne', 'things', {}, {}, { upsert: 'yes' }], 'op_malformed'],
    [['updateOne', 'things', {}, {}, { multi: true }], 'op_malformed'],
  ])('%j is refused', (op, code) => {
    expect(refusalOf(() => openDatabase().write([op]))).toMatchObject({ code, index: 0 })
  })
})
