import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('counter', COUNTER)
})
afterAll(() => lyceum.dispose())

const COUNTER = `
  import { collection, cron, onEvent, query, t } from '@lyceum/sdk'
  export const counts = collection({ indexes: [{ keys: { tag: 1 }, unique: true }] })
  export const count = onEvent('count', async ({ events, db }) => {
    for (const e of events)
      await db.collection('counts').updateOne({ tag: e.tag }, { $inc: { n: 1 } }, { upsert: true })
  })
  export const of = query({ params: { tag: t.string() } }, async ({ db, params }) =>
    (await db.collection('counts').findOne({ tag: params.tag }))?.n ?? 0)
  export const busy = query({ params: { ms: t.number() } }, ({ params }) => {
    const end = params.ms * 200_000
    let x = 0
    for (let n = 0; n < end; n++) x = (x + n) % 1000
    return x
  })
  export const sized = query({ params: { n: t.number() } }, ({ params }) => 'x'.repeat(params.n))
  export const asks = query({ params: { n: t.number() } }, async ({ db, params }) => {
    for (let n = 0; n < params.n; n++) await db.collection('counts').findOne()
    return params.n
  })
  export const tidy = cron('0 4 * * *', ({ db }) => db.collection('counts').deleteMany({ n: 0 }))`

const query = async (path: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/counter/${path}`)
  return status === 200 ? json : [status, json.code]
}
const shown = async (id = 'counter') => (await lyceum.call('GET', `/v1/plugins/${id}`)).json
const quota = (body: object) => lyceum.call('PATCH', '/v1/plugins/counter/quota', { body })
const event = (tag: string) => ({ event_type: 'count', tag })

describe('a pause', () => {
  test('stops queries and handlers; the events wait in the log', async () => {
    await lyceum.send([event('p')])
    const paused = await lyceum.call('POST', '/v1/plugins/counter/pause')
    expect(paused.json).toEqual({ plugin: 'counter', version: '1.0.0', state: 'paused' })
    expect(await query('of?tag=p')).toEqual([409, 'plugin_paused'])
    await lyceum.send([event('p'), event('p')])
    expect((await shown()).cursors).toMatchObject([{ endpoint: 'count', state: 'stopped', lag: 2 }])
    expect((await lyceum.call('GET', '/v1/schema')).json.plugins).toEqual([])
  })

  test('ends with a resume, and what waited is handled once', async () => {
    const resumed = await lyceum.call('POST', '/v1/plugins/counter/resume')
    expect(resumed.json).toEqual({ plugin: 'counter', version: '1.0.0', state: 'active' })
    await lyceum.settled()
    expect(await query('of?tag=p')).toBe(3)
  })

  test('holds for a new version, too', async () => {
    await lyceum.call('POST', '/v1/plugins/counter/pause')
    await lyceum.publish('counter', `${COUNTER}\n// next`, { version: '1.0.1' })
    await lyceum.publish('counter', COUNTER.replace('% 1000', '% 1001'), { version: '1.1.0' })
    expect(await query('of?tag=p')).toEqual([409, 'plugin_paused'])
    await lyceum.call('POST', '/v1/plugins/counter/resume')
    expect(await query('of?tag=p')).toBe(3)
  })
})

