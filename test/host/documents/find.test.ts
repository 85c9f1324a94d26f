import { describe, expect, it } from 'vitest'
import { Binary, Long, ObjectId } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf } from './support.ts'

const things = () => collectionOf(openDatabase())
const numbered = (values: unknown[]) => values.map((a, _id) => (a === undefined ? { _id } : { _id, a }))
const id = new ObjectId('0123456789abcdef01234567')

describe('a filter', () => {
  it.each<[string, unknown[], unknown, number[]]>([
    ['a value', [1, '1', 2, null, undefined], 1, [0]],
    ['null, and so missing', [null, undefined, 0, false, [null], []], null, [0, 1, 4]],
    ['an element of an array', [[1, 2], [3], 1, [[1]]], 1, [0, 2]],
    ['a whole array', [[1, 2], [2, 1], [[1, 2]], 1], [1, 2], [0, 2]],
    ['a document by its fields in order', [{ x: 1, y: 2 }, { y: 2, x: 1 }, { x: 1 }], { x: 1, y: 2 }, [0]],
    ['a date', [new Date(5), 5, new Date(6)], new Date(5), [0]],
    ['an id', [id, String(id), new ObjectId()], new ObjectId(String(id)), [0]],
    ['a Long by a number', [new Long(5), 5, 5.5], 5, [0, 1]],
    [
      'bytes',
      [new Binary(new Uint8Array([1])), new Binary(new Uint8Array([2]))],
      new Binary(new Uint8Array([1])),
      [0],
    ],
    ['NaN', [Number.NaN, 1, null], Number.NaN, [0]],
    ['a pattern', ['abc', 'xbx', 5, ['zb']], /^.?b/, [0, 1, 3]],
    ['$eq of a pattern, literally', ['b', /b/], { $eq: /b/ }, [1]],
    ['$ne', [1, 2, undefined, [1, 2]], { $ne: 1 }, [1, 2]],
    ['$gt within its type', [1, 2, '2', null, [0, 5], new Date(9), true], { $gt: 1 }, [1, 4]],
    ['$gte null', [null, undefined, 0], { $gte: null }, [0, 1]],
    ['$lt a string', ['a', 'b', 5, 'c'], { $lt: 'b' }, [0]],
    ['$lte a date', [new Date(1), new Date(2), 1], { $lte: new Date(1) }, [0]],
    ['$gt a Long', [new Long('9007199254740993'), 9007199254740992], { $gt: 9007199254740992 }, [0]],
    ['two bounds on elements', [[1, 9], [5], [0, 1]], { $gt: 4, $lt: 6 }, [0, 1]],
    ['NaN is not less', [Number.NaN, 1], { $lt: 5 }, [1]],
    ['$in', [1, 2, 'x', [3], null, undefined], { $in: [1, 3, null] }, [0, 3, 4, 5]],
    ['$in with a pattern', ['ab', 'cd', 5], { $in: [/^a/, 5] }, [0, 2]],
    ['$in nothing', [1, null], { $in: [] }, []],
    ['$nin', [1, 2, undefined], { $nin: [1, null] }, [1]],
    ['$exists', [1, null, undefined], { $exists: true }, [0, 1]],
    ['$exists false', [1, null, undefined], { $exists: false }, [2]],
    ['$type', [1, 1.5, 'x', ['x'], null, id], { $type: 'string' }, [2, 3]],
    ['$type number', [1, 1.5, new Long(5), '1'], { $type: 'number' }, [0, 1, 2]],
    ['$type by number', [1, 1.5, 2 ** 40], { $type: [16, 'null'] }, [0]],
    ['$type array', [[1], 1], { $type: 'array' }, [0]],
    ['$mod', [4, 5, -4, 4.9, 'x', [8]], { $mod: [4, 0] }, [0, 2, 3, 5]],
    ['$regex with options', ['Ab', 'b', 'x\nAB'], { $regex: '^a', $options: 'im' }, [0, 2]],
    ['$all', [[1, 2, 3], [1], 1, []], { $all: [1, 2] }, [0]],
    ['$all of one', [[1, 2], 1], { $all: [1] }, [0, 1]],
    [
      '$all $elemMatch',
      [[{ x: 1 }, { x: 5 }], [{ x: 1 }]],
      { $all: [{ $elemMatch: { x: 1 } }, { $elemMatch: { x: { $gt: 4 } } }] },
      [0],
    ],
    ['$elemMatch of values', [[1, 9], [5], 5], { $elemMatch: { $gt: 4, $lt: 6 } }, [1]],
    [
      '$elemMatch of documents',
      [[{ x: 1, y: 2 }], [{ x: 1 }, { y: 2 }]],
      { $elemMatch: { x: 1, y: 2 } },
      [0],
    ],
    ['$elemMatch with $or', [[{ x: 1 }], [{ x: 3 }]], { $elemMatch: { $or: [{ x: 3 }, { x: 4 }] } }, [1]],
    ['$size', [[], [1], [1, 2], 1], { $size: 1 }, [1]],
    ['$not', [1, 5, undefined, 'x'], { $not: { $gt: 3 } }, [0, 2, 3]],
    ['$not of a pattern', ['ab', 'b', 5], { $not: /^a/ }, [1, 2]],
  ])('finds %s', (_, values, condition, found) => {
    const c = things()
    c.insert(...numbered(values))
    expect(c.ids({ a: condition })).toEqual(found)
  })

  it.each<[string, Record<string, unknown>, number[]]>([
    ['a path through documents', { 'a.b': 1 }, [0, 1, 3]],
    ['a path through arrays by index', { 'a.0.b': 1 }, [1]],
    ['null where an element lacks the field', { 'a.b': null }, [2, 4, 5]],
    ['$exists through arrays', { 'a.b': { $exists: false } }, [2, 4, 5, 6]],
    ['$ne through arrays', { 'a.b': { $ne: 1 } }, [2, 4, 5, 6, 7]],
    ['a name that is a number', { 'a.1': 9 }, [7]],
  ])('follows %s', (_, filter, found) => {
    const c = things()
    c.insert(
      { _id: 0, a: { b: 1 } },
      { _id: 1, a: [{ b: 1 }, { b: 2 }] },
      { _id: 2, a: [{ c: 1 }] },
      { _id: 3, a: { b: [1, 2] } },
      { _id: 4, a: 5 },
      { _id: 5 },
      { _id: 6, a: [] },
      { _id: 7, a: { 1: 9, b: 3 } },
    )
    expect(c.ids(filter)).toEqual(found)
  })

  it('combines clauses', () => {
    const c = things()
    c.insert(...[1, 2, 3, 4].map((_id) => ({ _id, even: _id % 2 === 0, n: _id * 10 })))
    expect(c.ids({ $or: [{ _id: 1 }, { even: true }] })).toEqual([1, 2, 4])
    expect(c.ids({ $nor: [{ _id: 1 }, { even: true }] })).toEqual([3])
    expect(c.ids({ $and: [{ even: true }, { n: { $gt: 20 } }] })).toEqual([4])
    expect(c.ids({ $expr: { $gt: ['$n', { $multiply: ['$_id', 9] }] } })).toEqual([1, 2, 3, 4])
    expect(c.ids({ $expr: { $eq: [{ $mod: ['$_id', 2] }, 1] }, n: { $lt: 20 } })).toEqual([1])
  })

  it.each<[unknown, string, number]>([
    [{ $where: 'true' }, 'operator_unknown', 2],
    [{ a: { $where: 'true' } }, 'operator_unknown', 2],
    [{ $jsonSchema: {} }, 'operator_unknown', 2],
    [{ a: { $near: [1, 2] } }, 'operator_unknown', 2],
    [{ a: { $gt: 1, b: 2 } }, 'operator_unknown', 2],
    [{ $expr: { $function: { body: 'x', args: [], lang: 'js' } } }, 'operator_unknown', 168],
    [{ $or: [] }, 'query_invalid', 2],
    [{ $or: {} }, 'query_invalid', 2],
    [{ $and: [5] }, 'query_invalid', 14],
    [{ a: { $in: 5 } }, 'query_invalid', 2],
    [{ a: { $in: [{ $gt: 1 }] } }, 'query_invalid', 2],
    [{ a: { $size: -1 } }, 'query_invalid', 2],
    [{ a: { $mod: [0, 1] } }, 'query_invalid', 2],
    [{ a: { $type: 'nothing' } }, 'query_invalid', 2],
    [{ a: { $not: 5 } }, 'query_invalid', 2],
    [{ a: { $elemMatch: 5 } }, 'query_invalid', 2],
    [{ a: { $regex: 5 } }, 'query_invalid', 2],
    [{ a: { $options: 'i' } }, 'query_invalid', 2],
    [{ a: { $gt: /x/ } }, 'query_invalid', 2],
    [{ a: undefined }, 'query_invalid', 2],
    [[], 'query_invalid', 14],
  ])('is refused where it is %j', (filter, code, mongoCode) => {
    const db = openDatabase()
    expect(
      refusalOf(() => db.read({ op: 'find', collection: 'x', filter }, Number.POSITIVE_INFINITY)),
    ).toMatchObject({ code, mongoCode })
  })
})

