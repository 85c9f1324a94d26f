import { Query } from 'mingo/query'
import type { Options } from 'mingo/types'
import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { isNumeric, toDouble, toWhole } from './arithmetic.ts'
import { meter } from './meter.ts'
import { someAtPath } from './paths.ts'
import { compareValues, equalValues, typeRank } from './values.ts'

/**
 * Filter operators for mingo's `Query`, in place of its own, which differ from MongoDB where a path crosses arrays,
 * for null and missing, between types, and for ids, Longs and binary data.
 */
type Test = (value: unknown) => boolean
type Predicate = (doc: unknown) => boolean
type QueryOperator = (selector: string, operand: unknown, options: Options) => Predicate

/** For operators that look at the elements of an array as well as at the array itself. */
function onValues(makeTest: (operand: unknown, options: Options) => Test): QueryOperator {
  return (selector, operand, options) => {
    const test = makeTest(operand, options)
    return atPath(selector, (value) => test(value) || (Array.isArray(value) && value.some(test)))
  }
}

/** For operators that look at the value as it is. */
function onWhole(makeTest: (operand: unknown, options: Options) => Test): QueryOperator {
  return (selector, operand, options) => atPath(selector, makeTest(operand, options))
}

function atPath(selector: string, test: Test): Predicate {
  const parts = selector.split('.')
  return (doc) => {
    meter.tick()
    return someAtPath(doc, parts, 0, test)
  }
}

function not(operator: QueryOperator): QueryOperator {
  return (selector, operand, options) => {
    const predicate = operator(selector, operand, options)
    return (doc) => !predicate(doc)
  }
}

function equals(operand: unknown): Test {
  if (operand === null || operand === undefined) return (value) => value === null || value === undefined
  return (value) => value !== undefined && equalValues(value, operand)
}

/** Only values of one type compare: `{n: {$gt: 5}}` never matches a string. NaN is only equal to itself. */
function compares(accept: (order: number) => boolean): (operand: unknown) => Test {
  return (operand) => {
    if (operand === null) return (value) => (value === null || value === undefined) && accept(0)
    const rank = typeRank(operand)
    const isNaNSought = Number.isNaN(operand)
    return (value) => {
      if (typeRank(value) !== rank) return false
      if (isNaNSought || Number.isNaN(value)) return isNaNSought && Number.isNaN(value) && accept(0)
      return accept(compareValues(value, operand))
    }
  }
}

function matchesRegExp(operand: unknown): Test {
  if (!(operand instanceof RegExp)) return () => false
  return (value) =>
    typeof value === 'string' ? operand.test(value) : value instanceof RegExp && equalValues(value, operand)
}

function isIn(operand: unknown): Test {
  const tests = Array.isArray(operand)
    ? operand.map((item) => (item instanceof RegExp ? matchesRegExp(item) : equals(item)))
    : []
  return (value) => tests.some((test) => test(value))
}

const TYPES: Record<string, Test> = {
  double: (v) => typeof v === 'number' && (!Number.isInteger(v) || v !== (v | 0)),
  string: (v) => typeof v === 'string',
  object: (v) => typeRank(v) === 4,
  array: Array.isArray,
  binData: (v) => v instanceof Binary,
  objectId: (v) => v instanceof ObjectId,
  bool: (v) => typeof v === 'boolean',
  date: (v) => v instanceof Date,
  null: (v) => v === null,
  regex: (v) => v instanceof RegExp,
  int: (v) => typeof v === 'number' && v === (v | 0),
  long: (v) => v instanceof Long,
  decimal: (v) => v instanceof Decimal128,
  number: (v) => typeRank(v) === 2,
}

const TYPE_NUMBERS = new Map([
  [1, 'double'],
  [2, 'string'],
  [3, 'object'],
  [4, 'array'],
  [5, 'binData'],
  [7, 'objectId'],
  [8, 'bool'],
  [9, 'date'],
  [10, 'null'],
  [11, 'regex'],
  [16, 'int'],
  [18, 'long'],
  [19, 'decimal'],
])

