import {
  civil,
  dayOfYear,
  fromLocal,
  isoCivil,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  weekOfYear,
} from './dates.ts'
import { mismatch } from './operator-kit.ts'
import { quote } from './refusal.ts'

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / 60_000
  return `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}${pad(minutes % 60, 2)}`
}

/** What each letter behind a `%` writes of a local time. */
const WRITES: Readonly<Record<string, (local: Date, offsetMs: number) => string>> = {
  b: (d) => (MONTHS[d.getUTCMonth()] ?? '').slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()] ?? '',
  d: (d) => pad(d.getUTCDate(), 2),
  G: (d) => pad(isoWeekYear(d), 4),
  H: (d) => pad(d.getUTCHours(), 2),
  j: (d) => pad(dayOfYear(d), 3),
  L: (d) => pad(d.getUTCMilliseconds(), 3),
  m: (d) => pad(d.getUTCMonth() + 1, 2),
  M: (d) => pad(d.getUTCMinutes(), 2),
  S: (d) => pad(d.getUTCSeconds(), 2),
  u: (d) => String(isoDayOfWeek(d)),
  U: (d) => pad(weekOfYear(d), 2),
  V: (d) => pad(isoWeek(d), 2),
  w: (d) => String(d.getUTCDay() + 1),
  Y: (d) => pad(d.getUTCFullYear(), 4),
  z: (_, offsetMs) => offsetText(offsetMs),
  Z: (_, offsetMs) => `${offsetMs < 0 ? '-' : '+'}${pad(Math.abs(offsetMs) / 60_000, 3)}`,
  '%': () => '%',
}

/** The text of a local time. */
export function formatDate(operator: string, local: Date, offsetMs: number, format: string): string {
  const year = local.getUTCFullYear()
  if (year < 0 || year > 9999) throw mismatch(operator, 'years from 0 to 9999', 18537)
  return format.replaceAll(/%(.?)/gs, (_, letter: string) => {
    const write = Object.hasOwn(WRITES, letter) ? WRITES[letter] : undefined
    if (write) return write(local, offsetMs)
    throw letter === ''
      ? mismatch(operator, "a format whose '%' is followed by a letter", 18535)
      : mismatch(operator, `a format that knows ${quote(`%${letter}`)}`, 18536)
  })
}

/** What each letter behind a `%` reads, as a pattern without a choice in its length that matters. */
const READS: Readonly<Record<string, string>> = {
  b: '[A-Za-z]{3}',
  B: '[A-Za-z]{3,9}',
  d: '\\d{1,2}',
  G: '\\d{4}',
  H: '\\d{1,2}',
  j: '\\d{1,3}',
  L: '\\d{1,3}',
  m: '\\d{1,2}',
  M: '\\d{1,2}',
  S: '\\d{1,2}',
  u: '[1-7]',
  V: '\\d{1,2}',
  Y: '\\d{4}',
  z: '(?:[+-]\\d\\d:?\\d\\d|Z)',
  Z: '[+-]\\d{3,4}',
}

/**
 * Reads a date by a format; undefined where the text does not match it or is no date. What names a zone itself
 * comes with `saysZone`.
 */
export function readDate(
  operator: string,
  text: string,
  format: string,
  zone: unknown,
): { date: Date; saysZone: boolean } | undefined {
  const letters: string[] = []
  const pattern = format.replaceAll(/%(.?)|[^%]+/gs, (all, letter: string | undefined) => {
    if (letter === undefined) return all.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    if (letter === '%') return '%'
    const read = Object.hasOwn(READS, letter) ? READS[letter] : undefined
    if (!read) throw mismatch(operator, `a format that knows ${quote(all)}`, 18536)
    letters.push(letter)
    return `(${read})`
  })
  if (letters.length > 20) throw mismatch(operator, 'a format of at most 20 letters', 18536)
  const match = new RegExp(`^${pattern}$`, 's').exec(text)
  if (!match) return undefined
  const read = new Map(letters.map((letter, i) => [letter, match[i + 1] ?? '']))
  const number = (letter: string, missing: number) => Number(read.get(letter) ?? missing)
  const time = [number('H', 0), number('M', 0), number('S', 0), number('L', 0)] as const
  const day = dayRead(read, number)
  if (!day || time[0] > 23 || time[1] > 59 || time[2] > 59) return undefined
  const local = new Date(day.getTime() + time[0] * 3_600_000 + time[1] * 60_000 + time[2] * 1_000 + time[3])
  const said = saidZone(read)
  return { date: fromLocal(said ?? zone, local), saysZone: said !== undefined }
}

function saidZone(read: ReadonlyMap<string, string>): string | undefined {
  const minutes = read.get('Z')
  if (minutes === undefined) return read.get('z')?.replace('Z', '+00:00')
  return offsetText(Number(minutes) * 60_000)
}

function dayRead(
  read: ReadonlyMap<string, string>,
  number: (letter: string, missing: number) => number,
): Date | undefined {
  if (read.has('G')) return isoCivil(number('G', 1), number('V', 1), number('u', 1))
  if (!read.has('Y')) return undefined
  const year = number('Y', 1)
  if (read.has('j')) {
    const day = civil(year, 1, number('j', 1))
    return day.getUTCFullYear() === year ? day : undefined
  }
  const name = (read.get('b') ?? read.get('B'))?.toLowerCase()
  const isFull = read.has('B')
  const named = MONTHS.findIndex((month) => (isFull ? month : month.slice(0, 3)).toLowerCase() === name)
  if (name !== undefined && named < 0) return undefined
  const month = name === undefined ? number('m', 1) : named + 1
  const day = civil(year, month, number('d', 1))
  return day.getUTCMonth() === month - 1 && day.getUTCDate() === number('d', 1) ? day : undefined
}
