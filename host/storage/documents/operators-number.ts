import { Decimal128, Long } from '../../../sdk/ejson.ts'
import {
  add,
  divide,
  isNumeric,
  isZero,
  multiply,
  type Numeric,
  negate,
  plain,
  remainder,
  round,
  subtract,
  toDouble,
  toWhole,
} from './arithmetic.ts'
import type { Rounding } from './decimal.ts'
import type { ExpressionOperator } from './evaluate.ts'
import { isNil, mismatch, onAny, onList, onOne } from './operator-kit.ts'
import { MONGO, refusal } from './refusal.ts'
import { compareValues } from './values.ts'

const NOT_NUMERIC = 28765

function number(operator: string, value: unknown, mongoCode: number = MONGO.TypeMismatch): Numeric {
  if (isNumeric(value)) return value
  throw mismatch(operator, 'numbers', mongoCode)
}

/** A double; arithmetic that ends in no decimal is not offered on decimals. */
function double(operator: string, value: unknown, mongoCode: number): number {
  if (value instanceof Decimal128)
    throw mismatch(operator, 'no Decimal128: convert it with $toDouble', MONGO.TypeMismatch)
  return toDouble(number(operator, value, mongoCode))
}

function unary(name: string, compute: (n: number) => number): ExpressionOperator {
  return onOne(name, (value) => (isNil(value) ? null : compute(double(name, value, NOT_NUMERIC))))
}

/** A function of an angle or a ratio, defined between two bounds. */
function within(
  name: string,
  least: number,
  most: number,
  compute: (n: number) => number,
): ExpressionOperator {
  return unary(name, (n) => {
    if (n < least || n > most)
      throw refusal('query_invalid', 50989, `${name} takes numbers from ${least} to ${most}.`)
    return compute(n)
  })
}

function angle(name: string, compute: (n: number) => number): ExpressionOperator {
  return unary(name, (n) => {
    if (Math.abs(n) === Number.POSITIVE_INFINITY)
      throw refusal('query_invalid', 50989, `${name} takes finite numbers.`)
    return compute(n)
  })
}

function binary(name: string, compute: (a: unknown, b: unknown) => unknown): ExpressionOperator {
  return onList(name, 2, 2, ([a, b]) => (isNil(a) || isNil(b) ? null : compute(a, b)))
}

const $add = onAny('$add', (values) => {
  let sum: Numeric = 0
  let date: Date | undefined
  if (values.some(isNil)) return null
  for (const value of values) {
    if (value instanceof Date) {
      if (date) throw mismatch('$add', 'at most one date', 16612)
      date = value
    } else sum = add(sum, number('$add', value))
  }
  return date ? moment('$add', date.getTime() + Math.round(toDouble(sum))) : sum
})

function moment(operator: string, ms: number): Date {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime()))
    throw refusal('query_invalid', MONGO.Overflow, `${operator} makes no valid date.`)
  return date
}

const $subtract = binary('$subtract', (a, b) => {
  if (!(a instanceof Date)) return subtract(number('$subtract', a), number('$subtract', b))
  if (b instanceof Date) return a.getTime() - b.getTime()
  return moment('$subtract', a.getTime() - Math.round(toDouble(number('$subtract', b))))
})

const $multiply = onAny('$multiply', (values) => {
  if (values.some(isNil)) return null
  return values.reduce((product: Numeric, value) => multiply(product, number('$multiply', value)), 1)
})

const $divide = binary('$divide', (a, b) => {
  const divisor = number('$divide', b)
  const dividend = number('$divide', a)
  if (isZero(divisor)) throw refusal('query_invalid', MONGO.BadValue, '$divide cannot divide by zero.')
  return divide(dividend, divisor)
})

const $mod = binary('$mod', (a, b) => {
  const dividend = number('$mod', a, 16611)
  const divisor = number('$mod', b, 16611)
  if (isZero(divisor)) throw refusal('query_invalid', 16610, '$mod cannot divide by zero.')
  return remainder(dividend, divisor)
})

