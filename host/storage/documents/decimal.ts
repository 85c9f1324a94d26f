import { Decimal128 } from '../../../sdk/ejson.ts'

/**
 * Decimal128 arithmetic: 34 digits, halves to the even neighbour. Results beyond the type's exponents become
 * infinite or zero, as in IEEE 754.
 */

/** A finite decimal: `coefficient * 10 ** exponent`. */
export interface Finite {
  readonly coefficient: bigint
  readonly exponent: number
}

const DIGITS = 34
const LEAST_EXPONENT = -6176
const MOST_EXPONENT = 6111

/** Reads a decimal number. Those that are not finite come back as JavaScript's. */
export function parseDecimal(text: string): Finite | number {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text)
  if (!match) return Number(text.replace(/^([+-]?)inf(inity)?$/i, '$1Infinity'))
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const coefficient = BigInt(`${whole}${fraction}` || '0')
  return {
    coefficient: sign === '-' ? -coefficient : coefficient,
    exponent: Number(exponent) - fraction.length,
  }
}

function power(exponent: number): bigint {
  return 10n ** BigInt(exponent)
}

/** Division that rounds halves to the even neighbour. */
function divideRounded(a: bigint, b: bigint): bigint {
  const quotient = a / b
  const rest = a % b
  if (rest === 0n) return quotient
  const twice = (rest < 0n ? -rest : rest) * 2n
  const size = b < 0n ? -b : b
  const isAway = twice > size || (twice === size && quotient % 2n !== 0n)
  return isAway ? quotient + (a < 0n === b < 0n ? 1n : -1n) : quotient
}

function digitsOf(coefficient: bigint): number {
  return coefficient.toString().length - (coefficient < 0n ? 1 : 0)
}

function rounded(value: Finite): Finite {
  const extra = digitsOf(value.coefficient) - DIGITS
  if (extra <= 0) return value
  const made = {
    coefficient: divideRounded(value.coefficient, power(extra)),
    exponent: value.exponent + extra,
  }
  return digitsOf(made.coefficient) > DIGITS ? rounded(made) : made
}

/** The value as the type that is stored. */
export function toDecimal128(value: Finite | number): Decimal128 {
  if (typeof value === 'number')
    return new Decimal128(Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity')
  const { coefficient, exponent } = rounded(value)
  const sign = coefficient < 0n ? '-' : ''
  const digits = (coefficient < 0n ? -coefficient : coefficient).toString()
  const adjusted = exponent + digits.length - 1
  if (coefficient !== 0n && adjusted > MOST_EXPONENT + DIGITS - 1) return new Decimal128(`${sign}Infinity`)
  if (coefficient !== 0n && adjusted < LEAST_EXPONENT) return new Decimal128('0')
  if (exponent > 0 || adjusted < -6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return new Decimal128(`${sign}${digits[0]}${fraction}E${adjusted < 0 ? '' : '+'}${adjusted}`)
  }
  if (exponent === 0) return new Decimal128(sign + digits)
  const padded = digits.padStart(1 - exponent, '0')
  return new Decimal128(`${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`)
}

/** The coefficients of two numbers at their smaller exponent. */
function aligned(a: Finite, b: Finite): [bigint, bigint, number] {
  const exponent = Math.min(a.exponent, b.exponent)
  return [
    a.coefficient * power(a.exponent - exponent),
    b.coefficient * power(b.exponent - exponent),
    exponent,
  ]
}

export function addDecimals(a: Finite, b: Finite): Finite {
  const [x, y, exponent] = aligned(a, b)
  return { coefficient: x + y, exponent }
}

export function subtractDecimals(a: Finite, b: Finite): Finite {
  return addDecimals(a, { ...b, coefficient: -b.coefficient })
}

export function multiplyDecimals(a: Finite, b: Finite): Finite {
  return { coefficient: a.coefficient * b.coefficient, exponent: a.exponent + b.exponent }
}

/** The quotient; the divisor is not 0. */
export function divideDecimals(a: Finite, b: Finite): Finite {
  const scale = Math.max(0, DIGITS + 2 + digitsOf(b.coefficient) - digitsOf(a.coefficient))
  const numerator = a.coefficient * power(scale)
  const exponent = a.exponent - b.exponent - scale
  if (numerator % b.coefficient !== 0n)
    // One more digit than is kept, and a trace of what is beyond it, so that halves are told from more than halves.
    return {
      coefficient: (numerator / b.coefficient) * 10n + (a.coefficient < 0n === b.coefficient < 0n ? 1n : -1n),
      exponent: exponent - 1,
    }
  return shortened({ coefficient: numerator / b.coefficient, exponent }, a.exponent - b.exponent)
}

/** Without the zeros at its end, up to an exponent. */
function shortened(value: Finite, most: number): Finite {
  let { coefficient, exponent } = value
  while (exponent < most && coefficient % 10n === 0n) {
    coefficient /= 10n
    exponent += 1
  }
  return { coefficient, exponent }
}

/** The rest of a division, with the sign of the dividend; the divisor is not 0. */
export function remainderOfDecimals(a: Finite, b: Finite): Finite {
  const [x, y, exponent] = aligned(a, b)
  return { coefficient: x % y, exponent }
}

/** How a number is cut off behind a digit. */
export type Rounding = 'even' | 'down' | 'up' | 'zero'

/** The number with no digits behind `places` after the point; negative places are before it. */
export function roundDecimal(value: Finite, places: number, rounding: Rounding): Finite {
  const drop = -places - value.exponent
  if (drop <= 0) return value
  const unit = power(drop)
  const quotient = value.coefficient / unit
  const rest = value.coefficient % unit
  let coefficient = quotient
  if (rounding === 'even') coefficient = divideRounded(value.coefficient, unit)
  else if (rounding === 'down' && rest < 0n) coefficient -= 1n
  else if (rounding === 'up' && rest > 0n) coefficient += 1n
  return { coefficient, exponent: -places }
}

export function compareDecimals(a: Finite, b: Finite): number {
  if (a.coefficient === 0n || b.coefficient === 0n || a.coefficient < 0n !== b.coefficient < 0n) {
    const x = signOf(a.coefficient)
    const y = signOf(b.coefficient)
    return x === y ? 0 : x < y ? -1 : 1
  }
  // Numbers of very different sizes are not written out to be compared.
  const sizes = a.exponent + digitsOf(a.coefficient) - b.exponent - digitsOf(b.coefficient)
  if (sizes !== 0) return sizes < 0 === a.coefficient > 0n ? -1 : 1
  const [x, y] = aligned(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

function signOf(value: bigint): number {
  return value < 0n ? -1 : value > 0n ? 1 : 0
}

/** The decimal that is exactly a double; doubles have at most some 1,100 digits. */
export function exactDecimal(value: number): Finite {
  if (Number.isInteger(value)) return { coefficient: BigInt(value), exponent: 0 }
  let twos = 0
  let scaled = value
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    twos += 1
  }
  return { coefficient: BigInt(scaled) * 5n ** BigInt(twos), exponent: -twos }
}

/** A double as MongoDB makes a decimal of it: with fifteen digits. */
export function decimalOfDouble(value: number): Finite | number {
  if (!Number.isFinite(value)) return value
  if (Number.isInteger(value)) return { coefficient: BigInt(value), exponent: 0 }
  return parseDecimal(value.toPrecision(15))
}

/** A text that equal decimals share. */
export function decimalKey(value: Finite): string {
  if (value.coefficient === 0n) return '0'
  const { coefficient, exponent } = shortened(value, Number.POSITIVE_INFINITY)
  return `${coefficient}E${exponent}`
}