describe('a quota', () => {
  test('is shown whole, with its unit in each name', async () => {
    expect((await shown()).quota).toMatchObject({ memoryMb: 64, cpuMsPerCall: 2000, wallMs: 10_000 })
    const changed = await quota({ opsPerCall: 5000 })
    expect(changed.json).toEqual({ ...(await shown()).quota, opsPerCall: 5000 })
  })

  test.each([
    ['outputBytes', 1000, 'sized?n=5000', 502, 'over_output', 4_194_304],
    ['opsPerCall', 3, 'asks?n=4', 502, 'over_ops', 10_000],
    ['cpuMsPerCall', 20, 'busy?ms=200', 502, 'over_cpu', 2000],
  ] as const)('of %s holds from the next call on', async (name, low, path, status, code, normal) => {
    expect(await query(path)).not.toEqual([status, code])
    expect((await quota({ [name]: low })).status).toBe(200)
    expect(await query(path)).toEqual([status, code])
    await quota({ [name]: normal })
    expect(await query(path)).not.toEqual([status, code])
  })

  test.each([
    [{ memoryMb: 513 }, 'memoryMb', '512'],
    [{ cpuMsPerCall: 60_001 }, 'cpuMsPerCall', '60000'],
    [{ opsPerCall: 1e9 }, 'opsPerCall', '1000000'],
    [{ memoryMb: 1 }, 'memoryMb', '8'],
    [{ wallMs: 0 }, 'wallMs', '1'],
    [{ wallMs: 1.5 }, 'wallMs', 'int'],
    [{ wallMs: '9' }, 'wallMs', 'number'],
    [{ memory: 64 }, 'memory', 'memory'],
  ])('of %j is refused, which says what may be', async (body, parameter, expected) => {
    const { status, json } = await quota(body)
    expect([status, json.code]).toEqual([400, 'bad_parameter'])
    expect(json.detail).toContain(parameter)
    expect(json.detail).toContain(expected)
  })

  test('of a plugin that does not exist is refused with the one that was meant', async () => {
    const { status, json } = await lyceum.call('PATCH', '/v1/plugins/countr/quota', { body: {} })
    expect([status, json.code]).toEqual([404, 'plugin_unknown'])
    expect(json.detail).toContain('Did you mean `counter`?')
  })
})

describe('a database that has the size of its quota', () => {
  const text = (tag: string) => ({ event_type: 'fill', id: tag, tag, text: 'x'.repeat(100_000) })
  const kept = async () => (await lyceum.call('GET', '/v1/queries/hoarder/n')).json
  const feed = async (): Promise<{ state: string; lag: number; lastError?: { code: string } }> =>
    (await shown('hoarder')).cursors[0]

  test('stops its handler, which loses nothing, and goes on when an admin raises the quota', async () => {
    await lyceum.publish(
      'hoarder',
      `import { onEvent, query } from '@lyceum/sdk'
       export const keep = onEvent('fill', ({ events, db }) => {
         for (const e of events) db.collection('kept').insertOne({ _id: e.tag, text: e.text })
       })
       export const n = query(({ db }) => db.collection('kept').countDocuments())`,
    )
    const limit = (databaseMb: number) =>
      lyceum.call('PATCH', '/v1/plugins/hoarder/quota', { body: { databaseMb } })
    await limit(1)
    await lyceum.call('POST', '/v1/events', { body: Array.from({ length: 30 }, (_, n) => text(`t${n}`)) })
    let at = await feed()
    while (at.state !== 'full') {
      await new Promise((resolve) => setTimeout(resolve, 20))
      at = await feed()
    }
    expect(at.lastError?.code).toBe('database_full')
    expect(await kept()).toBeLessThanOrEqual(10)
    expect((await shown('hoarder')).deadLetters).toBe(0)
    await limit(16)
    await lyceum.settled()
    expect(await kept()).toBe(30)
  })
})

describe('GET /v1/plugins/:id', () => {
  test('tells state, versions, endpoints, usage, cursors and when jobs run next', async () => {
    const plugin = await shown()
    expect(plugin).toMatchObject({
      id: 'counter',
      owner: 'admin',
      state: 'active',
      version: '1.1.0',
      conduct: { quarantined: null },
      granted: [],
      deadLetters: 0,
    })
    expect(plugin.versions[0]).toMatchObject({
      version: '1.1.0',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      publishedBy: 'admin',
      needs: [],
      endpoints: expect.arrayContaining([
        { name: 'count', kind: 'onEvent', facilities: ['events', 'db'], dimensions: [] },
        { name: 'tidy', kind: 'cron', facilities: ['db'], dimensions: [] },
      ]),
    })
    expect(plugin.usage.calls).toBeGreaterThan(0)
    expect(plugin.cron).toMatchObject([{ endpoint: 'tidy' }])
    expect(new Date(plugin.cron[0].atMs).toISOString()).toMatch(/T04:00:00\.000Z$/)
  })
})