const $pow = binary('$pow', (a, b) => {
  const base = double('$pow', a, 28762)
  const exponent = double('$pow', b, 28763)
  if (base === 0 && exponent < 0)
    throw refusal('query_invalid', 28764, '$pow of 0 takes no negative exponent.')
  if (a instanceof Long || b instanceof Long) {
    const [x, y] = [toWhole(number('$pow', a)), toWhole(number('$pow', b))]
    const isSmall = x !== undefined && y !== undefined && y >= 0n && y <= 64n
    const result = isSmall ? x ** y : 2n ** 64n
    if (BigInt.asIntN(64, result) === result) return plain(new Long(result))
  }
  return base ** exponent
})

const $log = binary('$log', (a, b) => {
  const value = double('$log', a, 28756)
  const base = double('$log', b, 28757)
  if (value <= 0) throw refusal('query_invalid', 28758, '$log takes a positive number.')
  if (base <= 0 || base === 1)
    throw refusal('query_invalid', 28759, '$log takes a positive base that is not 1.')
  if (base === 2) return Math.log2(value)
  return base === 10 ? Math.log10(value) : Math.log(value) / Math.log(base)
})

function positive(name: string, mongoCode: number, compute: (n: number) => number): ExpressionOperator {
  return unary(name, (n) => {
    if (n <= 0) throw refusal('query_invalid', mongoCode, `${name} takes a positive number.`)
    return compute(n)
  })
}

/** Numbers to a whole one, of their own type. */
function whole(name: string, rounding: Rounding): ExpressionOperator {
  return onOne(name, (value) => (isNil(value) ? null : round(number(name, value, NOT_NUMERIC), 0, rounding)))
}

/** Half goes to the even neighbour, as MongoDB rounds; negative places round left of the point. */
function toPlaces(name: string, rounding: Rounding): ExpressionOperator {
  return onList(name, 1, 2, (values) => {
    const [value, places = 0] = values
    if (isNil(value) || (values.length === 2 && isNil(values[1]))) return null
    const given = number(name, value, 51081)
    const count = isNumeric(places) ? toWhole(places) : undefined
    if (count === undefined) throw mismatch(name, 'a whole number of places', 51082)
    if (count < -20n || count > 100n) throw mismatch(name, 'places from -20 to 100', 51083)
    return round(given, Number(count), rounding)
  })
}

const $abs = onOne('$abs', (value) => {
  if (isNil(value)) return null
  const given = number('$abs', value, NOT_NUMERIC)
  if (given instanceof Long && given.value === -(2n ** 63n))
    throw refusal('query_invalid', 28680, '$abs cannot take the smallest Long.')
  return compareValues(given, 0) < 0 ? negate(given) : given
})

/** The numbers of a list, or of the one array in it; what is no number is left out. */
function numbersOf(values: readonly unknown[]): Numeric[] {
  const [first] = values
  const items: readonly unknown[] = values.length === 1 && Array.isArray(first) ? first : values
  return items.filter(isNumeric)
}

/** Variance over n (population) or n - 1 (sample), by Welford's method; null where there is none. */
export function standardDeviation(numbers: readonly number[], isSample: boolean): number | null {
  let mean = 0
  let squares = 0
  numbers.forEach((value, i) => {
    const delta = value - mean
    mean += delta / (i + 1)
    squares += delta * (value - mean)
  })
  const divisor = isSample ? numbers.length - 1 : numbers.length
  return divisor > 0 ? Math.sqrt(squares / divisor) : null
}

function sumOf(numbers: readonly Numeric[]): Numeric {
  return numbers.reduce<Numeric>(add, 0)
}

/** The mean: a double, or a Decimal128; null of nothing. */
export function meanOf(sum: Numeric, count: number): Numeric | null {
  return count === 0 ? null : divide(sum, count)
}

function extreme(name: string, sign: 1 | -1): ExpressionOperator {
  return onAny(name, (values) => {
    const [first] = values
    const items: unknown[] = values.length === 1 && Array.isArray(first) ? first : values
    let best: unknown = null
    for (const item of items)
      if (!isNil(item) && (best === null || compareValues(item, best) * sign > 0)) best = item
    return best
  })
}

