import type { DocumentLimits } from './limits.ts'
import { meter } from './meter.ts'
import { checkDepthAt } from './paths.ts'
import { asRefusal } from './refusal.ts'
import type { Scans } from './scans.ts'
import { type Doc, weigh } from './values.ts'

/** Where a page ends: at so many rows, or with the row that makes it larger than so many bytes. */
export interface PageSize {
  readonly rows: number
  readonly bytes: number
}

export interface Page {
  readonly rows: readonly Doc[]
  /** False once all rows have been given; a page that says true may be the last for all that. */
  readonly isMore: boolean
}

/** A read that stands still between its pages. It ends with the first failure. */
export class PagedRead {
  readonly #rows: Iterator<Doc>
  readonly #scans: Scans
  readonly #limits: Readonly<DocumentLimits>
  #heldBytes = 0

  /** Inside of an operation: what the rows are prepared with is charged to it. */
  constructor(rows: Iterable<Doc>, scans: Scans, limits: Readonly<DocumentLimits>) {
    this.#rows = rows[Symbol.iterator]()
    this.#scans = scans
    this.#limits = limits
  }

  /** What it keeps in memory until its end, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * The next rows, computed until `deadlineMs`, a time of `performance.now()`. Throws `time_limit` after that, and
   * what the read deserves.
   */
  page({ rows, bytes }: PageSize, deadlineMs: number): Page {
    meter.start(this.#limits, Math.min(deadlineMs, performance.now() + this.#limits.opMs), this.#heldBytes)
    try {
      const page: Doc[] = []
      let size = 0
      while (page.length < rows && size < bytes) {
        const next = this.#rows.next()
        if (next.done) return { rows: page, isMore: false }
        size += weigh(next.value, this.#limits.resultBytes)
        checkDepthAt([], next.value, this.#limits)
        page.push(next.value)
      }
      meter.checkTime()
      return { rows: page, isMore: true }
    } catch (error) {
      throw asRefusal(error)
    } finally {
      this.#heldBytes = meter.held
      this.#scans.pause()
    }
  }

  close(): void {
    this.#rows.return?.()
  }
}
