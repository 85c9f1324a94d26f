import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { exportLines } from '../../host/registry/export.ts'
import { PluginStore } from '../../host/storage/plugin-store.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { ask, deletedSoon, plays, rebuilt } from './support.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const failing = (...events: readonly string[]) => `
  import { onEvent, query } from '@lyceum/sdk'
  export const count = onEvent('play_video', async ({ events, db }) => {
    for (const e of events) {
      if (${JSON.stringify(events)}.includes(e.id)) throw new Error('not this one')
      await db.collection('seen').updateOne({ _id: e.id }, { $inc: { n: 1 } }, { upsert: true })
    }
  })
  export const seen = query(({ db }) => db.collection('seen').find().sort({ _id: 1 }).toArray())`

longTest(
  'dead letters that are retried while their data are replaced are not taken for those of the new data',
  async () => {
    await lyceum.publish('letters', failing('p1', 'p2'))
    await lyceum.send(plays(4))
    await lyceum.publish('letters', failing('p2'), { version: '2.0.0' })
    const store = lyceum.host.plugins.storeOf('letters')
    const list = store.deadLetters.bind(store)
    store.deadLetters = async (...asked) => {
      const found = await list(...asked)
      await rebuilt(lyceum, 'letters')
      return found
    }
    const { json } = await lyceum.call('POST', '/v1/plugins/letters/dead-letters/retry')
    const gone = { state: 'failed', error: { code: 'not_found' } }
    expect(json.retried).toMatchObject([
      { id: 1, ...gone },
      { id: 2, ...gone },
    ])
    expect(await ask(lyceum, 'letters', 'seen')).toEqual(['p0', 'p1', 'p3'].map((_id) => ({ _id, n: 1 })))
    const { letters } = (await lyceum.call('GET', '/v1/plugins/letters/dead-letters')).json
    expect(letters).toMatchObject([{ id: 1, event: { id: 'p2' } }])
  },
)

longTest(
  'a dead letter that is retried in data which are replaced just then is not said to be done',
  async () => {
    await lyceum.publish('replaced', failing('p1'))
    await lyceum.send(plays(4))
    await lyceum.settled()
    await lyceum.publish('replaced', failing(), { version: '2.0.0' })
    const store = lyceum.host.plugins.storeOf('replaced')
    const begin = store.begin.bind(store)
    let rebuilding: Promise<unknown> | undefined
    store.begin = (claim, after) => {
      if (!('deadLetter' in claim)) return begin(claim, after)
      rebuilding ??= rebuilt(lyceum, 'replaced')
      return begin(claim, rebuilding)
    }
    const { json } = await lyceum.call('POST', '/v1/plugins/replaced/dead-letters/retry')
    expect(json.retried).toMatchObject([{ id: 1, state: 'failed', error: { code: 'not_found' } }])
    expect(await ask(lyceum, 'replaced', 'seen')).toHaveLength(4)
  },
)

test('answers and values that were kept while data were built are never given for those that are whole', async () => {
  const kept = (names: string, asks: string) => `
    import { onEvent, query } from '@lyceum/sdk'
    export const count = onEvent('play_video', async ({ events, db, plugins: { ${names} } }) => {
      ${asks}
      await db.collection('seen').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true })
    })
    export const plain = query(async ({ db }) => (await db.collection('seen').findOne({ _id: 'n' }))?.n ?? 0)
    export const total = query({ cacheSeconds: 3600 }, async ({ db }) =>
      (await db.collection('seen').findOne({ _id: 'n' }))?.n ?? 0)
    export const value = query(({ cache, plugins: { self } }) => cache.memoize('n', 3600, () => self.plain()))`
  await lyceum.publish('kept', kept('self', ''))
  await lyceum.publish(
    'between',
    `import { query } from '@lyceum/sdk'
    export const total = query({ cacheSeconds: 3600 }, ({ plugins: { kept } }) => kept.plain())
    export const value = query(({ cache, plugins: { kept } }) => cache.memoize('n', 3600, () => kept.plain()))`,
  )
  await lyceum.send(plays(4))
  const asks = 'for (const one of [self, between]) await Promise.all([one.total(), one.value()])'
  await lyceum.publish('kept', kept('self, between', asks), { version: '2.0.0' })
  expect(await rebuilt(lyceum, 'kept')).toMatchObject({ state: 'done' })
  const whole = await ask(lyceum, 'kept', 'plain')
  expect(whole).toBe(4)
  await lyceum.publish(
    'asker',
    `import { onEvent, query } from '@lyceum/sdk'
    export const look = onEvent('play_video', async ({ db, plugins: { between } }) => {
      await db.collection('seen').insertOne({ _id: 'of between', total: await between.total(), value: await between.value() })
    })
    export const seen = query(({ db }) => db.collection('seen').findOne({ _id: 'of between' }))`,
  )
  await lyceum.settled()
  expect({
    total: await ask(lyceum, 'kept', 'total'),
    value: await ask(lyceum, 'kept', 'value'),
    others: await ask(lyceum, 'asker', 'seen'),
  }).toEqual({ total: whole, value: whole, others: { _id: 'of between', total: whole, value: whole } })
})

