import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MongoServerError } from 'mongodb'
import { connect } from '../../cli/connection.ts'
import { findSource } from '../../cli/load-batches.ts'
import { createApp } from '../../host/app.ts'
import { fileAddress } from '../../host/auth/file-tickets.ts'
import { signInLink } from '../../host/auth/sign-in.ts'
import { type Claims, issueToken } from '../../host/auth/tokens.ts'
import type { OpContext } from '../../host/capabilities/capability.ts'
import { PluginLogs } from '../../host/capabilities/log.ts'
import { loadConfig } from '../../host/config.ts'
import { BrokenLimits } from '../../host/dispatch/broken-limits.ts'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { type ErrorCode, failureFrom, LyceumError, refusalOf } from '../../host/errors.ts'
import { openDataFolder } from '../../host/files.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../../host/limits.ts'
import { readManifest } from '../../host/registry/manifest.ts'
import { openRegistry } from '../../host/registry/registry-file.ts'
import { decodeSourceMap } from '../../host/registry/source-map.ts'
import { lost as readerLost } from '../../host/replicas/reader.ts'
import {
  outOfTime,
  unreachable as replicaUnreachable,
  rowWriter,
  writable,
} from '../../host/replicas/source.ts'
import { unbuilt } from '../../host/sdk-package/sdk-package.ts'
import { portTaken } from '../../host/serve.ts'
import { parseWrite } from '../../host/storage/documents/operations.ts'
import { asRefusal } from '../../host/storage/documents/refusal.ts'
import { unreachable as serverUnreachable } from '../../host/storage/mongo/server.ts'
import { refusalFrom } from '../../host/storage/mongo/server-error.ts'
import { storeLost } from '../../host/storage/store.ts'
import { LOST } from '../../sandbox/sandbox.ts'
import { init } from '../../workbench/init.ts'
import type { TestHost } from '../support/host.ts'

/** Where codes are provoked: a host, and a folder to spoil. */
export interface Scene {
  readonly lyceum: TestHost
  readonly folder: string
}

/** Provokes a refusal, by throwing it or by resolving with a problem, or with a failure that somebody noted. */
type Provoke = (scene: Scene) => unknown

const QUERY = "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)"
const admin = { role: 'admin', user: undefined, courses: [], plugins: 'all' } as const

/**
 * One provocation for each code that no mistake of an author shows. What its message says is what docs/errors.md
 * shows; nothing of it is written here.
 */
