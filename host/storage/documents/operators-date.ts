import { evalExpr } from 'mingo/core'
import * as mingo from 'mingo/operators/expression'
import type { Options } from 'mingo/types'
import { ObjectId } from '../../../sdk/ejson.ts'
import { meter } from './meter.ts'
import { type ExpressionOperator, isNil, mismatch } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

/**
 * mingo computes dates in UTC; around it stand what it leaves out: null, ids as dates, time zones with summer time,
 * bounded formats, and results that are no date.
 */

type Compute = (doc: unknown, operand: unknown, options: Options) => unknown

const MAX_TEXT_CHARS = 200
const DAY_MS = 86_400_000
const UNITS = new Set(['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond'])
const zones = new Map<string, Intl.DateTimeFormat>()

function zoneFormat(zone: string): Intl.DateTimeFormat {
  let format = zones.get(zone)
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    } catch {
      throw refusal('query_invalid', 40485, `There is no time zone ${quote(zone)}.`)
    }
    if (zones.size >= 64) zones.clear()
    zones.set(zone, format)
  }
  return format
}

/** How far local time is ahead of UTC at a moment, in milliseconds. */
function zoneOffsetMs(zone: unknown, date: Date): number {
  if (isNil(zone)) return 0
  if (typeof zone !== 'string' || zone.length > 60)
    throw mismatch('timezone', 'the name of a zone or an offset')
  const offset = /^(?:UTC|GMT)?([+-])(\d\d):?(\d\d)?$/.exec(zone)
  const text = offset ?? /GMT([+-])(\d\d):(\d\d)/.exec(zoneFormat(zone).format(date))
  if (!text) return 0
  return (text[1] === '-' ? -1 : 1) * (Number(text[2]) * 60 + Number(text[3] ?? 0)) * 60_000
}

function asDate(operator: string, value: unknown): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  if (value instanceof ObjectId) return value.getTimestamp()
  throw mismatch(operator, 'a date')
}

function shift(date: Date, ms: number): Date {
  return ms === 0 ? date : new Date(date.getTime() + ms)
}

function checked(operator: string, value: unknown): unknown {
  if (
    (value instanceof Date && Number.isNaN(value.getTime())) ||
    (typeof value === 'number' && Number.isNaN(value))
  )
    throw refusal('query_invalid', MONGO.BadValue, `${operator} makes no valid date.`)
  return value
}

/** Runs mingo's operator on operands that are values already. */
function run(operator: string, compute: Compute, operands: unknown, options: Options): unknown {
  return checked(operator, compute(null, { $literal: operands }, options))
}

function evaluate(doc: unknown, operand: unknown, options: Options): unknown {
  meter.tick()
  const single = Array.isArray(operand) && operand.length === 1 ? operand[0] : operand
  return evalExpr(doc, single, options)
}

function namedOf(operator: string, value: unknown): Doc {
  if (!isDoc(value)) throw mismatch(operator, 'an object of named operands')
  return value
}

/** Weeks start on Sunday; the days before the first one are in week 0. mingo counts ISO weeks here. */
function weekOfYear(date: Date): number {
  const dayOfYear = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS)
  return Math.floor((dayOfYear + 7 - date.getUTCDay()) / 7)
}

/** The year that the Thursday of the date's week is in. mingo knows only some of the days at the turn of a year. */
function isoWeekYear(date: Date): number {
  return new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * DAY_MS).getUTCFullYear()
}

function onDate(compute: (date: Date) => number): Compute {
  return (doc, operand, options) => {
    const date: unknown = evalExpr(doc, operand, options)
    return date instanceof Date ? compute(date) : null
  }
}

/** `{$year: date}` and `{$year: {date, timezone}}`. */
function part(operator: string, compute: Compute): ExpressionOperator {
  return (doc, operand, options) => {
    const value = evaluate(doc, operand, options)
    const named = isDoc(value) ? value : { date: value, timezone: undefined }
    if (isNil(named.date)) return null
    const date = asDate(operator, named.date)
    return run(operator, compute, shift(date, zoneOffsetMs(named.timezone, date)), options)
  }
}

function checkUnit(operator: string, unit: unknown): void {
  if (typeof unit !== 'string' || !UNITS.has(unit))
    throw mismatch(operator, "a unit such as 'day' or 'month'")
}

/** Computes on the local time of a zone and comes back. */
function inZone(operator: string, field: string, compute: Compute): ExpressionOperator {
  return (doc, operand, options) => {
    const named = namedOf(operator, evaluate(doc, operand, options))
    if (isNil(named[field]) || isNil(named.unit)) return null
    checkUnit(operator, named.unit)
    if (!isNil(named.amount) && !Number.isInteger(named.amount)) throw mismatch(operator, 'a whole amount')
    const date = asDate(operator, named[field])
    const local = shift(date, zoneOffsetMs(named.timezone, date))
    const result = run(operator, compute, { ...named, [field]: local, timezone: undefined }, options)
    return result instanceof Date ? checked(operator, fromLocal(named.timezone, result)) : result
  }
}

/** The moment that a zone calls by this local time; the offset is the one in force there, not at the start. */
function fromLocal(zone: unknown, local: Date): Date {
  const guess = shift(local, -zoneOffsetMs(zone, local))
  return shift(local, -zoneOffsetMs(zone, guess))
}

const $dateDiff: ExpressionOperator = (doc, operand, options) => {
  const named = namedOf('$dateDiff', evaluate(doc, operand, options))
  if (isNil(named.startDate) || isNil(named.endDate) || isNil(named.unit)) return null
  checkUnit('$dateDiff', named.unit)
  const start = asDate('$dateDiff', named.startDate)
  const end = asDate('$dateDiff', named.endDate)
  const operands = {
    ...named,
    startDate: shift(start, zoneOffsetMs(named.timezone, start)),
    endDate: shift(end, zoneOffsetMs(named.timezone, end)),
    timezone: undefined,
  }
  return run('$dateDiff', mingo.$dateDiff as Compute, operands, options)
}

