import { evalExpr } from 'mingo/core'
import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { type ExpressionOperator, isNil, isNumeric, mismatch, onOne, toNumber } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { isDoc } from './values.ts'

const MAX_INT = 2 ** 31 - 1

function failed(value: unknown, to: string): Error {
  const shown = typeof value === 'string' || typeof value === 'number' ? quote(value) : `a ${typeName(value)}`
  return refusal('query_invalid', 241, `Cannot convert ${shown} to ${to}.`)
}

function typeName(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) <= MAX_INT ? 'int' : 'double'
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

function toDouble(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'string') {
    const number = /^\s*$|^0x/i.test(value) ? Number.NaN : Number(value)
    if (Number.isNaN(number) && value !== 'NaN') throw failed(value, 'double')
    return number
  }
  if (isNumeric(value)) return toNumber('$toDouble', value)
  throw failed(value, 'double')
}

function toWhole(to: string, bound: number): (value: unknown) => number {
  return (value) => {
    if (typeof value === 'string' && !/^[+-]?\d+$/.test(value)) throw failed(value, to)
    if (value instanceof Date && to === 'int') throw failed(value, to)
    const number = Math.trunc(toDouble(value)) + 0
    if (Number.isNaN(number) || number > bound || number < -bound - 1) throw failed(value, to)
    return number
  }
}

function toText(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'object' && !(value instanceof ObjectId) && !isNumeric(value))
    throw failed(value, 'string')
  return String(value)
}

function toDate(value: unknown): Date {
  if (value instanceof Date) return value
  if (value instanceof ObjectId) return value.getTimestamp()
  const isText = typeof value === 'string' && value.length <= 40 && /^\d{4}-\d\d/.test(value)
  if (typeof value !== 'number' && !isText) throw failed(value, 'date')
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) throw failed(value, 'date')
  return date
}

function toBool(value: unknown): boolean {
  return value instanceof Long ? value.value !== 0n : value !== false && value !== 0
}

const CONVERSIONS = new Map<unknown, (value: unknown) => unknown>([
  ['double', toDouble],
  [1, toDouble],
  ['string', toText],
  [2, toText],
  ['bool', toBool],
  [8, toBool],
  ['date', toDate],
  [9, toDate],
  ['int', toWhole('int', MAX_INT)],
  [16, toWhole('int', MAX_INT)],
  ['long', toWhole('long', Number.MAX_SAFE_INTEGER)],
  [18, toWhole('long', Number.MAX_SAFE_INTEGER)],
])

function conversion(to: string): ExpressionOperator {
  return onOne((value) => (isNil(value) ? null : CONVERSIONS.get(to)?.(value)))
}

const $convert: ExpressionOperator = (doc, operand, options) => {
  if (!isDoc(operand)) throw mismatch('$convert', '{input, to, onError, onNull}')
  const input: unknown = evalExpr(doc, operand.input, options)
  if (isNil(input)) return evalExpr(doc, operand.onNull, options) ?? null
  const to: unknown = evalExpr(doc, operand.to, options)
  const convert = CONVERSIONS.get(to)
  if (!convert) throw refusal('query_invalid', MONGO.BadValue, `$convert knows no type ${quote(to)}.`)
  try {
    return convert(input)
  } catch (error) {
    if (!Object.hasOwn(operand, 'onError')) throw error
    return evalExpr(doc, operand.onError, options)
  }
}

export const TYPE_OPERATORS: Record<string, ExpressionOperator> = {
  $convert,
  $isNumber: onOne(isNumeric),
  $toBool: conversion('bool'),
  $toDate: conversion('date'),
  $toDouble: conversion('double'),
  $toInt: conversion('int'),
  $toLong: conversion('long'),
  $toString: conversion('string'),
  $type: onOne(typeName),
}
