import type { CompiledFilter } from '../events/filter.ts'
import type { LogRow } from '../events/log.ts'
import type { LogWindow } from './log-window.ts'

export const BATCH_EVENTS = 256
export const BATCH_CHARS = 1024 * 1024
/** Rows that are looked at before others get their turn, where few match. */
const SCAN_ROWS = 4_096

/** A stretch of the log and the events in it that a handler asked for. */
export interface Batch {
  /** The cursor before and after. Everything between is covered, matched or not. */
  readonly from: number
  readonly to: number
  readonly rows: readonly LogRow[]
}

/**
 * Collects the next batch of a handler after `from`.
 * @returns undefined at the head of the log
 */
export function nextBatch(
  window: LogWindow,
  from: number,
  filter: CompiledFilter,
  maxEvents: number,
): Batch | undefined {
  const matched: LogRow[] = []
  let to = from
  let chars = 0
  let scanned = 0
  while (scanned < SCAN_ROWS) {
    if (filter.types !== undefined) to = window.skip(to, filter.types)
    const rows = window.after(to)
    if (rows.length === 0) break
    for (const row of rows) {
      if (matches(filter, row)) {
        const full =
          matched.length >= maxEvents || (matched.length > 0 && chars + row.text.length > BATCH_CHARS)
        if (full) return { from, to, rows: matched }
        matched.push(row)
        chars += row.text.length
      }
      to = row.seq
    }
    scanned += rows.length
  }
  return to === from ? undefined : { from, to, rows: matched }
}

/** Whether a handler wants an event. Only a filter that looks past the type has the event parsed. */
export function matches(
  filter: CompiledFilter,
  row: LogRow,
  parse: () => unknown = () => JSON.parse(row.text),
): boolean {
  if (filter.types !== undefined && !filter.types.has(row.type)) return false
  if (filter.typeOnly) return filter.types !== undefined || filter.test({ props: { type: row.type } })
  return filter.test(parse())
}

/** The batch as the input of a guest: the texts of the log, joined. */
export function inputOf(batch: Batch, plugins: readonly string[]): string {
  return `{"named":"{}","plugins":${JSON.stringify(plugins)},"events":[${batch.rows.map((row) => row.text).join(',')}]}`
}
