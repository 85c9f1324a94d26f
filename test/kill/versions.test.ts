import { afterAll, beforeAll, expect } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { counted, countingPlugin } from './counting.ts'
import { startLoad } from './load.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const counts = async () => (await lyceum.call('GET', '/v1/queries/counting/counts')).json

// The soak publishes and rolls back too, so every run does something of this.
longTest('versions that replace each other under load lose no event and repeat none', async () => {
  const publish = (version: string) => lyceum.publish('counting', countingPlugin(version), { version })
  const rollback = (body: object) => lyceum.call('POST', '/v1/plugins/counting/rollback', { body })
  await publish('1.0.0')
  const load = startLoad(
    async (events) => (await lyceum.call('POST', '/v1/events', { body: events })).status === 202,
  )
  const changes: [version: string, change: () => Promise<{ status: number }>][] = [
    ['1.0.1', () => publish('1.0.1')],
    ['1.0.2', () => publish('1.0.2')],
    ['1.0.1', () => rollback({})],
    ['1.0.0', () => rollback({ version: '1.0.0' })],
    ['1.0.3', () => publish('1.0.3')],
    ['1.0.4', () => publish('1.0.4')],
    ['1.0.0', () => rollback({ version: '1.0.0' })],
  ]
  for (const [version, change] of changes) {
    expect((await change()).status).toBeLessThan(300)
    const before = (await counts()).versions[version] ?? 0
    while (((await counts()).versions[version] ?? 0) <= before);
  }
  const events = await load.stop()
  await lyceum.settled()
  const { versions, ...rest } = await counts()
  expect({ ...rest, versions }).toEqual(counted(events))
  expect(Object.keys(versions).sort()).toEqual(['1.0.0', '1.0.1', '1.0.2', '1.0.3', '1.0.4'])
  const handled = Object.values<number>(versions).reduce((sum, n) => sum + n, 0)
  expect(handled).toBe(events)
})

longTest(
  'a pause holds the handlers at once, also behind a backlog, and a resume goes on where they were',
  async () => {
    await lyceum.publish(
      'paused',
      `import { onEvent, query } from '@lyceum/sdk'
     export const count = onEvent('page', async ({ event, db }) => {
       await db.collection('seen').findOne({ _id: 'x' })
       await db.collection('seen').insertOne({ _id: event.id })
     })
     export const seen = query(({ db }) => db.collection('seen').countDocuments())`,
    )
    const pages = Array.from({ length: 3_000 }, (_, at) => ({ id: `p${at}`, event_type: 'page' }))
    await lyceum.call('POST', '/v1/events', { body: pages })
    await lyceum.call('POST', '/v1/plugins/paused/pause')
    await lyceum.settled()
    const [status] = lyceum.host.lane.status('paused')
    expect(status).toMatchObject({ state: 'stopped' })
    expect(status?.cursor).toBeLessThan(lyceum.host.log.head())
    await lyceum.send([{ id: 'after', event_type: 'page' }])
    await lyceum.call('POST', '/v1/plugins/paused/resume')
    await lyceum.settled()
    expect((await lyceum.call('GET', '/v1/queries/paused/seen')).json).toBe(3_001)
  },
)
