import type { ChartOptions } from './chart-options.ts'
import { type Field, type Format, formatted, type Plain, plainOf, timeOf, wordsOf } from './values.ts'

/** What the values of a column are. */
export type Scale = 'number' | 'time' | 'name'

/** A field of the rows in its part: what stands on an axis, or has a colour. */
export interface Part {
  readonly label: string
  readonly format: Format | undefined
  readonly scale: Scale
  /** Times that are all whole days. */
  readonly isDays: boolean
  readonly values: readonly Plain[]
}

const DAY_MS = 86_400_000

/**
 * Reads one field of all rows. What Vega is given has names of ours: in those of a row it would read paths.
 * @throws TypeError where no row has the field
 */
export function partOf<Row extends object>(
  what: string,
  rows: readonly Row[],
  field: Field<Row>,
  { labels, format }: ChartOptions<Row>,
): Part {
  const given = rows.map((row) => plainOf(row[field]))
  if (!rows.some((row) => field in row))
    throw new TypeError(
      `${what}: no row has "${field}". They have: ${Object.keys(rows[0] ?? {}).join(', ')}.`,
    )
  const known = given.filter((value) => value !== null)
  const times = known.every((value) => timeOf(value) !== undefined)
  const scale = known.every((value) => typeof value === 'number') ? 'number' : times ? 'time' : 'name'
  const values = scale === 'time' ? given.map((value) => timeOf(value) ?? null) : given
  return {
    label: labels?.[field] ?? wordsOf(field),
    format: format?.[field],
    scale,
    isDays: scale === 'time' && values.every((value) => value === null || Number(value) % DAY_MS === 0),
    values,
  }
}

/** @throws TypeError for what is no number, where one is needed */
export function numbersOf<Row extends object>(
  what: string,
  rows: readonly Row[],
  field: Field<Row>,
  options: ChartOptions<Row>,
): Part {
  const part = partOf(what, rows, field, options)
  if (part.scale === 'number') return part
  const at = part.values.findIndex((value) => value !== null && typeof value !== 'number')
  throw new TypeError(
    `${what}: "${field}" is a number in each row, but ${JSON.stringify(plainOf(rows[at]?.[field]))} in row ${at}.`,
  )
}

/** @throws TypeError for what is no time, where one is needed */
export function timesOf<Row extends object>(
  what: string,
  rows: readonly Row[],
  field: Field<Row>,
  options: ChartOptions<Row>,
): Part {
  const part = partOf(what, rows, field, options)
  if (part.scale === 'time') return part
  throw new TypeError(
    `${what}: "${field}" is a time in each row: a Date, or text as 2026-02-08 or 2026-02-08T14:30Z.`,
  )
}

/** The field that holds a time as text. */
export function textOf(name: string): string {
  return `${name}Text`
}

/** Parts as the rows that Vega is given. */
export function dataOf(parts: Readonly<Record<string, Part | undefined>>, length: number): object[] {
  const columns = Object.entries(parts)
  return Array.from({ length }, (_, index) =>
    Object.fromEntries(columns.flatMap(([name, part]) => (part ? entriesOf(name, part, index) : []))),
  )
}

function entriesOf(name: string, part: Part, index: number): [string, Plain][] {
  const value = part.values[index] ?? null
  const text: [string, Plain][] = part.scale === 'time' ? [[textOf(name), writtenTime(value, part)]] : []
  return [[name, value], ...text]
}

/** A time as people read it. */
function writtenTime(ms: Plain, { isDays, format }: Part): string {
  return formatted(ms, format === 'date' || format === 'datetime' ? format : isDays ? 'date' : 'datetime')
}
