import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rebuildOfferOf } from '../../host/registry/rebuild-offer.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { ask, deletedSoon, ended, opened, plays, rebuilt } from './support.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const SDK = "import { cron, onEvent, query, view } from '@lyceum/sdk'\n"
/** Counts every event, `by` for each, and fails on the one that is named. */
const counting = (by: number, failsOn = '') => `${SDK}
  const inc = (db, id, n) => db.collection('plays').updateOne({ _id: id }, { $inc: { n } }, { upsert: true })
  export const count = onEvent('play_video', async ({ events, db }) => {
    for (const e of events) {
      if (e.id === '${failsOn}') throw new Error('not this one')
      await inc(db, e.event.id, ${by})
    }
  })
  export const total = query(async ({ db }) =>
    (await db.collection('plays').find().toArray()).reduce((sum, { n }) => sum + n, 0))
  export const shown = view(() => '<p>shown</p>')`

const files = async (id: string) =>
  (await readdir(join(lyceum.dataDir, 'plugins')))
    .map((file) => /^(\w+\.\d+)\.(?:db|files)$/.exec(file)?.[1] ?? '')
    .filter((file) => file.startsWith(`${id}.`))
const shown = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}`)).json
const change = (id: string, action: string) => lyceum.call('POST', `/v1/plugins/${id}/${action}`)

/** Has something done when the live handlers of a plugin stand still for its rebuild. Resolves when it was. */
function atHold(act: () => Promise<unknown>): Promise<void> {
  const { lane } = lyceum.host
  const { promise, resolve } = Promise.withResolvers<void>()
  const hold = lane.hold.bind(lane)
  lane.hold = async (plugin) => {
    lane.hold = hold
    await hold(plugin)
    await act()
    resolve()
  }
  return promise
}

describe('the data', () => {
  test('are made anew by the handlers of now, and what was before is deleted', async () => {
    await lyceum.publish('counting', counting(3))
    // Nothing was made of no events.
    const early = await lyceum.publish('counting', counting(1), { version: '1.0.1' })
    expect(early.json.rebuildOffered).toBeNull()
    await lyceum.send(plays(1_000))
    const published = await lyceum.publish('counting', counting(2), { version: '2.0.0' })
    expect(published.json.rebuildOffered).toEqual({ reason: 'handlers_changed', endpoints: ['count'] })
    expect(await ask(lyceum, 'counting', 'total')).toBe(1_000)
    deletedSoon(lyceum, 'counting')
    expect(await rebuilt(lyceum, 'counting')).toMatchObject({
      state: 'done',
      generation: 2,
      events: lyceum.host.log.head(),
      secondsLeft: 0,
      deadLetters: 0,
      problem: null,
    })
    expect(await ask(lyceum, 'counting', 'total')).toBe(2_000)
    await lyceum.send(plays(10, 1_000))
    expect(await ask(lyceum, 'counting', 'total')).toBe(2_020)
    expect(await shown('counting')).toMatchObject({ rebuildOffered: null, rebuild: { state: 'done' } })
    await expect.poll(() => files('counting'), { timeout: 20_000 }).toEqual(['counting.2'])
  })

  test('are those of before until all of it is done; events that come meanwhile are in both', async () => {
    await lyceum.publish('reading', counting(1))
    const door = opened(lyceum, 'reading', 2)
    await lyceum.send(plays(600, 2_000))
    const before = await ask(lyceum, 'reading', 'total')
    await change('reading', 'rebuild')
    await door.reached(256)
    // Some of the new data are there, and nobody sees them.
    expect(await ask(lyceum, 'reading', 'total')).toBe(before)
    await lyceum.send(plays(40, 3_000))
    expect(await ask(lyceum, 'reading', 'total')).toBe(before + 40)
    expect(await shown('reading')).toMatchObject({
      generation: 1,
      rebuild: { state: 'running', generation: 2 },
    })
    // Those of live handlers are not to wait for it.
    expect(lyceum.host.stores.pids).toHaveLength(2)
    const store = lyceum.host.plugins.storeOf('reading')
    door.open()
    expect(await ended(lyceum, 'reading')).toMatchObject({ state: 'done' })
    expect(await ask(lyceum, 'reading', 'total')).toBe(before + 40)
    expect(await shown('reading')).toMatchObject({ generation: 2 })
    // Calls that began before may still read what was there then.
    expect(await store.deadLetters(undefined, 0)).toMatchObject({ total: 0 })
  })

  test('of two handlers are made by both, each from where it began, and never out of those of before', async () => {
    const two = (by: number) => `${SDK}
      const add = (db, who, n) => db.collection('seen').updateOne({ _id: who }, { $inc: { n } }, { upsert: true })
      export const all = onEvent('play_video', async ({ events, db, plugins: { self } }) => {
        await add(db, 'all', ${by} * events.length)
        const before = await self.seen()
        await db.collection('asked').updateOne({ _id: 'most' }, { $max: { n: before.all ?? 0 } }, { upsert: true })
      })
      export const late = onEvent({ where: { event_type: 'play_video' }, from: 'now' }, ({ events, db }) =>
        add(db, 'late', events.length))
      export const seen = query(async ({ db }) =>
        Object.fromEntries((await db.collection('seen').find().toArray()).map(({ _id, n }) => [_id, n])))
      export const asked = query(({ db }) => db.collection('asked').findOne({ _id: 'most' }))`
    await lyceum.publish('two', two(1_000))
    await lyceum.send(plays(600, 5_000))
    const { all } = await ask(lyceum, 'two', 'seen')
    await lyceum.publish('two', two(1), { version: '2.0.0' })
    expect(await rebuilt(lyceum, 'two')).toMatchObject({ state: 'done' })
    expect(await ask(lyceum, 'two', 'seen')).toEqual({ all: all / 1_000, late: 600 })
    // What a handler asks its own plugin is answered from the data that are made.
    expect((await ask(lyceum, 'two', 'asked')).n).toBeLessThan(all / 1_000)
    await lyceum.send(plays(5, 6_000))
    expect(await ask(lyceum, 'two', 'seen')).toEqual({ all: all / 1_000 + 5, late: 605 })
  })

  test('that cron jobs and files are made of are there too; dead letters are those of the new data', async () => {
    await lyceum.publish(
      'kept',
      `${SDK}
      export const log = onEvent('play_video', async ({ events, db, fs }) => {
        for (const e of events) if (e.id === 'p1') throw new Error('never this one')
        await fs.append('log.txt', events.length + ' ')
        await db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true })
      })
      export const digest = cron('0 0 1 1 *', async ({ db }) => {
        const row = await db.collection('n').findOne({ _id: 'n' })
        await db.collection('digests').insertOne({ _id: 'last', n: row?.n })
      })
      export const sizes = query(async ({ db, fs }) => ({
        file: (await fs.readText('log.txt')).split(' ').reduce((sum, n) => sum + Number(n), 0),
        n: (await db.collection('n').findOne({ _id: 'n' })).n,
        digest: await db.collection('digests').findOne({ _id: 'last' }),
      }))`,
    )
    await lyceum.settled()
    const before = await ask(lyceum, 'kept', 'sizes')
    expect(before).toMatchObject({ digest: null, file: before.n })
    expect((await shown('kept')).deadLetters).toBe(1)
    expect(await rebuilt(lyceum, 'kept')).toMatchObject({ state: 'done', deadLetters: 1 })
    expect(await ask(lyceum, 'kept', 'sizes')).toEqual({
      ...before,
      digest: { _id: 'last', n: before.n },
    })
    expect((await shown('kept')).deadLetters).toBe(1)
    const { letters } = (await lyceum.call('GET', '/v1/plugins/kept/dead-letters')).json
    expect(letters).toMatchObject([{ message: expect.stringContaining('never this one') }])
    expect((await lyceum.call('GET', '/plugins/kept')).text).toContain(
      'Its handlers failed on some: <a href="/v1/plugins/kept/dead-letters">1 dead letter</a>.',
    )
    const log = (await lyceum.call('GET', '/v1/plugins/kept/logs')).text
    expect(log).toMatch(/Rebuilt: .* They failed on some: 1 dead letter\./)
  })

  test('that are made with the help of a derived property of the plugin itself, too', async () => {
    await lyceum.publish(
      'derived',
      `import { onEvent, property, query } from '@lyceum/sdk'
      export const video = property({ namespace: 'derived' }, ({ event }) => event.event?.id)
      export const count = onEvent({ where: { event_type: 'play_video' }, props: ['derived.video'] },
        async ({ events, db }) => {
          for (const e of events)
            await db.collection('plays').updateOne({ _id: e.props.derived.video }, { $inc: { n: 1 } }, { upsert: true })
        })
      export const plays = query(({ db }) => db.collection('plays').find().sort({ _id: 1 }).toArray())`,
    )
    await lyceum.settled()
    const before = await ask(lyceum, 'derived', 'plays')
    expect(before).toHaveLength(3)
    expect(await rebuilt(lyceum, 'derived')).toMatchObject({ state: 'done', generation: 2 })
    expect(await ask(lyceum, 'derived', 'plays')).toEqual(before)
  })
})

describe('a rebuild is offered', () => {
  test('after a handler changed or went, not after anything else did; and after a rollback', async () => {
    const handlers = (n: number) => `const step = ${n}
      export const a = onEvent('play_video', ({ db }) => db.collection('x').insertOne({ n: step }))`
    const other = `export const b = onEvent('play_video', ({ db }) => db.collection('y').insertOne({}))`
    const version = async (at: number, text: string) =>
      (await lyceum.publish('offered', `${SDK}${text}`, { version: `1.0.${at}` })).json.rebuildOffered
    expect(await version(0, `${handlers(1)}\n${other}`)).toBeNull()
    expect(await version(1, `${handlers(1)}\n${other}\nexport const v = view(() => '<p>1</p>')`)).toBeNull()
    expect(await version(2, `${handlers(2)}\n${other}`)).toEqual({
      reason: 'handlers_changed',
      endpoints: ['a'],
    })
    expect(await version(3, handlers(2))).toEqual({ reason: 'handlers_changed', endpoints: ['a', 'b'] })
    const back = await lyceum.call('POST', '/v1/plugins/offered/rollback', { body: { version: '1.0.0' } })
    expect(back.json).toMatchObject({
      version: '1.0.0',
      rebuildOffered: { reason: 'rolled_back', endpoints: ['a'] },
    })
    await lyceum.settled()
    expect(await rebuilt(lyceum, 'offered')).toMatchObject({ state: 'done' })
    expect(await shown('offered')).toMatchObject({ rebuildOffered: null })
    // Where no handler is left it would be refused.
    const none = { plugin: 'offered', version: '2.0.0', endpoints: [] }
    expect(rebuildOfferOf(lyceum.host.catalogue, 'offered', none)).toBeUndefined()
  })

  test('where a handler that began later is to see all events, which it then does; not where it is to begin later', async () => {
    await lyceum.send(plays(3, 9_000))
    const version = async (at: number, options: string) => {
      const source = counting(1).replace(
        `'play_video',`,
        `{ where: { event_type: 'play_video' }, ${options} },`,
      )
      return (await lyceum.publish('late', source, { version: `1.0.${at}` })).json.rebuildOffered
    }
    expect(await version(0, `from: 'now'`)).toBeNull()
    expect(await version(1, `from: 'now', mode: 'realtime'`)).toBeNull()
    const offered = { reason: 'handlers_changed', endpoints: ['count'] }
    expect(await version(2, `from: 'start'`)).toEqual(offered)
    expect(await ask(lyceum, 'late', 'total')).toBe(0)
    expect(await rebuilt(lyceum, 'late')).toMatchObject({ state: 'done' })
    expect(await ask(lyceum, 'late', 'total')).toBe(lyceum.host.log.head())
    expect(await shown('late')).toMatchObject({ rebuildOffered: null })
    expect(await version(3, `from: 'now'`)).toBeNull()
  })
})

describe('a rebuild ends without being done, and the data are what they were,', () => {
  test('where somebody cancels it', async () => {
    await lyceum.publish('cancelled', counting(1))
    const door = opened(lyceum, 'cancelled', 2)
    await lyceum.settled()
    const before = await ask(lyceum, 'cancelled', 'total')
    await change('cancelled', 'rebuild')
    await door.reached(256)
    door.open()
    const { status, json } = await lyceum.call('DELETE', '/v1/plugins/cancelled/rebuild')
    expect([status, json]).toMatchObject([200, { state: 'cancelled', problem: { code: 'rebuild_ended' } }])
    expect(await ask(lyceum, 'cancelled', 'total')).toBe(before)
    expect(await files('cancelled')).toEqual(['cancelled.1'])
    expect((await lyceum.call('DELETE', '/v1/plugins/cancelled/rebuild')).json.code).toBe('not_found')
    // Another one does not take up what was left of it.
    expect(await rebuilt(lyceum, 'cancelled')).toMatchObject({ state: 'done', generation: 3 })
    expect(await ask(lyceum, 'cancelled', 'total')).toBe(before)
  })

  longTest('where another version is activated', async () => {
    await lyceum.publish('replaced', counting(1))
    const door = opened(lyceum, 'replaced', 2)
    await lyceum.settled()
    await change('replaced', 'rebuild')
    await door.reached(256)
    await lyceum.publish('replaced', counting(3), { version: '2.0.0' })
    door.open()
    const { state, problem } = await ended(lyceum, 'replaced')
    expect(state).toBe('cancelled')
    expect(problem?.message).toContain('Version 2.0.0 of replaced was activated meanwhile')
    expect(await shown('replaced')).toMatchObject({ generation: 1 })
  })

  test('where another version is activated; one that is started at once is of that', async () => {
    await lyceum.publish('anew', counting(1))
    const door = opened(lyceum, 'anew', 2)
    await lyceum.settled()
    const before = await ask(lyceum, 'anew', 'total')
    await change('anew', 'rebuild')
    await door.reached(256)
    await lyceum.publish('anew', counting(3), { version: '2.0.0' })
    const started = change('anew', 'rebuild')
    door.open()
    expect((await started).json).toMatchObject({ state: 'running', generation: 3 })
    expect(await ended(lyceum, 'anew')).toMatchObject({ state: 'done', generation: 3 })
    expect(await ask(lyceum, 'anew', 'total')).toBe(3 * before)
  })

  test('where a handler fails on event after event', async () => {
    await lyceum.publish(
      'failing',
      `${SDK}
      export const once = onEvent('play_video', async ({ events, db }) => {
        for (const e of events) await db.collection('seen').insertOne({ _id: e.id })
      })
      export const n = query(({ db }) => db.collection('seen').countDocuments())`,
    )
    await lyceum.settled()
    const n = await ask(lyceum, 'failing', 'n')
    const broken = `${SDK}
      export const once = onEvent('play_video', () => { throw new Error('no more') })
      export const n = query(({ db }) => db.collection('seen').countDocuments())`
    await lyceum.publish('failing', broken, { version: '2.0.0' })
    const { state, problem } = await rebuilt(lyceum, 'failing')
    expect([state, problem?.code]).toEqual(['failed', 'handler_halted'])
    expect(problem?.message).toContain('no more')
    expect(problem?.message).toContain('The data are what they were. Publish a version')
    expect(await ask(lyceum, 'failing', 'n')).toBe(n)
    // The live handler did not fail on anything.
    expect((await shown('failing')).cursors).toMatchObject([{ state: 'idle' }])
    const log = (await lyceum.call('GET', '/v1/plugins/failing/logs')).text
    expect(log).toContain('While it was rebuilt: once ended the rebuild: it failed on ')
    expect(log).not.toContain('kept as dead letters')
  })

  test('where a job fails on them', async () => {
    const digest = `export const digest = cron('0 0 1 1 *', () => { throw new Error('nothing to digest') })`
    await lyceum.publish('jobless', `${counting(1)}\n${digest}`)
    await lyceum.settled()
    const before = await ask(lyceum, 'jobless', 'total')
    const { state, problem } = await rebuilt(lyceum, 'jobless')
    expect([state, problem?.code]).toEqual(['failed', 'plugin_failed'])
    expect(problem?.message).toContain('The job digest failed: ')
    expect(problem?.message).toContain('nothing to digest')
    expect(await ask(lyceum, 'jobless', 'total')).toBe(before)
    expect(await files('jobless')).toEqual(['jobless.1'])
  })

  test('where the plugin is quarantined meanwhile', async () => {
    await lyceum.publish('struck', counting(1))
    const door = opened(lyceum, 'struck', 2)
    await lyceum.settled()
    await change('struck', 'rebuild')
    await door.reached(256)
    const { conduct } = lyceum.host
    while (conduct.of('struck').quarantined === undefined) conduct.strike('struck', 'over_cpu', 'It span.')
    door.open()
    const { state, problem } = await ended(lyceum, 'struck')
    expect([state, problem?.code]).toEqual(['failed', 'plugin_quarantined'])
    expect(await files('struck')).toEqual(['struck.1'])
  })

  test('where the new data do not fit into the quota', async () => {
    await lyceum.publish(
      'large',
      `${SDK}
      export const fill = onEvent('play_video', ({ events, db }) =>
        db.collection('text').insertMany(events.map((e) => ({ _id: e.id, text: 'x'.repeat(2_000) }))))`,
    )
    await lyceum.settled()
    await lyceum.call('PATCH', '/v1/plugins/large/quota', { body: { databaseMb: 1 } })
    const { state, problem } = await rebuilt(lyceum, 'large')
    expect([state, problem?.code]).toEqual(['failed', 'database_full'])
    // An admin who sees it coming can give it room.
    const door = opened(lyceum, 'large', 3)
    await change('large', 'rebuild')
    await door.reached(256)
    await lyceum.call('PATCH', '/v1/plugins/large/quota', { body: { databaseMb: 64 } })
    door.open()
    expect(await ended(lyceum, 'large')).toMatchObject({ state: 'done' })
  })

  test('where the disk has too little room for plugins to write', async () => {
    await lyceum.publish('roomy', counting(1))
    const door = opened(lyceum, 'roomy', 2)
    await lyceum.settled()
    await change('roomy', 'rebuild')
    await door.reached(256)
    const { disk } = lyceum.host
    Object.defineProperty(disk, 'lowForRebuilds', { value: true, configurable: true })
    door.open()
    const { state, problem } = await ended(lyceum, 'roomy')
    Reflect.deleteProperty(disk, 'lowForRebuilds')
    expect([state, problem?.code]).toEqual(['failed', 'disk_full'])
    expect(await files('roomy')).toEqual(['roomy.1'])
    Object.defineProperty(disk, 'low', { value: true, configurable: true })
    expect((await change('roomy', 'rebuild')).json.code).toBe('disk_full')
    Reflect.deleteProperty(disk, 'low')
  })

  test('where somebody cancels it just as live handlers stand still for it: they and the jobs go on', async () => {
    await lyceum.publish('halfway', `${counting(1)}\nexport const digest = cron('0 0 1 1 *', () => {})`)
    await lyceum.settled()
    const before = await ask(lyceum, 'halfway', 'total')
    const held = atHold(async () => void lyceum.host.rebuilds.cancel('halfway'))
    expect(await rebuilt(lyceum, 'halfway')).toMatchObject({ state: 'cancelled' })
    await held
    expect(await shown('halfway')).toMatchObject({ generation: 1, cron: [{ endpoint: 'digest' }] })
    await lyceum.send(plays(2, 9_500))
    expect(await ask(lyceum, 'halfway', 'total')).toBe(before + 2)
  })

  longTest('where the plugin is uninstalled, with all of what it keeps', async () => {
    await lyceum.publish('gone', counting(1))
    const door = opened(lyceum, 'gone', 2)
    await lyceum.settled()
    await change('gone', 'rebuild')
    await door.reached(256)
    door.open()
    await lyceum.call('DELETE', '/v1/plugins/gone?data=delete')
    expect(await files('gone')).toEqual([])
    await lyceum.publish('gone', counting(1))
    expect(await shown('gone')).toMatchObject({ generation: 1, rebuildOffered: null })
  })
})

longTest('memory that an admin gives a plugin while its data are built is there for them, too', async () => {
  await lyceum.publish(
    'roomier',
    `${SDK}
    export const grow = onEvent({ where: { event_type: ['stay', 'grow'] } }, async ({ events, db }) => {
      for (const e of events.filter(({ event_type }) => event_type === 'grow'))
        await db.collection('grown').insertOne({ _id: e.id, n: new Array(15_000_000).fill(0.5).length })
    })
    export const grown = query(({ db }) => db.collection('grown').countDocuments())`,
  )
  const memory = (memoryMb: number) =>
    lyceum.call('PATCH', '/v1/plugins/roomier/quota', { body: { memoryMb } })
  await memory(256)
  // Events of its own: a plugin of another test has no room for more plays, and would keep this one waiting.
  const stays = Array.from({ length: 600 }, (_, n) => ({ id: `stay${n}`, event_type: 'stay' }))
  await lyceum.send([...stays, { id: 'grow', event_type: 'grow' }])
  expect(await ask(lyceum, 'roomier', 'grown')).toBe(1)
  await memory(32)
  const door = opened(lyceum, 'roomier', 2)
  await change('roomier', 'rebuild')
  await door.reached(256)
  await memory(256)
  door.open()
  expect(await ended(lyceum, 'roomier')).toMatchObject({ state: 'done' })
  expect(await shown('roomier')).toMatchObject({ deadLetters: 0 })
  expect(await ask(lyceum, 'roomier', 'grown')).toBe(1)
})

test('events that come while live handlers stand still are in the data that are read then', async () => {
  await lyceum.publish('moment', counting(1))
  await lyceum.settled()
  const before = await ask(lyceum, 'moment', 'total')
  const held = atHold(() => lyceum.call('POST', '/v1/events', { body: plays(3, 9_600) }))
  const status = await rebuilt(lyceum, 'moment')
  await held
  expect(status).toMatchObject({ state: 'done', events: lyceum.host.log.head() })
  expect(await ask(lyceum, 'moment', 'total')).toBe(before + 3)
})

test('a paused plugin is rebuilt once it may run again, and says what it waits for', async () => {
  await lyceum.publish('waiting', counting(1))
  const door = opened(lyceum, 'waiting', 2)
  await lyceum.settled()
  const before = await ask(lyceum, 'waiting', 'total')
  await change('waiting', 'rebuild')
  await door.reached(256)
  await change('waiting', 'pause')
  door.open()
  const status = async () => (await lyceum.call('GET', '/v1/plugins/waiting/rebuild')).json
  await expect.poll(async () => (await status()).waitsFor).toContain('waiting is paused')
  await change('waiting', 'resume')
  expect(await ended(lyceum, 'waiting')).toMatchObject({ state: 'done' })
  expect(await ask(lyceum, 'waiting', 'total')).toBe(before)
})

test('an author has one rebuild at a time, and others have theirs beside it', async () => {
  const bob = await lyceum.token({ role: 'author', user: 'bob' })
  const carl = await lyceum.token({ role: 'author', user: 'carl' })
  const plugins = [
    ['bobs', bob],
    ['bobsToo', bob],
    ['carls', carl],
  ] as const
  const doors = []
  for (const [id, token] of plugins) {
    await lyceum.publish(id, counting(1), { token })
    doors.push(opened(lyceum, id, 2))
  }
  await lyceum.settled()
  const start = (id: string, token: string) => lyceum.call('POST', `/v1/plugins/${id}/rebuild`, { token })
  expect((await start('bobs', bob)).status).toBe(202)
  const more = await start('bobsToo', bob)
  expect([more.status, more.json.code]).toEqual([429, 'over_concurrency'])
  expect(more.json.detail).toContain('bobs, which is of the same author, is rebuilt right now')
  expect((await start('carls', carl)).status).toBe(202)
  for (const door of doors) door.open()
  for (const id of ['bobs', 'carls']) expect(await ended(lyceum, id)).toMatchObject({ state: 'done' })
})

test('who starts one that is under way is told of it; there are only so many at once; roles hold', async () => {
  const doors = await Promise.all(
    ['first', 'second', 'third'].map(async (id) => {
      await lyceum.publish(id, counting(1))
      return opened(lyceum, id, 2)
    }),
  )
  await lyceum.settled()
  const [one, again] = [await change('first', 'rebuild'), await change('first', 'rebuild')]
  expect([one.status, again.status, again.json.startedMs]).toEqual([202, 202, one.json.startedMs])
  // Both at the same time: there is room for one of them.
  const both = await Promise.all(['second', 'third'].map((id) => change(id, 'rebuild')))
  expect(both.map(({ status }) => status).sort()).toEqual([202, 429])
  const refused = both.find(({ status }) => status === 429)?.json
  const other = both[0]?.status === 202 ? 'second' : 'third'
  expect(refused).toMatchObject({
    code: 'over_concurrency',
    detail: expect.stringContaining(`first and ${other} are rebuilt right now`),
  })
  for (const door of doors) door.open()
  await Promise.all(['first', other].map((id) => ended(lyceum, id)))
  await lyceum.publish('plain', `${SDK}export const v = view(() => '<p>')`)
  expect((await change('plain', 'rebuild')).json.code).toBe('nothing_to_rebuild')
  const ann = await lyceum.token({ role: 'author', user: 'ann' })
  for (const method of ['POST', 'GET', 'DELETE'])
    expect((await lyceum.call(method, '/v1/plugins/first/rebuild', { token: ann })).json.code).toBe(
      'plugin_denied',
    )
})
