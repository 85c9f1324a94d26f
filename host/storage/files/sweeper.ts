import type { Swept } from '../store-protocol.ts'

const LOOK_EVERY_MS = 10 * 60_000
/** Sweeps of one plugin in a row; what is left then waits for the next look. */
const MOST_IN_A_ROW = 1_000

/** One plugin's files. */
export interface Sweepable {
  sweepFiles(nowMs: number): Promise<Swept>
}

/**
 * Has files deleted that have expired, and contents that nobody refers to. Only plugins are looked at whose files
 * have changed, or of which it is known when something of theirs is due: one that keeps no files costs nothing.
 */
export class FileSweeper {
  readonly #nowMs: () => number
  /** When there is something to sweep, by the host's clock; undefined where nobody knows. */
  readonly #due = new Map<Sweepable, number | undefined>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Files were written or deleted. */
  changed(store: Sweepable): void {
    this.#due.set(store, undefined)
    this.#timer ??= setInterval(() => void this.sweep(), LOOK_EVERY_MS).unref()
  }

  /** Nothing of it is swept any more. */
  forget(store: Sweepable): void {
    this.#due.delete(store)
  }

  /** Sweeps what is due, one plugin after the other. Never rejects: what fails is tried again later. */
  sweep(): Promise<void> {
    this.#running ??= this.#sweepAll().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  close(): void {
    clearInterval(this.#timer)
    this.#due.clear()
  }

  async #sweepAll(): Promise<void> {
    const nowMs = this.#nowMs()
    for (const store of [...this.#due.keys()]) {
      const dueMs = this.#due.get(store)
      // Those before it take their time: it may have been forgotten meanwhile.
      if (!this.#due.has(store) || (dueMs !== undefined && dueMs > nowMs)) continue
      try {
        await this.#sweepOne(store, nowMs)
      } catch {
        // A store that was lost, or a full disk.
      }
    }
  }

  async #sweepOne(store: Sweepable, nowMs: number): Promise<void> {
    // Said ahead, so that a change meanwhile is not forgotten.
    this.#due.set(store, nowMs + LOOK_EVERY_MS)
    for (let sweeps = 0; sweeps < MOST_IN_A_ROW; sweeps++) {
      const { dueMs } = await store.sweepFiles(nowMs)
      if (dueMs !== null && dueMs <= nowMs) continue
      if (this.#due.get(store) === undefined) return
      if (dueMs === null) this.#due.delete(store)
      else this.#due.set(store, dueMs)
      return
    }
  }
}
