import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Claims, issueToken } from '../../host/auth/tokens.ts'
import { loadConfig } from '../../host/config.ts'
import { type Host, openHost } from '../../host/host.ts'
import { serveHost } from '../../host/serve.ts'
import { bundlePlugin } from '../../workbench/bundle.ts'

/** An HTTP answer, read whole. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; whatever a test expects in it is asserted there. */
  readonly json: Json
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
type Json = any

/** A real host in this process, listening on a free port, with its children, in a folder of its own. */
export interface TestHost {
  readonly host: Host
  readonly url: string
  readonly dataDir: string
  token(claims: Claims): Promise<string>
  /** Calls the host; without a token as the admin. */
  call(
    method: string,
    path: string,
    options?: { body?: unknown; token?: string; headers?: Record<string, string> },
  ): Promise<Answer>
  /** Publishes a plugin from its source text, as the admin or with a token. */
  publish(id: string, source: string, options?: { version?: string; token?: string }): Promise<Answer>
  /** Sends events and waits until every handler has handled them. */
  send(events: readonly object[]): Promise<Answer>
  /** Resolves when no handler has anything left to do. */
  settled(): Promise<void>
  /** Stops the host; the folder stays until {@link TestHost.dispose}. */
  close(): Promise<void>
  dispose(): Promise<void>
}

/**
 * Starts a host.
 * @param dataDir a folder of an earlier one, to go on with it
 * @param env variables of its configuration
 */
export async function startHost(
  dataDir?: string,
  nowMs?: () => number,
  env: Readonly<Record<string, string>> = {},
): Promise<TestHost> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'lyceum-')))
  const host = await openHost(loadConfig(env, { data: folder, port: '0', logLevel: 'silent' }), nowMs)
  const served = await serveHost(host)
  host.markReady()
  const token = (claims: Claims) => issueToken(host.keys, claims, 3_600)
  const admin = await token({ role: 'admin' })

  const call: TestHost['call'] = async (method, path, { body, token: given = admin, headers } = {}) => {
    const answer = await fetch(served.url + path, {
      method,
      headers: {
        authorization: `Bearer ${given}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, json: parsed(text) }
  }
  const settled = async () => {
    while (!host.lane.quiet) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return {
    host,
    url: served.url,
    dataDir: folder,
    token,
    call,
    settled,
    publish: async (id, source, options = {}) => {
      const bundled = await bundleSource(id, source, options.version)
      return call('POST', `/v1/plugins/${id}/versions`, {
        body: bundled,
        ...(options.token && { token: options.token }),
      })
    },
    send: async (events) => {
      const answer = await call('POST', '/v1/events', { body: events })
      await settled()
      return answer
    },
    close: () => served.close(),
    dispose: async () => {
      await served.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Bundles a plugin from its source text, as its author's command line would. */
export async function bundleSource(id: string, source: string, version = '1.0.0') {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-plugin-'))
  try {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: id, version }))
    await writeFile(join(folder, 'plugin.ts'), source)
    return await bundlePlugin(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
