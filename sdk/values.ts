/** A key of a row: what a column or an axis shows. */
export type Field<Row> = keyof Row & string

/**
 * How values are written: `number` with up to two decimals, `integer`, `percent` (0.25 is 25%), `date` as 2026-02-08,
 * `datetime` as 2026-02-08 14:30. Times are in UTC.
 */
export type Format = 'number' | 'integer' | 'percent' | 'date' | 'datetime'

/** A value as charts and tables take it. Times are ms since the epoch. */
export type Plain = string | number | boolean | null

const DAY_MS = 86_400_000
const ISO_TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/** Grouped from 10,000 on, so that a year stays a year. */
const WAYS = {
  number: { maximumFractionDigits: 2, useGrouping: 'min2' },
  small: { maximumSignificantDigits: 2 },
  integer: { maximumFractionDigits: 0, useGrouping: 'min2' },
  percent: { style: 'percent', maximumFractionDigits: 1 },
} as const satisfies Record<string, Intl.NumberFormatOptions>

/** Made when they are needed first: they cost more than all else here, and most plugins write no number. */
const writers = new Map<keyof typeof WAYS, Intl.NumberFormat>()

function written(value: number, way: keyof typeof WAYS): string {
  let writer = writers.get(way)
  if (writer === undefined) {
    writer = new Intl.NumberFormat('en', WAYS[way])
    writers.set(way, writer)
  }
  return writer.format(value)
}

/** What a value of a row is; numbers of all kinds become numbers, and what is an object its text. */
export function plainOf(value: unknown): Plain {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : null
    case 'bigint':
      return Number(value)
    case 'object': {
      if (value === null) return null
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
      const type = Reflect.get(value, '_bsontype')
      if (type === 'Long' || type === 'Decimal128') return plainOf(Number(String(value)))
      return type === undefined ? JSON.stringify(value) : String(value)
    }
    default:
      return null
  }
}

/** The time that a value is, in ms; undefined where it is none. A time without a zone is in UTC. */
export function timeOf(value: Plain): number | undefined {
  if (typeof value !== 'string' || !ISO_TIME.test(value)) return undefined
  const text = value.replace(' ', 'T')
  const ms = Date.parse(text.length > 10 && !/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text)
  return Number.isNaN(ms) ? undefined : ms
}

/** A value as people read it. */
export function formatted(value: Plain, format?: Format): string {
  if (value === null) return ''
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  const ms = format === 'date' || format === 'datetime' ? timeFor(value) : timeOf(value)
  if (ms !== undefined) {
    const text = new Date(ms).toISOString()
    const isDay = format === undefined ? ms % DAY_MS === 0 : format === 'date'
    return isDay ? text.slice(0, 10) : text.slice(0, 16).replace('T', ' ')
  }
  if (typeof value === 'string') return value
  if (format === 'percent' || format === 'integer') return written(value, format)
  return written(value, Math.abs(value) < 0.1 ? 'small' : 'number')
}

function timeFor(value: string | number): number | undefined {
  if (typeof value === 'string') return timeOf(value)
  return Math.abs(value) <= 8.64e15 ? value : undefined
}

/** A field's name in words: `passRate` and `pass_rate` are “Pass rate”. */
export function wordsOf(field: string): string {
  const words = field
    .replace(/^_+/, '')
    .replace(/([a-z\d])([A-Z])/g, (_, before: string, letter: string) => `${before} ${letter.toLowerCase()}`)
    .replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
