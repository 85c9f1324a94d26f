import { expect } from 'vitest'
import { Decimal128 } from '../../../sdk/ejson.ts'
import { AnyOrder, type Case, type Doc, refusal } from './case.ts'

const GIVEN: readonly Doc[] = [
  { _id: 1, n: 3, s: 'b', at: 1, o: { a: 1 } },
  { _id: 2, n: 1, s: 'a', at: 2, o: { a: 2, b: 2 } },
  { _id: 3, n: null, s: 'c', at: 3 },
  { _id: 4, n: 8, s: 'a', at: 4, o: null },
  { _id: 5, s: 7, at: 5 },
]

type Row = readonly [operator: string, name: string, spec: unknown, expect: unknown, given?: readonly Doc[]]

/** Accumulators over all documents, in the order of their `_id`. */
const groups = (isEdge: boolean) => {
  return ([operator, name, spec, expected, given = GIVEN]: Row): Case => ({
    operator,
    name,
    given,
    run: {
      aggregate: [
        { $sort: { _id: 1 } },
        { $group: { _id: null, value: spec } },
        { $replaceWith: { value: '$value' } },
      ] as Doc[],
    },
    expect: 'mongoCode' in Object(expected) ? expected : [{ value: expected }],
    isEdge,
  })
}

const near = (value: number) => expect.closeTo(value, 10)
const NOTHING: readonly Doc[] = [{ _id: 1 }]

export const GROUPS: readonly Case[] = [
  ...(
    [
      ['$sum', 'of numbers', { $sum: '$n' }, 12],
      ['$avg', 'of numbers', { $avg: '$n' }, 4],
      ['$min', 'of numbers', { $min: '$n' }, 1],
      ['$max', 'of numbers', { $max: '$n' }, 8],
      ['$count', 'of documents', { $count: {} }, 5],
      ['$first', 'in order', { $first: '$s' }, 'b'],
      ['$last', 'in order', { $last: '$s' }, 7],
      ['$firstN', 'in order', { $firstN: { input: '$s', n: 2 } }, ['b', 'a']],
      ['$lastN', 'in order', { $lastN: { input: '$s', n: 2 } }, ['a', 7]],
      ['$minN', 'of numbers', { $minN: { input: '$n', n: 2 } }, [1, 3]],
      ['$maxN', 'of numbers', { $maxN: { input: '$n', n: 2 } }, [8, 3]],
      ['$top', 'by an order', { $top: { sortBy: { n: -1 }, output: '$_id' } }, 4],
      ['$topN', 'by an order', { $topN: { n: 2, sortBy: { n: -1 }, output: '$_id' } }, [4, 1]],
      ['$bottom', 'by an order', { $bottom: { sortBy: { at: 1 }, output: ['$_id', '$s'] } }, [5, 7]],
      ['$bottomN', 'by an order', { $bottomN: { n: 2, sortBy: { at: 1 }, output: '$_id' } }, [4, 5]],
      ['$push', 'of values', { $push: '$s' }, ['b', 'a', 'c', 'a', 7]],
      ['$addToSet', 'of values', { $addToSet: '$s' }, new AnyOrder('a', 'b', 'c', 7)],
      ['$stdDevPop', 'of numbers', { $stdDevPop: '$at' }, near(Math.SQRT2)],
      ['$stdDevSamp', 'of numbers', { $stdDevSamp: '$at' }, near(Math.sqrt(2.5))],
      ['$median', 'of numbers', { $median: { input: '$at', method: 'approximate' } }, 3],
      [
        '$percentile',
        'of numbers',
        { $percentile: { input: '$at', p: [0.2, 1], method: 'approximate' } },
        [1, 5],
      ],
      ['$mergeObjects', 'of documents', { $mergeObjects: '$o' }, { a: 2, b: 2 }],
    ] satisfies readonly Row[]
  ).map(groups(false)),
  ...(
    [
      ['$sum', 'leaves out what is no number', { $sum: '$s' }, 7],
      ['$sum', 'of decimals', { $sum: new Decimal128('0.1') }, new Decimal128('0.5')],
      ['$sum', 'of nothing', { $sum: '$missing' }, 0],
      ['$avg', 'of nothing', { $avg: '$missing' }, null],
      ['$avg', 'of decimals', { $avg: new Decimal128('0.10') }, new Decimal128('0.10')],
      ['$min', 'over types, null left out', { $min: '$s' }, 7],
      ['$max', 'of nothing', { $max: '$missing' }, null],
      ['$count', 'takes nothing', { $count: 5 }, refusal(14)],
      ['$first', 'of what is missing', { $first: '$missing' }, null],
      ['$last', 'of what is missing', { $last: '$n' }, null],
      ['$firstN', 'keeps null for what is missing', { $firstN: { input: '$missing', n: 1 } }, [null]],
      ['$lastN', 'of none', { $lastN: { input: '$n', n: 0 } }, refusal(5787908)],
      ['$minN', 'leaves null out', { $minN: { input: '$n', n: 9 } }, [1, 3, 8]],
      ['$maxN', 'without n', { $maxN: { input: '$n' } }, refusal(5787906)],
      ['$top', 'of what is missing', { $top: { sortBy: { at: -1 }, output: '$n' } }, null],
      [
        '$topN',
        'of more than there are',
        { $topN: { n: 9, sortBy: { at: -1 }, output: '$_id' } },
        [5, 4, 3, 2, 1],
      ],
      ['$topN', 'without an order', { $topN: { n: 9, output: '$_id' } }, refusal(5788005)],
      ['$bottom', 'by a number', { $bottom: { sortBy: 1, output: '$_id' } }, refusal(5788604)],
      ['$bottomN', 'of none', { $bottomN: { n: 0, sortBy: { at: 1 }, output: 1 } }, refusal(5787908)],
      ['$push', 'leaves out what is missing, and keeps null', { $push: '$n' }, [3, 1, null, 8]],
      ['$stdDevPop', 'of nothing', { $stdDevPop: '$missing' }, null],
      ['$stdDevSamp', 'of one', { $stdDevSamp: '$n' }, null, [{ _id: 1, n: 5 }]],
      ['$median', 'of nothing', { $median: { input: '$n', method: 'approximate' } }, null, NOTHING],
      [
        '$percentile',
        'of nothing',
        { $percentile: { input: '$n', p: [0.5], method: 'approximate' } },
        [null],
        NOTHING,
      ],
      ['$percentile', 'without a method', { $percentile: { input: '$n', p: [0.5] } }, refusal()],
      ['$mergeObjects', 'of nothing', { $mergeObjects: '$missing' }, {}],
      ['$mergeObjects', 'of a number', { $mergeObjects: '$at' }, refusal(40400)],
    ] satisfies readonly Row[]
  ).map(groups(true)),
  groups(true)([
    '$addToSet',
    'leaves out what is missing, and keeps null',
    { $addToSet: '$n' },
    new AnyOrder(null, 1, 3, 8),
  ]),
]

