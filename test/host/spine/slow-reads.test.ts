import { expect } from 'vitest'
import { startHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

const SLOW = `import { onEvent, query } from '@lyceum/sdk'
  export const fill = onEvent('fill', async ({ db }) => {
    for (let n = 0; n < 2_000; n++) await db.collection('a').insertOne({ _id: n })
  })
  const pipeline = [{ $lookup: { from: 'a', let: { x: '$_id' }, as: 'y',
    pipeline: [{ $match: { $expr: { $eq: [{ $add: ['$_id', 0.5] }, '$$x'] } } }] } }]
  const many = (db) => Promise.all(Array.from({ length: 60 }, () =>
    db.collection('a').aggregate(pipeline).toArray().catch((error) => error.code)))
  export const read = query(({ db }) => many(db))
  export const readInJob = onEvent('read', ({ db }) => many(db))`
const QUIET = `import { onEvent, query } from '@lyceum/sdk'
  export const add = onEvent('add', ({ db }) => db.collection('n').insertOne({}))
  export const count = query(({ db }) => db.collection('n').countDocuments())`

longTest(
  'a plugin that floods the store with reads, each of them slow, keeps no other plugin from its data',
  async () => {
    const lyceum = await startHost()
    await lyceum.publish('quiet', QUIET)
    await lyceum.publish('slow', SLOW)
    await lyceum.send([{ event_type: 'fill' }, { event_type: 'add' }])
    await lyceum.call('PATCH', '/v1/plugins/slow/quota', { body: { wallMs: 4_000 } })
    const ask = (path: string) => lyceum.call('GET', `/v1/queries/${path}`)
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'read' }] })
    const flood = Promise.all(Array.from({ length: 4 }, () => ask('slow/read')))
    for (let asked = 0; asked < 20; asked++) expect((await ask('quiet/count')).json).toBe(1)
    // Who waits for what never ends has had its time, or lost its store or its isolate to itself.
    for (const { json } of await flood) expect(json.code).toMatch(/^(over_wall|store_lost|sandbox_lost)$/)
    await lyceum.dispose()
  },
)
