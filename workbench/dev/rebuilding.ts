import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { LyceumError } from '../../host/errors.ts'
import type { Workbench } from '../workbench.ts'
import type { DevRecord } from './records.ts'

const LOOK_MS = 25
const Status = z.object({
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  events: z.number(),
  problem: z.object({ message: z.string() }).nullable(),
})

/** Has a plugin's data made anew from all events, and tells when they are there. */
export class Rebuilding {
  readonly #workbench: Workbench
  readonly #tell: (record: DevRecord) => void
  #following: Promise<void> | undefined
  #closed = false

  constructor(workbench: Workbench, tell: (record: DevRecord) => void) {
    this.#workbench = workbench
    this.#tell = tell
  }

  /** Begins anew, also where one is under way. @throws {LyceumError} */
  async start(): Promise<void> {
    await this.#request('DELETE').catch(() => {})
    await this.#following
    await this.#request('POST')
    this.#following = this.#follow(performance.now()).catch(() => {})
  }

  close(): void {
    this.#closed = true
  }

  async #follow(startMs: number): Promise<void> {
    while (!this.#closed) {
      const { state, events, problem } = Status.parse(await this.#request('GET'))
      if (state !== 'running') {
        const tookMs = Math.round(performance.now() - startMs)
        this.#tell({ type: 'rebuilt', state, events, tookMs, problem: problem?.message ?? null })
        return
      }
      await sleep(LOOK_MS)
    }
  }

  async #request(method: 'GET' | 'POST' | 'DELETE'): Promise<unknown> {
    const { url, plugin, token } = this.#workbench
    const answer = await fetch(`${url}/v1/plugins/${plugin}/rebuild`, {
      method,
      headers: { authorization: `Bearer ${await token({ role: 'admin' })}` },
    })
    const said = z
      .looseObject({ detail: z.string().optional() })
      .nullish()
      .parse(await answer.json().catch(() => null))
    if (!answer.ok) throw new LyceumError('internal', said?.detail ?? 'The data could not be made anew.')
    return said
  }
}
