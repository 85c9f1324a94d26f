import type { DocumentLimits } from './limits.ts'
import { DEFAULT_DOCUMENT_LIMITS } from './limits.ts'
import { MONGO, refusal } from './refusal.ts'

/**
 * Time and memory of the operation under way. The engine is synchronous, so there is one per process; operators
 * inside mingo have no other way to reach it.
 */
class Meter {
  #deadline = Number.POSITIVE_INFINITY
  #ticks = 0
  #bytes = 0
  #held = 0
  #limits: Readonly<DocumentLimits> = DEFAULT_DOCUMENT_LIMITS

  get limits(): Readonly<DocumentLimits> {
    return this.#limits
  }

  /** Bytes that the operation holds on to from one page of its cursor to the next. */
  get held(): number {
    return this.#held
  }

  /** Starts an operation that must end by `deadlineMs`, a time of `performance.now()`; `held` of its earlier pages. */
  start(limits: Readonly<DocumentLimits>, deadlineMs: number, held = 0): void {
    this.#limits = limits
    this.#deadline = deadlineMs
    this.#ticks = 0
    this.#bytes = held
    this.#held = held
  }

  /** Counts one step; throws `time_limit` once the deadline has passed. The clock is read every 256 steps. */
  tick(): void {
    if ((++this.#ticks & 255) === 0) this.checkTime()
  }

  checkTime(): void {
    if (performance.now() > this.#deadline)
      throw refusal('time_limit', MONGO.MaxTimeMSExpired, 'The operation ran out of time: narrow its filter.')
  }

  /** Counts bytes that the operation keeps until its end: what is sorted, grouped or joined. */
  hold(bytes: number): void {
    this.charge(bytes)
    this.#held += bytes
  }

  /** Counts bytes that the operation makes or holds; throws where one value or the sum is too large. */
  charge(bytes: number): void {
    this.#bytes += bytes
    if (bytes > this.#limits.intermediateBytes || this.#bytes > this.#limits.operationBytes)
      throw refusal(
        'query_invalid',
        MONGO.ExceededMemoryLimit,
        `The operation makes more than ${bytes > this.#limits.intermediateBytes ? this.#limits.intermediateBytes : this.#limits.operationBytes} bytes: narrow its filter.`,
      )
  }
}

export const meter = new Meter()
