import { Decimal128, Long } from '../../../sdk/ejson.ts'
import {
  addDecimals,
  compareDecimals,
  decimalKey,
  decimalOfDouble,
  divideDecimals,
  exactDecimal,
  type Finite,
  multiplyDecimals,
  parseDecimal,
  type Rounding,
  remainderOfDecimals,
  roundDecimal,
  subtractDecimals,
  toDecimal128,
} from './decimal.ts'

/**
 * Numbers of all types. As in MongoDB the wider type wins: a Decimal128 makes the result one; else a Long, where
 * all are whole; else it is a double. A Long that overflows becomes a double.
 */
export type Numeric = number | Long | Decimal128

export function isNumeric(value: unknown): value is Numeric {
  return typeof value === 'number' || value instanceof Long || value instanceof Decimal128
}

/** The nearest double. */
export function toDouble(value: Numeric): number {
  if (typeof value === 'number') return value
  return value instanceof Long ? Number(value.value) : Number(value.text)
}

/** The exact whole number; undefined where it has a fraction or is not finite. */
export function toWhole(value: Numeric): bigint | undefined {
  if (value instanceof Long) return value.value
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined
  const decimal = parseDecimal(value.text)
  if (typeof decimal === 'number') return undefined
  const cut = roundDecimal(decimal, 0, 'zero')
  return compareDecimals(cut, decimal) === 0 && cut.exponent < 40
    ? cut.coefficient * 10n ** BigInt(Math.max(0, cut.exponent))
    : undefined
}

export function decimalOf(value: Numeric): Finite | number {
  if (typeof value === 'number') return decimalOfDouble(value)
  return value instanceof Long ? { coefficient: value.value, exponent: 0 } : parseDecimal(value.text)
}

interface Operation {
  readonly doubles: (a: number, b: number) => number
  readonly longs: (a: bigint, b: bigint) => bigint
  readonly decimals: (a: Finite, b: Finite) => Finite
}

function combine(a: Numeric, b: Numeric, { doubles, longs, decimals }: Operation): Numeric {
  if (typeof a === 'number' && typeof b === 'number') return doubles(a, b)
  if (a instanceof Decimal128 || b instanceof Decimal128) {
    const x = decimalOf(a)
    const y = decimalOf(b)
    if (typeof x === 'number' || typeof y === 'number') return toDecimal128(doubles(toDouble(a), toDouble(b)))
    return toDecimal128(decimals(x, y))
  }
  const x = toWhole(a)
  const y = toWhole(b)
  if (x === undefined || y === undefined) return doubles(toDouble(a), toDouble(b))
  const result = longs(x, y)
  return BigInt.asIntN(64, result) === result ? new Long(result) : Number(result)
}

const ADD: Operation = { doubles: (a, b) => a + b, longs: (a, b) => a + b, decimals: addDecimals }
const SUBTRACT: Operation = { doubles: (a, b) => a - b, longs: (a, b) => a - b, decimals: subtractDecimals }
const MULTIPLY: Operation = { doubles: (a, b) => a * b, longs: (a, b) => a * b, decimals: multiplyDecimals }
const REMAINDER: Operation = {
  doubles: (a, b) => a % b,
  longs: (a, b) => a % b,
  decimals: remainderOfDecimals,
}

/** A computed Long as a number, where one holds it: what plugins compute with is numbers. */
export function plain(value: Numeric): Numeric {
  return value instanceof Long && Number.isSafeInteger(Number(value.value)) ? Number(value.value) : value
}

export const add = (a: Numeric, b: Numeric): Numeric => plain(combine(a, b, ADD))
export const subtract = (a: Numeric, b: Numeric): Numeric => plain(combine(a, b, SUBTRACT))
export const multiply = (a: Numeric, b: Numeric): Numeric => plain(combine(a, b, MULTIPLY))
/** The rest of a division by what is not 0. */
export const remainder = (a: Numeric, b: Numeric): Numeric => plain(combine(a, b, REMAINDER))

/** What an update stores: a Long stays one. */
export const increased = (a: Numeric, b: Numeric): Numeric => combine(a, b, ADD)
export const multiplied = (a: Numeric, b: Numeric): Numeric => combine(a, b, MULTIPLY)

/** The quotient by what is not 0: a double, or a Decimal128. */
export function divide(a: Numeric, b: Numeric): Numeric {
  if (!(a instanceof Decimal128 || b instanceof Decimal128)) return toDouble(a) / toDouble(b)
  const x = decimalOf(a)
  const y = decimalOf(b)
  if (typeof x === 'number' || typeof y === 'number') return toDecimal128(toDouble(a) / toDouble(b))
  return toDecimal128(divideDecimals(x, y))
}

export function isZero(value: Numeric): boolean {
  if (value instanceof Decimal128) {
    const decimal = parseDecimal(value.text)
    return typeof decimal !== 'number' && decimal.coefficient === 0n
  }
  return value instanceof Long ? value.value === 0n : value === 0
}

export function negate(value: Numeric): Numeric {
  return typeof value === 'number' ? -value : subtract(0, value)
}

/** The number with no digits behind `places` after the point. */
export function round(value: Numeric, places: number, rounding: Rounding): Numeric {
  if (value instanceof Long) {
    const made = roundDecimal({ coefficient: value.value, exponent: 0 }, places, rounding)
    const whole = made.coefficient * 10n ** BigInt(Math.max(0, made.exponent))
    return BigInt.asIntN(64, whole) === whole ? plain(new Long(whole)) : Number(whole)
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || (Number.isInteger(value) && places >= 0)) return value
    const made = roundDecimal(exactDecimal(value), places, rounding)
    return Number(`${made.coefficient}e${made.exponent}`)
  }
  const decimal = parseDecimal(value.text)
  return typeof decimal === 'number' ? value : toDecimal128(roundDecimal(decimal, places, rounding))
}

/** Exact, whatever the types; NaN is below all and equal to itself. */
export function compareNumbers(a: Numeric | bigint, b: Numeric | bigint): number {
  if (!(a instanceof Decimal128 || b instanceof Decimal128)) {
    const x = a instanceof Long ? a.value : a
    const y = b instanceof Long ? b.value : b
    if (Number.isNaN(x)) return Number.isNaN(y) ? 0 : -1
    if (Number.isNaN(y)) return 1
    return x < y ? -1 : x > y ? 1 : 0
  }
  const x = exact(a)
  const y = exact(b)
  if (typeof x !== 'number' && typeof y !== 'number') return compareDecimals(x, y)
  // One is not finite: as doubles, finite ones are all between the infinities.
  return compareNumbers(typeof x === 'number' ? x : 0, typeof y === 'number' ? y : 0)
}

function exact(value: Numeric | bigint): Finite | number {
  if (typeof value === 'bigint') return { coefficient: value, exponent: 0 }
  if (typeof value === 'number') return Number.isFinite(value) ? exactDecimal(value) : value
  return decimalOf(value)
}

/** A text that numbers share exactly where they are equal, whatever their types. */
export function numberKey(value: Numeric | bigint): string {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return String(value)
    return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value + 0) : BigInt(value).toString()
  }
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Long) return value.value.toString()
  const decimal = parseDecimal(value.text)
  if (typeof decimal === 'number') return String(decimal)
  const whole = toWhole(value)
  if (whole !== undefined) return whole.toString()
  const double = Number(value.text)
  const isDouble = Number.isFinite(double) && compareDecimals(exactDecimal(double), decimal) === 0
  return isDouble ? String(double) : `m${decimalKey(decimal)}`
}
