import { AnyOrder, type Case, type Doc, refusal } from './case.ts'

const SALES: readonly Doc[] = [
  { _id: 1, item: 'a', price: 10, n: 2, tags: ['x', 'y'] },
  { _id: 2, item: 'b', price: 20, n: 1, tags: [] },
  { _id: 3, item: 'a', price: 30, n: 5, tags: ['x'] },
  { _id: 4, item: null, price: 40, n: 10 },
]
const PEOPLE: readonly Doc[] = [
  { _id: 'ann', boss: null },
  { _id: 'bob', boss: 'ann' },
  { _id: 'cid', boss: 'bob' },
  { _id: 'dan', boss: 'cid' },
]
const SERIES: readonly Doc[] = [
  { _id: 1, who: 'a', at: 0, v: 10 },
  { _id: 2, who: 'a', at: 3, v: null },
  { _id: 3, who: 'a', at: 4, v: 30 },
  { _id: 4, who: 'b', at: 1, v: 5 },
]
const OTHERS = { people: PEOPLE }

function stage(
  operator: string,
  name: string,
  aggregate: readonly Doc[],
  expect: unknown,
  given = SALES,
): Case {
  return { operator, name, given, others: OTHERS, run: { aggregate }, expect, isEdge: false }
}

function edge(
  operator: string,
  name: string,
  aggregate: readonly Doc[],
  expect: unknown,
  given = SALES,
): Case {
  return { ...stage(operator, name, aggregate, expect, given), isEdge: true }
}

const ids = { $project: { _id: 1 } }
const one = { $match: { _id: 1 } }
const inOrder = { $sort: { _id: 1 } }
const day = (text: string) => new Date(`2026-01-${text}T00:00:00Z`)

