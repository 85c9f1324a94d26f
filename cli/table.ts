import { onOneLine, paint } from './terminal.ts'

/** Cells of a table that is printed; numbers stand at the right. */
export type Row = readonly (string | number)[]

const BETWEEN = '  '
const LEAST_COLUMNS = 6
const CUT = '…'

/**
 * Rows under their headings, each on one line.
 *
 * @param width of the terminal: cells are cut to fit it, and columns left out that do not; undefined cuts nothing
 */
export function table(titles: readonly string[], rows: readonly Row[], width?: number): string {
  const head = titles.map(onOneLine)
  const cells = rows.map((row) => row.map((cell) => onOneLine(String(cell))))
  const natural = head.map((title, column) =>
    cells.reduce((most, row) => Math.max(most, widthOf(row[column] ?? '')), widthOf(title)),
  )
  const widths = width === undefined ? natural : fitted(natural, width)
  const isNumber = widths.map((_, column) => rows.every((row) => typeof row[column] === 'number'))
  const line = (row: readonly string[], style?: Parameters<typeof paint>[0]) =>
    widths
      .map((cellWidth, column) => {
        const text = cut(row[column] ?? '', cellWidth)
        const filling = ' '.repeat(cellWidth - widthOf(text))
        const shown = style === undefined ? text : paint(style, text)
        return isNumber[column] ? filling + shown : shown + filling
      })
      .join(BETWEEN)
      .trimEnd()
  const left = head.length - widths.length
  const more =
    left > 0 ? [`${CUT} and ${left} more columns, which do not fit: ${head.slice(-left).join(', ')}`] : []
  return [line(head, 'bold'), ...cells.map((row) => line(row)), ...more].join('\n')
}

/** Any JSON as a table: a list of objects by their keys, an object as two columns, anything else as it is. */
export function tableOf(value: unknown, width?: number): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '(nothing)'
    if (!value.every(isRecord)) return value.map(text).join('\n')
    const keys = [...new Set(value.flatMap((row) => Object.keys(row)))]
    return table(
      keys,
      value.map((row) => keys.map((key) => cell(Object.hasOwn(row, key) ? row[key] : undefined))),
      width,
    )
  }
  if (!isRecord(value)) return text(value)
  const longest = Object.keys(value).reduce((most, key) => Math.max(most, widthOf(onOneLine(key))), 0)
  return Object.entries(value)
    .map(([key, held]) => {
      const filling = ' '.repeat(longest - widthOf(onOneLine(key)))
      const line = `${onOneLine(key)}${filling}${BETWEEN}${text(held)}`
      return width === undefined ? line : cut(line, width)
    })
    .join('\n')
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function cell(value: unknown): string | number {
  return typeof value === 'number' ? value : text(value)
}

function text(value: unknown): string {
  if (value === undefined || value === null) return ''
  return onOneLine(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

/** Widths that fit: the widest give way first, and then the last are left out. */
function fitted(natural: readonly number[], width: number): number[] {
  // A column takes a place at least, however many a result has.
  const widths = natural.slice(0, width)
  const all = () => widths.reduce((sum, own) => sum + own, (widths.length - 1) * BETWEEN.length)
  while (all() > width) {
    const widest = Math.max(...widths)
    if (widest <= LEAST_COLUMNS && widths.length > 1) {
      widths.pop()
      continue
    }
    if (widest <= 1) break
    const second = Math.max(LEAST_COLUMNS, 1, ...widths.filter((own) => own < widest))
    const at = widths.indexOf(widest)
    widths[at] = Math.max(widest - (all() - width), Math.min(second, widest - 1))
  }
  return widths
}

const NARROW = /[\p{Mn}\p{Me}\u200b-\u200f]/u
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u
const ASCII = /^[\x20-\x7e]*$/

/** The columns of a terminal that a text takes. */
export function widthOf(shown: string): number {
  if (ASCII.test(shown)) return shown.length
  let width = 0
  for (const character of shown) width += NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

function cut(shown: string, width: number): string {
  if (widthOf(shown) <= width) return shown
  let kept = ''
  let taken = CUT.length
  for (const character of shown) {
    taken += widthOf(character)
    if (taken > width) break
    kept += character
  }
  return kept + CUT
}
