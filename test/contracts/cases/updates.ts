import { expect } from 'vitest'
import { Decimal128, Long } from '../../../sdk/ejson.ts'
import { type Case, type Doc, refusal } from './case.ts'

type Update = Doc | readonly Doc[]

/** An update of the document with the `_id` 1, and what it is afterwards. */
function changes(
  operator: string,
  name: string,
  given: Doc,
  update: Update,
  after: unknown,
  options?: Doc,
): Case {
  return {
    operator,
    name,
    given: [{ _id: 1, ...given }],
    run: { update: [{ _id: 1 }, update, options] },
    expect: 'mongoCode' in Object(after) ? after : [{ _id: 1, ...Object(after) }],
    isEdge: false,
  }
}

function edge(...[operator, name, given, update, after, options]: Parameters<typeof changes>): Case {
  return { ...changes(operator, name, given, update, after, options), isEdge: true }
}

/** An update by a filter of its own. */
function by(
  operator: string,
  name: string,
  given: readonly Doc[],
  filter: Doc,
  update: Update,
  after: unknown,
  options?: Doc,
): Case {
  return {
    operator,
    name,
    given,
    run: { update: [filter, update, options] },
    expect: after,
    isEdge: true,
  }
}

const invalid = (mongoCode: number) => refusal(mongoCode, 'update_invalid')
const rows = [
  { k: 'a', n: 1 },
  { k: 'b', n: 2 },
]