export const STAGES_CASES: readonly Case[] = [
  stage('$match', 'by a filter', [{ $match: { item: 'a' } }, inOrder, ids], [{ _id: 1 }, { _id: 3 }]),
  edge('$match', 'by what is no filter', [{ $match: 5 }], refusal()),
  stage(
    '$project',
    'computes and leaves out',
    [one, { $project: { _id: 0, cost: { $multiply: ['$price', '$n'] }, item: 1 } }],
    [{ item: 'a', cost: 20 }],
  ),
  edge(
    '$project',
    'of fields inside others',
    [one, { $project: { x: { y: '$n' }, _id: 0 } }],
    [{ x: { y: 2 } }],
  ),
  edge('$project', 'that both keeps and drops', [{ $project: { item: 1, n: 0 } }], refusal(31254)),
  edge('$project', 'of nothing', [{ $project: {} }], refusal(51272)),
  stage(
    '$set',
    'adds',
    [one, { $set: { m: { $add: ['$n', 1] } } }, { $project: { m: 1 } }],
    [{ _id: 1, m: 3 }],
  ),
  edge(
    '$set',
    'into an array sets each item',
    [one, { $set: { 'tags.z': 1 } }, { $project: { tags: 1 } }],
    [{ _id: 1, tags: [{ z: 1 }, { z: 1 }] }],
  ),
  stage(
    '$addFields',
    'adds inside others',
    [one, { $addFields: { 'deep.er': '$item' } }, { $project: { deep: 1 } }],
    [{ _id: 1, deep: { er: 'a' } }],
  ),
  edge(
    '$addFields',
    'of what is missing',
    [one, { $addFields: { m: '$missing' } }, { $project: { m: 1 } }],
    [{ _id: 1 }],
  ),
  stage('$unset', 'of several', [one, { $unset: ['price', 'tags', 'n'] }], [{ _id: 1, item: 'a' }]),
  edge('$unset', 'of a number', [{ $unset: 5 }], refusal(31002)),
  stage(
    '$replaceRoot',
    'by a document',
    [one, { $replaceRoot: { newRoot: { is: '$item' } } }],
    [{ is: 'a' }],
  ),
  edge('$replaceRoot', 'by a number', [one, { $replaceRoot: { newRoot: '$n' } }], refusal(40228)),
  stage('$replaceWith', 'by a document', [one, { $replaceWith: { is: '$item' } }], [{ is: 'a' }]),
  edge('$replaceWith', 'by what is missing', [one, { $replaceWith: '$zz' }], refusal(40228)),
  stage(
    '$group',
    'by a field',
    [{ $group: { _id: '$item', total: { $sum: '$n' } } }],
    new AnyOrder({ _id: 'a', total: 7 }, { _id: 'b', total: 1 }, { _id: null, total: 10 }),
  ),
  edge('$group', 'of all', [{ $group: { _id: null, n: { $sum: 1 } } }], [{ _id: null, n: 4 }]),
  edge(
    '$group',
    'takes what is missing and null for one',
    [{ $group: { _id: '$missing', n: { $sum: 1 } } }],
    [{ _id: null, n: 4 }],
  ),
  edge('$group', 'without _id', [{ $group: { n: { $sum: 1 } } }], refusal(15955)),
  edge('$group', 'with no accumulator', [{ $group: { _id: 1, n: '$n' } }], refusal(40234)),
  stage(
    '$sort',
    'by two fields',
    [{ $sort: { item: -1, n: 1 } }, ids],
    [{ _id: 2 }, { _id: 1 }, { _id: 3 }, { _id: 4 }],
  ),
  edge(
    '$sort',
    'by an array takes its smallest',
    [{ $sort: { tags: 1, _id: 1 } }, ids],
    [{ _id: 2 }, { _id: 4 }, { _id: 1 }, { _id: 3 }],
  ),
  edge('$sort', 'by nothing', [{ $sort: {} }], refusal(15976)),
  edge('$sort', 'by 2', [{ $sort: { n: 2 } }], refusal(15975)),
  stage('$limit', 'of the first', [inOrder, { $limit: 1 }, ids], [{ _id: 1 }]),
  edge('$limit', 'of none', [{ $limit: 0 }], refusal(15958)),
  stage('$skip', 'of the first', [inOrder, { $skip: 3 }, ids], [{ _id: 4 }]),
  edge('$skip', 'beyond the end', [{ $skip: 9 }], []),
  stage(
    '$unwind',
    'of an array',
    [inOrder, { $unwind: '$tags' }, { $project: { tags: 1 } }],
    [
      { _id: 1, tags: 'x' },
      { _id: 1, tags: 'y' },
      { _id: 3, tags: 'x' },
    ],
  ),
  edge(
    '$unwind',
    'keeps what is empty, with places',
    [
      inOrder,
      { $unwind: { path: '$tags', includeArrayIndex: 'i', preserveNullAndEmptyArrays: true } },
      { $match: { _id: { $gt: 1 } } },
      { $project: { tags: 1, i: 1 } },
    ],
    [
      { _id: 2, i: null },
      { _id: 3, tags: 'x', i: 0 },
      { _id: 4, i: null },
    ],
  ),
  edge('$unwind', 'of a path without a dollar', [{ $unwind: 'tags' }], refusal(28818)),
  edge('$unwind', 'of a value that is no array', [one, { $unwind: '$item' }, ids], [{ _id: 1 }]),
  stage('$count', 'of documents', [{ $match: { item: 'a' } }, { $count: 'n' }], [{ n: 2 }]),
  edge('$count', 'of none', [{ $match: { item: 'z' } }, { $count: 'n' }], []),
  edge('$count', 'into a name with a dollar', [{ $count: '$n' }], refusal(40158)),
  stage(
    '$sortByCount',
    'the most frequent first',
    [{ $sortByCount: '$item' }, { $limit: 1 }],
    [{ _id: 'a', count: 2 }],
  ),
  edge('$sortByCount', 'of what is missing', [{ $sortByCount: '$zz' }], [{ _id: null, count: 4 }]),
  stage(
    '$bucket',
    'a boundary is in the upper bucket',
    [{ $bucket: { groupBy: '$price', boundaries: [10, 20, 40, 50] } }],
    [
      { _id: 10, count: 1 },
      { _id: 20, count: 2 },
      { _id: 40, count: 1 },
    ],
  ),
  edge(
    '$bucket',
    'with a default',
    [{ $bucket: { groupBy: '$price', boundaries: [0, 15], default: 'more', output: { n: { $sum: '$n' } } } }],
    [
      { _id: 0, n: 2 },
      { _id: 'more', n: 16 },
    ],
  ),
  edge(
    '$bucket',
    'of a value outside',
    [{ $bucket: { groupBy: '$price', boundaries: [0, 15] } }],
    refusal(7158204),
  ),
  edge(
    '$bucket',
    'with boundaries that do not ascend',
    [{ $bucket: { groupBy: '$price', boundaries: [5, 1] } }],
    refusal(40194),
  ),
  stage(
    '$bucketAuto',
    'in halves',
    [{ $bucketAuto: { groupBy: '$price', buckets: 2 } }],
    [
      { _id: { min: 10, max: 30 }, count: 2 },
      { _id: { min: 30, max: 40 }, count: 2 },
    ],
  ),
  edge(
    '$bucketAuto',
    'keeps equal values together',
    [{ $bucketAuto: { groupBy: '$item', buckets: 4 } }],
    [
      { _id: { min: null, max: 'a' }, count: 1 },
      { _id: { min: 'a', max: 'b' }, count: 2 },
      { _id: { min: 'b', max: 'b' }, count: 1 },
    ],
  ),
  edge('$bucketAuto', 'in none', [{ $bucketAuto: { groupBy: '$n', buckets: 0 } }], refusal(40243)),
  stage(
    '$facet',
    'of two pipelines',
    [{ $facet: { all: [{ $count: 'n' }], first: [inOrder, { $limit: 1 }, ids] } }],
    [{ all: [{ n: 4 }], first: [{ _id: 1 }] }],
  ),
  edge(
    '$facet',
    'of no documents',
    [{ $match: { item: 'z' } }, { $facet: { all: [{ $count: 'n' }] } }],
    [{ all: [] }],
  ),
  edge('$facet', 'of nothing', [{ $facet: {} }], refusal(40169)),
  stage(
    '$lookup',
    'by fields',
    [
      { $match: { _id: 'bob' } },
      { $lookup: { from: 'people', localField: 'boss', foreignField: '_id', as: 'bosses' } },
    ],
    [{ _id: 'bob', boss: 'ann', bosses: [{ _id: 'ann', boss: null }] }],
    PEOPLE,
  ),
  edge(
    '$lookup',
    'by a pipeline with let',
    [
      one,
      {
        $lookup: {
          from: 'people',
          let: { item: '$item' },
          pipeline: [{ $match: { $expr: { $eq: [{ $substrCP: ['$_id', 0, 1] }, '$$item'] } } }, ids],
          as: 'named',
        },
      },
      { $project: { named: 1 } },
    ],
    [{ _id: 1, named: [{ _id: 'ann' }] }],
  ),
  edge(
    '$lookup',
    'by fields and a pipeline',
    [
      { $match: { _id: 'ann' } },
      { $lookup: { from: 'people', localField: '_id', foreignField: 'boss', pipeline: [ids], as: 'team' } },
      { $project: { team: 1 } },
    ],
    [{ _id: 'ann', team: [{ _id: 'bob' }] }],
    PEOPLE,
  ),
  edge(
    '$lookup',
    'in a collection that is not there',
    [
      one,
      { $lookup: { from: 'nobody', localField: 'n', foreignField: 'n', as: 'none' } },
      { $project: { none: 1 } },
    ],
    [{ _id: 1, none: [] }],
  ),
  edge(
    '$lookup',
    'of null finds what is missing',
    [
      { $match: { _id: 4 } },
      { $lookup: { from: 'people', localField: 'item', foreignField: 'boss', as: 'top' } },
      { $project: { top: '$top._id' } },
    ],
    [{ _id: 4, top: ['ann'] }],
  ),
  edge(
    '$lookup',
    'without as',
    [{ $lookup: { from: 'people', localField: 'a', foreignField: 'b' } }],
    refusal(9),
  ),
  stage(
    '$graphLookup',
    'up a line of bosses',
    [
      { $match: { _id: 'dan' } },
      {
        $graphLookup: {
          from: 'people',
          startWith: '$boss',
          connectFromField: 'boss',
          connectToField: '_id',
          as: 'line',
          depthField: 'far',
        },
      },
      { $unwind: '$line' },
      { $sort: { 'line.far': 1 } },
      { $project: { _id: '$line._id', far: '$line.far' } },
    ],
    [
      { _id: 'cid', far: 0 },
      { _id: 'bob', far: 1 },
      { _id: 'ann', far: 2 },
    ],
    PEOPLE,
  ),
  edge(
    '$graphLookup',
    'not too far',
    [
      { $match: { _id: 'dan' } },
      {
        $graphLookup: {
          from: 'people',
          startWith: '$boss',
          connectFromField: 'boss',
          connectToField: '_id',
          as: 'line',
          maxDepth: 0,
        },
      },
      { $project: { line: '$line._id' } },
    ],
    [{ _id: 'dan', line: ['cid'] }],
    PEOPLE,
  ),
  edge(
    '$graphLookup',
    'only what matches',
    [
      { $match: { _id: 'dan' } },
      {
        $graphLookup: {
          from: 'people',
          startWith: '$boss',
          connectFromField: 'boss',
          connectToField: '_id',
          as: 'line',
          restrictSearchWithMatch: { _id: { $ne: 'bob' } },
        },
      },
      { $project: { line: '$line._id' } },
    ],
    [{ _id: 'dan', line: ['cid'] }],
    PEOPLE,
  ),
  edge(
    '$graphLookup',
    'with a negative depth',
    [
      {
        $graphLookup: {
          from: 'people',
          startWith: 1,
          connectFromField: 'a',
          connectToField: 'b',
          as: 'c',
          maxDepth: -1,
        },
      },
    ],
    refusal(40101),
  ),
  stage(
    '$unionWith',
    'a collection',
    [ids, { $unionWith: 'people' }, { $group: { _id: null, n: { $sum: 1 } } }],
    [{ _id: null, n: 8 }],
  ),
  edge(
    '$unionWith',
    'by a pipeline',
    [
      { $limit: 1 },
      { $project: { _id: 0, is: 'sale' } },
      {
        $unionWith: {
          coll: 'people',
          pipeline: [{ $match: { _id: 'ann' } }, { $project: { _id: 0, is: '$_id' } }],
        },
      },
    ],
    [{ is: 'sale' }, { is: 'ann' }],
  ),
  edge(
    '$unionWith',
    'a collection that is not there',
    [{ $unionWith: 'nobody' }, { $count: 'n' }],
    [{ n: 4 }],
  ),
  stage('$sample', 'of some', [{ $sample: { size: 2 } }, { $count: 'n' }], [{ n: 2 }]),
  edge('$sample', 'of more than there are', [{ $sample: { size: 99 } }, { $count: 'n' }], [{ n: 4 }]),
  stage(
    '$redact',
    'drops by a condition',
    [{ $redact: { $cond: [{ $gt: ['$price', 15] }, '$$KEEP', '$$PRUNE'] } }, inOrder, ids],
    [{ _id: 2 }, { _id: 3 }, { _id: 4 }],
  ),
  edge(
    '$redact',
    'looks into documents',
    [{ $redact: { $cond: [{ $eq: ['$secret', true] }, '$$PRUNE', '$$DESCEND'] } }],
    [{ _id: 1, list: [{ a: 1 }], in: { b: 1 } }],
    [{ _id: 1, list: [{ a: 1 }, { secret: true }], in: { b: 1, c: { secret: true } } }],
  ),
  edge('$redact', 'by what decides nothing', [{ $redact: 'x' }], refusal(17053)),
  stage(
    '$setWindowFields',
    'of a running sum',
    [
      {
        $setWindowFields: {
          partitionBy: '$who',
          sortBy: { at: 1 },
          output: { sum: { $sum: '$at', window: { documents: ['unbounded', 'current'] } } },
        },
      },
      inOrder,
      { $project: { sum: 1 } },
    ],
    [
      { _id: 1, sum: 0 },
      { _id: 2, sum: 3 },
      { _id: 3, sum: 7 },
      { _id: 4, sum: 1 },
    ],
    SERIES,
  ),
  edge(
    '$setWindowFields',
    'without a window takes the partition',
    [
      { $setWindowFields: { partitionBy: '$who', output: { n: { $count: {} } } } },
      inOrder,
      { $project: { n: 1 } },
    ],
    [
      { _id: 1, n: 3 },
      { _id: 2, n: 3 },
      { _id: 3, n: 3 },
      { _id: 4, n: 1 },
    ],
    SERIES,
  ),
  edge(
    '$setWindowFields',
    'by documents without an order',
    [{ $setWindowFields: { output: { n: { $sum: 1, window: { documents: [-1, 0] } } } } }],
    refusal(5339901),
    SERIES,
  ),
  stage(
    '$densify',
    'of a partition',
    [
      { $densify: { field: 'at', partitionByFields: ['who'], range: { step: 1, bounds: 'partition' } } },
      { $match: { who: 'a' } },
      { $sort: { at: 1 } },
      { $project: { _id: 0, at: 1 } },
    ],
    [{ at: 0 }, { at: 1 }, { at: 2 }, { at: 3 }, { at: 4 }],
    SERIES,
  ),
  edge(
    '$densify',
    'of days between bounds',
    [
      { $densify: { field: 'at', range: { step: 1, unit: 'day', bounds: [day('01'), day('04')] } } },
      { $sort: { at: 1 } },
      { $project: { _id: 0, at: 1 } },
    ],
    [{ at: day('01') }, { at: day('02') }, { at: day('03') }],
    [{ _id: 1, at: day('02') }],
  ),
  edge(
    '$densify',
    'of all that any partition has',
    [
      { $densify: { field: 'at', partitionByFields: ['who'], range: { step: 2, bounds: 'full' } } },
      { $match: { who: 'b' } },
      { $sort: { at: 1 } },
      { $project: { _id: 0, at: 1 } },
    ],
    [{ at: 0 }, { at: 1 }, { at: 2 }, { at: 4 }],
    SERIES,
  ),
  edge(
    '$densify',
    'with a step of 0',
    [{ $densify: { field: 'at', range: { step: 0, bounds: 'full' } } }],
    refusal(5733401),
    SERIES,
  ),
  stage(
    '$fill',
    'by a value',
    [{ $fill: { output: { v: { value: 0 } } } }, inOrder, { $project: { v: 1 } }],
    [
      { _id: 1, v: 10 },
      { _id: 2, v: 0 },
      { _id: 3, v: 30 },
      { _id: 4, v: 5 },
    ],
    SERIES,
  ),
  edge(
    '$fill',
    'by the last value',
    [
      { $fill: { partitionByFields: ['who'], sortBy: { at: 1 }, output: { v: { method: 'locf' } } } },
      inOrder,
      { $project: { v: 1 } },
    ],
    [
      { _id: 1, v: 10 },
      { _id: 2, v: 10 },
      { _id: 3, v: 30 },
      { _id: 4, v: 5 },
    ],
    SERIES,
  ),
  edge(
    '$fill',
    'in a line',
    [
      { $fill: { partitionBy: '$who', sortBy: { at: 1 }, output: { v: { method: 'linear' } } } },
      { $match: { _id: 2 } },
      { $project: { v: 1 } },
    ],
    [{ _id: 2, v: 25 }],
    SERIES,
  ),
  edge(
    '$fill',
    'by a method without an order',
    [{ $fill: { output: { v: { method: 'locf' } } } }],
    refusal(),
    SERIES,
  ),
]

