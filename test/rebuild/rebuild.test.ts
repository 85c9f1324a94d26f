import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { ask, plays, rebuilt } from './support.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

/** Adds `by` for each event. */
const counting = (by: number) => `
  import { onEvent, query, view } from '@lyceum/sdk'
  export const count = onEvent('play_video', async ({ events, db }) => {
    for (const e of events)
      await db.collection('plays').updateOne({ _id: e.event.id }, { $inc: { n: ${by} } }, { upsert: true })
  })
  export const total = query(async ({ db }) =>
    (await db.collection('plays').find().toArray()).reduce((sum, { n }) => sum + n, 0))
  export const shown = view(() => '<p>' + ${by})`

const databases = async (id: string) =>
  (await readdir(join(lyceum.dataDir, 'plugins'))).filter((file) =>
    new RegExp(`^${id}\\.\\d+\\.db$`).test(file),
  )

test('data are made anew by the handlers of now, and what was before is deleted', async () => {
  await lyceum.publish('counting', counting(1))
  await lyceum.call('PATCH', '/v1/plugins/counting/quota', { body: { wallMs: 300 } })
  await lyceum.send(plays(1_000))
  expect(await ask(lyceum, 'counting', 'total')).toBe(1_000)
  const published = await lyceum.publish('counting', counting(2), { version: '2.0.0' })
  expect(published.json.rebuildOffered).toEqual({ reason: 'handlers_changed', endpoints: ['count'] })
  expect(await ask(lyceum, 'counting', 'total')).toBe(1_000)
  expect(await rebuilt(lyceum, 'counting')).toMatchObject({ state: 'done', generation: 2, problem: null })
  expect(await ask(lyceum, 'counting', 'total')).toBe(2_000)
  await lyceum.send(plays(10, 1_000))
  expect(await ask(lyceum, 'counting', 'total')).toBe(2_020)
  const { json } = await lyceum.call('GET', '/v1/plugins/counting')
  expect(json).toMatchObject({ rebuildOffered: null, rebuild: { state: 'done' }, generation: 2 })
  await expect.poll(() => databases('counting')).toEqual(['counting.2.db'])
})