/** Window functions over documents in the order of `at`, in two partitions by `who`. */
const SERIES: readonly Doc[] = [
  { _id: 1, who: 'a', at: 1, v: 10, w: 1 },
  { _id: 2, who: 'a', at: 2, v: 20, w: 3 },
  { _id: 3, who: 'a', at: 2, v: null, w: 2 },
  { _id: 4, who: 'a', at: 5, v: 40, w: 7 },
  { _id: 5, who: 'b', at: 1, v: 5, w: 0 },
]

type WindowRow = readonly [operator: string, name: string, field: Doc, expect: unknown, sortBy?: Doc]

const windows = (isEdge: boolean) => {
  return ([operator, name, field, expected, sortBy = { at: 1, _id: 1 }]: WindowRow): Case => ({
    operator,
    name,
    given: SERIES,
    run: {
      aggregate: [
        { $setWindowFields: { partitionBy: '$who', sortBy, output: { value: field } } },
        { $sort: { _id: 1 } },
        { $project: { _id: 0, value: 1 } },
      ],
    },
    expect: Array.isArray(expected) ? expected.map((value) => ({ value })) : expected,
    isEdge,
  })
}

const last2 = { documents: [-1, 'current'] }
const running = { documents: ['unbounded', 'current'] }
const around = { range: [-1, 1] }
const byAt = { at: 1 }

