import { copyFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { ask, ended, opened, plays, rebuilt } from './support.ts'

let lyceum: TestHost | undefined
afterEach(async () => {
  await lyceum?.close()
  if (lyceum !== undefined) await rm(lyceum.dataDir, { recursive: true, force: true })
})

const counting = (by: number) => `
  import { onEvent, query } from '@lyceum/sdk'
  export const count = onEvent('play_video', ({ events, db }) =>
    db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: ${by} * events.length } }, { upsert: true }))
  export const n = query(async ({ db }) => (await db.collection('n').findOne({ _id: 'n' }))?.n ?? 0)`

longTest(
  'a rebuild goes on after the host was stopped, from where it was, and so does one that nothing is left of',
  async () => {
    const before = await startHost()
    lyceum = before
    expect((await before.publish('counting', counting(1))).status).toBe(201)
    await before.send(plays(900))
    await before.publish('counting', counting(2), { version: '2.0.0' })
    const door = opened(before, 'counting', 2)
    const started = (await before.call('POST', '/v1/plugins/counting/rebuild')).json
    await door.reached(256)
    const closing = before.close()
    door.open()
    await closing

    lyceum = await startHost(before.dataDir)
    const { startedMs, generation, state } = await ended(lyceum, 'counting')
    expect({ startedMs, generation, state }).toEqual({
      startedMs: started.startedMs,
      generation: 2,
      state: 'done',
    })
    expect(await ask(lyceum, 'counting', 'n')).toBe(1_800)
  },
)

longTest(
  'dead letters of before a host was stopped are counted with those that came after',
  async () => {
    const before = await startHost()
    lyceum = before
    const asked = `import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)`
    expect((await before.publish('asked', asked)).status).toBe(201)
    const source = `
    import { onEvent } from '@lyceum/sdk'
    export const count = onEvent('play_video', async ({ events, plugins: { asked } }) => {
      if (events.some(({ id }) => id === 'p1' || id === 'p899')) throw new Error('neither of these')
      if (events.some(({ id }) => id === 'p300')) await asked.one()
    })`
    expect((await before.publish('letters', source)).status).toBe(201)
    await before.send(plays(900))
    await before.call('POST', '/v1/plugins/asked/pause')
    await before.call('POST', '/v1/plugins/letters/rebuild')
    const status = async () => (await before.call('GET', '/v1/plugins/letters/rebuild')).json
    await expect.poll(status, { timeout: 60_000 }).toMatchObject({
      waitsFor: expect.stringContaining('asked is paused'),
      deadLetters: 1,
    })
    await before.close()
    lyceum = await startHost(before.dataDir)
    await lyceum.call('POST', '/v1/plugins/asked/resume')
    expect(await ended(lyceum, 'letters')).toMatchObject({ state: 'done', generation: 2, deadLetters: 2 })
  },
  90_000,
)

test('is offered for data that were made before the code of handlers was told apart', async () => {
  const before = await startHost()
  lyceum = before
  expect((await before.publish('counting', counting(1))).status).toBe(201)
  await before.send(plays(3))
  await before.close()
  // As an older host left it.
  const registry = new DatabaseSync(join(before.dataDir, 'registry.db'))
  registry.exec(`DELETE FROM made_by; UPDATE versions SET endpoints = json_remove(endpoints, '$[0].codeHash', '$[1].codeHash');
    DROP TABLE made_of_samples; PRAGMA user_version = 9`)
  registry.close()
  lyceum = await startHost(before.dataDir)
  const offered = async () => (await lyceum?.call('GET', '/v1/plugins/counting'))?.json.rebuildOffered
  expect(await offered()).toBeNull()
  await lyceum.publish('counting', counting(2), { version: '2.0.0' })
  expect(await offered()).toEqual({ reason: 'handlers_changed', endpoints: ['count'] })
  await lyceum.call('POST', '/v1/plugins/counting/rollback', {})
  expect(await offered()).toEqual({ reason: 'rolled_back', endpoints: ['count'] })
})

test('a host that is stopped just as new data are to take their place leaves nothing running', async () => {
  const before = await startHost()
  lyceum = before
  expect((await before.publish('counting', counting(1))).status).toBe(201)
  const { lane, stores } = before.host
  const hold = lane.hold.bind(lane)
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  lane.hold = async (plugin) => {
    await hold(plugin)
    before.close().then(resolve)
  }
  await before.call('POST', '/v1/plugins/counting/rebuild')
  await closed
  expect(lane.status('counting').filter(({ state }) => state !== 'stopped')).toEqual([])
  await expect.poll(() => stores.pids).toEqual([])
  expect(() => stores.process(false)).toThrow('The store was lost')
})

longTest('one of a version that does not run any more is dropped at the start', async () => {
  const before = await startHost()
  lyceum = before
  expect((await before.publish('counting', counting(1))).status).toBe(201)
  await before.send(plays(300))
  // As a host leaves it that is killed between the two.
  before.host.catalogue.generations.begin('counting', 1, 5)
  await before.host.stores.plugin('counting', 2).declare([{ name: 'n', indexes: [] }])
  await before.publish('counting', counting(2), { version: '2.0.0' })
  await before.close()
  lyceum = await startHost(before.dataDir)
  const { generations } = lyceum.host.catalogue
  await expect.poll(() => generations.others()).toEqual([])
  expect(await ask(lyceum, 'counting', 'n')).toBe(300)
  expect((await lyceum.call('GET', '/v1/plugins/counting')).json).toMatchObject({
    generation: 1,
    rebuild: null,
    rebuildOffered: { reason: 'handlers_changed', endpoints: ['count'] },
  })
})

longTest(
  'data that were rebuilt stay where the registry is lost; what was half built beside them counts for nothing',
  async () => {
    const before = await startHost()
    lyceum = before
    expect((await before.publish('counting', counting(1))).status).toBe(201)
    await before.send(plays(300))
    expect(await rebuilt(before, 'counting')).toMatchObject({ state: 'done', generation: 2 })
    await before.close()
    const file = (name: string) => join(before.dataDir, name)
    await rm(file('plugins/counting.1.db'), { force: true })
    await copyFile(file('plugins/counting.2.db'), file('plugins/counting.3.db'))
    for (const name of await readdir(before.dataDir)) if (name.startsWith('registry.db')) await rm(file(name))

    lyceum = await startHost(before.dataDir)
    expect((await lyceum.publish('counting', counting(1))).status).toBe(201)
    await lyceum.settled()
    expect(await ask(lyceum, 'counting', 'n')).toBe(300)
    expect(await rebuilt(lyceum, 'counting')).toMatchObject({ state: 'done', generation: 3 })
    expect(await ask(lyceum, 'counting', 'n')).toBe(300)
  },
)

longTest(
  'data that were rebuilt stay where a registry of before is restored, and are deleted with the plugin',
  async () => {
    const before = await startHost()
    lyceum = before
    const file = (name: string) => join(before.dataDir, name)
    expect((await before.publish('counting', counting(1))).status).toBe(201)
    await before.send(plays(300))
    await before.close()
    await copyFile(file('registry.db'), file('backup'))

    lyceum = await startHost(before.dataDir)
    expect((await lyceum.publish('counting', counting(2), { version: '2.0.0' })).status).toBe(201)
    expect(await rebuilt(lyceum, 'counting')).toMatchObject({ state: 'done', generation: 2 })
    await lyceum.close()
    await rm(file('plugins/counting.1.db'), { force: true })
    for (const name of ['registry.db-wal', 'registry.db-shm']) await rm(file(name), { force: true })
    await copyFile(file('backup'), file('registry.db'))

    lyceum = await startHost(before.dataDir)
    await lyceum.settled()
    expect(await ask(lyceum, 'counting', 'n')).toBe(600)
    expect(await rebuilt(lyceum, 'counting')).toMatchObject({ state: 'done', generation: 3 })
    expect(await ask(lyceum, 'counting', 'n')).toBe(300)
    await copyFile(file('plugins/counting.3.db'), file('plugins/counting.7.db'))
    await lyceum.call('DELETE', '/v1/plugins/counting?data=delete')
    expect(await readdir(file('plugins'))).toEqual([])
  },
)

test('a job that has run over the new data before the host was stopped does not run again', async () => {
  const before = await startHost()
  lyceum = before
  const source = `import { cron } from '@lyceum/sdk'
    ${counting(1)}
    export const digest = cron('0 0 1 1 *', ({ db }) =>
      db.collection('digests').updateOne({ _id: 'runs' }, { $inc: { n: 1 } }, { upsert: true }))
    export const runs = query(({ db }) => db.collection('digests').findOne({ _id: 'runs' }))`
  expect((await before.publish('counting', source)).status).toBe(201)
  await before.send(plays(300))
  // As a host leaves it that is killed between the two.
  const { catalogue, plugins, cron } = before.host
  const plugin = plugins.inGeneration('counting', catalogue.generations.begin('counting', 1, 5))
  const digest = plugin.endpoints.get('digest')
  if (digest?.kind !== 'cron') throw new Error('there is no such job')
  expect(await cron.runFirst(plugin, digest)).toBeUndefined()
  await before.close()
  lyceum = await startHost(before.dataDir)
  expect(await ended(lyceum, 'counting')).toMatchObject({ state: 'done', generation: 2 })
  expect(await ask(lyceum, 'counting', 'n')).toBe(300)
  expect(await ask(lyceum, 'counting', 'runs')).toEqual({ _id: 'runs', n: 1 })
})

longTest('data that are read already stay, though the host fails right after that', async () => {
  const before = await startHost()
  lyceum = before
  expect((await before.publish('counting', counting(1))).status).toBe(201)
  await before.send(plays(300))
  before.host.plugins.restart = () => Promise.reject(new Error('not now'))
  expect(await rebuilt(before, 'counting')).toMatchObject({ state: 'failed', problem: { code: 'internal' } })
  await before.close()
  expect(await readdir(join(before.dataDir, 'plugins'))).toContain('counting.2.db')
  lyceum = await startHost(before.dataDir)
  expect(await ask(lyceum, 'counting', 'n')).toBe(300)
})