describe('a plugin that was quarantined', () => {
  const QUARANTINED = 'broke a limit'
  beforeAll(async () => {
    await lyceum.publish('rogue', "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)")
    const { conduct } = lyceum.host
    for (let strike = 0; strike < 20; strike++) conduct.strike('rogue', 'over_cpu', QUARANTINED)
  })

  test('is stopped, and its owner and admins read why', async () => {
    const { status, json } = await lyceum.call('GET', '/v1/queries/rogue/one')
    expect([status, json.code]).toEqual([503, 'plugin_quarantined'])
    expect(json.detail).not.toContain(QUARANTINED)
    expect(await shown('rogue')).toMatchObject({
      state: 'quarantined',
      conduct: { quarantined: expect.stringContaining(QUARANTINED) },
    })
  })

  test('is not let out by publishing the same again', async () => {
    await lyceum.publish('rogue', "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)")
    expect((await shown('rogue')).state).toBe('quarantined')
  })

  test('is let out by an admin', async () => {
    expect((await lyceum.call('POST', '/v1/plugins/rogue/resume')).json.state).toBe('active')
    expect((await lyceum.call('GET', '/v1/queries/rogue/one')).json).toBe(1)
  })
})

describe('a restart', () => {
  longTest(
    'brings all back: versions, approvals, quotas, pauses, quarantine, data, cursors and dead letters',
    async () => {
      let first = await startHost()
      const ann = await first.token({ role: 'author', user: 'ann' })
      await first.publish('counter', COUNTER, { token: ann })
      await first.publish('counter', COUNTER.replace('% 1000', '% 7'), { version: '2.0.0', token: ann })
      await first.publish('counter', COUNTER.replace('% 1000', '% 8'), { version: '3.0.0', token: ann })
      await first.call('POST', '/v1/plugins/counter/rollback')
      await first.call('PATCH', '/v1/plugins/counter/quota', { body: { wallMs: 12_345 } })
      const asker =
        "import { query } from '@lyceum/sdk'\nexport const n = query(({ plugins: { counter } }) => counter.of({ tag: 'a' }))"
      await first.publish('asker', asker, { token: ann })
      await first.call('POST', '/v1/plugins/asker/approve')
      await first.publish('waiting', asker, { token: ann })
      await first.publish('sleeper', asker)
      await first.call('POST', '/v1/plugins/sleeper/pause')
      await first.publish('rogue', asker)
      for (let strike = 0; strike < 20; strike++) first.host.conduct.strike('rogue', 'over_cpu', 'too much')
      await first.publish(
        'picky',
        "import { onEvent } from '@lyceum/sdk'\nexport const take = onEvent('bad', () => { throw new Error('no') })",
      )
      await first.send([event('a'), event('b'), event('a'), { event_type: 'bad' }])
      const ids = ['asker', 'counter', 'picky', 'rogue', 'sleeper', 'waiting']
      const state = async (host: TestHost) =>
        Promise.all(
          ids.map(async (id) => {
            const shown = (await host.call('GET', `/v1/plugins/${id}`)).json
            const { usage: _, quotaUse: __, recent, conduct, cursors, ...rest } = shown
            const at = cursors.map(({ endpoint, cursor }: { endpoint: string; cursor: number }) => [
              endpoint,
              cursor,
            ])
            return { ...rest, events: recent.day.events, quarantined: conduct.quarantined, at }
          }),
        )
      const before = await state(first)
      expect(before.map(({ state }) => state)).toEqual([
        'active',
        'active',
        'active',
        'quarantined',
        'paused',
        'pending',
      ])
      await first.close()

      const second = await startHost(first.dataDir)
      try {
        await second.settled()
        expect(await state(second)).toEqual(before)
        const read = async (path: string) => (await second.call('GET', `/v1/queries/${path}`)).json
        expect([
          await read('counter/of?tag=a'),
          await read('counter/of?tag=b'),
          await read('asker/n'),
        ]).toEqual([2, 1, 2])
        await second.send([event('a')])
        expect(await read('counter/of?tag=a')).toBe(3)
        expect((await second.call('GET', '/v1/plugins/picky/dead-letters')).json.letters).toMatchObject([
          { code: 'plugin_failed', message: 'no', event: { event_type: 'bad' } },
        ])
        expect((await second.call('GET', '/v1/plugins', { token: ann })).json).toHaveLength(3)
        expect(
          (
            await second.publish('asker', `${asker}\nexport const m = query(() => 0)`, {
              version: '1.0.1',
              token: ann,
            })
          ).json.approval,
        ).toBe('granted')
      } finally {
        first = second
        await first.dispose()
      }
    },
  )

  test('is refused on a folder that another host uses', async () => {
    const failed = await startHost(lyceum.dataDir).then(
      () => undefined,
      (error) => error,
    )
    expect(failed?.code).toBe('data_locked')
    expect(await query('of?tag=p')).toBe(3)
  })
})
