import { type Database, type LmsEvent, onEvent, query, t } from '@lyceum/sdk'

/** The number of the version: the soak writes another one in before it publishes. */
const NUMBER = 0

interface Count {
  _id: string
  n: number
}

interface Chain {
  _id: string
  n: number
  hash: number
}

const add = (db: Database, collection: string, _id: string, n = 1) =>
  db.collection<Count>(collection).updateOne({ _id }, { $inc: { n } }, { upsert: true })

/** Reads, then writes what comes out of what was read: the hash is right only if each event came once, in order. */
async function link(db: Database, name: string, events: readonly LmsEvent[]): Promise<void> {
  const chains = db.collection<Chain>('chains')
  let { n, hash } = (await chains.findOne({ _id: name })) ?? { n: 0, hash: 7 }
  for (const { event } of events) {
    n += 1
    hash = (hash * 31 + Number(event.n)) % 1_000_003
  }
  await chains.updateOne({ _id: name }, { $set: { n, hash } }, { upsert: true })
}

/** Many upserts for each event. */
export const loop = onEvent('play_video', async ({ events, db }) => {
  for (const { event } of events) {
    for (let at = 0; at < 5; at++) await add(db, 'keys', `k${(Number(event.n) * 7 + at) % 200}`)
    await add(db, 'totals', 'loop')
    await add(db, 'versions', `1.0.${NUMBER}`)
  }
})

export const atOnce = onEvent(
  { where: { event_type: ['play_video', 'problem_check'] }, mode: 'realtime' },
  async ({ events, db }) => {
    for (const { event } of events)
      await db.collection<{ _id: number }>('live').insertOne({ _id: Number(event.n) })
    await add(db, 'totals', 'atOnce', events.length)
    await link(db, 'atOnce', events)
  },
)

export const later = onEvent(
  { where: { 'event.n': { $gte: 100 }, $not: { event_type: 'play_video' } }, mode: 'queued' },
  async ({ events, db }) => {
    await add(db, 'totals', 'later', events.length)
    await link(db, 'later', events)
  },
)

/** Called for each event. */
export const step = onEvent(
  { where: { $or: [{ 'event.n': { $lt: 50 } }, { event_type: 'pause_video' }] } },
  async ({ event, db }) => {
    await add(db, 'totals', 'step')
    await link(db, 'step', [event])
  },
)

/** Without a filter. */
export const everything = onEvent(async ({ events, db }) => {
  for (const [type, group] of Map.groupBy(events, ({ props }) => props.type))
    await add(db, 'types', type, group.length)
  await add(db, 'totals', 'everything', events.length)
})

// Even versions only: it comes and goes, and goes on where it was.
export const sometimes = onEvent({ where: { event_type: 'seek_video' } }, async ({ events, db }) => {
  await link(db, 'sometimes', events)
})

/** How many events each handler has counted. */
export const size = query(async ({ db }) =>
  Object.fromEntries((await db.collection<Count>('totals').find().toArray()).map(({ _id, n }) => [_id, n])),
)

/** How many of some events the realtime handler has seen. */
export const seen = query({ params: { numbers: t.string() } }, ({ db, params }) =>
  db
    .collection<{ _id: number }>('live')
    .countDocuments({ _id: { $in: params.numbers.split(',').map(Number) } }),
)
