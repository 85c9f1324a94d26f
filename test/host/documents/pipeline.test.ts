import { describe, expect, it } from 'vitest'
import { Decimal128, Long } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf } from './support.ts'

const sales = [
  { _id: 1, item: 'a', price: 10, n: 2, tags: ['x', 'y'] },
  { _id: 2, item: 'b', price: 20, n: 1, tags: [] },
  { _id: 3, item: 'a', price: 30, n: 5, tags: ['x'] },
  { _id: 4, item: null, price: 'free', n: 10 },
]

function filled() {
  const c = collectionOf(openDatabase())
  c.insert(...sales)
  return c
}

const CASES: [stage: string, pipeline: unknown[], result: unknown][] = [
  ['$match', [{ $match: { item: 'a' } }, { $project: { _id: 1 } }], [{ _id: 1 }, { _id: 3 }]],
  [
    '$project',
    [{ $match: { _id: 1 } }, { $project: { _id: 0, cost: { $multiply: ['$price', '$n'] }, item: 1 } }],
    [{ item: 'a', cost: 20 }],
  ],
  ['$project', [{ $match: { _id: 1 } }, { $project: { x: { y: '$n' }, _id: 0 } }], [{ x: { y: 2 } }]],
  [
    '$set',
    [{ $match: { _id: 2 } }, { $set: { n: { $add: ['$n', 1] }, 'deep.er': '$item' } }],
    [{ ...sales[1], n: 2, deep: { er: 'b' } }],
  ],
  [
    '$addFields',
    [{ $match: { _id: 2 } }, { $addFields: { price: '$missing' } }],
    [{ _id: 2, item: 'b', n: 1, tags: [] }],
  ],
  ['$unset', [{ $match: { _id: 2 } }, { $unset: ['price', 'tags'] }], [{ _id: 2, item: 'b', n: 1 }]],
  [
    '$group',
    [{ $group: { _id: '$item', total: { $sum: '$n' } } }],
    [
      { _id: 'a', total: 7 },
      { _id: 'b', total: 1 },
      { _id: null, total: 10 },
    ],
  ],
  [
    '$group',
    [{ $group: { _id: { i: '$missing', o: { $gt: ['$n', 2] } }, c: { $count: {} } } }],
    [
      { _id: { o: false }, c: 2 },
      { _id: { o: true }, c: 2 },
    ],
  ],
  [
    '$sort',
    [{ $sort: { item: -1, n: 1 } }, { $project: { _id: 1 } }],
    [{ _id: 2 }, { _id: 1 }, { _id: 3 }, { _id: 4 }],
  ],
  ['$limit', [{ $limit: 1 }, { $project: { _id: 1 } }], [{ _id: 1 }]],
  ['$skip', [{ $skip: 3 }, { $project: { _id: 1 } }], [{ _id: 4 }]],
  [
    '$unwind',
    [{ $unwind: '$tags' }, { $project: { tags: 1 } }],
    [
      { _id: 1, tags: 'x' },
      { _id: 1, tags: 'y' },
      { _id: 3, tags: 'x' },
    ],
  ],
  [
    '$unwind',
    [
      { $unwind: { path: '$tags', includeArrayIndex: 'i', preserveNullAndEmptyArrays: true } },
      { $match: { _id: { $ne: 1 } } },
      { $project: { tags: 1, i: 1 } },
    ],
    [
      { _id: 2, i: null },
      { _id: 3, tags: 'x', i: 0 },
      { _id: 4, i: null },
    ],
  ],
  ['$count', [{ $match: { item: 'a' } }, { $count: 'n' }], [{ n: 2 }]],
  ['$count', [{ $match: { item: 'zz' } }, { $count: 'n' }], []],
  ['$sortByCount', [{ $sortByCount: '$item' }, { $limit: 1 }], [{ _id: 'a', count: 2 }]],
  [
    '$bucket',
    [{ $bucket: { groupBy: '$n', boundaries: [1, 2, 3, 5], default: 'more' } }],
    [
      { _id: 1, count: 1 },
      { _id: 2, count: 1 },
      { _id: 'more', count: 2 },
    ],
  ],
  [
    '$bucket',
    [
      { $match: { n: 2 } },
      { $bucket: { groupBy: '$n', boundaries: [0, 2, 4], output: { items: { $push: '$item' } } } },
    ],
    [{ _id: 2, items: ['a'] }],
  ],
  [
    '$facet',
    [{ $facet: { all: [{ $count: 'n' }], first: [{ $limit: 1 }, { $project: { item: 1 } }] } }],
    [{ all: [{ n: 4 }], first: [{ _id: 1, item: 'a' }] }],
  ],
  ['$replaceRoot', [{ $match: { _id: 1 } }, { $replaceRoot: { newRoot: { was: '$_id' } } }], [{ was: 1 }]],
  [
    '$replaceWith',
    [{ $match: { _id: 1 } }, { $replaceWith: { $mergeObjects: [{ z: 1 }, { was: '$_id' }] } }],
    [{ z: 1, was: 1 }],
  ],
  [
    '$lookup',
    [
      { $match: { _id: { $lt: 3 } } },
      { $lookup: { from: 'things', localField: 'item', foreignField: 'item', as: 'same' } },
      { $project: { same: '$same._id' } },
    ],
    [
      { _id: 1, same: [1, 3] },
      { _id: 2, same: [2] },
    ],
  ],
  [
    '$lookup',
    [
      { $match: { _id: 1 } },
      {
        $lookup: {
          from: 'things',
          let: { p: '$price' },
          pipeline: [{ $match: { $expr: { $gt: ['$price', '$$p'] } } }, { $project: { _id: 1 } }],
          as: 'dearer',
        },
      },
      { $project: { dearer: 1 } },
    ],
    [{ _id: 1, dearer: [{ _id: 2 }, { _id: 3 }, { _id: 4 }] }],
  ],
  [
    '$lookup',
    [{ $limit: 1 }, { $lookup: { from: 'ghost', pipeline: [], as: 'x.y' } }, { $project: { x: 1 } }],
    [{ _id: 1, x: { y: [] } }],
  ],
  [
    '$sample',
    [{ $sample: { size: 9 } }, { $sort: { _id: 1 } }, { $project: { _id: 1 } }],
    [{ _id: 1 }, { _id: 2 }, { _id: 3 }, { _id: 4 }],
  ],
]

