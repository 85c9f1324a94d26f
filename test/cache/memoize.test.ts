import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { forge } from '../support/forge.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { type Gate, gateOf } from './gate.ts'

const PLUGIN = `
  import { cron, onEvent, query, view, t, html } from '@lyceum/sdk'
  const asked = { params: { key: t.string(), seconds: t.number({ default: 60 }), how: t.string().optional() } }
  export const set = query(asked, async ({ cache, params }) => {
    await cache.set(params.key, { at: new Date(5), key: params.key }, { seconds: params.seconds })
    return 'set'
  })
  export const get = query(asked, async ({ cache, params }) => {
    const found = await cache.get(params.key)
    return [found === undefined, found?.at instanceof Date, found?.key]
  })
  export const remove = query(asked, ({ cache, params }) => cache.delete(params.key))
  export const memoized = query(asked, ({ cache, db, params }) =>
    cache.memoize(params.key, params.seconds, async () => {
      const n = await db.collection('a').countDocuments()
      if (params.how === 'fails') throw new Error('it failed')
      if (params.how === 'spins') for (;;);
      return { by: params.how, at: new Date(n) }
    }))
  export const twice = query(({ cache, db }) => {
    const count = () => db.collection('a').countDocuments()
    return Promise.all([cache.memoize('twice', 60, count), cache.memoize('twice', 60, count)])
  })
  export const nested = query(({ cache }) => cache.memoize('n', 60, () => cache.memoize('n', 60, () => 1)))
  export const inOthers = query(({ cache }) => cache.memoize('o', 60, () => cache.memoize('i', 60, () => 1)))
  export const large = query({ params: { mb: t.number() } }, ({ cache, params }) =>
    cache.set('large', 'x'.repeat(params.mb * 1e6), { seconds: 9 }))
  export const largeMemo = query(({ cache }) => cache.memoize('large', 9, () => 'x'.repeat(3e6)))
  export const fill = query(async ({ cache }) => {
    for (let n = 0; n < 12; n++) await cache.set('k' + n, 'x'.repeat(1e5), { seconds: 60 })
    return Promise.all([0, 11].map(async (n) => (await cache.get('k' + n)) !== undefined))
  })
  export const wrong = query(async ({ cache }) => {
    const codes = []
    const tries = [
      () => cache.get(''), () => cache.get(7), () => cache.get('x'.repeat(1025)), () => cache.get('ä'.repeat(513)),
      () => cache.set('a', undefined, { seconds: 1 }), () => cache.set('a', 1), () => cache.set('a', 1, { seconds: 0 }),
      () => cache.set('a', 1, { seconds: -1 }), () => cache.set('a', 1, { seconds: NaN }),
      () => cache.set('a', 1, { seconds: 1e9 }), () => cache.set('a', 1, { seconds: '5' }),
      () => cache.memoize('a', 5), () => cache.memoize('a', 0, () => 1), () => cache.memoize('a', 5, () => {}),
    ]
    for (const attempt of tries) codes.push(await attempt().then(() => 'done', (error) => error.code))
    return codes
  })
  export const longest = query(async ({ cache }) => {
    await cache.set('x'.repeat(1024), 1, { seconds: 1 })
    return cache.get('x'.repeat(1024))
  })
  export const without = query(() => 1)
  export const page = view(async ({ cache }) => html\`<p>\${await cache.memoize('page', 60, () => 'made')}</p>\`)
  export const note = onEvent('note', async ({ events, cache, db }) => {
    await db.collection('a').insertOne({ n: 1 })
    await cache.delete('counted')
    await cache.delete('noted')
    await cache.set('noted', events.length, { seconds: 60 })
  })
  export const counted = query(({ cache, db }) => cache.memoize('counted', 60, () => db.collection('a').countDocuments()))
  export const noted = query(({ cache }) => cache.get('noted'))
`
let lyceum: TestHost
let gate: Gate
let aheadMs = 0
beforeAll(async () => {
  lyceum = await startHost()
  lyceum.host.caches.nowMs = () => performance.now() + aheadMs
  await lyceum.publish('keeps', PLUGIN)
  gate = gateOf(lyceum, 'keeps')
})
beforeEach(() => {
  gate.reads = 0
})
afterAll(() => lyceum.dispose())

