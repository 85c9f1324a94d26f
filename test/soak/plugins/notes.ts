import { onEvent, query } from '@lyceum/sdk'

interface Note {
  _id: number
  text: string
}

interface Tally {
  _id: string
  inserted: number
  deleted: number
}

/** A document for each event, and every tenth taken away again, with counts that the store tells. */
export const keep = onEvent('note', async ({ events, db }) => {
  const notes = db.collection<Note>('notes')
  const kept = events.map(({ event, props }) => ({ _id: Number(event.n), text: `${props.id} ${props.type}` }))
  const { insertedCount } = await notes.insertMany(kept, { ack: true })
  let deleted = 0
  for (const { _id } of kept)
    if (_id % 10 === 0) deleted += (await notes.deleteOne({ _id }, { ack: true })).deletedCount
  await db
    .collection<Tally>('tally')
    .updateOne({ _id: 'all' }, { $inc: { inserted: insertedCount, deleted } }, { upsert: true })
})

export const bulk = onEvent(
  { where: { event_type: { $in: ['note', 'question'] } } },
  async ({ events, db }) => {
    await db.collection<{ _id: string; n: number; last: number }>('bulk').bulkWrite(
      events.map(({ event, props }) => ({
        updateOne: {
          filter: { _id: props.type },
          update: { $inc: { n: 1 }, $max: { last: Number(event.n) } },
          upsert: true,
        },
      })),
    )
  },
)

/** Only what comes after it was first published. */
export const sinceNow = onEvent({ where: { event_type: 'note' }, from: 'now' }, async ({ events, db }) => {
  await db
    .collection<{ _id: number }>('recent')
    .insertMany(events.map(({ event }) => ({ _id: Number(event.n) })))
})

export const size = query(async ({ db }) => {
  const tally = await db.collection<Tally>('tally').findOne({ _id: 'all' })
  return { kept: tally?.inserted ?? 0, removed: tally?.deleted ?? 0 }
})
