import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

let it: TestHost
beforeAll(async () => {
  it = await startHost()
})
afterAll(() => it.dispose())

const handlerFor = (where: string) => `import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent({ where: ${where}, from: 'start' }, async ({ events, db }) => {
    for (const e of events) await db.collection('seen').insertOne({ _id: e.id })
  })
  export const seen = query(async ({ db }) =>
    (await db.collection('seen').find({}).sort({ _id: 1 }).toArray()).map(({ _id }) => _id))`
const seen = async (id: string) => (await it.call('GET', `/v1/queries/${id}/seen`)).json
const cursorOf = async (id: string) => (await it.call('GET', `/v1/plugins/${id}`)).json.cursors[0]
const cursorInFile = (id: string) => {
  const file = new DatabaseSync(join(it.dataDir, `plugins/${id}.1.db`), { readOnly: true })
  try {
    return file.prepare('SELECT seq FROM lyceum_cursors').get()?.seq
  } finally {
    file.close()
  }
}

test('what is not for a handler costs it nothing: it is at the head, and writes nothing', async () => {
  await it.publish('seldom', handlerFor(`{ event_type: 'seldom' }`))
  await it.settled()
  await it.send(Array.from({ length: 25_000 }, (_, at) => ({ id: `o${at}`, event_type: 'often' })))
  expect(await cursorOf('seldom')).toMatchObject({ state: 'idle', cursor: 25_000, lag: 0 })
  expect(cursorInFile('seldom')).toBe(undefined)
})

test('one that looks into events keeps its place, which a restart could not find by types', async () => {
  await it.publish('looking', handlerFor(`{ event_type: 'often', n: 1 }`))
  await it.settled()
  expect(cursorInFile('looking')).toBeGreaterThanOrEqual(20_000)
})

test('after a restart both stand where they stood, and have what comes next once', async () => {
  await it.close()
  it = await startHost(it.dataDir)
  await it.settled()
  expect((await cursorOf('seldom')).cursor).toBe(25_000)
  await it.send([
    { id: 's1', event_type: 'seldom' },
    { id: 'n1', event_type: 'often', n: 1 },
    { id: 'o', event_type: 'often' },
  ])
  expect([await seen('seldom'), await seen('looking')]).toEqual([['s1'], ['n1']])
})

test('another version that wants other events has those that come from then on', async () => {
  await it.publish('seldom', handlerFor(`{ event_type: 'often' }`), { version: '1.0.1' })
  await it.settled()
  await it.send([{ id: 'next', event_type: 'often' }])
  expect(await seen('seldom')).toEqual(['next', 's1'])
})

test('that holds for a version whose predecessor never had anything to do, too', async () => {
  await it.publish('nothing', handlerFor(`{ event_type: 'never' }`))
  await it.settled()
  expect(cursorInFile('nothing')).toBe(undefined)
  await it.publish('nothing', handlerFor(`{ event_type: 'often' }`), { version: '1.0.1' })
  await it.settled()
  await it.send([{ id: 'after', event_type: 'often' }])
  expect(await seen('nothing')).toEqual(['after'])
})
