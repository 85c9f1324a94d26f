import { isNil, mismatch } from './operator-kit.ts'
import { quote, refusal } from './refusal.ts'

/** Calendars and time zones. A local time is a Date whose UTC fields show what clocks of the zone show. */

export const DAY_MS = 86_400_000
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

/** How far local time is ahead of UTC at a moment, in milliseconds. Without a zone it is UTC. */
export function zoneOffsetMs(zone: unknown, date: Date): number {
  if (isNil(zone)) return 0
  if (typeof zone !== 'string') throw mismatch('timezone', 'the name of a zone or an offset', 40517)
  const offset = /^(?:UTC|GMT)?([+-])(\d\d):?(\d\d)?$/.exec(zone)
  if (!offset && !/^[A-Za-z][\w+/-]{0,59}$/.test(zone))
    throw refusal('query_invalid', 40485, `There is no time zone ${quote(zone)}.`)
  const text = offset ?? /GMT([+-])(\d\d):(\d\d)/.exec(zoneFormat(zone).format(date))
  if (!text) return 0
  return (text[1] === '-' ? -1 : 1) * (Number(text[2]) * 60 + Number(text[3] ?? 0)) * 60_000
}

export function toLocal(zone: unknown, date: Date): Date {
  const ms = zoneOffsetMs(zone, date)
  return ms === 0 ? date : new Date(date.getTime() + ms)
}

/** The moment that a zone calls by this local time; the offset is the one in force there. */
export function fromLocal(zone: unknown, local: Date): Date {
  if (isNil(zone)) return local
  const guess = new Date(local.getTime() - zoneOffsetMs(zone, local))
  return new Date(local.getTime() - zoneOffsetMs(zone, guess))
}

/** A date of the calendar; months and days beyond their ends go on into the next. */
export function civil(year: number, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0): Date {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second, ms)
  return date
}

export function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - civil(date.getUTCFullYear()).getTime()) / DAY_MS) + 1
}

/** Weeks start on Sunday; the days before the first one are in week 0. */
export function weekOfYear(date: Date): number {
  return Math.floor((dayOfYear(date) + 6 - date.getUTCDay()) / 7)
}

/** Monday is 1. */
export function isoDayOfWeek(date: Date): number {
  return date.getUTCDay() || 7
}

/** The year that the Thursday of the date's week is in. */
export function isoWeekYear(date: Date): number {
  return new Date(date.getTime() + (4 - isoDayOfWeek(date)) * DAY_MS).getUTCFullYear()
}

export function isoWeek(date: Date): number {
  const thursday = new Date(date.getTime() + (4 - isoDayOfWeek(date)) * DAY_MS)
  return Math.floor((dayOfYear(thursday) - 1) / 7) + 1
}

/** The day of an ISO week. */
export function isoCivil(year: number, week: number, day: number): Date {
  const fourth = civil(year, 1, 4)
  return new Date(fourth.getTime() + ((week - 1) * 7 + day - isoDayOfWeek(fourth)) * DAY_MS)
}

/** Months later; a day that the month does not have becomes its last. */
export function addMonths(date: Date, months: number): Date {
  const made = new Date(date)
  made.setUTCDate(1)
  made.setUTCMonth(made.getUTCMonth() + months)
  const last = civil(made.getUTCFullYear(), made.getUTCMonth() + 2, 0).getUTCDate()
  made.setUTCDate(Math.min(date.getUTCDate(), last))
  return made
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/** Reads a date as of ISO 8601; what says no zone is in the one given. Undefined where it is none. */
export function parseIsoDate(text: string, zone?: unknown): Date | undefined {
  const match = ISO.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = match
  const parts = [month, day, hour, minute, second].map(Number)
  const [m = 0, d = 0, h = 0, min = 0, s = 0] = parts
  const local = civil(Number(year), m, d, h, min, s, Number(fraction.slice(0, 3).padEnd(3, '0')))
  const isReal = local.getUTCMonth() === m - 1 && local.getUTCDate() === d && h < 24 && min < 60 && s < 60
  if (!isReal) return undefined
  return fromLocal(offset === undefined || /^z$/i.test(offset) ? (offset ? undefined : zone) : offset, local)
}

/** Whether a text of ISO 8601 says its zone itself. */
export function saysZone(text: string): boolean {
  return (ISO.exec(text)?.[8] ?? '') !== ''
}
