import { setTimeout as sleep } from 'node:timers/promises'
import { LyceumError } from '../../host/errors.ts'
import type { Workbench } from '../workbench.ts'
import type { DevRecord } from './records.ts'

const LOOK_MS = 20

/** Has a plugin's data made anew from all events, and tells when they are there. */
export class Rebuilding {
  readonly #workbench: Workbench
  readonly #tell: (record: DevRecord) => void
  #following = Promise.resolve()
  #closed = false

  constructor(workbench: Workbench, tell: (record: DevRecord) => void) {
    this.#workbench = workbench
    this.#tell = tell
  }

  /**
   * Begins anew, also where a rebuild is under way: that is of events or handlers as they were.
   * @throws {LyceumError} nothing_to_rebuild, disk_full …
   */
  async start(): Promise<void> {
    const { host, plugin } = this.#workbench
    await host.rebuilds.cancel(plugin).catch(ifNoneIsUnderWay)
    await this.#following
    const startMs = performance.now()
    await host.rebuilds.start(plugin)
    this.#following = this.#follow(startMs)
  }

  /** Tells nothing more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#following
  }

  async #follow(startMs: number): Promise<void> {
    const { host, plugin } = this.#workbench
    while (!this.#closed) {
      const status = host.rebuilds.status(plugin)
      if (status === undefined) return
      const { state, events, problem } = status
      if (state !== 'running') {
        const tookMs = Math.round(performance.now() - startMs)
        // One that a save ended begins anew by itself, where there is still something to do.
        const why = state === 'failed' ? (problem?.message ?? null) : null
        this.#tell({ type: 'rebuilt', state, events, tookMs, problem: why })
        return
      }
      await sleep(LOOK_MS)
    }
  }
}

function ifNoneIsUnderWay(error: unknown): void {
  if (!(error instanceof LyceumError && error.code === 'not_found')) throw error
}
