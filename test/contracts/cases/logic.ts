/* biome-ignore-all lint/suspicious/noThenProperty: MongoDB's name */
import { Decimal128, Long } from '../../../sdk/ejson.ts'
import { expressions, refusal } from './case.ts'

const many = {
  $switch: {
    branches: [
      { case: { $eq: ['$n', 8] }, then: 'eight' },
      { case: { $eq: ['$n', 7] }, then: 'seven' },
    ],
    default: 'other',
  },
}

export const LOGIC = expressions(
  [
    ['$cmp', 'of numbers', { $cmp: ['$n', '$x'] }, 1],
    ['$eq', 'of equal documents', { $eq: ['$o', { p: 1, q: { r: 2 } }] }, true],
    ['$ne', 'of numbers', { $ne: ['$n', 8] }, true],
    ['$gt', 'of numbers', { $gt: ['$n', 6] }, true],
    ['$gte', 'of equal numbers', { $gte: ['$n', 7] }, true],
    ['$lt', 'of numbers', { $lt: ['$n', 6] }, false],
    ['$lte', 'of numbers', { $lte: ['$n', 7] }, true],
    ['$and', 'of conditions', { $and: [{ $gt: ['$n', 1] }, { $lt: ['$n', 9] }] }, true],
    ['$or', 'of conditions', { $or: [{ $gt: ['$n', 9] }, { $lt: ['$n', 9] }] }, true],
    ['$not', 'of a condition', { $not: [{ $gt: ['$n', 9] }] }, true],
    ['$cond', 'as a list', { $cond: [{ $gt: ['$n', 5] }, 'big', 'small'] }, 'big'],
    ['$cond', 'by names', { $cond: { if: { $gt: ['$n', 9] }, then: 'big', else: 'small' } }, 'small'],
    ['$ifNull', 'of null', { $ifNull: ['$nil', 'else'] }, 'else'],
    ['$switch', 'takes the first that applies', many, 'seven'],
    [
      '$let',
      'names values',
      { $let: { vars: { y: { $add: ['$n', 1] } }, in: { $multiply: ['$$y', 2] } } },
      16,
    ],
    ['$literal', 'is not computed', { $literal: { $add: [1, 2] } }, { $add: [1, 2] }],
  ],
  [
    ['$cmp', 'of types: numbers are below strings', { $cmp: ['$n', '$s'] }, -1],
    ['$cmp', 'of three', { $cmp: [1, 2, 3] }, refusal(16020)],
    ['$eq', 'of what is missing and null', { $eq: ['$missing', null] }, false],
    ['$eq', 'of numbers of all types', { $eq: [new Long(5), new Decimal128('5.0')] }, true],
    [
      '$eq',
      'of a double and the decimal that it is written as',
      { $eq: [0.1, new Decimal128('0.1')] },
      false,
    ],
    [
      '$eq',
      'minds the order of fields',
      {
        $eq: [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
      },
      false,
    ],
    ['$ne', 'of what is missing and null', { $ne: ['$missing', null] }, true],
    ['$gt', 'of types: dates are above booleans', { $gt: ['$d', '$yes'] }, true],
    ['$gt', 'of arrays, item by item', { $gt: ['$a', [3, 0, 9]] }, true],
    ['$gte', 'of what is missing and null: missing is below', { $gte: ['$missing', null] }, false],
    ['$lt', 'of a number and a string', { $lt: ['$n', '$s'] }, true],
    ['$lte', 'with one operand', { $lte: ['$n'] }, refusal(16020)],
    ['$and', 'of nothing', { $and: [] }, true],
    ['$and', 'with null', { $and: ['$nil', true] }, false],
    ['$or', 'of nothing', { $or: [] }, false],
    ['$or', 'of 0 and what is missing', { $or: [0, '$missing'] }, false],
    ['$or', 'with an empty string, which counts as true', { $or: ['', false] }, true],
    ['$not', 'of what is missing', { $not: ['$missing'] }, true],
    ['$not', 'of an empty array, which counts as true', { $not: ['$none'] }, false],
    ['$not', 'of two', { $not: [1, 2] }, refusal(16020)],
    ['$cond', 'of two operands', { $cond: [true, 1] }, refusal(16020)],
    ['$cond', 'without else', { $cond: { if: true, then: 1 } }, refusal(17082)],
    ['$cond', 'computes only what is chosen', { $cond: [true, 1, { $divide: [1, 0] }] }, 1],
    ['$ifNull', 'of several', { $ifNull: ['$nil', '$missing', 'x'] }, 'x'],
    ['$ifNull', 'of one', { $ifNull: ['$nil'] }, refusal(1257300)],
    [
      '$switch',
      'without a branch that applies',
      { $switch: { branches: [{ case: false, then: 1 }] } },
      refusal(40066),
    ],
    ['$switch', 'without branches', { $switch: { branches: [] } }, refusal(40068)],
    [
      '$let',
      'hides outer names',
      { $let: { vars: { y: 1 }, in: { $let: { vars: { y: 2 }, in: '$$y' } } } },
      2,
    ],
    [
      '$let',
      'does not see its own names while it names',
      { $let: { vars: { a1: 1, b1: '$$a1' }, in: 1 } },
      refusal(17276),
    ],
    ['$literal', 'of a dollar', { $literal: '$n' }, '$n'],
  ],
)
