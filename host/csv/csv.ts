import { stringify } from 'csv-stringify/sync'
import { LyceumError } from '../errors.ts'

/** What bounds a table, which may be many times as large as the JSON that it is made of. */
export interface CsvLimits {
  readonly columns: number
  readonly cells: number
  readonly bytes: number
}

type Cell = string | number | boolean | null | undefined

const SAME_KEYS = 'Return rows with the same keys: [{ user, n }], not [{ ann: 1 }, { bob: 2 }].'
/** Rows that are written at once: the size is looked at after each. */
const ROWS_AT_ONCE = 500
const OPTIONS = {
  record_delimiter: '\r\n',
  // A cell that a spreadsheet would run: it gets an apostrophe before it.
  escape_formulas: true,
  // Readers end a row at a bare LF or CR, too, and some a cell at a semicolon or a tab.
  quoted_match: /[;\t\r\n]/,
  cast: { boolean: String },
} as const

/**
 * A result as CSV (RFC 4180): a list has a row for each item, anything else is one row. The columns are the keys of
 * the rows in the order in which they are first seen; what is no object stands in a column `value`; a cell that holds
 * a list or an object holds its JSON.
 *
 * @param json the result, as JSON
 * @throws {LyceumError} over_output where the table passes a limit
 */
export function csvOf(json: string, limits: CsvLimits): string {
  const result: unknown = JSON.parse(json)
  const rows = (Array.isArray(result) ? result : [result]).map(rowOf)
  const columns = columnsOf(rows, limits.columns)
  if (rows.length * columns.length > limits.cells)
    throw tooLarge(`the table has more than ${limits.cells} cells, most of them empty. ${SAME_KEYS}`)
  // An empty line is no row to those who read it: a single cell that is empty has to be seen.
  const options = { ...OPTIONS, quoted_empty: columns.length === 1 }
  const parts = [stringify([columns.map(cellOf)], options)]
  let chars = parts[0]?.length ?? 0
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    const some = rows.slice(at, at + ROWS_AT_ONCE)
    const part = stringify(
      some.map((row) => columns.map((column) => cellOf(row.get(column)))),
      options,
    )
    parts.push(part)
    chars += part.length
    if (chars > limits.bytes)
      throw tooLarge(`the table has more than ${limits.bytes} bytes. Ask for less, or for JSON.`)
  }
  return parts.join('')
}

/** A map, since a plugin chooses the keys. */
function rowOf(item: unknown): ReadonlyMap<string, unknown> {
  if (typeof item === 'object' && item !== null && !Array.isArray(item)) return new Map(Object.entries(item))
  return new Map([['value', item]])
}

function columnsOf(rows: readonly ReadonlyMap<string, unknown>[], most: number): string[] {
  const columns = new Set<string>()
  for (const row of rows)
    for (const key of row.keys())
      if (columns.add(key).size > most)
        throw tooLarge(`the table has more than ${most} columns. ${SAME_KEYS}`)
  return [...columns]
}

function cellOf(value: unknown): Cell {
  if (typeof value === 'string') return disarmed(value)
  if (typeof value === 'object' && value !== null) return disarmed(JSON.stringify(value))
  return value as Cell // JSON has no others
}

/** A text in which no spreadsheet finds a formula but at its very beginning, where the library disarms it. */
function disarmed(text: string): string {
  // Where semicolons stand between cells, as in many countries, a cell ends at one and a row at each line, quotes or not.
  const within = text.replace(/(?<=[;\t\r\n][\s\p{C}]*)[=+@-]/gu, "'$&")
  // Some leave out what cannot be seen, and then it is the beginning.
  return /^[\s\p{C}]+[=+@-]/u.test(within) ? `'${within}` : within
}

function tooLarge(why: string): LyceumError {
  return new LyceumError('over_output', `As CSV, ${why}`)
}
