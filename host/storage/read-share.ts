import { setTimeout as sleep } from 'node:timers/promises'
import { Places } from '../../process/places.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/**
 * The time of stores that one plugin's reads of other plugins' collections may take. They run where their owner's
 * data are, before or behind the owner's own operations: one at a time, and when they have used up what they may
 * take at a stretch, only a share of the time. So however slow a reader's reads are, its owner keeps the rest.
 */
export class ReadShare {
  readonly #turn = new Places(1, Number.POSITIVE_INFINITY)
  #leftMs: number = LIMITS.othersReadMs
  #atMs = performance.now()

  /**
   * Runs a read in its turn.
   * @throws {LyceumError} over_concurrency where its turn does not come before the deadline
   */
  async within(deadlineMs: number, read: () => Promise<Buffer>): Promise<Buffer> {
    const rows = await this.#turn.within(async () => {
      const waitMs = this.#waitMs()
      if (performance.now() + waitMs >= deadlineMs)
        throw new LyceumError(
          'over_concurrency',
          `Its reads of other plugins' collections take more than ${LIMITS.othersReadMsPerSecond} ms of each second. Read less, or less often.`,
        )
      if (waitMs > 0) await sleep(waitMs)
      this.#refill()
      try {
        return await read()
      } finally {
        // What it waited for others counts too: the store is busy, and a stranger's read can wait best.
        this.#leftMs -= performance.now() - this.#atMs
        this.#atMs = performance.now()
      }
    })
    return rows ?? Buffer.alloc(0)
  }

  #waitMs(): number {
    this.#refill()
    return this.#leftMs > 0 ? 0 : (-this.#leftMs * 1_000) / LIMITS.othersReadMsPerSecond + 1
  }

  #refill(): void {
    const nowMs = performance.now()
    const back = ((nowMs - this.#atMs) * LIMITS.othersReadMsPerSecond) / 1_000
    this.#leftMs = Math.min(LIMITS.othersReadMs, this.#leftMs + back)
    this.#atMs = nowMs
  }
}