/** The projection of a `find`. */
export const PROJECTIONS: readonly Case[] = [
  [
    '$slice',
    'of the first',
    { projection: { tags: { $slice: 1 }, item: 1 } },
    [{ _id: 1, tags: ['x'], item: 'a' }],
    false,
  ],
  [
    '$slice',
    'from the end',
    { projection: { _id: 0, tags: { $slice: [-1, 1] }, item: 1 } },
    [{ tags: ['y'], item: 'a' }],
    true,
  ],
  [
    '$elemMatch',
    'keeps the first that matches',
    { projection: { tags: { $elemMatch: { $gt: 'x' } } } },
    [{ _id: 1, tags: ['y'] }],
    false,
  ],
  [
    '$elemMatch',
    'of nothing leaves the field out',
    { projection: { tags: { $elemMatch: { $gt: 'z' } } } },
    [{ _id: 1 }],
    true,
  ],
  [
    '$',
    'keeps the element that matched',
    { filter: { tags: 'y' }, projection: { 'tags.$': 1 } },
    [{ _id: 1, tags: ['y'] }],
    false,
  ],
  ['$', 'behind two paths', { projection: { 'tags.$': 1, 'other.$': 1 } }, refusal(), true],
].map(([operator, name, options, expect, isEdge]): Case => {
  const { filter, ...shape } = Object(options)
  return {
    operator: String(operator),
    name: String(name),
    given: SALES,
    run: { find: { _id: 1, ...filter }, options: shape },
    expect,
    isEdge: isEdge === true,
  }
})