describe('a pipeline', () => {
  it.each(CASES)('runs %s: %j', (_, pipeline, result) => {
    expect(filled().aggregate(pipeline)).toEqual(result)
  })

  const GROUPS: [accumulator: string, spec: unknown, value: unknown][] = [
    ['$sum', { $sum: '$price' }, 60],
    ['$sum', { $sum: 1 }, 4],
    ['$avg', { $avg: '$price' }, 20],
    ['$min', { $min: '$item' }, 'a'],
    ['$max', { $max: '$price' }, 'free'],
    ['$count', { $count: {} }, 4],
    ['$first', { $first: '$item' }, 'a'],
    ['$last', { $last: '$tags' }, null],
    ['$firstN', { $firstN: { input: '$n', n: 2 } }, [2, 1]],
    ['$lastN', { $lastN: { input: '$n', n: 2 } }, [5, 10]],
    ['$push', { $push: '$item' }, ['a', 'b', 'a', null]],
    ['$push', { $push: { i: '$_id' } }, [{ i: 1 }, { i: 2 }, { i: 3 }, { i: 4 }]],
    ['$addToSet', { $addToSet: '$item' }, ['a', 'b', null]],
    ['$stdDevPop', { $stdDevPop: '$price' }, Math.sqrt(200 / 3)],
    ['$stdDevSamp', { $stdDevSamp: '$price' }, 10],
    ['$mergeObjects', { $mergeObjects: { a: '$n', b: '$_id' } }, { a: 10, b: 4 }],
  ]

  it.each(GROUPS)('gathers with %s: %j', (_, spec, value) => {
    const [found] = filled().aggregate([{ $group: { _id: null, value: spec } }])
    expect(Object(found).value).toEqual(value)
  })

  it('groups equal values of different number types together, and keeps others apart', () => {
    const c = collectionOf(openDatabase())
    c.insert(
      { k: 1 },
      { k: new Long(1) },
      { k: '1' },
      { k: true },
      { k: null },
      {},
      { k: new Decimal128('1') },
    )
    const groups = c.aggregate([{ $group: { _id: '$k', n: { $sum: 1 } } }])
    expect(groups.map((group) => Object(group).n)).toEqual([3, 1, 1, 2])
  })

  it('samples without taking a document twice', () => {
    const ids = filled()
      .aggregate([{ $sample: { size: 3 } }])
      .map((doc) => Object(doc)._id)
    expect(new Set(ids).size).toBe(3)
  })

  it('changes nothing that is stored or shared by facets', () => {
    const c = filled()
    c.aggregate([
      {
        $facet: {
          a: [
            { $unwind: { path: '$tags', preserveNullAndEmptyArrays: true, includeArrayIndex: 'i' } },
            { $set: { 'tags.z': 1 } },
          ],
          b: [{ $unset: 'item' }, { $sort: { n: 1 } }],
        },
      },
    ])
    expect(c.find()).toEqual(sales)
  })

  it.each<[string, unknown[], string, number]>([
    ['an unknown stage', [{ $out: 'x' }], 'operator_unknown', 40324],
    ['$merge', [{ $merge: 'x' }], 'operator_unknown', 40324],
    ['an unknown stage inside of a facet', [{ $facet: { a: [{ $out: 'x' }] } }], 'operator_unknown', 40324],
    ['a facet in a facet', [{ $facet: { a: [{ $facet: { b: [] } }] } }], 'operator_unknown', 40324],
    ['an unknown accumulator', [{ $group: { _id: 1, a: { $accumulator: {} } } }], 'operator_unknown', 15952],
    ['two stages in one', [{ $limit: 1, $skip: 1 }], 'query_invalid', 40323],
    ['a stage that is no object', [5], 'query_invalid', 40323],
    ['$group without _id', [{ $group: { n: { $sum: 1 } } }], 'query_invalid', 15955],
    ['a field that is no accumulator', [{ $group: { _id: 1, a: 5 } }], 'query_invalid', 40234],
    ['a dotted group field', [{ $group: { _id: 1, 'a.b': { $sum: 1 } } }], 'query_invalid', 40235],
    ['$limit 0', [{ $limit: 0 }], 'query_invalid', 15958],
    [
      'boundaries that do not ascend',
      [{ $bucket: { groupBy: '$n', boundaries: [2, 1] } }],
      'query_invalid',
      40194,
    ],
    [
      'a value outside of all buckets',
      [{ $bucket: { groupBy: '$n', boundaries: [1, 2] } }],
      'query_invalid',
      7158204,
    ],
    ['a root that is no document', [{ $replaceWith: '$n' }], 'query_invalid', 40228],
    ['an empty projection', [{ $project: {} }], 'query_invalid', 51272],
    [
      '$lookup from another database',
      [{ $lookup: { from: { db: 'x', coll: 'y' }, pipeline: [], as: 'z' } }],
      'query_invalid',
      9,
    ],
  ])('refuses %s', (_, pipeline, code, mongoCode) => {
    expect(refusalOf(() => filled().aggregate(pipeline))).toMatchObject({ code, mongoCode })
  })
})
