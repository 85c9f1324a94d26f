import { expect } from 'vitest'
import type { Answer, TestHost } from '../support/host.ts'
import type { Letter, Model } from './model.ts'
import type { HandlerName } from './plugin.ts'

/** The host that the commands are tried on, and the plugin of one run. */
export class Real {
  readonly plugin: string
  readonly #restart: () => Promise<TestHost>
  host: TestHost

  constructor(plugin: string, host: TestHost, restart: () => Promise<TestHost>) {
    this.plugin = plugin
    this.host = host
    this.#restart = restart
  }

  async restart(): Promise<void> {
    this.host = await this.#restart()
  }

  call(method: string, path: string, body?: unknown) {
    return this.host.call(method, `/v1/plugins/${this.plugin}${path}`, body === undefined ? {} : { body })
  }

  get head(): number {
    return this.host.host.log.head()
  }
}

/** A dead letter as the API shows it. */
export interface Shown {
  readonly id: number
  readonly endpoint: string
  readonly seq: number
  readonly version: string
  readonly code: string
  readonly message: string
  readonly attempts: number
  readonly event: { readonly id: string }
}

/** Whether a dead letter that is shown is the one that the model knows. */
export function isOf(row: Shown, letter: Letter): boolean {
  return row.endpoint === letter.handler && row.event.id === letter.event.id
}

/** Waits until nothing is left to do, and compares everything that can be seen with the model. */
export async function settle(model: Model, real: Real): Promise<readonly Shown[]> {
  await real.host.settled()
  const { json } = await answered(() => real.call('GET', '/dead-letters?limit=1000'))
  const letters: readonly Shown[] = json.letters
  const state = model.running
    ? (await answered(() => real.host.call('GET', `/v1/queries/${real.plugin}/state`))).json
    : undefined
  if (state === undefined) return letters // it answers no query: what it did is seen when it runs again
  const seen = (name: HandlerName): readonly string[] => state[name].seen
  const problem = model.settle(
    {
      seen: { first: seen('first'), second: seen('second') },
      letters: letters.map(({ endpoint, event, version }) => ({
        handler: endpoint,
        event: event.id,
        version,
      })),
    },
    real.head,
  )
  expect(problem).toBeUndefined()
  for (const { name, applied, cursor } of model.handlers) {
    expect(seen(name)).toEqual(applied.map(({ id }) => id))
    const counts = new Map<string, number>()
    for (const { key } of applied) counts.set(key, (counts.get(key) ?? 0) + 1)
    expect(state[name].counts).toEqual(Object.fromEntries(counts))
    const status = real.host.host.lane.status(real.plugin).find(({ endpoint }) => endpoint === name)
    if (status === undefined) continue
    // Rows that nobody wanted are passed without a commit.
    const handled = Math.max(
      0,
      ...applied.map(({ seq }) => seq),
      ...letters.filter(({ endpoint }) => endpoint === name).map(({ seq }) => seq),
    )
    expect(status.cursor).toBeGreaterThanOrEqual(handled)
    expect(status.cursor).toBeLessThanOrEqual(cursor ?? 0)
  }
  const told = letters.map(({ endpoint, seq, version, code, message, attempts }) => ({
    endpoint,
    seq,
    version,
    code,
    message,
    attempts,
  }))
  const expected = model.letters.map(({ handler, event, version, message, attempts }) => ({
    endpoint: handler,
    seq: event.seq,
    version,
    code: 'plugin_failed',
    message: expect.stringContaining(message),
    attempts,
  }))
  const inOrder = (rows: typeof told) =>
    rows.toSorted((a, b) => a.endpoint.localeCompare(b.endpoint) || a.seq - b.seq)
  expect(inOrder(told)).toEqual(inOrder(expected))
  return letters
}

/** A process that was killed last may still be on its way out, or the machine be busy: whoever asks is told to try again. */
async function answered(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (answer.status === 200) return answer
    expect(['store_lost', 'sandbox_lost', 'time_limit', 'over_wall']).toContain(answer.json.code)
  }
}
