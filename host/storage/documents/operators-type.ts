import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { decimalOf, toDouble as doubleOf, isNumeric, isZero, plain, round, toWhole } from './arithmetic.ts'
import { parseIsoDate } from './dates.ts'
import { toDecimal128 } from './decimal.ts'
import { type ExpressionOperator, evaluate } from './evaluate.ts'
import { isNil, mismatch, namesOf, onOne } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'

const MAX_INT = 2n ** 31n - 1n
const MAX_LONG = 2n ** 63n - 1n

function failed(value: unknown, to: string): Error {
  const shown = typeof value === 'string' || typeof value === 'number' ? quote(value) : `a ${typeName(value)}`
  return refusal('query_invalid', MONGO.ConversionFailure, `Cannot convert ${shown} to ${to}.`)
}

function typeName(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isInteger(value) && value === (value | 0) ? 'int' : 'double'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  if (Array.isArray(value)) return 'array'
  if (value instanceof Date) return 'date'
  if (value instanceof ObjectId) return 'objectId'
  if (value instanceof Long) return 'long'
  if (value instanceof Decimal128) return 'decimal'
  if (value instanceof Binary) return 'binData'
  return value instanceof RegExp ? 'regex' : 'object'
}

const NUMBER_TEXT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

function toDouble(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.getTime()
  if (isNumeric(value)) return doubleOf(value)
  if (typeof value !== 'string') throw failed(value, 'double')
  if (NUMBER_TEXT.test(value)) return Number(value)
  const special = /^([+-]?)(?:(inf(?:inity)?)|(nan))$/i.exec(value)
  if (!special) throw failed(value, 'double')
  return special[3] ? Number.NaN : Number(`${special[1]}Infinity`)
}

function toDecimal(value: unknown): Decimal128 {
  if (value instanceof Decimal128) return value
  if (typeof value === 'boolean') return new Decimal128(value ? '1' : '0')
  if (value instanceof Date) return new Decimal128(String(value.getTime()))
  if (isNumeric(value)) return toDecimal128(decimalOf(value))
  if (typeof value !== 'string' || !NUMBER_TEXT.test(value)) throw failed(value, 'decimal')
  try {
    return new Decimal128(value)
  } catch {
    throw failed(value, 'decimal')
  }
}

function wholeOf(value: unknown, to: string, most: bigint): bigint {
  let whole: bigint | undefined
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'string' && /^[+-]?\d{1,30}$/.test(value)) whole = BigInt(value.replace('+', ''))
  else if (value instanceof Date && to === 'long') whole = BigInt(value.getTime())
  else if (isNumeric(value)) whole = toWhole(round(value, 0, 'zero'))
  if (whole === undefined || whole > most || whole < -most - 1n) throw failed(value, to)
  return whole
}

function toText(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Binary) throw failed(value, 'string')
  if (typeof value === 'object' && !(value instanceof ObjectId) && !isNumeric(value))
    throw failed(value, 'string')
  return String(value)
}

function toDate(value: unknown): Date {
  if (value instanceof Date) return value
  if (value instanceof ObjectId) return value.getTimestamp()
  if (typeof value === 'string') return parseIsoDate(value) ?? failedDate(value)
  const isWide = value instanceof Long || value instanceof Decimal128 || typeName(value) === 'double'
  // A number of 32 bits is no date in MongoDB, which would be one of January 1970.
  const ms = isWide && isNumeric(value) ? toWhole(round(value, 0, 'zero')) : undefined
  const date = new Date(ms === undefined ? Number.NaN : Number(ms))
  return Number.isNaN(date.getTime()) ? failedDate(value) : date
}

function failedDate(value: unknown): never {
  throw failed(value, 'date')
}

function toBool(value: unknown): boolean {
  return isNumeric(value) ? !isZero(value) : value !== false
}

function toObjectId(value: unknown): ObjectId {
  if (value instanceof ObjectId) return value
  if (typeof value === 'string' && /^[0-9a-f]{24}$/i.test(value)) return new ObjectId(value)
  throw failed(value, 'objectId')
}

const CONVERSIONS: readonly (readonly [
  name: string,
  number: number,
  convert: (value: unknown) => unknown,
])[] = [
  ['double', 1, toDouble],
  ['string', 2, toText],
  ['objectId', 7, toObjectId],
  ['bool', 8, toBool],
  ['date', 9, toDate],
  ['int', 16, (value) => Number(wholeOf(value, 'int', MAX_INT))],
  ['long', 18, (value) => plain(new Long(wholeOf(value, 'long', MAX_LONG)))],
  ['decimal', 19, toDecimal],
]
const BY_NAME = new Map<unknown, (value: unknown) => unknown>(
  CONVERSIONS.flatMap(([name, number, convert]) => [
    [name, convert],
    [number, convert],
  ]),
)

function conversion(operator: string, to: string): ExpressionOperator {
  return onOne(operator, (value) => (isNil(value) ? null : BY_NAME.get(to)?.(value)))
}

const CONVERT = { required: ['input', 'to'], optional: ['onError', 'onNull', 'format'] }

const $convert: ExpressionOperator = (operand, env) => {
  const named = namesOf('$convert', operand, CONVERT)
  const input = evaluate(named.input, env)
  const target = evaluate(named.to, env)
  if (isNil(input)) return Object.hasOwn(named, 'onNull') ? evaluate(named.onNull, env) : null
  if (isNil(target)) return null
  const to = isNumeric(target) ? doubleOf(target) : target
  const convert = BY_NAME.get(to)
  if (!convert)
    throw mismatch('$convert', `a type that it knows, which ${quote(target)} is not`, MONGO.BadValue)
  try {
    return convert(input)
  } catch (error) {
    if (!Object.hasOwn(named, 'onError')) throw error
    return evaluate(named.onError, env)
  }
}

export const TYPE_OPERATORS: Record<string, ExpressionOperator> = {
  $convert,
  $isNumber: onOne('$isNumber', isNumeric),
  $toBool: conversion('$toBool', 'bool'),
  $toDate: conversion('$toDate', 'date'),
  $toDecimal: conversion('$toDecimal', 'decimal'),
  $toDouble: conversion('$toDouble', 'double'),
  $toInt: conversion('$toInt', 'int'),
  $toLong: conversion('$toLong', 'long'),
  $toObjectId: conversion('$toObjectId', 'objectId'),
  $toString: conversion('$toString', 'string'),
  $type: onOne('$type', typeName),
}
