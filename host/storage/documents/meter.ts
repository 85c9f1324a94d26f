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
  #limits: Readonly<DocumentLimits> = DEFAULT_DOCUMENT_LIMITS

  get limits(): Readonly<DocumentLimits> {
    return this.#limits
  }

  /** Starts an operation that must end by `deadlineMs`, a time of `performance.now()`. */
  start(limits: Readonly<DocumentLimits>, deadlineMs: number): void {
    this.#limits = limits
    this.#deadline = deadlineMs
    this.#ticks = 0
    this.#bytes = 0
  }

  /** Counts one step; throws `time_limit` once the deadline has passed. The clock is read every 256 steps. */
  tick(): void {
    if ((++this.#ticks & 255) === 0) this.checkTime()
  }

  checkTime(): void {
    if (performance.now() > this.#deadline)
      throw refusal('time_limit', MONGO.MaxTimeMSExpired, 'The operation ran out of time: narrow its filter.')
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
