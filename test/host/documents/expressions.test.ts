import { describe, expect, it } from 'vitest'
import { IMPLEMENTED_EXPRESSIONS } from '../../../host/storage/documents/expression-operators.ts'
import { EXPRESSION_OPERATORS } from '../../../host/storage/documents/operators.ts'
import { Long, ObjectId } from '../../../sdk/ejson.ts'
import { collectionOf, openDatabase, refusalOf } from './support.ts'

const DAY = new Date('2026-03-29T10:20:30.456Z')
const NIGHT = new Date('2026-11-23T02:30:00Z')
const doc = {
  _id: 1,
  n: 7,
  x: -2.5,
  s: 'Ünïcode Text',
  t: '  pad ',
  nil: null,
  a: [3, 1, 2],
  words: ['b', 'a', 'b'],
  docs: [
    { k: 'x', v: 1 },
    { k: 'y', v: 2 },
  ],
  o: { p: 1, q: { r: 2 } },
  d: DAY,
  night: NIGHT,
  long: new Long(5),
  id: new ObjectId('0123456789abcdef01234567'),
}

function evaluate(expression: unknown): unknown {
  const c = collectionOf(openDatabase())
  c.insert(doc)
  const [found] = c.aggregate([{ $replaceWith: { value: expression } }])
  return Reflect.get(Object(found), 'value')
}