export const UPDATES: readonly Case[] = [
  changes('$set', 'of a field', { n: 1 }, { $set: { n: 2, m: 3 } }, { n: 2, m: 3 }),
  edge('$set', 'makes documents on the way', {}, { $set: { 'a.b.c': 1 } }, { a: { b: { c: 1 } } }),
  edge('$set', 'beyond the end of an array', { a: [1] }, { $set: { 'a.3': 4 } }, { a: [1, null, null, 4] }),
  edge('$set', 'through a number', { n: 1 }, { $set: { 'n.x': 1 } }, invalid(28)),
  edge('$set', 'of _id', {}, { $set: { _id: 2 } }, invalid(66)),
  edge('$set', 'of one path twice', {}, { $set: { a: 1 }, $inc: { a: 1 } }, invalid(40)),
  by('$setOnInsert', 'of a new document', [], { _id: 1 }, { $setOnInsert: { n: 1 } }, [{ _id: 1, n: 1 }], {
    upsert: true,
  }),
  changes(
    '$setOnInsert',
    'leaves what is there',
    { n: 5 },
    { $setOnInsert: { n: 1 }, $set: { m: 1 } },
    { n: 5, m: 1 },
    { upsert: true },
  ),
  changes('$unset', 'of a field', { n: 1, m: 2 }, { $unset: { n: '' } }, { m: 2 }),
  edge('$unset', 'of an item leaves null', { a: [1, 2] }, { $unset: { 'a.0': '' } }, { a: [null, 2] }),
  edge('$unset', 'of what is missing', { n: 1 }, { $unset: { 'x.y': '' } }, { n: 1 }),
  changes('$inc', 'of a number', { n: 1 }, { $inc: { n: 2 } }, { n: 3 }),
  edge('$inc', 'of what is missing', {}, { $inc: { n: 2 } }, { n: 2 }),
  edge('$inc', 'of a string', { n: 'x' }, { $inc: { n: 1 } }, invalid(14)),
  edge('$inc', 'of null', { n: null }, { $inc: { n: 1 } }, invalid(14)),
  edge('$inc', 'by a string', { n: 1 }, { $inc: { n: 'x' } }, invalid(14)),
  edge(
    '$inc',
    'of a decimal',
    { n: new Decimal128('0.1') },
    { $inc: { n: new Decimal128('0.2') } },
    { n: new Decimal128('0.3') },
  ),
  edge(
    '$inc',
    'of a Long beyond its bounds',
    { n: new Long('9223372036854775807') },
    { $inc: { n: 1 } },
    invalid(2),
  ),
  changes('$mul', 'of a number', { n: 3 }, { $mul: { n: 2 } }, { n: 6 }),
  edge('$mul', 'of what is missing is 0', {}, { $mul: { n: 2 } }, { n: 0 }),
  edge('$mul', 'of an array', { n: [1] }, { $mul: { n: 2 } }, invalid(14)),
  changes('$min', 'takes what is smaller', { n: 5 }, { $min: { n: 3 } }, { n: 3 }),
  edge('$min', 'over types: numbers are below strings', { n: 'x' }, { $min: { n: 3 } }, { n: 3 }),
  edge('$min', 'of what is missing', {}, { $min: { n: 3 } }, { n: 3 }),
  changes('$max', 'takes what is larger', { n: 5 }, { $max: { n: 9 } }, { n: 9 }),
  edge('$max', 'leaves what is larger', { n: 5 }, { $max: { n: 3 } }, { n: 5 }),
  edge('$max', 'over null', { n: null }, { $max: { n: 3 } }, { n: 3 }),
  changes('$rename', 'of a field', { n: 1 }, { $rename: { n: 'm' } }, { m: 1 }),
  edge('$rename', 'of what is missing', { a: 1 }, { $rename: { n: 'm' } }, { a: 1 }),
  edge('$rename', 'over another field', { n: 1, m: 2 }, { $rename: { n: 'm' } }, { m: 1 }),
  edge('$rename', 'to itself', { n: 1 }, { $rename: { n: 'n' } }, invalid(40)),
  changes('$currentDate', 'of a field', {}, { $currentDate: { at: true } }, { at: expect.any(Date) }),
  edge(
    '$currentDate',
    'as a date',
    {},
    { $currentDate: { at: { $type: 'date' } } },
    { at: expect.any(Date) },
  ),
  edge('$currentDate', 'of a number', {}, { $currentDate: { at: 5 } }, invalid(2)),
  changes('$bit', 'of bits', { n: 12 }, { $bit: { n: { and: 10 } } }, { n: 8 }),
  edge('$bit', 'of what is missing', {}, { $bit: { n: { or: 5 } } }, { n: 5 }),
  edge('$bit', 'of xor', { n: 5 }, { $bit: { n: { xor: 1 } } }, { n: 4 }),
  edge('$bit', 'of a string', { n: 'x' }, { $bit: { n: { or: 1 } } }, invalid(2)),
  changes('$push', 'of an item', { a: [1] }, { $push: { a: 2 } }, { a: [1, 2] }),
  edge('$push', 'makes an array', {}, { $push: { a: 2 } }, { a: [2] }),
  edge('$push', 'to a number', { a: 1 }, { $push: { a: 2 } }, invalid(2)),
  changes('$each', 'of $push', { a: [1] }, { $push: { a: { $each: [2, 3] } } }, { a: [1, 2, 3] }),
  edge('$each', 'of $addToSet', { a: [1] }, { $addToSet: { a: { $each: [1, 2] } } }, { a: [1, 2] }),
  edge('$each', 'of what is no list', { a: [1] }, { $push: { a: { $each: 2 } } }, invalid(2)),
  changes(
    '$slice',
    'keeps the last',
    { a: [1, 2] },
    { $push: { a: { $each: [3], $slice: -2 } } },
    { a: [2, 3] },
  ),
  edge('$slice', 'to nothing', { a: [1, 2] }, { $push: { a: { $each: [], $slice: 0 } } }, { a: [] }),
  changes(
    '$sort',
    'of documents',
    { a: [{ n: 2 }] },
    { $push: { a: { $each: [{ n: 1 }], $sort: { n: 1 } } } },
    { a: [{ n: 1 }, { n: 2 }] },
  ),
  edge('$sort', 'of values', { a: [3, 1] }, { $push: { a: { $each: [2], $sort: -1 } } }, { a: [3, 2, 1] }),
  changes('$position', 'in front', { a: [2] }, { $push: { a: { $each: [1], $position: 0 } } }, { a: [1, 2] }),
  edge(
    '$position',
    'from the end',
    { a: [1, 3] },
    { $push: { a: { $each: [2], $position: -1 } } },
    { a: [1, 2, 3] },
  ),
  changes('$addToSet', 'of a new item', { a: [1] }, { $addToSet: { a: 2 } }, { a: [1, 2] }),
  edge(
    '$addToSet',
    'of an equal number of another type',
    { a: [1] },
    { $addToSet: { a: new Long(1) } },
    { a: [1] },
  ),
  edge('$addToSet', 'of a list is one item', { a: [] }, { $addToSet: { a: [1, 2] } }, { a: [[1, 2]] }),
  edge('$addToSet', 'to a string', { a: 'x' }, { $addToSet: { a: 1 } }, invalid(2)),
  changes('$pop', 'of the last', { a: [1, 2] }, { $pop: { a: 1 } }, { a: [1] }),
  edge('$pop', 'of the first', { a: [1, 2] }, { $pop: { a: -1 } }, { a: [2] }),
  edge('$pop', 'of a number', { a: 1 }, { $pop: { a: 1 } }, invalid(14)),
  edge('$pop', 'by 2', { a: [1] }, { $pop: { a: 2 } }, invalid(9)),
  changes('$pull', 'of a value', { a: [1, 2, 1] }, { $pull: { a: 1 } }, { a: [2] }),
  edge('$pull', 'by a condition', { a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }),
  edge('$pull', 'of documents', { a: rows }, { $pull: { a: { n: { $gt: 1 } } } }, { a: [rows[0]] }),
  edge('$pull', 'of a number', { a: 1 }, { $pull: { a: 1 } }, invalid(2)),
  changes('$pullAll', 'of values', { a: [1, 2, 3] }, { $pullAll: { a: [1, 3] } }, { a: [2] }),
  edge('$pullAll', 'of what is no list', { a: [1] }, { $pullAll: { a: 1 } }, invalid(2)),
  by(
    'positional $',
    'the element that matched',
    [{ _id: 1, a: [1, 5, 9] }],
    { a: 5 },
    { $set: { 'a.$': 50 } },
    [{ _id: 1, a: [1, 50, 9] }],
  ),
  by(
    'positional $',
    'the element that $elemMatch found',
    [{ _id: 1, a: rows }],
    { a: { $elemMatch: { k: 'b', n: 2 } } },
    { $inc: { 'a.$.n': 10 } },
    [
      {
        _id: 1,
        a: [
          { k: 'a', n: 1 },
          { k: 'b', n: 12 },
        ],
      },
    ],
  ),
  by(
    'positional $',
    'by a field of the element',
    [{ _id: 1, a: rows }],
    { 'a.k': 'b' },
    { $set: { 'a.$.n': 0 } },
    [
      {
        _id: 1,
        a: [
          { k: 'a', n: 1 },
          { k: 'b', n: 0 },
        ],
      },
    ],
  ),
  by(
    'positional $',
    'of an array that the filter does not name',
    [{ _id: 1, a: [1] }],
    { _id: 1 },
    { $set: { 'a.$': 5 } },
    invalid(2),
  ),
  changes('positional $[]', 'all elements', { a: [1, 2] }, { $inc: { 'a.$[]': 10 } }, { a: [11, 12] }),
  edge('positional $[]', 'of what is no array', { a: 1 }, { $inc: { 'a.$[]': 10 } }, invalid(2)),
  changes(
    'positional $[name]',
    'the elements of a filter',
    { a: rows },
    { $set: { 'a.$[x].n': 0 } },
    {
      a: [
        { k: 'a', n: 1 },
        { k: 'b', n: 0 },
      ],
    },
    { arrayFilters: [{ 'x.n': { $gte: 2 } }] },
  ),
  edge('positional $[name]', 'without its filter', { a: [1] }, { $set: { 'a.$[x]': 0 } }, invalid(2)),
  edge('positional $[name]', 'with a filter that is not used', { a: [1] }, { $set: { n: 0 } }, invalid(9), {
    arrayFilters: [{ x: 1 }],
  }),
  changes('update $set', 'computes', { n: 2 }, [{ $set: { m: { $multiply: ['$n', 10] } } }], { n: 2, m: 20 }),
  edge('update $set', 'cannot change _id', { n: 2 }, [{ $set: { _id: 5 } }], invalid(66)),
  changes('update $addFields', 'computes', { n: 2 }, [{ $addFields: { m: '$n' } }], { n: 2, m: 2 }),
  edge('update $addFields', 'of what is missing', { n: 2 }, [{ $addFields: { m: '$missing' } }], { n: 2 }),
  changes('update $unset', 'takes away', { n: 2, m: 1 }, [{ $unset: 'm' }], { n: 2 }),
  edge('update $unset', 'of several', { n: 2, m: 1 }, [{ $unset: ['m', 'n'] }], {}),
  changes('update $project', 'keeps', { n: 2, m: 1 }, [{ $project: { n: 1 } }], { n: 2 }),
  edge('update $project', 'computes', { n: 2, m: 1 }, [{ $project: { x: { $add: ['$n', '$m'] } } }], {
    x: 3,
  }),
  changes('update $replaceRoot', 'keeps the _id', { o: { p: 1 } }, [{ $replaceRoot: { newRoot: '$o' } }], {
    p: 1,
  }),
  edge(
    'update $replaceRoot',
    'by what is no document',
    { n: 1 },
    [{ $replaceRoot: { newRoot: '$n' } }],
    refusal(40228),
  ),
  changes('update $replaceWith', 'keeps the _id', { o: { p: 1 } }, [{ $replaceWith: '$o' }], { p: 1 }),
  edge('update $replaceWith', 'by what is missing', { n: 1 }, [{ $replaceWith: '$x' }], refusal(40228)),
]
