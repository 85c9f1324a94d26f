import type { EventLog, LogRow } from '../events/log.ts'

const WINDOW_ROWS = 4_096
const WINDOW_CHARS = 16 * 1024 * 1024
const READ_ROWS = 512
const READ_BYTES = 4 * 1024 * 1024

/**
 * The newest rows of the log, read once for all handlers that keep up. Those far behind read for
 * themselves.
 */
export class LogWindow {
  readonly #log: EventLog
  #rows: LogRow[] = []
  #chars = 0

  constructor(log: EventLog) {
    this.#log = log
  }

  /** The last event of the log. */
  get head(): number {
    return this.#log.head()
  }

  /** The next rows after `seq`, in order; some, not all, and `most` of them. Empty at the head. */
  after(seq: number, most = READ_ROWS): readonly LogRow[] {
    const limit = Math.min(most, READ_ROWS)
    const first = this.#rows[0]
    const last = this.#rows.at(-1)
    if (first !== undefined && last !== undefined && seq >= first.seq - 1 && seq < last.seq)
      return this.#rows.slice(this.#indexAfter(seq), this.#indexAfter(seq) + limit)
    const rows = this.#log.read(seq, limit, READ_BYTES)
    if (last === undefined || seq > last.seq) {
      // Nobody reads on from where the window ends: it begins anew where somebody reads near the head.
      if (seq < this.#log.head() - WINDOW_ROWS) return rows
      this.#rows = []
      this.#chars = 0
      this.#keep(rows)
    } else if (seq === last.seq) this.#keep(rows)
    return rows
  }

  /** Leaps from `seq` over rows that are of none of these types, where nobody has them in memory. */
  skip(seq: number, types: Iterable<string>): number {
    const first = this.#rows[0]
    const last = this.#rows.at(-1)
    const held = first !== undefined && last !== undefined && seq >= first.seq - 1 && seq <= last.seq
    return held ? seq : this.#log.skip(seq, types)
  }

  /** One event; undefined where the log does not have it. */
  row(seq: number): LogRow | undefined {
    const [row] = this.after(seq - 1, 1)
    return row?.seq === seq ? row : undefined
  }

  #keep(rows: readonly LogRow[]): void {
    for (const row of rows) this.#chars += row.text.length
    this.#rows.push(...rows)
    // Cut by half, so that the cost of moving the rest is spread over many rows.
    if (this.#rows.length <= WINDOW_ROWS && this.#chars <= WINDOW_CHARS) return
    this.#rows = this.#rows.slice(Math.floor(this.#rows.length / 2))
    this.#chars = this.#rows.reduce((sum, row) => sum + row.text.length, 0)
  }

  /** Sequence numbers may have gaps, so the place is found by halving. */
  #indexAfter(seq: number): number {
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#rows[middle]?.seq ?? 0) <= seq) low = middle + 1
      else high = middle
    }
    return low
  }
}
