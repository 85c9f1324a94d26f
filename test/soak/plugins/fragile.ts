import { type Database, onEvent, query } from '@lyceum/sdk'

/** The number of the version: the soak writes another one in before it publishes. */
const NUMBER = 0
const isMended = NUMBER % 2 === 0

interface Total {
  _id: string
  n: number
}

/** Writes first, so that there is something to undo. */
async function work(db: Database, handler: string, n: number, bad: string): Promise<void> {
  const done = db.collection<{ _id: string }>('done')
  await db.collection<Total>('totals').updateOne({ _id: handler }, { $inc: { n: 1 } }, { upsert: true })
  await done.insertOne({ _id: `${handler}/${n}` })
  if (bad === 'throws') throw new Error('it never works')
  if (bad === 'fixable' && !isMended) throw new Error('not before the next version')
  if (bad === 'duplicate') await done.insertOne({ _id: `${handler}/${n}` })
  if (bad === 'operator') await done.updateOne({ _id: `${handler}/${n}` }, { $nope: { a: 1 } } as never)
}

export const batch = onEvent('task', async ({ events, db }) => {
  for (const { event } of events) await work(db, 'batch', Number(event.n), String(event.bad))
})

export const each = onEvent(
  { where: { event_type: 'task' }, mode: 'queued' },
  async ({ event: { event }, db }) => {
    if ((await db.collection('done').findOne({ _id: `each/${Number(event.n)}` })) !== null)
      throw new Error('twice')
    await work(db, 'each', Number(event.n), String(event.bad))
  },
)

export const totals = query(async ({ db }) =>
  Object.fromEntries((await db.collection<Total>('totals').find().toArray()).map(({ _id, n }) => [_id, n])),
)
