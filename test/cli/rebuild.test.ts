import { afterAll, beforeAll, expect, test } from 'vitest'
import { opened, plays } from '../rebuild/support.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { run } from './run.ts'

let lyceum: TestHost
const source = (by: number, failsOn = '') => `
  import { onEvent, view } from '@lyceum/sdk'
  export const count = onEvent('play_video', ({ events, db }) => {
    if (events.some(({ id }) => id === '${failsOn}')) throw new Error('not this one')
    return db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: ${by} * events.length } }, { upsert: true })
  })`
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('plays', source(1))
  await lyceum.send(plays(600))
})
afterAll(() => lyceum.dispose())

const rebuild = async (...words: string[]) =>
  run(lyceum.dataDir, ['rebuild', ...words, '--url', lyceum.url, '--data', lyceum.dataDir])

test('rebuild waits until it is done, and says what was done', async () => {
  const { code, stdout } = await rebuild('plays')
  expect(stdout).toMatch(
    /^plays is rebuilt: its data are what its handlers make of all 600 events\. It took .* s\.\n$/,
  )
  expect(code).toBe(0)
  const asJson = await rebuild('plays', '--json')
  expect(JSON.parse(asJson.stdout)).toMatchObject({ plugin: 'plays', state: 'done', events: 600 })
  await lyceum.publish('plays', source(1, 'p7'), { version: '2.0.0' })
  expect(await rebuild('plays')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(
      ' s.\nThey failed on some: 1 dead letter. See which, and why, with: npx lyceum dead-letters plays\n',
    ),
  })
})

test('rebuild can be left alone, and cancelled; whoever waits for one that is cancelled is told', async () => {
  const { rebuilds } = lyceum.host
  const door = opened(lyceum, 'plays', 5)
  expect(await rebuild('plays', '--no-wait')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('plays is being rebuilt.'),
  })
  await door.reached(256)
  const start = rebuilds.start.bind(rebuilds)
  const isWaitedFor = new Promise<void>((resolve) => {
    rebuilds.start = (id) => start(id).finally(resolve)
  })
  const waiting = rebuild('plays')
  await isWaitedFor
  const cancel = rebuilds.cancel.bind(rebuilds)
  rebuilds.cancel = (id) => {
    const ended = cancel(id)
    door.open()
    return ended
  }
  expect(await rebuild('plays', '--cancel')).toMatchObject({
    code: 0,
    stdout: 'The rebuild of plays was cancelled. Its data are what they were.\n',
  })
  expect(await waiting).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('error rebuild_ended: The rebuild of plays was cancelled.'),
  })
  expect(await rebuild('plays', '--cancel')).toMatchObject({
    code: 1,
    stderr: 'error not_found: No rebuild of plays is under way.\n',
  })
})

test('rebuild says why it cannot, and why it was not done', async () => {
  expect(await rebuild('none')).toMatchObject({ code: 1, stderr: expect.stringContaining('plugin_unknown') })
  const job = `\n import { cron } from '@lyceum/sdk'
    export const digest = cron('0 0 1 1 *', () => { throw new Error('nothing to digest') })`
  await lyceum.publish('jobless', source(1) + job)
  expect(await rebuild('jobless')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('error plugin_failed: The job digest failed: '),
  })
})

longTest(
  'rebuild says what it waits for, and that a host which was started anew knows nothing of it',
  async () => {
    await lyceum.publish('asked', `import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)`)
    const job = `\n import { cron } from '@lyceum/sdk'
    export const digest = cron('0 0 1 1 *', ({ plugins: { asked } }) => asked.one())`
    await lyceum.publish('asking', source(1) + job)
    await lyceum.settled()
    await lyceum.call('POST', '/v1/plugins/asked/pause')
    const { rebuilds } = lyceum.host
    const status = rebuilds.status.bind(rebuilds)
    const { promise: isTold, resolve: told } = Promise.withResolvers<void>()
    rebuilds.status = (id) => {
      const now = status(id)
      if (now?.waitsFor != null) told()
      return now
    }
    const waiting = rebuild('asking')
    await isTold
    await lyceum.call('POST', '/v1/plugins/asked/resume')
    expect(await waiting).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('It waits: asked is paused.'),
    })
    rebuilds.status = () => undefined
    const { code, stderr } = await rebuild('asking')
    rebuilds.status = status
    expect([code, stderr]).toEqual([1, expect.stringContaining('The host was started anew meanwhile')])
  },
  120_000,
)
