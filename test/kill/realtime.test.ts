import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish(
    'live',
    `import { onEvent, query } from '@lyceum/sdk'
     export const count = onEvent({ where: { event_type: 'answer' }, mode: 'realtime' }, async ({ events, db }) => {
       for (const e of events) {
         if (e.event?.bad) throw new Error('unreadable answer')
         await db.collection('answers').insertOne({ _id: e.id })
       }
     })
     export const lazy = onEvent('answer', () => {})
     export const answers = query(({ db }) => db.collection('answers').countDocuments())`,
  )
})
afterAll(() => lyceum.dispose())

const answer = (id: string, bad?: boolean) => ({ id, event_type: 'answer', ...(bad && { event: { bad } }) })
const post = async (events: readonly object[]) =>
  (await lyceum.call('POST', '/v1/events?wait=realtime', { body: events })).json
const COMMITTED = { plugin: 'live', endpoint: 'count', state: 'committed' }
const FAILED = {
  plugin: 'live',
  endpoint: 'count',
  state: 'failed',
  error: { code: 'plugin_failed', message: 'unreadable answer' },
}

test('the answer comes after the commit', async () => {
  for (let at = 0; at < 20; at++) {
    expect((await post([answer(`a${at}`)])).handlers).toEqual([COMMITTED])
    expect((await lyceum.call('GET', '/v1/queries/live/answers')).json).toBe(at + 1)
  }
})

test('events that no realtime handler wants are answered at once', async () => {
  expect(await post([{ id: 'x', event_type: 'other' }])).toEqual({
    accepted: 1,
    duplicates: 0,
    rejected: [],
    handlers: [],
  })
})

test('a request of nothing but duplicates waits for every one of them', async () => {
  await post([answer('once')])
  await post([{ id: 'unrelated', event_type: 'other' }])
  const again = await post([answer('once'), { id: 'unrelated', event_type: 'other' }])
  expect(again).toEqual({ accepted: 0, duplicates: 2, rejected: [], handlers: [COMMITTED] })
})

test('a handler that is paused is late at once, and handles the event when it is resumed', async () => {
  const before = (await lyceum.call('GET', '/v1/queries/live/answers')).json
  await lyceum.call('POST', '/v1/plugins/live/pause')
  expect((await post([answer('p1')])).handlers).toEqual([{ ...COMMITTED, state: 'late' }])
  expect((await post([answer('p2')])).handlers).toEqual([{ ...COMMITTED, state: 'late' }])
  await lyceum.call('POST', '/v1/plugins/live/resume')
  expect((await post([answer('p1'), answer('p2')])).handlers).toEqual([COMMITTED])
  expect((await lyceum.call('GET', '/v1/queries/live/answers')).json).toBe(before + 2)
})

test('an event that fails says so, also when it is sent again, and no more once it was retried', async () => {
  expect((await post([answer('good'), answer('bad', true)])).handlers).toEqual([FAILED])
  expect((await post([answer('good')])).handlers).toEqual([COMMITTED])
  expect(await post([answer('bad', true), answer('good')])).toMatchObject({
    duplicates: 2,
    handlers: [FAILED],
  })
  const folder = lyceum.dataDir
  await lyceum.close()
  lyceum = await startHost(folder)
  expect((await post([answer('bad', true), answer('new')])).handlers).toEqual([FAILED])
  await lyceum.publish(
    'live',
    `import { onEvent } from '@lyceum/sdk'
     export const count = onEvent({ where: { event_type: 'answer' }, mode: 'realtime' }, () => {})`,
    { version: '1.0.1' },
  )
  await lyceum.call('POST', '/v1/plugins/live/dead-letters/retry')
  expect((await post([answer('bad', true)])).handlers).toEqual([COMMITTED])
})