const CASES: [operator: string, expression: unknown, value: unknown][] = [
  ['$abs', { $abs: '$x' }, 2.5],
  ['$abs', { $abs: '$missing' }, null],
  ['$add', { $add: ['$n', 1, '$long'] }, 13],
  ['$add', { $add: ['$d', 1000] }, new Date(DAY.getTime() + 1000)],
  ['$add', { $add: ['$n', '$nil'] }, null],
  ['$ceil', { $ceil: '$x' }, -2],
  ['$divide', { $divide: ['$n', 2] }, 3.5],
  ['$exp', { $exp: 0 }, 1],
  ['$floor', { $floor: '$x' }, -3],
  ['$ln', { $ln: 1 }, 0],
  ['$log', { $log: [8, 2] }, 3],
  ['$log10', { $log10: 1000 }, 3],
  ['$mod', { $mod: ['$n', 4] }, 3],
  ['$multiply', { $multiply: ['$n', 2, 2] }, 28],
  ['$pow', { $pow: ['$n', 2] }, 49],
  ['$round', { $round: '$x' }, -2],
  ['$round', { $round: [3.5] }, 4],
  ['$round', { $round: [1.005, 2] }, 1],
  ['$round', { $round: [1250, -2] }, 1200],
  ['$sqrt', { $sqrt: 49 }, 7],
  ['$subtract', { $subtract: ['$n', 2] }, 5],
  ['$subtract', { $subtract: ['$night', '$d'] }, NIGHT.getTime() - DAY.getTime()],
  ['$trunc', { $trunc: [-2.57, 1] }, -2.5],
  ['$sum', { $sum: '$a' }, 6],
  ['$sum', { $sum: ['$n', 'x', 1] }, 8],
  ['$avg', { $avg: '$a' }, 2],
  ['$min', { $min: '$a' }, 1],
  ['$max', { $max: ['$n', 9, null] }, 9],
  ['$stdDevPop', { $stdDevPop: [2, 4, 4, 4, 5, 5, 7, 9] }, 2],
  ['$stdDevSamp', { $stdDevSamp: [1, 3] }, Math.SQRT2],
  ['$cmp', { $cmp: ['$n', '$x'] }, 1],
  ['$cmp', { $cmp: ['a', 5] }, 1],
  ['$eq', { $eq: ['$missing', null] }, false],
  ['$eq', { $eq: ['$long', 5] }, true],
  ['$ne', { $ne: ['$o', { p: 1, q: { r: 2 } }] }, false],
  ['$gt', { $gt: ['$n', 6] }, true],
  ['$gte', { $gte: ['$n', 7] }, true],
  ['$lt', { $lt: ['$n', '7'] }, true],
  ['$lte', { $lte: ['$n', 6] }, false],
  ['$and', { $and: ['$n', true] }, true],
  ['$or', { $or: ['$missing', 0] }, false],
  ['$not', { $not: ['$nil'] }, true],
  ['$cond', { $cond: [{ $gt: ['$n', 5] }, 'big', 'small'] }, 'big'],
  // biome-ignore lint/suspicious/noThenProperty: MongoDB's name
  ['$cond', { $cond: { if: '$missing', then: 1, else: 2 } }, 2],
  ['$ifNull', { $ifNull: ['$nil', '$missing', 'x'] }, 'x'],
  [
    '$switch',
    // biome-ignore lint/suspicious/noThenProperty: MongoDB's name
    { $switch: { branches: [{ case: { $eq: ['$n', 7] }, then: 'seven' }], default: 'other' } },
    'seven',
  ],
  ['$let', { $let: { vars: { y: { $add: ['$n', 1] } }, in: { $multiply: ['$$y', 2] } } }, 16],
  ['$literal', { $literal: { $add: [1, 2] } }, { $add: [1, 2] }],
  ['$concat', { $concat: ['a', '$s', 'b'] }, 'aÜnïcode Textb'],
  ['$concat', { $concat: ['a', '$nil'] }, null],
  ['$indexOfCP', { $indexOfCP: ['😀abc', 'c'] }, 3],
  ['$indexOfCP', { $indexOfCP: ['abcabc', 'a', 1, 3] }, -1],
  ['$ltrim', { $ltrim: { input: '$t' } }, 'pad '],
  ['$rtrim', { $rtrim: { input: '$t' } }, '  pad'],
  ['$trim', { $trim: { input: 'xyaxy', chars: 'xy' } }, 'a'],
  [
    '$regexFind',
    { $regexFind: { input: 'ab12', regex: '([a-z])(\\d)' } },
    { match: 'b1', idx: 1, captures: ['b', '1'] },
  ],
  ['$regexFind', { $regexFind: { input: 'x', regex: 'y' } }, null],
  [
    '$regexFindAll',
    { $regexFindAll: { input: 'a1b2', regex: /[a-z]/ } },
    [
      { match: 'a', idx: 0, captures: [] },
      { match: 'b', idx: 2, captures: [] },
    ],
  ],
  [
    '$regexFindAll',
    { $regexFindAll: { input: 'ab', regex: 'x*' } },
    [0, 1, 2].map((idx) => ({ match: '', idx, captures: [] })),
  ],
  ['$regexMatch', { $regexMatch: { input: '$s', regex: 'TEXT$', options: 'i' } }, true],
  ['$replaceAll', { $replaceAll: { input: 'a.b.c', find: '.', replacement: { $literal: '$&' } } }, 'a$&b$&c'],
  ['$replaceOne', { $replaceOne: { input: 'a.b.c', find: '.', replacement: '-' } }, 'a-b.c'],
  ['$split', { $split: ['a,b', ','] }, ['a', 'b']],
  ['$strcasecmp', { $strcasecmp: ['Ab', 'aB'] }, 0],
  ['$strLenBytes', { $strLenBytes: 'é😀' }, 6],
  ['$strLenCP', { $strLenCP: 'é😀' }, 2],
  ['$substr', { $substr: ['abc', 1, -1] }, 'bc'],
  ['$substrBytes', { $substrBytes: ['abc', 0, 2] }, 'ab'],
  ['$substrCP', { $substrCP: ['é😀x', 1, 1] }, '😀'],
  ['$toLower', { $toLower: '$s' }, 'ünïcode text'],
  ['$toLower', { $toLower: '$nil' }, ''],
  ['$toUpper', { $toUpper: 'a' }, 'A'],
  ['$arrayElemAt', { $arrayElemAt: ['$a', -1] }, 2],
  ['$arrayToObject', { $arrayToObject: '$docs' }, { x: 1, y: 2 }],
  ['$arrayToObject', { $arrayToObject: [[['a', [1, 2]]]] }, { a: [1, 2] }],
  ['$concatArrays', { $concatArrays: ['$a', [9]] }, [3, 1, 2, 9]],
  ['$filter', { $filter: { input: '$a', as: 'i', cond: { $gt: ['$$i', 1] } } }, [3, 2]],
  ['$first', { $first: '$a' }, 3],
  ['$first', { $first: [[[1, 2], 3]] }, [1, 2]],
  ['$in', { $in: ['a', '$words'] }, true],
  ['$indexOfArray', { $indexOfArray: ['$words', 'a'] }, 1],
  ['$isArray', { $isArray: ['$a'] }, true],
  ['$last', { $last: '$a' }, 2],
  ['$map', { $map: { input: '$a', as: 'i', in: { $multiply: ['$$i', '$n'] } } }, [21, 7, 14]],
  ['$range', { $range: [5, 0, -2] }, [5, 3, 1]],
  ['$reduce', { $reduce: { input: '$a', initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
  ['$reverseArray', { $reverseArray: '$a' }, [2, 1, 3]],
  ['$size', { $size: '$a' }, 3],
  ['$slice', { $slice: ['$a', 1, 1] }, [1]],
  ['$sortArray', { $sortArray: { input: '$a', sortBy: -1 } }, [3, 2, 1]],
  [
    '$sortArray',
    { $sortArray: { input: '$docs', sortBy: { v: -1 } } },
    [
      { k: 'y', v: 2 },
      { k: 'x', v: 1 },
    ],
  ],
  ['$zip', { $zip: { inputs: ['$a', ['x']] } }, [[3, 'x']]],
  [
    '$zip',
    { $zip: { inputs: [[1], [2, 3]], useLongestLength: true, defaults: [0, 0] } },
    [
      [1, 2],
      [0, 3],
    ],
  ],
  ['$setDifference', { $setDifference: ['$a', [1]] }, [3, 2]],
  ['$setEquals', { $setEquals: ['$words', ['a', 'b']] }, true],
  ['$setIntersection', { $setIntersection: ['$a', [2, 3, 4]] }, [3, 2]],
  ['$setIsSubset', { $setIsSubset: [['a'], '$words'] }, true],
  ['$setUnion', { $setUnion: ['$words', ['c']] }, ['b', 'a', 'c']],
  ['$allElementsTrue', { $allElementsTrue: [[1, 'x', '']] }, true],
  ['$anyElementTrue', { $anyElementTrue: [[0, null, false]] }, false],
  ['$getField', { $getField: 'n' }, 7],
  ['$getField', { $getField: { field: 'p', input: '$o' } }, 1],
  ['$mergeObjects', { $mergeObjects: ['$o', { p: 2 }, null] }, { p: 2, q: { r: 2 } }],
  ['$objectToArray', { $objectToArray: '$o.q' }, [{ k: 'r', v: 2 }]],
  ['$setField', { $setField: { field: 'z', input: '$o.q', value: 1 } }, { r: 2, z: 1 }],
  [
    '$dateAdd',
    { $dateAdd: { startDate: '$d', unit: 'hour', amount: 2 } },
    new Date('2026-03-29T12:20:30.456Z'),
  ],
  [
    '$dateSubtract',
    { $dateSubtract: { startDate: '$d', unit: 'day', amount: 1 } },
    new Date('2026-03-28T10:20:30.456Z'),
  ],
  ['$dateDiff', { $dateDiff: { startDate: '$d', endDate: '$night', unit: 'day' } }, 239],
  [
    '$dateFromParts',
    { $dateFromParts: { year: 2026, month: 3, day: 29, hour: 12, timezone: 'Europe/Berlin' } },
    new Date('2026-03-29T10:00:00Z'),
  ],
  ['$dateFromString', { $dateFromString: { dateString: '2026-03-29T10:20:30.456Z' } }, DAY],
  ['$dateFromString', { $dateFromString: { dateString: 'x', onError: 'bad' } }, 'bad'],
  [
    '$dateFromString',
    { $dateFromString: { dateString: '29/03/2026', format: '%d/%m/%Y' } },
    new Date('2026-03-29T00:00:00Z'),
  ],
  [
    '$dateToParts',
    { $dateToParts: { date: '$night', timezone: 'America/New_York' } },
    { year: 2026, month: 11, day: 22, hour: 21, minute: 30, second: 0, millisecond: 0 },
  ],
  [
    '$dateToString',
    { $dateToString: { date: '$night', format: '%Y-%m-%d', timezone: 'America/New_York' } },
    '2026-11-22',
  ],
  ['$dateToString', { $dateToString: { date: '$d' } }, '2026-03-29T10:20:30.456Z'],
  ['$dateToString', { $dateToString: { date: '$d', format: '%H:%M %z', timezone: '+05:30' } }, '15:50 +0530'],
  [
    '$dateTrunc',
    { $dateTrunc: { date: '$night', unit: 'day', timezone: 'America/New_York' } },
    new Date('2026-11-22T05:00:00Z'),
  ],
  [
    '$dateTrunc',
    { $dateTrunc: { date: '$d', unit: 'week', startOfWeek: 'monday' } },
    new Date('2026-03-23T00:00:00Z'),
  ],
  ['$dayOfMonth', { $dayOfMonth: '$d' }, 29],
  ['$dayOfWeek', { $dayOfWeek: '$d' }, 1],
  ['$dayOfYear', { $dayOfYear: '$d' }, 88],
  ['$hour', { $hour: { date: '$night', timezone: 'America/New_York' } }, 21],
  ['$isoDayOfWeek', { $isoDayOfWeek: '$d' }, 7],
  ['$isoWeek', { $isoWeek: '$d' }, 13],
  ['$isoWeekYear', { $isoWeekYear: new Date('2027-01-01T00:00:00Z') }, 2026],
  ['$millisecond', { $millisecond: '$d' }, 456],
  ['$minute', { $minute: ['$d'] }, 20],
  ['$month', { $month: '$d' }, 3],
  ['$second', { $second: '$d' }, 30],
  ['$week', { $week: new Date('2026-03-25T00:00:00Z') }, 12],
  ['$year', { $year: '$d' }, 2026],
  ['$year', { $year: '$missing' }, null],
  ['$convert', { $convert: { input: 'x', to: 'int', onError: -1 } }, -1],
  ['$convert', { $convert: { input: '$nil', to: 'int', onNull: 0 } }, 0],
  ['$isNumber', { $isNumber: '$long' }, true],
  ['$toBool', { $toBool: '' }, true],
  ['$toDate', { $toDate: '$id' }, doc.id.getTimestamp()],
  ['$toDouble', { $toDouble: '2.5' }, 2.5],
  ['$toInt', { $toInt: -2.7 }, -2],
  ['$toLong', { $toLong: '$d' }, DAY.getTime()],
  ['$toString', { $toString: '$id' }, '0123456789abcdef01234567'],
  ['$type', { $type: '$missing' }, 'missing'],
  ['$type', { $type: '$id' }, 'objectId'],
]

describe('an expression', () => {
  it.each(CASES)('computes %s: %j', (_, expression, value) => {
    expect(evaluate(expression)).toEqual(value)
  })

  it('is offered exactly where the written list says so', () => {
    expect([...IMPLEMENTED_EXPRESSIONS].sort()).toEqual([...EXPRESSION_OPERATORS].sort())
  })

  it('reads paths, variables and the time of the operation', () => {
    expect(evaluate('$o.q.r')).toBe(2)
    expect(evaluate('$docs.v')).toEqual([1, 2])
    expect(evaluate('$$ROOT.n')).toBe(7)
    expect(evaluate(['$$NOW', '$$NOW'])).toEqual([expect.any(Date), expect.any(Date)])
    expect(evaluate({ a: '$$REMOVE' })).toEqual({})
    expect(evaluate('$constructor')).toBeUndefined()
    expect(evaluate('$o.__defineGetter__')).toBeUndefined()
  })

  it.each<[string, unknown, string, number | undefined]>([
    ['a string in arithmetic', { $add: ['$s', 1] }, 'query_invalid', 14],
    ['a division by zero', { $divide: [1, 0] }, 'query_invalid', 2],
    ['two operators in one object', { $add: [1], $subtract: [1, 1] }, 'query_invalid', 15983],
    ['an operator beside a field', { x: 1, $add: [1] }, 'query_invalid', 15983],
    ['an unknown operator', { $function: { body: 'x', args: [], lang: 'js' } }, 'operator_unknown', 168],
    [
      'one deep inside',
      { $cond: [true, { $map: { input: [], in: { $accumulator: {} } } }, 1] },
      'operator_unknown',
      168,
    ],
    ['an unknown variable', '$$nobody', 'query_invalid', 17276],
    ['a zone that is not there', { $hour: { date: '$d', timezone: 'Mars/Base' } }, 'query_invalid', 40485],
    ['no array', { $size: '$n' }, 'query_invalid', 17124],
    ['what cannot be converted', { $toInt: 'x' }, 'query_invalid', 241],
    ['an object as text', { $toString: '$o' }, 'query_invalid', 241],
    ['$switch without branches', { $switch: { branches: 5 } }, 'query_invalid', 40061],
    ['$let without vars', { $let: { in: 1 } }, 'query_invalid', 16876],
    ['a dotted field name', { 'a.b': 1 }, 'query_invalid', 9],
  ])('refuses %s', (_, expression, code, mongoCode) => {
    expect(refusalOf(() => evaluate(expression))).toMatchObject({ code, mongoCode })
  })
})
