import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import { startHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

longTest(
  'a plugin whose database is held by a process that is on its way out starts, and goes on once it is free',
  async () => {
    const first = await startHost()
    await first.publish(
      'patient',
      `import { onEvent, query } from '@lyceum/sdk'
     export const count = onEvent('page', async ({ event, db }) => { await db.collection('seen').insertOne({ _id: event.id }) })
     export const seen = query(({ db }) => db.collection('seen').countDocuments())`,
    )
    await first.send([{ id: 'p1', event_type: 'page' }])
    await first.close()
    const orphan = new DatabaseSync(join(first.dataDir, 'plugins/patient.1.db'))
    orphan.exec('BEGIN IMMEDIATE')
    const second = await startHost(first.dataDir)
    try {
      await second.call('POST', '/v1/events', { body: [{ id: 'p2', event_type: 'page' }] })
      orphan.exec('ROLLBACK')
      await second.settled()
      expect((await second.call('GET', '/v1/queries/patient/seen')).json).toBe(2)
    } finally {
      orphan.close()
      await second.dispose()
    }
  },
)

longTest('a handler for what seldom comes does not read the whole log again after a restart', async () => {
  const first = await startHost()
  await first.publish(
    'seldom',
    `import { onEvent } from '@lyceum/sdk'
     export const count = onEvent('seldom', () => {})`,
  )
  await first.settled()
  await first.send(Array.from({ length: 10 }, (_, at) => ({ id: `o${at}`, event_type: 'often' })))
  await first.close()
  const second = await startHost(first.dataDir)
  try {
    await second.settled()
    expect(second.host.lane.status('seldom')).toMatchObject([{ cursor: 10 }])
  } finally {
    await second.dispose()
  }
})
