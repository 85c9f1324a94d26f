import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FILES } from '../fs/plugin.ts'
import { rebuilt } from '../rebuild/support.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { type WireServer, wireServers } from '../support/mongo.ts'

const [server] = wireServers()
if (server === undefined) console.log('The host over MongoDB: skipped, for there is no server here.')

/** Counts plays, one upsert each; one kind of event it cannot bear. */
const PLAYS = `
  import { collection, onEvent, query } from '@lyceum/sdk'
  export const plays = collection({ indexes: [{ keys: { n: -1 } }] })
  export const count = onEvent(async ({ events, db }) => {
    for (const { video, poison } of events) {
      if (poison) throw new Error('cannot bear ' + video)
      await db.collection('plays').updateOne({ _id: video }, { $inc: { n: 1 } }, { upsert: true })
    }
  })
  export const top = query(({ db }) => db.collection('plays').find().sort({ n: -1, _id: 1 }).toArray())`
/** The same, which forgives. */
const BETTER = PLAYS.replace('if (poison) throw', 'if (poison === 2) throw').replace(
  'sort({ n: -1',
  'project({ n: 1 }).sort({ n: -1',
)
const play = (video: string, poison = false) => ({ event_type: 'play_video', video, poison })

describe.skipIf(server === undefined)('a host over MongoDB', () => {
  let lyceum: TestHost
  const wire: WireServer | undefined = server
  let uri = ''
  beforeAll(async () => {
    uri = (await wire?.start()) ?? ''
    lyceum = await startHost(undefined, undefined, { LYCEUM_MONGODB_URI: `${uri}/spine${Date.now() % 1e6}` })
  })
  afterAll(async () => {
    await lyceum.dispose()
    await wire?.stop()
  })
  const top = async () => (await lyceum.call('GET', '/v1/queries/plays/top')).json

  test('publishes, takes events, and answers queries about them', async () => {
    expect((await lyceum.publish('plays', PLAYS)).status).toBe(201)
    await lyceum.send([play('a'), play('b'), play('a')])
    expect(await top()).toEqual([
      { _id: 'a', n: 2 },
      { _id: 'b', n: 1 },
    ])
  })

  test('puts an event aside that its handler fails on, and goes on behind it', async () => {
    await lyceum.send([play('c'), play('d', true), play('c')])
    expect(await top()).toContainEqual({ _id: 'c', n: 2 })
    const { json } = await lyceum.call('GET', '/v1/plugins/plays/dead-letters')
    expect(json).toMatchObject({
      total: 1,
      letters: [{ endpoint: 'count', code: 'plugin_failed', event: { video: 'd' } }],
    })
  })

  test('retries it with a version that bears it, which counts it once', async () => {
    expect((await lyceum.publish('plays', BETTER, { version: '1.1.0' })).status).toBe(201)
    const retry = () => lyceum.call('POST', '/v1/plugins/plays/dead-letters/retry', { body: {} })
    expect((await retry()).json.retried).toMatchObject([{ state: 'committed' }])
    expect((await retry()).json.retried).toEqual([])
    expect(await top()).toContainEqual({ _id: 'd', n: 1 })
  })

  test('goes back to the version before, with its data', async () => {
    const before = await top()
    expect((await lyceum.call('POST', '/v1/plugins/plays/rollback', { body: {} })).json.version).toBe('1.0.0')
    await lyceum.send([play('a')])
    expect(await top()).toEqual(
      before.map((row: { _id: string; n: number }) => (row._id === 'a' ? { _id: 'a', n: row.n + 1 } : row)),
    )
  })

  test('goes on after a restart where it was', async () => {
    const before = await top()
    await lyceum.close()
    lyceum = await startHost(lyceum.dataDir, undefined, {
      LYCEUM_MONGODB_URI: lyceum.host.config.mongoUri ?? '',
    })
    await lyceum.settled()
    expect(await top()).toEqual(before)
    await lyceum.send([play('e')])
    expect(await top()).toContainEqual({ _id: 'e', n: 1 })
  })

  test('goes on after its store was lost', async () => {
    const [pid = 0] = lyceum.host.stores.pids
    process.kill(pid, 'SIGKILL')
    await lyceum.send([play('f'), play('f')])
    expect(await top()).toContainEqual({ _id: 'f', n: 2 })
  })

  test('is rebuilt into a database of its own, which takes the place of the one before', async () => {
    await lyceum.publish('plays', PLAYS.replace('n: 1 } }, { upsert', 'n: 2 } }, { upsert'), {
      version: '2.0.0',
    })
    const before: { _id: string; n: number }[] = await top()
    // What was before is kept for as long as a call may take that began then.
    await lyceum.call('PATCH', '/v1/plugins/plays/quota', { body: { wallMs: 1_000 } })
    expect(await rebuilt(lyceum, 'plays')).toMatchObject({ state: 'done', generation: 2 })
    await lyceum.call('PATCH', '/v1/plugins/plays/quota', { body: { wallMs: 10_000 } })
    // The event that was put aside and retried since then is put aside again.
    const twice = before.filter(({ _id }) => _id !== 'd').map(({ _id, n }) => ({ _id, n: 2 * n }))
    expect(await top()).toEqual(twice)
    expect((await lyceum.call('GET', '/v1/plugins/plays/dead-letters')).json.total).toBe(1)
    await lyceum.send([play('e')])
    expect(await top()).toContainEqual({ _id: 'e', n: 4 })
    const { generations } = lyceum.host.catalogue
    await expect.poll(() => generations.others(), { timeout: 10_000 }).toEqual([])
    expect(await lyceum.host.stores.plugin('plays', 1).peek('count/0')).toBeUndefined()
  })

  test('keeps files, opens them by their address, and deletes them with their plugin', async () => {
    expect((await lyceum.publish('files', FILES)).status).toBe(201)
    const step = (event: object) => ({ event_type: 'file', event })
    const text = 'x'.repeat(100_000)
    await lyceum.send([
      step({ op: 'write', path: 'a.txt', text }),
      step({ op: 'append', path: 'a.txt', text: ' and more' }),
    ])
    const url = (await lyceum.call('GET', '/v1/queries/files/url?path=a.txt')).json
    expect(await (await fetch(lyceum.url + url)).text()).toBe(`${text} and more`)
    expect((await lyceum.call('GET', '/v1/queries/files/draw?path=drawn&text=here')).json).toBe('here')
    const removal = await lyceum.call('DELETE', '/v1/plugins/files?data=delete')
    expect(removal.status, removal.text).toBe(200)
    expect((await lyceum.publish('files', FILES, { version: '2.0.0' })).status).toBe(201)
    expect((await lyceum.call('GET', '/v1/queries/files/list?prefix=drawn')).json).toEqual([])
  })

  test('says how often effects happen on this server', async () => {
    const { guarantee } = (await lyceum.call('GET', '/v1/plugins/plays')).json
    expect(guarantee).toBe(lyceum.host.stores.server?.transactions ? 'exactly-once' : 'at-least-once')
    const session = await lyceum.call('GET', '/plugins/plays', { headers: { accept: 'text/html' } })
    expect(session.status).toBe(200)
    expect(session.text.includes('effects of some events happen again')).toBe(guarantee === 'at-least-once')
  })
})