export const WINDOWS: readonly Case[] = [
  ...(
    [
      ['$sum', 'over the last two', { $sum: '$v', window: last2 }, [10, 30, 20, 40, 5]],
      ['$avg', 'running', { $avg: '$v', window: running }, [10, 15, 15, expect.closeTo(70 / 3, 10), 5]],
      ['$min', 'over the last two', { $min: '$v', window: last2 }, [10, 10, 20, 40, 5]],
      ['$max', 'over a range', { $max: '$v', window: around }, [20, 20, 20, 40, 5], byAt],
      ['$count', 'over a range', { $count: {}, window: around }, [3, 3, 3, 1, 1], byAt],
      ['$first', 'over the last two', { $first: '$_id', window: last2 }, [1, 1, 2, 3, 5]],
      ['$last', 'of the partition', { $last: '$_id' }, [4, 4, 4, 4, 5]],
      [
        '$firstN',
        'running',
        { $firstN: { input: '$_id', n: 2 }, window: running },
        [[1], [1, 2], [1, 2], [1, 2], [5]],
      ],
      [
        '$lastN',
        'running',
        { $lastN: { input: '$_id', n: 2 }, window: running },
        [[1], [1, 2], [2, 3], [3, 4], [5]],
      ],
      [
        '$minN',
        'running',
        { $minN: { input: '$w', n: 2 }, window: running },
        [[1], [1, 3], [1, 2], [1, 2], [0]],
      ],
      [
        '$maxN',
        'running',
        { $maxN: { input: '$w', n: 2 }, window: running },
        [[1], [3, 1], [3, 2], [7, 3], [0]],
      ],
      ['$top', 'running', { $top: { sortBy: { w: -1 }, output: '$_id' }, window: running }, [1, 2, 2, 4, 5]],
      [
        '$topN',
        'of the partition',
        { $topN: { n: 2, sortBy: { w: -1 }, output: '$_id' } },
        [[4, 2], [4, 2], [4, 2], [4, 2], [5]],
      ],
      [
        '$bottom',
        'running',
        { $bottom: { sortBy: { w: -1 }, output: '$_id' }, window: running },
        [1, 1, 1, 1, 5],
      ],
      [
        '$bottomN',
        'of the partition',
        { $bottomN: { n: 2, sortBy: { w: -1 }, output: '$_id' } },
        [[3, 1], [3, 1], [3, 1], [3, 1], [5]],
      ],
      ['$push', 'running', { $push: '$_id', window: running }, [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [5]]],
      [
        '$addToSet',
        'over the current',
        { $addToSet: '$at', window: { documents: [0, 0] } },
        [[1], [2], [2], [5], [1]],
      ],
      ['$stdDevPop', 'over the last two', { $stdDevPop: '$w', window: last2 }, [0, 1, 0.5, 2.5, 0]],
      [
        '$stdDevSamp',
        'over the last two',
        { $stdDevSamp: '$w', window: last2 },
        [null, near(Math.SQRT2), near(Math.SQRT1_2), near(Math.sqrt(12.5)), null],
      ],
      ['$median', 'of the partition', { $median: { input: '$w', method: 'approximate' } }, [2, 2, 2, 2, 0]],
      [
        '$percentile',
        'of the partition',
        { $percentile: { input: '$w', p: [1], method: 'approximate' } },
        [[7], [7], [7], [7], [0]],
      ],
      [
        '$covariancePop',
        'running',
        { $covariancePop: ['$at', '$w'], window: running },
        [0, 0.5, near(1 / 3), near(3.375), 0],
      ],
      [
        '$covarianceSamp',
        'of the partition',
        { $covarianceSamp: ['$at', '$w'] },
        [near(4.5), near(4.5), near(4.5), near(4.5), null],
      ],
      ['$rank', 'with ties', { $rank: {} }, [1, 2, 2, 4, 1], byAt],
      ['$denseRank', 'with ties', { $denseRank: {} }, [1, 2, 2, 3, 1], byAt],
      ['$documentNumber', 'without ties', { $documentNumber: {} }, [1, 2, 3, 4, 1]],
      [
        '$shift',
        'from the one before',
        { $shift: { output: '$_id', by: -1, default: 'none' } },
        ['none', 1, 2, 3, 'none'],
      ],
      [
        '$derivative',
        'over the last two',
        { $derivative: { input: '$at' }, window: { documents: [-1, 0] } },
        [null, 0, 1, 0.75, null],
        { w: 1 },
      ],
      [
        '$integral',
        'running',
        { $integral: { input: '$w' }, window: running },
        [0, 4, near(1.5), 24, 0],
        { w: 1 },
      ],
      ['$expMovingAvg', 'over N', { $expMovingAvg: { input: '$w', N: 3 } }, [1, 2, 2, 4.5, 0]],
      ['$linearFill', 'between what is known', { $linearFill: '$v' }, [10, 20, near(15), 40, 5], { w: 1 }],
      ['$locf', 'of what was before', { $locf: '$v' }, [10, 20, 20, 40, 5]],
    ] satisfies readonly WindowRow[]
  ).map(windows(false)),
  ...(
    [
      [
        '$sum',
        'over the documents behind',
        { $sum: '$w', window: { documents: [1, 'unbounded'] } },
        [12, 9, 7, 0, 0],
      ],
      [
        '$sum',
        'with bounds the wrong way round',
        { $sum: '$w', window: { documents: [1, -1] } },
        refusal(5339900),
      ],
      [
        '$avg',
        'of no documents',
        { $avg: '$w', window: { documents: [5, 6] } },
        [null, null, null, null, null],
      ],
      [
        '$min',
        'over a range without an order of one field',
        { $min: '$w', window: around },
        refusal(5339902),
      ],
      [
        '$max',
        'by a range and by documents',
        { $max: '$w', window: { range: [0, 1], documents: [0, 1] } },
        refusal(9),
      ],
      ['$count', 'of no documents', { $count: {}, window: { documents: [5, 6] } }, [0, 0, 0, 0, 0]],
      [
        '$first',
        'of no documents',
        { $first: '$w', window: { documents: [5, 6] } },
        [null, null, null, null, null],
      ],
      ['$last', 'of what is missing', { $last: '$missing' }, [null, null, null, null, null]],
      ['$firstN', 'of none', { $firstN: { input: '$w', n: 0 } }, refusal(5787908)],
      [
        '$lastN',
        'of no documents',
        { $lastN: { input: '$w', n: 1 }, window: { documents: [5, 6] } },
        [[], [], [], [], []],
      ],
      [
        '$minN',
        'of no documents',
        { $minN: { input: '$w', n: 1 }, window: { documents: [5, 6] } },
        [[], [], [], [], []],
      ],
      ['$maxN', 'without an input', { $maxN: { n: 1 } }, refusal(5787906)],
      ['$top', 'without an output', { $top: { sortBy: { w: 1 } } }, refusal(5788005)],
      [
        '$topN',
        'over the current',
        { $topN: { n: 2, sortBy: { w: 1 }, output: '$w' }, window: { documents: [0, 0] } },
        [[1], [3], [2], [7], [0]],
      ],
      ['$bottom', 'without an order', { $bottom: { output: 1 } }, refusal(5788005)],
      [
        '$bottomN',
        'over the current',
        { $bottomN: { n: 2, sortBy: { w: 1 }, output: '$w' }, window: { documents: [0, 0] } },
        [[1], [3], [2], [7], [0]],
      ],
      ['$push', 'of what is missing', { $push: '$missing', window: running }, [[], [], [], [], []]],
      ['$addToSet', 'of what is missing', { $addToSet: '$missing' }, [[], [], [], [], []]],
      ['$stdDevPop', 'of no numbers', { $stdDevPop: '$who' }, [null, null, null, null, null]],
      ['$stdDevSamp', 'of no numbers', { $stdDevSamp: '$who' }, [null, null, null, null, null]],
      [
        '$median',
        'of no numbers',
        { $median: { input: '$who', method: 'approximate' } },
        [null, null, null, null, null],
      ],
      ['$percentile', 'beyond 1', { $percentile: { input: '$w', p: [2], method: 'approximate' } }, refusal()],
      ['$covariancePop', 'of no pairs', { $covariancePop: ['$at', '$who'] }, [null, null, null, null, null]],
      [
        '$covarianceSamp',
        'of one',
        { $covarianceSamp: ['$at', '$w'], window: { documents: [0, 0] } },
        [null, null, null, null, null],
      ],
      ['$rank', 'with a window', { $rank: {}, window: running }, refusal(), byAt],
      ['$denseRank', 'with operands', { $denseRank: { n: 1 } }, refusal(), byAt],
      ['$documentNumber', 'with operands', { $documentNumber: 5 }, refusal()],
      ['$shift', 'beyond the end', { $shift: { output: '$_id', by: 9 } }, [null, null, null, null, null]],
      ['$shift', 'by a fraction', { $shift: { output: '$_id', by: 0.5 } }, refusal(9)],
      ['$derivative', 'without a window', { $derivative: { input: '$w' } }, refusal(), byAt],
      [
        '$integral',
        'with a unit over numbers',
        { $integral: { input: '$w', unit: 'hour' }, window: running },
        refusal(5624901),
        byAt,
      ],
      [
        '$expMovingAvg',
        'with an alpha, over null',
        { $expMovingAvg: { input: '$v', alpha: 0.5 } },
        [10, 15, 15, 27.5, 5],
      ],
      ['$expMovingAvg', 'with both', { $expMovingAvg: { input: '$v', N: 2, alpha: 0.5 } }, refusal(9)],
      ['$linearFill', 'of a string', { $linearFill: '$who' }, refusal(), byAt],
      ['$locf', 'of nothing before', { $locf: '$missing' }, [null, null, null, null, null]],
    ] satisfies readonly WindowRow[]
  ).map(windows(true)),
]
