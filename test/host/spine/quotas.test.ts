import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUOTA_CEILINGS, QUOTA_DEFAULTS, QUOTA_NAMES, type Quota } from '../../../host/limits.ts'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

const GLUTTON = `
  import { onEvent, query, t } from '@lyceum/sdk'
  const spin = (ms) => {
    let x = 0
    for (let n = 0; n < ms * 200_000; n++) x = (x + n) % 1000
    return x
  }
  export const one = query(() => 1)
  export const busy = query({ params: { ms: t.number() } }, ({ params }) => spin(params.ms))
  export const sized = query({ params: { n: t.number() } }, ({ params }) => 'x'.repeat(params.n))
  export const asks = query({ params: { n: t.number() } }, async ({ db, params }) => {
    for (let n = 0; n < params.n; n++) await db.collection('kept').findOne({ _id: 'none' })
    return 1
  })
  export const moves = query({ params: { n: t.number() } }, async ({ db, params }) => {
    await db.collection('kept').findOne({ text: 'x'.repeat(params.n) })
    return 1
  })
  export const holds = query({ params: { mb: t.number() } }, ({ params }) => {
    const held = []
    for (let mb = 0; mb < params.mb; mb++) held.push(new Array(131_072).fill(mb + 0.5))
    return held.length
  })
  export const caches = query({ params: { n: t.number() } }, async ({ cache, params }) => {
    await cache.set('a', 'x'.repeat(params.n), { seconds: 60 })
    return 1
  })
  export const keep = onEvent('keep', async ({ events, db }) => {
    for (const e of events) await db.collection('kept').insertOne({ _id: e.tag, text: e.text })
  })
  export const n = query(({ db }) => db.collection('kept').countDocuments())
  export const write = onEvent('write', async ({ events, fs }) => {
    for (const e of events) for (let part = 0; part < 4; part++) await fs.append('all.txt', e.text)
  })
  export const size = query(async ({ fs }) => (await fs.stat('all.txt'))?.bytes ?? 0)
  export const work = onEvent('work', ({ events }) => { for (const e of events) spin(e.ms) })`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  expect((await lyceum.publish('glutton', GLUTTON)).status).toBe(201)
  const other = "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)"
  expect((await lyceum.publish('neighbour', other)).status).toBe(201)
})
afterAll(() => lyceum.dispose())

const shown = async (id = 'glutton') => (await lyceum.call('GET', `/v1/plugins/${id}`)).json
const set = async (quota: Partial<Quota>) => {
  const answer = await lyceum.call('PATCH', '/v1/plugins/glutton/quota', { body: quota })
  expect(answer.status).toBe(200)
}
const ask = (path: string) => lyceum.call('GET', `/v1/queries/glutton/${path}`)
const codeOf = async (path: string) => (await ask(path)).json?.code ?? 'fine'
const feed = async (endpoint: string) =>
  (await shown()).cursors.find((at: { endpoint: string }) => at.endpoint === endpoint)
/** Waits until a handler is in a state. */
const reached = async (endpoint: string, state: string) => {
  for (;;) {
    const at = await feed(endpoint)
    if (at.state === state) return at
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
const logged = async () =>
  (await lyceum.call('GET', '/v1/plugins/glutton/logs')).json.lines.map(({ line }: { line: string }) => line)

/** CPU time of a process so far, as Linux tells it. */
const processCpuMs = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return 0
  }
}

/** What is refused under a low quota and done under the normal one. */
const PER_CALL: readonly (readonly [name: keyof Quota, low: number, path: string, code: string])[] = [
  // V8 looks at a heap when it collects: on a busy machine a call that holds twice the limit may end before.
  ['memoryMb', 16, 'holds?mb=48', 'over_memory'],
  ['cpuMsPerCall', 20, 'busy?ms=200', 'over_cpu'],
  // A read has no more time than its call: the store may be the first to see that it is over.
  ['wallMs', 20, 'asks?n=2000', 'over_wall time_limit'],
  ['opsPerCall', 3, 'asks?n=4', 'over_ops'],
  ['bytesPerCall', 1_000, 'moves?n=5000', 'over_bytes'],
  ['outputBytes', 1_000, 'sized?n=5000', 'over_output'],
  ['cacheMb', 1, 'caches?n=1500000', 'cache_value_too_large'],
]