test('an export that is under way when its data are replaced comes to its end; then they are deleted', async () => {
  await lyceum.publish('exported', failing())
  await lyceum.send(plays(4))
  const { catalogue, plugins, stores } = lyceum.host
  const lines = exportLines(catalogue, plugins.storeOf('exported'), 'exported', 0)
  await lines.next()
  deletedSoon(lyceum, 'exported')
  const isAsked = vi.spyOn(PluginStore.prototype, 'isExported', 'get')
  expect(await rebuilt(lyceum, 'exported')).toMatchObject({ state: 'done', generation: 2 })
  await expect.poll(() => isAsked.mock.calls.length, { timeout: 20_000 }).toBeGreaterThan(1)
  let last = ''
  for await (const line of lines) last = line.toString()
  expect(JSON.parse(last)).toEqual({ end: { pages: 1, files: 0 } })
  await expect.poll(() => stores.kept().get('exported'), { timeout: 20_000 }).toEqual([2])
  isAsked.mockRestore()
})

test('how far results reach never goes back, not even while the handlers of the new data begin', async () => {
  await lyceum.publish('far', failing())
  await lyceum.settled()
  const { stores, log } = lyceum.host
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const seen = new Set<PluginStore>()
  const plugin = stores.plugin.bind(stores)
  stores.plugin = (id, generation) => {
    const store = plugin(id, generation)
    if (id !== 'far' || generation !== 2 || seen.has(store)) return store
    seen.add(store)
    const claim = store.claim.bind(store)
    // The rebuild's own is let go of when it ends; the next is that of the handlers which take over.
    if (seen.size === 3) store.claim = (cursor) => opened.then(() => claim(cursor))
    return store
  }
  expect(await rebuilt(lyceum, 'far')).toMatchObject({ state: 'done', generation: 2 })
  const { headers } = await lyceum.call('GET', '/v1/queries/far/seen')
  expect(headers.get('lyceum-log-position')).toBe(String(log.head()))
  open()
  stores.plugin = plugin
  await lyceum.settled()
})

longTest(
  'a plugin whose handler takes long for each batch is rebuilt although events keep coming',
  async () => {
    await lyceum.publish('slow', failing())
    await lyceum.settled()
    const { stores } = lyceum.host
    const plugin = stores.plugin.bind(stores)
    const slowed = new Set<PluginStore>()
    stores.plugin = (id, generation) => {
      const store = plugin(id, generation)
      if (id !== 'slow' || generation !== 2 || slowed.has(store)) return store
      slowed.add(store)
      const begin = store.begin.bind(store)
      store.begin = (claim, after) => begin(claim, Promise.all([after, sleep(700)]))
      return store
    }
    let done = false
    const load = (async () => {
      for (let at = 0; !done; at += 1) {
        await lyceum.call('POST', '/v1/events', { body: plays(1, 1_000 + at) })
        await sleep(50)
      }
      return lyceum.settled()
    })()
    const { state } = await rebuilt(lyceum, 'slow')
    done = true
    stores.plugin = plugin
    await load
    expect(state).toBe('done')
    expect(await ask(lyceum, 'slow', 'seen')).toHaveLength(lyceum.host.log.head())
  },
)

// The last: it sends what is no play, and others count all events of the log.
test('how far results reach never goes back while a handler is at work, nor where another takes its place then', async () => {
  await lyceum.publish('busy', failing())
  await lyceum.settled()
  await lyceum.send([{ id: 'other', event_type: 'pause_video' }])
  const { host } = lyceum
  const reached = host.log.head()
  expect(host.logPosition('busy')).toBe(reached)
  const release = await host.plugins.storeOf('busy').hold()
  await lyceum.call('POST', '/v1/events', { body: plays(1, 5_000) })
  await expect.poll(() => host.lane.status('busy')).toMatchObject([{ state: 'running' }])
  expect(host.logPosition('busy')).toBe(reached)
  await lyceum.call('PATCH', '/v1/plugins/busy/quota', { body: { wallMs: 1_000 } })
  expect(host.logPosition('busy')).toBe(reached)
  release()
  await lyceum.settled()
  expect(host.logPosition('busy')).toBe(host.log.head())
})
