import { LIMITS } from '../limits.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import type { CpuRates } from './cpu-rates.ts'
import { Sleeper } from './sleeper.ts'

/** Between the batches of a rebuild that has used up its part of the plugin's CPU time. */
const THROTTLED_MS = 1_000

/**
 * Has the batches of a rebuild run one after the other, with rests between them: while live handlers have something
 * to do it works a part of the time only, and never uses up the CPU time that its plugin's own live handlers need.
 */
export class RebuildPace {
  readonly #plugin: ActivePlugin
  readonly #cpuRates: Pick<CpuRates, 'usedMs'>
  readonly #isBusy: () => boolean
  readonly #isNear: () => boolean
  readonly #sleeper = new Sleeper()
  #last: Promise<void> = Promise.resolve()
  #workedMs = 0

  /**
   * @param isBusy whether live handlers, of whatever plugin, have something to do
   * @param isNear whether it is so near to the head of the log that rests would keep it from getting there
   */
  constructor(
    plugin: ActivePlugin,
    cpuRates: Pick<CpuRates, 'usedMs'>,
    isBusy: () => boolean,
    isNear: () => boolean,
  ) {
    this.#plugin = plugin
    this.#cpuRates = cpuRates
    this.#isBusy = isBusy
    this.#isNear = isNear
  }

  /** Resolves when the next batch may run, with what says that it has ended. */
  async turn(): Promise<() => void> {
    const before = this.#last
    let leave: () => void = () => {}
    this.#last = new Promise((resolve) => {
      leave = resolve
    })
    await before
    const restMs = this.#restMs
    if (restMs > 0) await this.#sleeper.sleep(restMs)
    const startedMs = performance.now()
    return () => {
      this.#workedMs = performance.now() - startedMs
      leave()
    }
  }

  /** Lets everything go on at once. */
  stop(): void {
    this.#sleeper.stop()
  }

  get #restMs(): number {
    if (this.#isNear()) return 0
    const { id, quota } = this.#plugin
    const isThrottled = this.#cpuRates.usedMs(id) > quota.cpuMsPerMinute * LIMITS.rebuildCpuShare
    const shareMs = this.#isBusy() ? this.#workedMs * (1 / LIMITS.rebuildShare - 1) : 0
    return isThrottled ? Math.max(THROTTLED_MS, shareMs) : shareMs
  }
}