function bits(name: string, start: bigint, compute: (a: bigint, b: bigint) => bigint): ExpressionOperator {
  return onAny(name, (values) => {
    if (values.some(isNil)) return null
    let isLong = false
    let result = start
    for (const value of values) {
      const given = bitsOf(name, value)
      isLong ||= value instanceof Long
      result = compute(result, given)
    }
    return isLong ? plain(new Long(BigInt.asIntN(64, result))) : Number(BigInt.asIntN(32, result))
  })
}

function bitsOf(name: string, value: unknown): bigint {
  const isWhole = value instanceof Long || (typeof value === 'number' && Number.isInteger(value))
  if (!isWhole || !isNumeric(value)) throw mismatch(name, 'whole numbers')
  return toWhole(value) ?? 0n
}

const $bitNot = onOne('$bitNot', (value) => {
  if (isNil(value)) return null
  const flipped = ~bitsOf('$bitNot', value)
  return value instanceof Long ? plain(new Long(flipped)) : Number(flipped)
})

export const NUMBER_OPERATORS: Record<string, ExpressionOperator> = {
  $add,
  $subtract,
  $multiply,
  $divide,
  $mod,
  $pow,
  $log,
  $abs,
  $ceil: whole('$ceil', 'up'),
  $floor: whole('$floor', 'down'),
  $exp: unary('$exp', Math.exp),
  $ln: positive('$ln', 28766, Math.log),
  $log10: positive('$log10', 28761, Math.log10),
  $sqrt: unary('$sqrt', (n) => {
    if (n < 0) throw refusal('query_invalid', 28714, '$sqrt takes a number that is not negative.')
    return Math.sqrt(n)
  }),
  $round: toPlaces('$round', 'even'),
  $trunc: toPlaces('$trunc', 'zero'),
  $sum: onAny('$sum', (values) => sumOf(numbersOf(values))),
  $avg: onAny('$avg', (values) => {
    const numbers = numbersOf(values)
    return meanOf(sumOf(numbers), numbers.length)
  }),
  $min: extreme('$min', -1),
  $max: extreme('$max', 1),
  $stdDevPop: onAny('$stdDevPop', (values) => standardDeviation(numbersOf(values).map(toDouble), false)),
  $stdDevSamp: onAny('$stdDevSamp', (values) => standardDeviation(numbersOf(values).map(toDouble), true)),
  $bitAnd: bits('$bitAnd', -1n, (a, b) => a & b),
  $bitOr: bits('$bitOr', 0n, (a, b) => a | b),
  $bitXor: bits('$bitXor', 0n, (a, b) => a ^ b),
  $bitNot,
  $sin: angle('$sin', Math.sin),
  $cos: angle('$cos', Math.cos),
  $tan: angle('$tan', Math.tan),
  $asin: within('$asin', -1, 1, Math.asin),
  $acos: within('$acos', -1, 1, Math.acos),
  $atan: unary('$atan', Math.atan),
  $atan2: binary('$atan2', (a, b) => Math.atan2(double('$atan2', a, 51044), double('$atan2', b, 51045))),
  $sinh: unary('$sinh', Math.sinh),
  $cosh: unary('$cosh', Math.cosh),
  $tanh: unary('$tanh', Math.tanh),
  $asinh: unary('$asinh', Math.asinh),
  $acosh: within('$acosh', 1, Number.POSITIVE_INFINITY, Math.acosh),
  $atanh: within('$atanh', -1, 1, Math.atanh),
  $degreesToRadians: unary('$degreesToRadians', (n) => (n * Math.PI) / 180),
  $radiansToDegrees: unary('$radiansToDegrees', (n) => (n * 180) / Math.PI),
  $rand: onAny('$rand', (values) => {
    if (values.some((value) => Object.keys(Object(value)).length > 0))
      throw mismatch('$rand', 'no operands: {$rand: {}}', 3040501)
    return Math.random()
  }),
}
