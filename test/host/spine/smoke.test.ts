import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

test('an event becomes a number in a query', async () => {
  const published = await lyceum.publish(
    'plays',
    `import { onEvent, query } from '@lyceum/sdk'
     export const count = onEvent('play_video', async ({ events, db }) => {
       for (const e of events) await db.collection('plays').updateOne({ _id: e.event.id }, { $inc: { n: 1 } }, { upsert: true })
     })
     export const top = query(({ db }) => db.collection('plays').find().sort({ n: -1 }).toArray())`,
  )
  expect(published.json).toMatchObject({ version: '1.0.0', needs: [], approval: 'granted' })
  const play = (id: string, second: number) => ({
    event_type: 'play_video',
    event: { id },
    time: `2026-01-01T00:00:0${second}Z`,
  })
  await lyceum.send([play('a', 1), play('b', 2), play('a', 3)])
  expect((await lyceum.call('GET', '/v1/queries/plays/top')).json).toEqual([
    { _id: 'a', n: 2 },
    { _id: 'b', n: 1 },
  ])
})