describe('find', () => {
  it('sorts all types in their order, ties as they came', () => {
    const c = things()
    const ordered = [
      undefined,
      null,
      Number.NaN,
      -1,
      new Long(3),
      4.5,
      '',
      'B',
      'a',
      'é',
      '\uffee',
      '😀',
      {},
      { a: 1 },
      new Binary(new Uint8Array([1])),
      id,
      false,
      true,
      new Date(1),
      new Date(2),
    ]
    const docs = numbered(ordered)
    c.insert(...[...docs].reverse())
    const nulls = new Set([0, 1])
    expect(c.ids({}, { sort: { a: 1, _id: 1 } })).toEqual(docs.map((doc) => doc._id))
    expect(c.ids({}, { sort: { a: -1 } }).filter((_id) => !nulls.has(Number(_id)))).toEqual(
      docs
        .map((doc) => doc._id)
        .filter((_id) => !nulls.has(_id))
        .reverse(),
    )
  })

  it('sorts arrays by their smallest element, downwards by their largest', () => {
    const c = things()
    c.insert(...numbered([[5, 1], 3, [2, 9]]))
    expect(c.ids({}, { sort: { a: 1 } })).toEqual([0, 2, 1])
    expect(c.ids({}, { sort: { a: -1 } })).toEqual([2, 0, 1])
  })

  it('skips and limits, with a sort and without', () => {
    const c = things()
    c.insert(...numbered([5, 3, 4, 1, 2]))
    expect(c.ids({}, { skip: 1, limit: 2 })).toEqual([1, 2])
    expect(c.ids({}, { sort: { a: 1 }, skip: 1, limit: 2 })).toEqual([4, 1])
    expect(c.ids({}, { sort: { a: 1 }, limit: 0 })).toEqual([3, 4, 1, 2, 0])
  })

  it.each<[string, unknown, unknown]>([
    ['fields', { a: 1 }, { _id: 1, a: { b: 1, c: [{ d: 1, e: 2 }, 5] } }],
    ['nested fields', { 'a.b': 1, _id: 0 }, { a: { b: 1 } }],
    ['fields inside of arrays', { 'a.c.d': 1, _id: 0 }, { a: { c: [{ d: 1 }] } }],
    ['all but', { a: 0 }, { _id: 1, n: [1, 2, 3], z: 1 }],
    ['all but nested', { 'a.c.e': 0, n: false }, { _id: 1, a: { b: 1, c: [{ d: 1 }, 5] }, z: 1 }],
    ['only _id', { _id: 1 }, { _id: 1 }],
    ['all but _id', { _id: 0 }, { a: { b: 1, c: [{ d: 1, e: 2 }, 5] }, n: [1, 2, 3], z: 1 }],
    ['computed fields', { s: { $sum: '$n' }, _id: 0 }, { s: 6 }],
    ['$slice', { n: { $slice: -2 }, a: 0 }, { _id: 1, n: [2, 3], z: 1 }],
    [
      '$slice with a start',
      { n: { $slice: [1, 1] }, a: 1, _id: 0 },
      { a: { b: 1, c: [{ d: 1, e: 2 }, 5] }, n: [2] },
    ],
    ['$elemMatch', { n: { $elemMatch: { $gt: 1 } }, _id: 0 }, { n: [2] }],
    ['the order of the document', { z: 1, n: 1 }, { _id: 1, n: [1, 2, 3], z: 1 }],
    ['names of prototypes', { constructor: 1, toString: 1 }, { _id: 1 }],
  ])('projects %s', (_, projection, doc) => {
    const c = things()
    c.insert({ _id: 1, a: { b: 1, c: [{ d: 1, e: 2 }, 5] }, n: [1, 2, 3], z: 1 })
    const [found] = c.find({}, { projection })
    expect(found).toEqual(doc)
    expect(Object.keys(Object(found))).toEqual(Object.keys(Object(doc)))
  })

  it.each<[Record<string, unknown>, string]>([
    [{ projection: { a: 1, b: 0 } }, 'query_invalid'],
    [{ projection: { a: 1, 'a.b': 1 } }, 'query_invalid'],
    [{ projection: { 'a.$': 1, 'b.$': 1 } }, 'query_invalid'],
    [{ projection: { a: { $where: 1 } } }, 'operator_unknown'],
    [{ projection: 5 }, 'query_invalid'],
    [{ sort: { a: 2 } }, 'query_invalid'],
    [{ sort: { a: { $meta: 'textScore' } } }, 'query_invalid'],
    [{ sort: 'a' }, 'query_invalid'],
    [{ limit: -1 }, 'op_malformed'],
    [{ limit: 1.5 }, 'op_malformed'],
    [{ hint: 'x' }, 'op_malformed'],
  ])('refuses %j', (options, code) => {
    expect(refusalOf(() => things().find({}, options)).code).toBe(code)
  })

  it('finds nothing in a collection that is not there, and makes none', () => {
    const db = openDatabase()
    expect(collectionOf(db, 'ghost').find()).toEqual([])
    expect(collectionOf(db, 'ghost').count()).toBe(0)
    expect(db.sqlite.prepare('SELECT count(*) AS n FROM collections').get()?.n).toBe(0)
  })

  it('returns copies: changing one changes nothing that is stored or held', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    const mine = { _id: 1, a: { b: [1] } }
    db.begin()
    c.insert(mine)
    mine.a.b.push(2)
    const found = Object(c.one())
    found.a.b.push(3)
    const given = { x: [1] }
    c.updateOne({ _id: 1 }, { $set: { given, other: 1 } })
    given.x.push(2)
    expect(c.one()).toEqual({ _id: 1, a: { b: [1] }, given: { x: [1] }, other: 1 })
    db.commit()
  })
})

