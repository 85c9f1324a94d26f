import { ObjectId } from '../../../sdk/ejson.ts'
import { isNumeric, toWhole } from './arithmetic.ts'
import { formatDate, readDate } from './date-formats.ts'
import {
  addMonths,
  civil,
  DAY_MS,
  dayOfYear,
  fromLocal,
  isoCivil,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  parseIsoDate,
  saysZone,
  toLocal,
  weekOfYear,
  zoneOffsetMs,
} from './dates.ts'
import { type Env, type ExpressionOperator, evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { evaluateNamed, isNil, mismatch, type Names, namesOf } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

const MAX_TEXT_CHARS = 200

function asDate(operator: string, value: unknown, mongoCode = 16006): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  if (value instanceof ObjectId) return value.getTimestamp()
  throw mismatch(operator, 'a date', mongoCode)
}

function valid(operator: string, date: Date): Date {
  if (Number.isNaN(date.getTime()))
    throw refusal('query_invalid', MONGO.Overflow, `${operator} makes no valid date.`)
  return date
}

/** `{$year: date}` and `{$year: {date, timezone}}`. */
function part(operator: string, read: (local: Date) => number): ExpressionOperator {
  return (operand, env) => {
    meter.tick()
    const single: unknown = Array.isArray(operand) && operand.length === 1 ? operand[0] : operand
    if (Array.isArray(single)) throw mismatch(operator, 'one date', 40536)
    const isNamed = isDoc(single) && !Object.keys(single)[0]?.startsWith('$')
    const named: Doc = isNamed
      ? namesOf(operator, single, {
          required: ['date'],
          optional: ['timezone'],
          codes: [40535, 40539, 40535],
        })
      : { date: single }
    const date = evaluate(named.date, env)
    const zone = evaluate(named.timezone, env)
    if (isNil(date) || ('timezone' in named && isNil(zone))) return null
    return read(toLocal(zone, asDate(operator, date)))
  }
}

/** An operator over named operands, null where one of those that it cannot do without is. */
function onDates(
  operator: string,
  names: Names,
  nullable: readonly string[],
  compute: (named: Doc) => unknown,
): ExpressionOperator {
  return (operand, env) => {
    meter.tick()
    const given = namesOf(operator, operand, names)
    const named = evaluateNamed(given, env)
    for (const key of nullable) if (Object.hasOwn(given, key) && isNil(named[key])) return null
    return compute(named)
  }
}

const UNIT_MS = new Map([
  ['week', 7 * DAY_MS],
  ['day', DAY_MS],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
  ['millisecond', 1],
])
const UNIT_MONTHS = new Map([
  ['year', 12],
  ['quarter', 3],
  ['month', 1],
])

/** The milliseconds or the months of a unit; of a name that is none neither. */
export function unitOf(unit: unknown): { ms: number | undefined; months: number | undefined } {
  const name = String(unit)
  return { ms: UNIT_MS.get(name), months: UNIT_MONTHS.get(name) }
}

function checkUnit(operator: string, unit: unknown): string {
  if (typeof unit !== 'string') throw mismatch(operator, 'a string as unit', 5439013)
  const { ms, months } = unitOf(unit)
  if (ms === undefined && months === undefined)
    throw mismatch(
      operator,
      `a unit such as 'day' or 'month', which ${quote(unit)} is not`,
      MONGO.FailedToParse,
    )
  return unit
}

/** Some units later. Days and more are those of the zone's calendar, what is shorter is time that passes. */
export function dateAdd(operator: string, date: Date, unit: string, amount: number, zone: unknown): Date {
  const { ms = 0, months } = unitOf(unit)
  if (months === undefined && ms < DAY_MS) return valid(operator, new Date(date.getTime() + ms * amount))
  const local = toLocal(zone, date)
  const moved =
    months === undefined ? new Date(local.getTime() + ms * amount) : addMonths(local, months * amount)
  return valid(operator, fromLocal(zone, valid(operator, moved)))
}

