import type { ChildProcess } from 'node:child_process'
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
  readonly #flags: readonly string[]
  #host: SpawnedHost | undefined

  private constructor(dataDir: string, token: string, flags: readonly string[]) {
    this.dataDir = dataDir
    this.#token = token
    this.#flags = flags
  }

  static async start(dataDir: string, flags: readonly string[] = BARE): Promise<Machine> {
    const host = await spawnHost(dataDir, flags)
    const token = await issueToken(await loadKeys(dataDir), { role: 'admin' }, TOKEN_SECONDS)
    const machine = new Machine(dataDir, token, flags)
    machine.#host = host
    return machine
  }

  get host(): SpawnedHost {
    if (this.#host === undefined) throw new Error('the host is down')
    return this.#host
  }

  async restart(): Promise<void> {
    this.#host = await spawnHost(this.dataDir, this.#flags)
  }

  /** Starts it and hands the process over at once; whatever comes of it, the host is down afterwards. */
  async startInVain(onSpawned: (child: ChildProcess) => void): Promise<void> {
    const host = await spawnHost(this.dataDir, this.#flags, onSpawned).catch(() => undefined)
    await host?.stop('SIGKILL')
  }

  async kill(): Promise<void> {
    await this.stop('SIGKILL')
  }

  /** Ends the host with a signal; resolves with its exit code, or null where a signal ended it. */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const code = await this.host.stop(signal)
    this.#host = undefined
    return code
  }

  async call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const answer = await this.fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, json: await answer.json() }
  }

  /** Any request, as the admin. */
  async fetch(path: string, { headers, ...request }: Request = {}): Promise<Response> {
    return fetch(this.host.url + path, {
      ...request,
      headers: { ...headers, authorization: `Bearer ${this.#token}` },
    })
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

/** What {@link Machine.fetch} sends. */
export interface Request extends Omit<RequestInit, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
}

const BARE = ['--no-samples', '--no-plugins']
const TOKEN_SECONDS = 12 * 3_600

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