export const CATALOGUE: Partial<Record<ErrorCode, Provoke>> = {
  // the request
  bad_request: async (scene) => {
    const answer = await request(scene, '/frames/x', { headers: { 'sec-fetch-dest': 'document' } })
    return { code: 'bad_request', detail: /<p>([^<]+)<\/p>/.exec(await answer.text())?.[1] }
  },
  body_unreadable: ({ lyceum }) =>
    problem(lyceum, 'PATCH', '/v1/plugins/catalogue/quota', { body: '{"wallMs":' }),
  body_too_large: (scene) =>
    asked(scene, '/v1/events', {
      method: 'POST',
      headers: { 'content-length': String(LIMITS.bodyBytes + 1) },
    }),
  unsupported_encoding: ({ lyceum }) =>
    problem(lyceum, 'POST', '/v1/events', { body: '{}', headers: { 'content-encoding': 'br' } }),
  not_found: ({ lyceum }) => problem(lyceum, 'GET', '/v1/nothing'),
  host_unknown: (scene) => asked(scene, '/healthz', { headers: { host: 'lyceum.example.edu' } }),
  method_not_allowed: ({ lyceum }) => problem(lyceum, 'PUT', '/v1/plugins/catalogue'),

  // who asks
  sign_in_required: (scene) => asked(scene, '/v1/schema', { headers: { authorization: undefined } }),
  token_invalid: ({ lyceum }) => problem(lyceum, 'GET', '/v1/schema', { token: 'a.b.c' }),
  token_expired: async ({ lyceum }) =>
    problem(lyceum, 'GET', '/v1/schema', {
      token: await issueToken(lyceum.host.keys, { role: 'admin' }, -60),
    }),
  sign_in_link_used: async (scene) => {
    const { pathname, search } = new URL(await signInLink(scene.lyceum.host.keys, scene.lyceum.url))
    await request(scene, pathname + search, {})
    return asked(scene, pathname + search, {})
  },
  cross_site: async (scene) => {
    const { pathname, search } = new URL(await signInLink(scene.lyceum.host.keys, scene.lyceum.url))
    const cookie =
      (await request(scene, pathname + search, {})).headers.get('set-cookie')?.split(';')[0] ?? ''
    const headers = { authorization: undefined, cookie, 'sec-fetch-site': 'cross-site' }
    return asked(scene, '/plugins/catalogue/pause', { method: 'POST', headers })
  },
  role_denied: (scene) => as(scene, { role: 'ingest' }, '/v1/schema'),
  user_denied: (scene) => as(scene, { role: 'student', user: 'ann' }, '/v1/queries/catalogue/mine?user=bob'),
  course_denied: (scene) =>
    as(
      scene,
      { role: 'instructor', courses: ['course-v1:a+b+c'] },
      '/v1/queries/catalogue/ofCourse?course=x',
    ),
  plugin_denied: (scene) =>
    as(scene, { role: 'researcher', plugins: ['grades'] }, '/v1/queries/catalogue/one'),

  // one event
  event_not_json: (scene) => rejected(scene, 'play_video'),
  event_not_object: (scene) => rejected(scene, '7'),
  event_comment: (scene) => rejected(scene, '# begins here'),
  event_truncated: (scene) => rejected(scene, `{"event_type":"problem_check","event":"${'x'.repeat(2_000)}`),
  event_too_large: (scene) => rejected(scene, JSON.stringify({ a: 'x'.repeat(LIMITS.eventBytes) })),
  event_too_deep: (scene) => rejected(scene, `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`),

  // a publish
  bundle_too_large: () => readManifest('export {}', { bundleBytes: 4 }),
  source_map_invalid: () => decodeSourceMap('{}'),
  version_newer: async ({ lyceum }) => {
    const token = await lyceum.token({ role: 'author', user: 'ada' })
    const asks =
      "import { query } from '@lyceum/sdk'\nexport const a = query(({ plugins: { catalogue } }) => catalogue.one())"
    await publish(lyceum, 'waiting', asks, { token })
    await publish(lyceum, 'waiting', `${asks}\n// better`, { token, version: '1.1.0' })
    return problem(lyceum, 'POST', '/v1/plugins/waiting/approve', { body: { version: '1.0.0' } })
  },
  plugin_pending: ({ lyceum }) => problem(lyceum, 'GET', '/v1/queries/waiting/a'),
  version_unknown: ({ lyceum }) =>
    problem(lyceum, 'POST', '/v1/plugins/catalogue/rollback', { body: { version: '9.9.9' } }),

  // plugins at work
  plugin_unknown: ({ lyceum }) => problem(lyceum, 'GET', '/v1/queries/catalog/one'),
  name_unknown: ({ lyceum }) =>
    problem(lyceum, 'PUT', '/v1/names/courseGrades', { body: { plugin: 'catalogue' } }),
  name_unresolved: async ({ lyceum }) => {
    await publish(lyceum, 'grader', QUERY.replace('query(() =>', "query({ names: ['finalGrades'] }, () =>"))
    await publish(lyceum, 'grader', QUERY, { version: '1.1.0' })
    return problem(lyceum, 'GET', '/v1/queries/finalGrades')
  },
  plugin_needed: async ({ lyceum }) => {
    await publish(
      lyceum,
      'needing',
      "import { query } from '@lyceum/sdk'\nexport const a = query(({ plugins: { catalogue } }) => catalogue.one())",
    )
    return problem(lyceum, 'DELETE', '/v1/plugins/catalogue?data=keep')
  },
  nothing_pending: ({ lyceum }) =>
    problem(lyceum, 'POST', '/v1/plugins/catalogue/deny', { body: { reason: 'Not now.' } }),
  plugin_paused: async ({ lyceum }) => {
    await lyceum.call('POST', '/v1/plugins/grader/pause', { body: {} })
    return problem(lyceum, 'GET', '/v1/queries/grader/one')
  },
  plugin_quarantined: ({ lyceum }) => {
    for (let times = 0; times < 20; times++) lyceum.host.conduct.strike('needing', 'over_cpu', 'A loop.')
    return problem(lyceum, 'GET', '/v1/queries/needing/a')
  },
  handler_halted: async (scene) => {
    await publish(
      scene.lyceum,
      'halting',
      "import { onEvent } from '@lyceum/sdk'\nexport const all = onEvent('halt', ({ event }) => event.missing.field)",
    )
    const events = Array.from({ length: LIMITS.failuresInARow }, (_, n) => ({ event_type: 'halt', n }))
    await scene.lyceum.call('POST', '/v1/events', { body: events })
    return noted(scene, 'halting', 'handler_halted')
  },
  property_unavailable: async (scene) => {
    const { lyceum } = scene
    await publish(
      lyceum,
      'deriving',
      "import { property } from '@lyceum/sdk'\nexport const actor = property({ namespace: 'tincan' }, ({ event }) => event.n)",
    )
    await publish(
      lyceum,
      'wanting',
      "import { onEvent } from '@lyceum/sdk'\nexport const all = onEvent({ where: { event_type: 'derived' }, props: ['tincan.actor'] }, () => {})",
    )
    await lyceum.call('POST', '/v1/plugins/deriving/pause', { body: {} })
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'derived' }] })
    return noted(scene, 'wanting', 'property_unavailable')
  },
  nothing_to_rebuild: ({ lyceum }) => problem(lyceum, 'POST', '/v1/plugins/catalogue/rebuild'),
  // Its handler waits for that property, so the rebuild is under way when it is cancelled.
  rebuild_ended: async ({ lyceum }) => {
    await lyceum.call('POST', '/v1/plugins/wanting/rebuild')
    return (await lyceum.call('DELETE', '/v1/plugins/wanting/rebuild')).json.problem
  },
  over_cpu_rate: async ({ lyceum }) => {
    await lyceum.call('PATCH', '/v1/plugins/grader/quota', { body: { cpuMsPerMinute: 1 } })
    await lyceum.call('POST', '/v1/plugins/grader/resume', { body: {} })
    for (let times = 0; times < 20; times++) {
      const { status, json } = await lyceum.call('GET', '/v1/queries/grader/one')
      if (status === 429) return json
    }
  },
  over_concurrency: () => {
    const logs = new PluginLogs()
    for (let followers = 0; followers <= LIMITS.logFollowers; followers++) logs.follow('catalogue', [])
  },
  asked_too_much: (scene) => {
    const { plugin, endpoint } = contextOf(scene)
    const broken = new BrokenLimits()
    for (let times = 0; times < LIMITS.brokenLimitsPerPerson; times++) broken.note(plugin, endpoint, admin)
    broken.check(plugin, endpoint, admin)
  },
  over_depth: () => new CallTree(QUOTA_DEFAULTS).enter(LIMITS.callDepth + 1),
  sandbox_lost: () => LOST,

  // the bridge
  op_unknown: () => parseWrite(['insertAll', 'plays', {}]),
  cursor_unknown: (scene) => scene.lyceum.host.ops.dbMore(Buffer.from('7'), contextOf(scene)),

  // documents
  result_too_large: () => rowWriter(['essay'])(['x'.repeat(LIMITS.replicaRowBytes)]),
  time_limit: () => outOfTime(),
  store_lost: () => storeLost(),
  store_busy: () =>
    refusalFrom(new MongoServerError({ code: 112, message: 'WriteConflict' }), 'query_invalid'),
  cursor_lost: async ({ lyceum }) => {
    const store = lyceum.host.plugins.storeOf('catalogue')
    const about = { cursor: 'one/0', generation: store.generation, version: 1, epoch: 7, log: 'none' }
    await store.begin({ move: { ...about, from: 0, to: 1 } }).commit(Buffer.alloc(0))
  },
  database_full: async (scene) => {
    const { lyceum } = scene
    await publish(
      lyceum,
      'filling',
      "import { onEvent } from '@lyceum/sdk'\nexport const all = onEvent('fill', async ({ db }) => {\n  for (let n = 0; n < 8; n++) await db.collection('a').insertOne({ text: 'x'.repeat(500_000) })\n})",
    )
    await lyceum.call('PATCH', '/v1/plugins/filling/quota', { body: { databaseMb: 1 } })
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'fill' }] })
    return noted(scene, 'filling', 'database_full')
  },

  // files, replicas, caches
  file_unknown: (scene) => {
    const { keys, plugins } = scene.lyceum.host
    const ticket = {
      plugin: 'catalogue',
      path: 'plots/gone.png',
      installation: plugins.installationOf('catalogue'),
      generation: plugins.storeOf('catalogue').generation,
    }
    return asked(scene, fileAddress(keys, ticket, 60), {})
  },
  replica_unavailable: () => replicaUnreachable({ code: 'ECONNREFUSED' }),
  replica_writable: () => writable('INSERT on grades', 'GRANT SELECT, and nothing else'),
  replica_lost: () => readerLost(),
  chart_refused: (scene) =>
    scene.lyceum.host.ops.chartDraw(Buffer.alloc(LIMITS.chartBytes + 1), contextOf(scene)),
  no_sample: ({ lyceum }) =>
    problem(lyceum, 'GET', '/v1/queries/catalogue/one', { headers: { prefer: 'sample' } }),
  not_cached: ({ lyceum }) =>
    problem(lyceum, 'GET', '/v1/queries/catalogue/one', { headers: { 'cache-control': 'only-if-cached' } }),

  // the command line
  file_unreadable: ({ folder }) => findSource(folder),
  folder_taken: async ({ folder }) => {
    await mkdir(join(folder, 'mine'))
    await writeFile(join(folder, 'mine', 'plugin.ts'), '')
    await init({ dir: join(folder, 'mine'), template: 'event-counter', hostUrl: 'http://127.0.0.1:4000' })
  },
  server_unreachable: () => connect('http://127.0.0.1:1', 'token').request('GET', '/healthz'),

  // the host
  data_locked: ({ lyceum }) => openDataFolder(lyceum.dataDir),
  data_damaged: async ({ folder }) => {
    await mkdir(join(folder, 'damaged'), { mode: 0o700 })
    await writeFile(join(folder, 'damaged', 'lock.db'), 'not a database'.repeat(100))
    openDataFolder(join(folder, 'damaged'))
  },
  data_newer: ({ folder }) => {
    const db = new DatabaseSync(join(folder, 'registry.db'))
    db.exec('PRAGMA user_version = 9999')
    db.close()
    openRegistry(join(folder, 'registry.db'))
  },
  port_taken: () => portTaken(4000),
  config_invalid: () => loadConfig({ LYCEUM_PORT: 'four thousand' }, {}),
  sdk_unbuilt: () => unbuilt(),
  database_unreachable: () => serverUnreachable(new Error('connect ECONNREFUSED')),
  disk_full: () => asRefusal(Object.assign(new Error('database or disk is full'), { errcode: 13 })),
  internal: () => refusalOf(failureFrom(new Error('boom'), () => {})),
}