describe('every quota', () => {
  test('is in a test of this file', () => {
    const others = ['concurrentCalls', 'cpuMsPerMinute', 'databaseMb', 'fileMb', 'backlogEvents']
    expect([...PER_CALL.map(([name]) => name), ...others].toSorted()).toEqual(QUOTA_NAMES.toSorted())
  })

  test.each(QUOTA_NAMES)('%s is shown with its ceiling, and refused above that', async (name) => {
    const { quota, ceilings } = await shown()
    expect([quota[name], ceilings[name]]).toEqual([QUOTA_DEFAULTS[name], QUOTA_CEILINGS[name]])
    const answer = await lyceum.call('PATCH', '/v1/plugins/glutton/quota', {
      body: { [name]: QUOTA_CEILINGS[name] + 1 },
    })
    expect([answer.status, answer.json.code]).toEqual([400, 'bad_parameter'])
    expect(answer.json.detail).toContain(name)
    expect((await shown()).quota[name]).toBe(QUOTA_DEFAULTS[name])
  })

  test('is not for its owner to change', async () => {
    const token = await lyceum.token({ role: 'author', user: 'ann' })
    const answer = await lyceum.call('PATCH', '/v1/plugins/glutton/quota', { body: { wallMs: 1 }, token })
    expect([answer.status, answer.json.code]).toEqual([403, 'role_denied'])
  })

  test.each(PER_CALL)(
    '%s holds from the next call on, and until it is raised',
    async (name, low, path, code) => {
      expect(await codeOf(path)).toBe('fine')
      await set({ [name]: low })
      expect(code.split(' ')).toContain(await codeOf(path))
      await set({ [name]: QUOTA_DEFAULTS[name] })
      expect(await codeOf(path)).toBe('fine')
    },
  )

  longTest('concurrentCalls bounds calls under way, which are shown', async () => {
    await set({ concurrentCalls: 1 })
    const first = ask('busy?ms=300')
    while ((await shown()).quotaUse.concurrentCalls === 0);
    expect(await codeOf('one')).toBe('over_concurrency')
    expect((await first).status).toBe(200)
    await set({ concurrentCalls: 16 })
    expect(await Promise.all([codeOf('one'), codeOf('one')])).toEqual(['fine', 'fine'])
  })
})

describe('CPU time of a minute', () => {
  test('is shown, and throttles queries with the time to come back, while neighbours go on', async () => {
    await ask('busy?ms=50')
    const used = (await shown()).quotaUse.cpuMsPerMinute
    expect(used).toBeGreaterThan(10)
    await set({ cpuMsPerMinute: 1 })
    const answer = await ask('one')
    expect([answer.status, answer.json.code]).toEqual([429, 'over_cpu_rate'])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(1)
    expect((await lyceum.call('GET', '/v1/queries/neighbour/one')).json).toBe(1)
    await set({ cpuMsPerMinute: QUOTA_DEFAULTS.cpuMsPerMinute })
    expect(await codeOf('one')).toBe('fine')
  })

  test('lets handlers wait and say until when; their events are handled once it is raised, and none counts as failed', async () => {
    await set({ cpuMsPerMinute: 1 })
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'work', ms: 1 }] })
    const at = await reached('work', 'throttled')
    expect(at.untilMs).toBeGreaterThan(Date.now())
    expect(at.lastError.code).toBe('over_cpu_rate')
    expect(await logged()).toContainEqual(expect.stringContaining('CPU time that it may use in a minute'))
    const before = (await shown()).usage.events
    await set({ cpuMsPerMinute: QUOTA_DEFAULTS.cpuMsPerMinute })
    await lyceum.settled()
    expect(await shown()).toMatchObject({ deadLetters: 0, usage: { events: before + 1 } })
  })

  longTest(
    'is charged to the plugin that used it, and to ask one that is throttled fails at once',
    async () => {
      const source =
        "import { query } from '@lyceum/sdk'\nexport const told = query(({ plugins: { glutton } }) => glutton.busy({ ms: 200 }))"
      await lyceum.publish('boss', source)
      const cpuMs = async (id: string) => (await shown(id)).usage.cpuMs
      const before = await cpuMs('glutton')
      expect((await lyceum.call('GET', '/v1/queries/boss/told')).status).toBe(200)
      const byGlutton = (await cpuMs('glutton')) - before
      expect(byGlutton).toBeGreaterThan(20)
      expect(await cpuMs('boss')).toBeLessThan(byGlutton / 2)
      await set({ cpuMsPerMinute: 1 })
      const answer = await lyceum.call('GET', '/v1/queries/boss/told')
      expect([answer.status, answer.json.code]).toEqual([429, 'over_cpu_rate'])
      expect((await shown('boss')).usage.calls).toBe(2)
      await set({ cpuMsPerMinute: QUOTA_DEFAULTS.cpuMsPerMinute })
    },
  )

  longTest('is charged for calls that lose their process, too', async () => {
    const source = "import { query } from '@lyceum/sdk'\nexport const endless = query(() => { for (;;); })"
    await lyceum.publish('endless', source)
    await lyceum.call('PATCH', '/v1/plugins/endless/quota', {
      body: { cpuMsPerCall: 60_000, wallMs: 60_000 },
    })
    const { pids } = lyceum.host.supervisor
    const used = () => pids.map(processCpuMs)
    const before = used()
    const asked = lyceum.call('GET', '/v1/queries/endless/endless')
    const busy = () => pids.find((_, index) => (used()[index] ?? 0) - (before[index] ?? 0) > 300)
    while (busy() === undefined) await new Promise((resolve) => setTimeout(resolve, 10))
    process.kill(busy() ?? 0, 'SIGKILL')
    // It is asked again and never ends, so nothing else is charged.
    const charged = () => lyceum.host.plugins.active().get('endless')?.usage.cpuMs ?? 0
    while (charged() === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(charged()).toBeGreaterThan(100)
    expect(lyceum.host.cpuRates.usedMs('endless')).toBeGreaterThan(100)
    await lyceum.call('DELETE', '/v1/plugins/endless')
    expect((await asked).json.code).toBe('plugin_unknown')
  })

  test('counts what stores do for a plugin', async () => {
    const stores = async () => (await shown()).usage.storeCpuMs
    const before = await stores()
    await ask('asks?n=50')
    expect(await stores()).toBeGreaterThan(before)
  })

  test('is told to monitoring, with the quotas beside it', async () => {
    const { text } = await lyceum.call('GET', '/metrics')
    expect(text).toMatch(/lyceum_plugin_store_cpu_seconds_total\{plugin="glutton"\} 0\.\d+/)
    expect(text).toMatch(/lyceum_plugin_quota_used\{plugin="glutton",quota="cpuMsPerMinute"\} \d+/)
    expect(text).toContain('lyceum_plugin_quota{plugin="glutton",quota="cpuMsPerMinute"} 60000')
  })
})

