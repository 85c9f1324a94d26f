import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadKeys } from '../../host/auth/keys.ts'
import { issueToken } from '../../host/auth/tokens.ts'
import { bundleSource } from '../support/host.ts'
import { type SpawnedHost, spawnHost } from '../support/spawned-host.ts'

/** A host in its own process that can be killed and started again on the same folder. */
export class Machine {
  readonly dataDir: string
  readonly #token: string
  #host: SpawnedHost | undefined

  private constructor(dataDir: string, token: string) {
    this.dataDir = dataDir
    this.#token = token
  }

  static async start(dataDir: string): Promise<Machine> {
    const host = await spawnHost(dataDir, FLAGS)
    const machine = new Machine(dataDir, await issueToken(await loadKeys(dataDir), { role: 'admin' }, 3_600))
    machine.#host = host
    return machine
  }

  get host(): SpawnedHost {
    if (this.#host === undefined) throw new Error('the host is down')
    return this.#host
  }

  async restart(): Promise<void> {
    this.#host = await spawnHost(this.dataDir, FLAGS)
  }

  async kill(): Promise<void> {
    const { host } = this
    this.#host = undefined
    await host.stop('SIGKILL')
  }

  async call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const answer = await fetch(this.host.url + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, json: await answer.json() }
  }

  async publish(id: string, source: string, version = '1.0.0'): Promise<void> {
    const answer = await this.call(
      'POST',
      `/v1/plugins/${id}/versions`,
      await bundleSource(id, source, version),
    )
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.json))
  }

  async post(events: readonly object[]): Promise<boolean> {
    return (await this.call('POST', '/v1/events', events)).status === 202
  }

  /** Waits until every handler of a plugin is at the head of the log. */
  async caughtUp(id: string): Promise<void> {
    for (;;) {
      const { json } = await this.call('GET', `/v1/plugins/${id}`)
      const { cursors } = json as { cursors: { lag: number }[] }
      if (cursors.length > 0 && cursors.every(({ lag }) => lag === 0)) return
      await sleep(20)
    }
  }
}

const FLAGS = ['--no-samples', '--no-plugins']

/** What SQLite says of every database file in a folder. */
export async function integrity(dataDir: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const name of await readdir(dataDir, { recursive: true })) {
    if (!name.endsWith('.db')) continue
    const file = new DatabaseSync(join(dataDir, name), { timeout: 5_000 })
    found[name] = file.prepare('PRAGMA integrity_check').get()?.integrity_check
    file.close()
  }
  return found
}
