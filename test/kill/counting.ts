import { expect } from 'vitest'

/** Every way of counting that authors write: each must come to exactly one per event. */
export function countingPlugin(version = '1.0.0'): string {
  return `
    import { onEvent, query } from '@lyceum/sdk'
    const inc = (db, name, id) => db.collection(name).updateOne({ _id: id }, { $inc: { n: 1 } }, { upsert: true })

    export const loop = onEvent('play_video', async ({ events, db }) => {
      for (const e of events) {
        await inc(db, 'keys', e.event.key)
        await inc(db, 'totals', 'loop')
        await inc(db, 'versions', '${version}')
      }
    })
    export const append = onEvent('play_video', async ({ events, db }) => {
      for (const e of events) await db.collection('documents').insertOne({ _id: e.id })
    })
    export const readThenWrite = onEvent('play_video', async ({ event, db }) => {
      const found = await db.collection('totals').findOne({ _id: 'read' })
      await db.collection('totals').updateOne({ _id: 'read' }, { $set: { n: (found?.n ?? 0) + 1 } }, { upsert: true })
    })
    export const atOnce = onEvent({ where: { event_type: 'play_video' }, mode: 'realtime' }, async ({ events, db }) => {
      for (const e of events) await inc(db, 'totals', 'realtime')
    })
    export const later = onEvent({ where: { event_type: 'play_video' }, mode: 'queued' }, async ({ events, db }) => {
      for (const e of events) await inc(db, 'totals', 'queued')
    })
    export const counts = query(async ({ db }) => {
      const all = async (name) => Object.fromEntries((await db.collection(name).find().toArray()).map((d) => [d._id, d.n]))
      const keys = await all('keys')
      return {
        ...(await all('totals')),
        documents: await db.collection('documents').countDocuments(),
        keys: Object.values(keys).reduce((sum, n) => sum + n, 0),
        versions: await all('versions'),
      }
    })`
}

/** The answer of `counts` where every handler has counted `events`. */
export function counted(events: number) {
  const each = {
    loop: events,
    read: events,
    realtime: events,
    queued: events,
    documents: events,
    keys: events,
  }
  return { ...each, versions: expect.anything() }
}

/** Event number `at` of a run; sent again it is the same event. */
export function play(at: number): object {
  return {
    id: `e${at}`,
    event_type: 'play_video',
    event: { key: `k${at % 7}` },
    time: '2026-01-01T00:00:00Z',
  }
}
