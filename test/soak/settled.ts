import { setTimeout as sleep } from 'node:timers/promises'
import type { Changes } from './changes.ts'
import { holdingsOf } from './processes.ts'
import type { Run } from './run.ts'

const MOST_WAIT_MS = 240_000
const POLL_MS = 300
/** In a row. */
const QUIET_POLLS = 2
const MORE_MB = 250
const MORE_DESCRIPTORS = 24

/** Brings a host to rest after the load, and compares what it holds then with what it held under load. */
export class Settled {
  readonly #run: Run
  readonly #changes: Changes
  #before: { readonly residentMb: number; readonly descriptors: number } | undefined

  constructor(run: Run, changes: Changes) {
    this.#run = run
    this.#changes = changes
  }

  /** Notes what the host holds that lives until the end. */
  noteHoldings(): void {
    this.#before = holdingsOf(this.#run.machine.host.process.pid)
  }

  /** The last versions, every event handled, data made anew, every dead letter that can be mended mended. */
  async finish(): Promise<void> {
    await this.#changes.finish()
    await this.#allHandled()
    await this.#changes.rebuildAll()
    await this.#allHandled()
    for (const plugin of ['fragile', 'bank']) while ((await this.#changes.retry(plugin)) > 0);
    await this.#allHandled()
    this.#compareHoldings()
  }

  async #allHandled(): Promise<void> {
    const startMs = performance.now()
    let late: string[] = []
    for (let quiet = 0; quiet < QUIET_POLLS; ) {
      if (performance.now() - startMs > MOST_WAIT_MS) {
        this.#run.problem(`handlers do not get to the end of the log: ${late.join(', ')}`)
        return
      }
      late = await this.#late()
      quiet = late.length === 0 ? quiet + 1 : 0
      await sleep(POLL_MS)
    }
  }

  async #late(): Promise<string[]> {
    const late: string[] = []
    for (const plugin of this.#changes.plugins) {
      const { json } = await this.#run.ask(`/v1/plugins/${plugin}`)
      if (json.state !== 'active') late.push(`${plugin} is ${json.state}`)
      if (json.rebuild?.state === 'running') late.push(`${plugin} is rebuilt: ${json.rebuild.waitsFor}`)
      for (const { endpoint, state, lag, lastError } of json.cursors)
        if (state !== 'idle' || lag > 0)
          late.push(`${plugin}.${endpoint} ${state} ${lag} behind: ${lastError?.message}`)
    }
    return late
  }

  #compareHoldings(): void {
    const before = this.#before
    const after = holdingsOf(this.#run.machine.host.process.pid)
    if (before === undefined) return
    this.#run.count('host MB: begin of its last life', before.residentMb)
    this.#run.count('host MB: end', after.residentMb)
    this.#run.count('host descriptors: begin', before.descriptors)
    this.#run.count('host descriptors: end', after.descriptors)
    const grows =
      after.residentMb > before.residentMb + MORE_MB ||
      after.descriptors > before.descriptors + MORE_DESCRIPTORS
    if (grows) this.#run.problem(`the host grows: ${JSON.stringify({ before, after })}`)
  }
}