describe('the other reads', () => {
  it('count with filter, skip and limit', () => {
    const db = openDatabase()
    const c = collectionOf(db)
    c.insert(...numbered([1, 1, 1, 2]))
    const count = (op: object) => db.read({ collection: 'things', ...op }, Number.POSITIVE_INFINITY)
    expect(count({ op: 'countDocuments', filter: { a: 1 }, skip: 1, limit: 1 })).toEqual([1])
    expect(count({ op: 'countDocuments' })).toEqual([4])
    expect(count({ op: 'estimatedDocumentCount' })).toEqual([4])
  })

  it('tell distinct values, of arrays each', () => {
    const c = things()
    c.insert(...numbered([1, [1, 2], 'x', new Long(2), undefined, null, { y: 1 }]))
    expect(c.distinct('a')).toEqual([1, 2, 'x', null, { y: 1 }])
    expect(c.distinct('a.y')).toEqual([1])
    expect(c.distinct('a', { _id: { $gt: 1, $lt: 4 } })).toEqual(['x', new Long(2)])
  })

  it.each([
    [null, 'op_malformed'],
    [{ op: 'drop', collection: 'x' }, 'op_unknown'],
    [{ op: 'find' }, 'op_malformed'],
    [{ op: 'find', collection: '../x' }, 'op_malformed'],
    [{ op: 'aggregate', collection: 'x', pipeline: {} }, 'op_malformed'],
    [{ op: 'distinct', collection: 'x', field: '' }, 'query_invalid'],
  ])('refuse %j', (op, code) => {
    expect(refusalOf(() => openDatabase().read(op, Number.POSITIVE_INFINITY)).code).toBe(code)
  })
})