/** The test for a type named as `$type` names it; undefined where there is none. */
export function typeTest(name: unknown): Test | undefined {
  const key = typeof name === 'number' ? TYPE_NUMBERS.get(name) : name
  return typeof key === 'string' && Object.hasOwn(TYPES, key) ? TYPES[key] : undefined
}

function isOfType(operand: unknown): Test {
  const tests = (Array.isArray(operand) ? operand : [operand]).map(typeTest)
  return (value) => tests.some((test) => test?.(value))
}

function hasRemainder(operand: unknown): Test {
  const [divisor, remainder] = Array.isArray(operand) ? operand.map((n) => Math.trunc(Number(n))) : []
  return (value) =>
    isNumeric(value) && (Math.trunc(toDouble(value)) % (divisor ?? 1)) + 0 === (remainder ?? 0) + 0
}

/** Whether the bits of a mask are as wanted in a whole number or binary data; negative numbers go on with ones. */
function bits(test: (value: bigint, mask: bigint) => boolean): QueryOperator {
  return onValues((operand) => (value) => {
    const mask = operand instanceof Long ? BigInt.asUintN(64, operand.value) : 0n
    const whole =
      value instanceof Binary
        ? value.bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
        : isNumeric(value)
          ? toWhole(value)
          : undefined
    return whole !== undefined && test(whole, mask)
  })
}

/** A test for the elements of an array: by operators of their own, or by a filter over embedded documents. */
export function elementTest(criteria: Record<string, unknown>, options: Options): Test {
  const isOperators = Object.keys(criteria).some(
    (key) => key.startsWith('$') && !/^\$(and|or|nor)$/.test(key),
  )
  const query = new Query(isOperators ? { element: criteria } : criteria, options)
  if (isOperators) return (element) => query.test({ element })
  return (element) => typeRank(element) === 4 && query.test(element as Record<string, unknown>)
}

function someElement(operand: unknown, options: Options): Test {
  const test = elementTest(operand as Record<string, unknown>, options)
  return (value) => Array.isArray(value) && value.some(test)
}

const $all: QueryOperator = (selector, operand, options) => {
  const predicates = (Array.isArray(operand) ? operand : []).map((item) => {
    if (typeRank(item) === 4 && '$elemMatch' in item) return $elemMatch(selector, item.$elemMatch, options)
    return item instanceof RegExp ? $regex(selector, item, options) : $eq(selector, item, options)
  })
  return (doc) => predicates.length > 0 && predicates.every((predicate) => predicate(doc))
}

const $eq = onValues(equals)
const $in = onValues(isIn)
const $regex = onValues(matchesRegExp)
const $elemMatch = onWhole(someElement)
const exists = onWhole(() => (value) => value !== undefined)

export const QUERY_OPERATORS: Record<`$${string}`, QueryOperator> = {
  $eq,
  $ne: not($eq),
  $gt: onValues(compares((order) => order > 0)),
  $gte: onValues(compares((order) => order >= 0)),
  $lt: onValues(compares((order) => order < 0)),
  $lte: onValues(compares((order) => order <= 0)),
  $in,
  $nin: not($in),
  $exists: (selector, operand, options) =>
    operand ? exists(selector, operand, options) : not(exists)(selector, operand, options),
  $type: onValues(isOfType),
  $mod: onValues(hasRemainder),
  $regex,
  $all,
  $elemMatch,
  $bitsAllSet: bits((value, mask) => (value & mask) === mask),
  $bitsAllClear: bits((value, mask) => (value & mask) === 0n),
  $bitsAnySet: bits((value, mask) => (value & mask) !== 0n),
  $bitsAnyClear: bits((value, mask) => (value & mask) !== mask),
  $size: onWhole((operand) => (value) => Array.isArray(value) && value.length === operand),
}