const ask = async (path: string, plugin = 'keeps') => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${plugin}/${path}`)
  return status === 200 ? json : [status, json.code]
}
const quota = (body: object) => lyceum.call('PATCH', '/v1/plugins/keeps/quota', { body })

describe('cache', () => {
  test('keeps values with their types until they are deleted', async () => {
    expect(await ask('get?key=a')).toEqual([true, false, null])
    expect(await ask('set?key=a')).toBe('set')
    expect(await ask('get?key=a')).toEqual([false, true, 'a'])
    expect(await ask('remove?key=a')).toBe(true)
    expect(await ask('remove?key=a')).toBe(false)
    expect(await ask('get?key=a')).toEqual([true, false, null])
    expect(await ask('longest')).toBe(1)
  })

  test('forgets them when their time is over', async () => {
    await ask('set?key=b&seconds=10')
    aheadMs += 9_000
    expect(await ask('get?key=b')).toEqual([false, true, 'b'])
    aheadMs += 1_001
    expect(await ask('get?key=b')).toEqual([true, false, null])
  })

  test('refuses what it does not take, and says so in the plugin', async () => {
    const codes = await ask('wrong')
    expect(codes).toEqual(codes.map(() => 'op_malformed'))
    expect(codes).toHaveLength(14)
  })

  test('that is full lets the oldest go; what does not fit by itself is refused', async () => {
    await quota({ cacheMb: 1 })
    expect(await ask('fill')).toEqual([false, true])
    const { quotaUse } = (await lyceum.call('GET', '/v1/plugins/keeps')).json
    expect(quotaUse.cacheMb).toBeGreaterThan(0.8)
    expect(quotaUse.cacheMb).toBeLessThanOrEqual(1)
    expect(await ask('large?mb=2')).toEqual([413, 'cache_value_too_large'])
    expect(await ask('largeMemo')).toEqual([413, 'cache_value_too_large'])
    expect(await ask('fill')).toEqual([false, true])
    await quota({ cacheMb: 8 })
    expect(await ask('large?mb=2')).toBe(null)
    expect(await ask('large?mb=5')).toEqual([413, 'cache_value_too_large'])
    gate = gateOf(lyceum, 'keeps')
  })

  test('is for views, handlers and jobs too', async () => {
    const { text } = await lyceum.call('GET', '/views/keeps/page')
    const frame = /src="(\/frames\/[^"]+)"/.exec(text)?.[1] ?? ''
    expect((await lyceum.call('GET', frame)).text).toContain('<p>made</p>')
    await lyceum.send([{ event_type: 'note' }])
    expect(await ask('noted')).toBe(1)
  })

  test('forgets what a handler deletes once more when that has committed', async () => {
    expect(await ask('counted')).toBe(1)
    const { store } = lyceum.host.plugins.get('keeps')
    const begin = store.begin.bind(store)
    let between: unknown
    store.begin = (...given) => {
      const transaction = begin(...given)
      const commit = transaction.commit.bind(transaction)
      // After the handler has run, and before what it wrote is seen.
      transaction.commit = async (...last) => {
        between = await ask('counted')
        await commit(...last)
      }
      return transaction
    }
    await lyceum.send([{ event_type: 'note' }])
    store.begin = begin
    expect([between, await ask('counted')]).toEqual([1, 2])
  })

  test('of another version is another', async () => {
    await ask('set?key=v')
    await lyceum.publish('keeps', PLUGIN, { version: '1.0.1' }).then(({ json }) => json)
    expect(await ask('get?key=v')).toEqual([false, true, 'v'])
    await lyceum.publish('keeps', `${PLUGIN}\nexport const more = query(() => 1)`, { version: '1.1.0' })
    expect(await ask('get?key=v')).toEqual([true, false, null])
    await lyceum.call('POST', '/v1/plugins/keeps/rollback', { body: { version: '1.0.0' } })
    gate = gateOf(lyceum, 'keeps')
  })
})

describe('memoize', () => {
  test('computes once for all who ask, at the same time and later', async () => {
    const reached = gate.shut()
    const answers = Promise.all(Array.from({ length: 8 }, () => ask('memoized?key=one&how=x')))
    await reached
    gate.open()
    expect(new Set((await answers).map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(gate.reads).toBe(1)
    expect(await ask('memoized?key=one&how=y')).toMatchObject({ by: 'x' })
    expect(gate.reads).toBe(1)
  })

  test('has the next compute where the first fails, and keeps no failure', async () => {
    const reached = gate.shut()
    const first = ask('memoized?key=two&how=fails')
    await reached
    const second = ask('memoized?key=two&how=second')
    gate.open()
    expect(await first).toEqual([502, 'plugin_failed'])
    expect(await second).toMatchObject({ by: 'second' })
    expect(gate.reads).toBe(2)
  })

  test('has the next compute where the first is killed', async () => {
    await quota({ cpuMsPerCall: 300 })
    gate = gateOf(lyceum, 'keeps')
    const reached = gate.shut()
    const first = ask('memoized?key=three&how=spins')
    await reached
    const second = ask('memoized?key=three&how=second')
    gate.open()
    expect(await first).toEqual([502, 'over_cpu'])
    expect(await second).toMatchObject({ by: 'second' })
    await quota({ cpuMsPerCall: 2_000 })
    gate = gateOf(lyceum, 'keeps')
  })

  test('gives the old value while one computes the new, and waits where that is too old', async () => {
    expect(await ask('memoized?key=four&seconds=10&how=old')).toMatchObject({ by: 'old' })
    aheadMs += 10_001
    let reached = gate.shut()
    const refreshes = ask('memoized?key=four&seconds=10&how=new')
    await reached
    expect(await ask('memoized?key=four&seconds=10&how=other')).toMatchObject({ by: 'old' })
    gate.open()
    expect(await refreshes).toMatchObject({ by: 'new' })
    expect(await ask('memoized?key=four&seconds=10')).toMatchObject({ by: 'new' })
    aheadMs += 20_001
    reached = gate.shut()
    const anew = ask('memoized?key=four&seconds=10&how=newer')
    await reached
    const waits = ask('memoized?key=four&seconds=10')
    gate.open()
    expect([await anew, await waits]).toMatchObject([{ by: 'newer' }, { by: 'newer' }])
  })

  test('has those who wait end at their own deadline, and the one who computes go on', async () => {
    const reached = gate.shut()
    const first = ask('memoized?key=five&how=first')
    await reached
    await quota({ wallMs: 200 })
    expect(await ask('memoized?key=five')).toEqual([504, 'over_wall'])
    await quota({ wallMs: 10_000 })
    gate.open()
    expect(await first).toMatchObject({ by: 'first' })
    expect(await ask('memoized?key=five')).toMatchObject({ by: 'first' })
    gate = gateOf(lyceum, 'keeps')
  })

  test('asks once for two of the same call, and ends at once where it waits for itself', async () => {
    const [one, two] = await ask('twice')
    expect([one, gate.reads]).toEqual([two, 1])
    expect(await ask('nested')).toEqual([502, 'plugin_failed'])
    expect(await ask('inOthers')).toBe(1)
  })
})

test('only who was asked to compute a value fills it in', async () => {
  const path = 'keeps/get?key=x'
  const denied = expect.stringContaining('op_denied')
  await forge(lyceum, path, async (send) => {
    const ticket = await send('cacheTake', '["forged",60]')
    await forge(lyceum, path, async (other) =>
      expect(await other('cacheFill', `[${ticket}]\n1`)).toEqual(denied),
    )
    await forge(lyceum, path, async (other) =>
      expect(await other('cacheGiveUp', `[${ticket}]`)).toEqual(denied),
    )
    expect(await send('cacheFill', '[99999]\n1')).toEqual(denied)
    expect(await send('cacheFill', `[${ticket}]\n1`)).toBe('')
    expect(await send('cacheFill', `[${ticket}]\n2`)).toEqual(denied)
    expect(await send('cacheGet', '["forged"]')).toBe('1')
    expect(await send('cacheTake', '["given up",60]')).toMatch(/^\d+$/)
  })
  // What a call has not filled in when it ends is the next one's to compute.
  await forge(lyceum, path, async (send) =>
    expect(await send('cacheTake', '["given up",60]')).toMatch(/^\d+$/),
  )
})