describe('a full database', () => {
  const event = (tag: string) => ({ event_type: 'keep', tag, text: 'x'.repeat(100_000) })

  test('stops its handler before anything is half-written; it says so, and goes on by itself', async () => {
    await set({ databaseMb: 1 })
    await lyceum.call('POST', '/v1/events', { body: Array.from({ length: 20 }, (_, n) => event(`t${n}`)) })
    const at = await reached('keep', 'full')
    expect(at.lastError.code).toBe('database_full')
    expect(await logged()).toContainEqual(expect.stringContaining('raise databaseMb'))
    const { quotaUse, deadLetters } = await shown()
    expect(quotaUse.databaseMb).toBeLessThanOrEqual(1)
    expect(deadLetters).toBe(0)
    await set({ databaseMb: QUOTA_DEFAULTS.databaseMb })
    await lyceum.settled()
    expect((await ask('n')).json).toBe(20)
    expect((await shown()).quotaUse.databaseMb).toBeGreaterThan(1.5)
  })
})

describe('full files', () => {
  test('stop their handler, of whose batch nothing is written; it goes on once there is room', async () => {
    await set({ fileMb: 1 })
    const text = 'x'.repeat(200_000)
    await lyceum.call('POST', '/v1/events', { body: [1, 2].map((n) => ({ event_type: 'write', n, text })) })
    const at = await reached('write', 'full')
    expect(at.lastError.code).toBe('files_full')
    // A batch of one, of four parts, fits; of the second nothing may be there.
    expect([0, 800_000]).toContain((await ask('size')).json)
    await set({ fileMb: QUOTA_DEFAULTS.fileMb })
    await lyceum.settled()
    expect((await ask('size')).json).toBe(1_600_000)
    expect((await shown()).quotaUse.fileMb).toBeGreaterThan(1.5)
  })
})

describe('a backlog', () => {
  const work = (n: number) =>
    lyceum.call('POST', '/v1/events', {
      body: Array.from({ length: n }, () => ({ event_type: 'work', ms: 0, at: Math.random() })),
    })

  test('beyond its quota pauses a plugin that falls further behind, and loses nothing', async () => {
    // Nothing is handled while the plugin is throttled.
    await set({ backlogEvents: 5, cpuMsPerMinute: 1 })
    await ask('one')
    const before = (await shown()).usage.events
    await work(6)
    expect((await shown()).quotaUse.backlogEvents).toBe(6)
    await lyceum.host.backlogs.look()
    await lyceum.host.backlogs.look()
    expect((await shown()).state).toBe('active')
    await work(1)
    await lyceum.host.backlogs.look()
    const { state, pausedFor } = await shown()
    expect(state).toBe('paused')
    expect(pausedFor).toContain('7 events behind, more than the 5 of its quota')
    expect(await codeOf('one')).toBe('plugin_paused')
    await set({ backlogEvents: QUOTA_DEFAULTS.backlogEvents, cpuMsPerMinute: QUOTA_DEFAULTS.cpuMsPerMinute })
    await lyceum.call('POST', '/v1/plugins/glutton/resume')
    await lyceum.settled()
    expect(await shown()).toMatchObject({ state: 'active', pausedFor: null, usage: { events: before + 7 } })
  })
})

describe('what a plugin used', () => {
  longTest('is known after a restart, by the day and by the month', async () => {
    const before = (await shown()).recent
    expect(before.day.events).toBeGreaterThan(20)
    await lyceum.close()
    lyceum = await startHost(lyceum.dataDir)
    const { recent, usage } = await shown()
    expect(usage.calls).toBe(0)
    for (const time of ['day', 'month'] as const) {
      expect(recent[time].events).toBe(before[time].events)
      expect(recent[time].cpuMs).toBeCloseTo(before[time].cpuMs, 0)
      expect(recent[time].calls).toBeGreaterThanOrEqual(before[time].calls)
    }
  })
})