/** Those that a host says only once it is stopped. */
export const STOPPED: Partial<Record<ErrorCode, Provoke>> = {
  shutting_down: (scene) => asked(scene, '/v1/events', { method: 'POST', body: '{}' }),
}

/** On a machine that is busy with other things, loading takes longer than a host waits for it. */
export async function publish(lyceum: TestHost, ...given: Parameters<TestHost['publish']>): Promise<void> {
  for (let tries = 5; tries > 0; tries--) {
    const { json } = await lyceum.publish(...given)
    if (json.code !== 'over_wall') return
  }
}

/** A plugin for what is provoked by asking one. */
export const PLUGIN = [
  "import { query } from '@lyceum/sdk'",
  'export const one = query({ cacheSeconds: 60 }, () => 1)',
  'export const mine = query(({ user }) => user)',
  'export const ofCourse = query(({ course }) => course)',
].join('\n')

interface Asking {
  readonly method?: string
  readonly body?: string
  /** A header that is undefined is left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** Asks the host in this process, since fetch writes some headers itself. */
async function request(
  { lyceum }: Scene,
  path: string,
  { headers = {}, ...init }: Asking,
): Promise<Response> {
  const all = {
    authorization: `Bearer ${await lyceum.token({ role: 'admin' })}`,
    host: '127.0.0.1',
    ...headers,
  }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return createApp(lyceum.host).request(`http://127.0.0.1${path}`, { ...init, headers: new Headers(given) })
}

async function asked(scene: Scene, path: string, asking: Asking): Promise<unknown> {
  return (await request(scene, path, asking)).json()
}

async function problem(lyceum: TestHost, ...args: Parameters<TestHost['call']>): Promise<unknown> {
  return (await lyceum.call(...args)).json
}

async function as({ lyceum }: Scene, claims: Claims, path: string): Promise<unknown> {
  return problem(lyceum, 'GET', path, { token: await lyceum.token(claims) })
}

async function rejected({ lyceum }: Scene, line: string): Promise<unknown> {
  const headers = { 'content-type': 'application/x-ndjson' }
  const { json } = await lyceum.call('POST', '/v1/events', { body: `${line}\n`, headers })
  return json.rejected[0]
}

/** What a handler waits for, once it says so. */
async function noted({ lyceum }: Scene, plugin: string, code: ErrorCode): Promise<unknown> {
  for (;;) {
    const last = lyceum.host.lane.status(plugin)[0]?.lastError
    if (last?.code === code) return last
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A call of a query as the host carries ops out for it. */
function contextOf({ lyceum }: Scene): OpContext & { caller: typeof admin } {
  const plugin = lyceum.host.plugins.get('catalogue')
  const endpoint = plugin.endpoints.get('one')
  if (endpoint === undefined) throw new LyceumError('endpoint_unknown', 'one')
  return {
    plugin,
    endpoint,
    caller: admin,
    transaction: undefined,
    tree: new CallTree(plugin.quota),
    depth: 0,
    deadlineMs: performance.now() + 60_000,
    onEnd: () => {},
  }
}