function adds(operator: string, sign: 1 | -1): ExpressionOperator {
  const names = {
    required: ['startDate', 'unit', 'amount'],
    optional: ['timezone'],
    codes: [5166400, 5166402, 5166401] as const,
  }
  return onDates(operator, names, ['startDate', 'unit', 'amount', 'timezone'], (named) => {
    const date = asDate(operator, named.startDate, 5166403)
    const unit = checkUnit(operator, named.unit)
    const amount = isNumeric(named.amount) ? toWhole(named.amount) : undefined
    if (amount === undefined) throw mismatch(operator, 'a whole amount', 5166405)
    return dateAdd(operator, date, unit, Number(amount) * sign, named.timezone)
  })
}

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

function startOfWeek(operator: string, day: unknown): number {
  if (isNil(day)) return 0
  if (typeof day !== 'string') throw mismatch(operator, 'a string as startOfWeek', 5439015)
  const name = day.toLowerCase()
  const at = DAYS.findIndex((one) => one === name || one.slice(0, 3) === name)
  if (at < 0) throw mismatch(operator, `a day of the week, which ${quote(day)} is not`, MONGO.FailedToParse)
  return at
}

function monthsOf(date: Date): number {
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

const DIFF = {
  required: ['startDate', 'endDate', 'unit'],
  optional: ['timezone', 'startOfWeek'],
  codes: [5166301, 5166303, 5166302] as const,
}

const $dateDiff = onDates('$dateDiff', DIFF, ['startDate', 'endDate', 'unit', 'timezone'], (named) => {
  const unit = checkUnit('$dateDiff', named.unit)
  const start = asDate('$dateDiff', named.startDate, 5166307)
  const end = asDate('$dateDiff', named.endDate, 5166308)
  const first = startOfWeek('$dateDiff', named.startOfWeek)
  return dateDiff(start, end, unit, named.timezone, first)
})

/** How many borders between units lie between two moments. */
export function dateDiff(start: Date, end: Date, unit: string, zone: unknown, firstDay: number): number {
  const { ms = 1, months } = unitOf(unit)
  const from = toLocal(zone, start)
  const to = toLocal(zone, end)
  if (months !== undefined) return Math.floor(monthsOf(to) / months) - Math.floor(monthsOf(from) / months)
  if (ms < DAY_MS) {
    const shifted = to.getTime() - end.getTime() - (from.getTime() - start.getTime())
    return Math.floor(to.getTime() / ms) - Math.floor(from.getTime() / ms) - Math.trunc(shifted / ms)
  }
  // The epoch was a Thursday.
  const shift = unit === 'week' ? ((4 - firstDay + 7) % 7) * DAY_MS : 0
  return Math.floor((to.getTime() + shift) / ms) - Math.floor((from.getTime() + shift) / ms)
}

const TRUNC = {
  required: ['date', 'unit'],
  optional: ['binSize', 'timezone', 'startOfWeek'],
  codes: [5439007, 5439009, 5439008] as const,
}

const $dateTrunc = onDates('$dateTrunc', TRUNC, ['date', 'unit', 'binSize', 'timezone'], (named) => {
  const unit = checkUnit('$dateTrunc', named.unit)
  const date = asDate('$dateTrunc', named.date, 5439012)
  const size =
    named.binSize === undefined ? 1n : isNumeric(named.binSize) ? toWhole(named.binSize) : undefined
  if (size === undefined) throw mismatch('$dateTrunc', 'a whole binSize', 5439017)
  if (size <= 0n) throw mismatch('$dateTrunc', 'a binSize of at least 1', 5439018)
  return dateTrunc(date, unit, Number(size), named.timezone, startOfWeek('$dateTrunc', named.startOfWeek))
})

/** The start of the bin that a moment is in; bins are counted from the year 2000. */
export function dateTrunc(date: Date, unit: string, size: number, zone: unknown, firstDay: number): Date {
  const { ms = 1, months } = unitOf(unit)
  const local = toLocal(zone, date)
  if (months !== undefined) {
    const bin = months * size
    const from = civil(2000)
    const passed = Math.floor((monthsOf(local) - monthsOf(from)) / bin) * bin
    return valid('$dateTrunc', fromLocal(zone, addMonths(from, passed)))
  }
  const bin = ms * size
  if (ms < DAY_MS) {
    const from = fromLocal(zone, civil(2000)).getTime()
    return valid('$dateTrunc', new Date(from + Math.floor((date.getTime() - from) / bin) * bin))
  }
  // The first of January 2000 was a Saturday.
  const from = civil(2000).getTime() + (unit === 'week' ? ((firstDay - 6 + 7) % 7) * DAY_MS : 0)
  return valid(
    '$dateTrunc',
    fromLocal(zone, new Date(from + Math.floor((local.getTime() - from) / bin) * bin)),
  )
}

function formatOf(operator: string, format: unknown): string {
  if (typeof format !== 'string') throw mismatch(operator, 'a string as format', 18533)
  if (format.length > MAX_TEXT_CHARS)
    throw mismatch(operator, `a format of at most ${MAX_TEXT_CHARS} characters`, MONGO.BadValue)
  return format
}

const TO_STRING = {
  required: ['date'],
  optional: ['format', 'timezone', 'onNull'],
  codes: [18629, 18628, 18534] as const,
}

const $dateToString: ExpressionOperator = (operand, env) => {
  meter.tick()
  const given = namesOf('$dateToString', operand, TO_STRING)
  const { date, format, timezone, onNull } = evaluateNamed(given, env)
  const text = isNil(format) ? undefined : formatOf('$dateToString', format)
  if (isNil(date)) return Object.hasOwn(given, 'onNull') ? onNull : null
  if ((Object.hasOwn(given, 'timezone') && isNil(timezone)) || ('format' in given && isNil(format)))
    return null
  const moment = asDate('$dateToString', date)
  const offsetMs = zoneOffsetMs(timezone, moment)
  const standard = `%Y-%m-%dT%H:%M:%S.%L${isNil(timezone) || offsetMs === 0 ? 'Z' : ''}`
  return formatDate('$dateToString', toLocal(timezone, moment), offsetMs, text ?? standard)
}

const FROM_STRING = {
  required: ['dateString'],
  optional: ['format', 'timezone', 'onError', 'onNull'],
  codes: [40540, 40542, 40541] as const,
}

const $dateFromString: ExpressionOperator = (operand, env) => {
  meter.tick()
  const given = namesOf('$dateFromString', operand, FROM_STRING)
  const { dateString, format, timezone } = evaluateNamed({ ...given, onError: null, onNull: null }, env)
  if (isNil(dateString)) return Object.hasOwn(given, 'onNull') ? evaluate(given.onNull, env) : null
  if ((Object.hasOwn(given, 'timezone') && isNil(timezone)) || ('format' in given && isNil(format)))
    return null
  const text = format === undefined ? undefined : formatOf('$dateFromString', format)
  const date = dateRead(dateString, text, timezone)
  if (date) return date
  if (Object.hasOwn(given, 'onError')) return evaluate(given.onError, env)
  throw refusal('query_invalid', MONGO.ConversionFailure, `$dateFromString cannot read ${quote(dateString)}.`)
}

function dateRead(text: unknown, format: string | undefined, zone: unknown): Date | undefined {
  if (typeof text !== 'string' || text.length > MAX_TEXT_CHARS) return undefined
  if (format === undefined) {
    // A text that says its zone is not read in another.
    return !isNil(zone) && saysZone(text) ? undefined : parseIsoDate(text, zone)
  }
  const read = readDate('$dateFromString', text, format, zone)
  return read && !(read.saysZone && !isNil(zone)) ? read.date : undefined
}

const TO_PARTS = {
  required: ['date'],
  optional: ['timezone', 'iso8601'],
  codes: [40524, 40522, 40520] as const,
}

const $dateToParts = onDates('$dateToParts', TO_PARTS, ['date', 'timezone', 'iso8601'], (named) => {
  const { iso8601 = false } = named
  if (typeof iso8601 !== 'boolean') throw mismatch('$dateToParts', 'true or false as iso8601', 40521)
  const local = toLocal(named.timezone, asDate('$dateToParts', named.date))
  return {
    ...(iso8601
      ? { isoWeekYear: isoWeekYear(local), isoWeek: isoWeek(local), isoDayOfWeek: isoDayOfWeek(local) }
      : { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate() }),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    millisecond: local.getUTCMilliseconds(),
  }
})

const TIME = ['hour', 'minute', 'second', 'millisecond']
const FROM_PARTS = {
  optional: ['year', 'month', 'day', 'isoWeekYear', 'isoWeek', 'isoDayOfWeek', ...TIME, 'timezone'],
  codes: [40519, 40516, 40518] as const,
}

const $dateFromParts: ExpressionOperator = (operand, env) => {
  meter.tick()
  const given = namesOf('$dateFromParts', operand, FROM_PARTS)
  const isIso = Object.hasOwn(given, 'isoWeekYear')
  const mixed = isIso ? ['year', 'month', 'day'] : ['isoWeek', 'isoDayOfWeek']
  if (mixed.some((name) => Object.hasOwn(given, name)))
    throw mismatch('$dateFromParts', 'parts of one calendar', isIso ? 40489 : 40525)
  if (!isIso && !Object.hasOwn(given, 'year'))
    throw mismatch('$dateFromParts', 'a year or an isoWeekYear', 40516)
  return dateOfParts(given, isIso, env)
}

function dateOfParts(given: Doc, isIso: boolean, env: Env): Date | null {
  const named = evaluateNamed(given, env)
  for (const key of Object.keys(given)) if (isNil(named[key])) return null
  const [year = 0, second = 1, third = 1, hour = 0, minute = 0, sec = 0, ms = 0] = (
    isIso ? ['isoWeekYear', 'isoWeek', 'isoDayOfWeek', ...TIME] : ['year', 'month', 'day', ...TIME]
  ).map((name) => partOf(name, named[name]))
  if (year < 1 || year > 9999) throw mismatch('$dateFromParts', 'years from 1 to 9999', 40523)
  const day = isIso ? isoCivil(year, second, third) : civil(year, second, third)
  const local = new Date(day.getTime() + hour * 3_600_000 + minute * 60_000 + sec * 1_000 + ms)
  return valid('$dateFromParts', fromLocal(named.timezone, valid('$dateFromParts', local)))
}

function partOf(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const whole = isNumeric(value) ? toWhole(value) : undefined
  if (whole === undefined) throw mismatch('$dateFromParts', `a whole number as ${name}`, 40515)
  const isTime = name === 'second' || name === 'millisecond'
  if (!isTime && (whole < -32_768n || whole > 32_767n))
    throw mismatch('$dateFromParts', `from -32768 to 32767 as ${name}`, 31034)
  return Number(whole)
}

export const DATE_OPERATORS: Record<string, ExpressionOperator> = {
  $dateAdd: adds('$dateAdd', 1),
  $dateSubtract: adds('$dateSubtract', -1),
  $dateTrunc,
  $dateDiff,
  $dateFromParts,
  $dateFromString,
  $dateToParts,
  $dateToString,
  $dayOfMonth: part('$dayOfMonth', (d) => d.getUTCDate()),
  $dayOfWeek: part('$dayOfWeek', (d) => d.getUTCDay() + 1),
  $dayOfYear: part('$dayOfYear', dayOfYear),
  $hour: part('$hour', (d) => d.getUTCHours()),
  $isoDayOfWeek: part('$isoDayOfWeek', isoDayOfWeek),
  $isoWeek: part('$isoWeek', isoWeek),
  $isoWeekYear: part('$isoWeekYear', isoWeekYear),
  $millisecond: part('$millisecond', (d) => d.getUTCMilliseconds()),
  $minute: part('$minute', (d) => d.getUTCMinutes()),
  $month: part('$month', (d) => d.getUTCMonth() + 1),
  $second: part('$second', (d) => d.getUTCSeconds()),
  $week: part('$week', weekOfYear),
  $year: part('$year', (d) => d.getUTCFullYear()),
}
