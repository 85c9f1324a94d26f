import { type Html, type HtmlValue, html } from './html.ts'
import { type Field, type Format, formatted, type Plain, plainOf, timeOf, wordsOf } from './values.ts'

/** One column of a {@link table}. */
export interface Column<Row> {
  /** The field that it shows, and sorts by. */
  readonly key: Field<Row>
  /** What stands above it; the field's name in words where it is not given. */
  readonly label?: string
  readonly format?: Format
  /** Numbers stand at the right unless told. */
  readonly align?: 'left' | 'right' | 'center'
  /**
   * What its cells show in place of the value, for example a link:
   * ``cell: (row) => html`<a href="${row.report}">${row.name}</a>` ``.
   */
  readonly cell?: (row: Row) => HtmlValue
}

/** Options of a {@link table}. */
export interface TableOptions<Row> {
  /** Fields, or columns with options, in order; all fields of the rows where they are not given. */
  readonly columns?: readonly (Field<Row> | Column<Row>)[]
  /** Stands above the table, and screen readers say it first: what it shows, in a few words. */
  readonly title?: string
  /** Rows that are shown; a sentence below says how many there are. 1,000 unless told. */
  readonly limit?: number
  /** What stands in place of a table without rows. */
  readonly empty?: string
}

const MOST_ROWS = 1_000
/** Rows that are looked at for their fields. */
const LOOKED_AT = 100

/**
 * Rows as a table. People sort it by a click, or by the keyboard, on the head of a column; without JavaScript it
 * stands as it is given. It can be returned from a view, stand in a list, or inside `html`.
 *
 * @param rows objects: what a query returns, or `toArray()`
 * @throws TypeError for rows that are not an array of objects
 *
 * @example table(await self.top({ course }), { columns: ['video', { key: 'n', label: 'Plays' }], title: 'Videos' })
 *
 * **Common mistake:** thousands of rows. Nobody reads them; sort and limit them in the query.
 */
export function table<Row extends object>(rows: readonly Row[], options: TableOptions<Row> = {}): Html {
  checkGiven('table', rows, options, "{ columns: ['video', 'n'] }")
  const { title, limit = MOST_ROWS } = options
  if (rows.length === 0) return nothing(options)
  const shown = rows.slice(0, limit)
  const columns = (options.columns ?? fieldsOf(rows)).map((column) => columnOf(column, shown))
  return html`<div class="lyceum-scroll"><table class="lyceum-table">${title && html`<caption>${title}</caption>`}
<thead><tr>${columns.map(({ label, place }) => html`<th scope="col" ${place}>${label}</th>`)}</tr></thead>
<tbody>${shown.map((row) => html`<tr>${columns.map((column) => column.cellOf(row))}</tr>\n`)}</tbody>
</table></div>${
    rows.length > shown.length &&
    html`<p class="lyceum-note">The first ${formatted(shown.length)} of ${formatted(rows.length)} rows.</p>`
  }`
}

/** What stands in place of a table or chart without rows. */
export function nothing({
  title,
  empty = 'There is nothing to show yet.',
}: {
  readonly title?: string
  readonly empty?: string
}): Html {
  return html`<p class="lyceum-empty">${title && html`${title}: `}${empty}</p>`
}

/** A column, ready to be written. */
interface WrittenColumn<Row> {
  readonly label: string
  /** The attribute that says where its text stands. */
  readonly place: Html | null
  readonly cellOf: (row: Row) => Html
}

function columnOf<Row extends object>(
  column: Field<Row> | Column<Row>,
  rows: readonly Row[],
): WrittenColumn<Row> {
  const { key, label, format, align, cell }: Column<Row> =
    typeof column === 'string' ? { key: column } : column
  const valueIn = (row: Row) => plainOf(row[key])
  const place = placeOf(rows.map(valueIn), format, align)
  return {
    label: label ?? wordsOf(key),
    place,
    cellOf: (row) => {
      const value = valueIn(row)
      const text = formatted(value, format)
      const order = orderOf(value)
      const sorted = order === text && cell === undefined ? null : html`data-order="${order}"`
      return html`<td ${place} ${sorted}>${cell === undefined ? text : cell(row)}</td>`
    },
  }
}

/** Where the text of a column stands, and whether it may be broken, as an attribute; it is its content that decides. */
function placeOf(
  values: readonly Plain[],
  format: Format | undefined,
  align: string | undefined,
): Html | null {
  const known = values.filter((value) => value !== null)
  const isTime =
    format === 'date' || format === 'datetime' || known.every((value) => timeOf(value) !== undefined)
  const isNumber = !isTime && known.every((value) => typeof value === 'number')
  const classes = [align ?? (isNumber ? 'right' : 'left'), ...(isTime || isNumber ? ['short'] : [])]
  const text = classes.filter((name) => ['right', 'center', 'short'].includes(name)).join(' ')
  return text === '' ? null : html`class="${text}"`
}

/** What a cell is sorted by. */
function orderOf(value: Plain): string {
  return value === null ? '' : String(timeOf(value) ?? value)
}

function fieldsOf<Row extends object>(rows: readonly Row[]): Field<Row>[] {
  const fields = new Set<string>()
  for (const row of rows.slice(0, LOOKED_AT)) for (const field of Object.keys(row)) fields.add(field)
  return [...fields] as Field<Row>[]
}

/**
 * @param like options that it might be given
 * @throws TypeError that says what to do
 */
export function checkGiven(what: string, rows: unknown, options: unknown, like: string): void {
  if (rows instanceof Promise) throw new TypeError(`${what}: the rows are a promise. Await them first.`)
  if (typeof rows === 'object' && rows !== null && 'toArray' in rows)
    throw new TypeError(`${what}: the rows are a cursor. Await its .toArray() first.`)
  if (!Array.isArray(rows))
    throw new TypeError(`${what}: the rows are an array of objects, and this is ${nameOf(rows)}.`)
  const at = rows.findIndex((row) => typeof row !== 'object' || row === null || Array.isArray(row))
  if (at >= 0)
    throw new TypeError(
      `${what}: the rows are objects, and row ${at} is ${nameOf(rows[at])}. Write rows.map((n) => ({ n })).`,
    )
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(
      `${what}: behind the rows stands one object, such as ${like}, and this is ${nameOf(options)}.`,
    )
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