function checkText(operator: string, value: unknown): void {
  if (!isNil(value) && (typeof value !== 'string' || value.length > MAX_TEXT_CHARS))
    throw mismatch(operator, `strings of at most ${MAX_TEXT_CHARS} characters`)
}

const $dateToString: ExpressionOperator = (doc, operand, options) => {
  const named = namedOf('$dateToString', evaluate(doc, operand, options))
  checkText('$dateToString', named.format)
  if (isNil(named.date)) return named.onNull ?? null
  const date = asDate('$dateToString', named.date)
  const offset = zoneOffsetMs(named.timezone, date)
  const format =
    typeof named.format === 'string' ? named.format : `%Y-%m-%dT%H:%M:%S.%L${offset === 0 ? 'Z' : ''}`
  const minutes = Math.abs(offset) / 60_000
  const sign = offset < 0 ? '-' : '+'
  const pad = (n: number) => String(Math.floor(n)).padStart(2, '0')
  const shifted = shift(date, offset)
  // Only what mingo does not know or gets wrong is filled in here.
  const rest = format.replaceAll(/%([zZGU%])/g, (all, letter: string) => {
    if (letter === 'z') return `${sign}${pad(minutes / 60)}${pad(minutes % 60)}`
    if (letter === 'Z') return `${sign}${minutes}`
    if (letter === 'G') return String(isoWeekYear(shifted))
    return letter === 'U' ? pad(weekOfYear(shifted)) : all
  })
  return run('$dateToString', mingo.$dateToString as Compute, { date: shifted, format: rest }, options)
}

const $dateFromString: ExpressionOperator = (doc, operand, options) => {
  const named = namedOf('$dateFromString', evaluate(doc, operand, options))
  checkText('$dateFromString', named.format)
  if (isNil(named.dateString)) return named.onNull ?? null
  checkText('$dateFromString', named.dateString)
  const date = parseDate(named, options)
  if (date instanceof Date && !Number.isNaN(date.getTime())) return fromLocal(named.timezone, date)
  if (Object.hasOwn(named, 'onError')) return named.onError
  throw refusal('query_invalid', 241, `$dateFromString cannot read ${quote(named.dateString)}.`)
}

const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

function parseDate(named: Doc, options: Options): unknown {
  if (!isNil(named.format))
    return (mingo.$dateFromString as Compute)(
      null,
      { $literal: { dateString: named.dateString, format: named.format } },
      options,
    )
  const text = String(named.dateString)
  if (!ISO.test(text)) return undefined
  const isLocal = text.length > 10 && !/(?:Z|[+-]\d\d:?\d\d)$/.test(text)
  return new Date(isLocal ? `${text.replace(' ', 'T')}Z` : text.replace(' ', 'T'))
}

const $dateToParts: ExpressionOperator = (doc, operand, options) => {
  const named = namedOf('$dateToParts', evaluate(doc, operand, options))
  if (isNil(named.date)) return null
  const date = asDate('$dateToParts', named.date)
  const local = shift(date, zoneOffsetMs(named.timezone, date))
  return run('$dateToParts', mingo.$dateToParts as Compute, { date: local, iso8601: named.iso8601 }, options)
}

const $dateFromParts: ExpressionOperator = (doc, operand, options) => {
  const named = namedOf('$dateFromParts', evaluate(doc, operand, options))
  const numbers = Object.entries(named).filter(([key]) => key !== 'timezone')
  if (numbers.some(([, value]) => isNil(value))) return null
  if (
    !numbers.every(([, value]) => Number.isInteger(value) && Math.abs(Number(value)) < 100_000) ||
    isNil(named.year)
  )
    throw mismatch('$dateFromParts', 'a year and other whole numbers')
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0] = [
    'year',
    'month',
    'day',
    'hour',
    'minute',
    'second',
    'millisecond',
  ].map((key) => (typeof named[key] === 'number' ? named[key] : undefined))
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second, ms)
  return checked('$dateFromParts', fromLocal(named.timezone, date))
}

export const DATE_OPERATORS: Record<string, ExpressionOperator> = {
  $dateAdd: inZone('$dateAdd', 'startDate', mingo.$dateAdd as Compute),
  $dateSubtract: inZone('$dateSubtract', 'startDate', mingo.$dateSubtract as Compute),
  $dateTrunc: inZone('$dateTrunc', 'date', mingo.$dateTrunc as Compute),
  $dateDiff,
  $dateFromParts,
  $dateFromString,
  $dateToParts,
  $dateToString,
  $dayOfMonth: part('$dayOfMonth', mingo.$dayOfMonth as Compute),
  $dayOfWeek: part('$dayOfWeek', mingo.$dayOfWeek as Compute),
  $dayOfYear: part('$dayOfYear', mingo.$dayOfYear as Compute),
  $hour: part('$hour', mingo.$hour as Compute),
  $isoDayOfWeek: part('$isoDayOfWeek', mingo.$isoDayOfWeek as Compute),
  $isoWeek: part('$isoWeek', mingo.$isoWeek as Compute),
  $isoWeekYear: part('$isoWeekYear', onDate(isoWeekYear)),
  $millisecond: part('$millisecond', mingo.$millisecond as Compute),
  $minute: part('$minute', mingo.$minute as Compute),
  $month: part('$month', mingo.$month as Compute),
  $second: part('$second', mingo.$second as Compute),
  $week: part('$week', onDate(weekOfYear)),
  $year: part('$year', mingo.$year as Compute),
}
