import { cron, onEvent, query } from '@lyceum/sdk'

interface Session {
  _id: string
  room: string
  opened: number
}

interface Letter {
  _id: number
  weight: number
}

interface Swept {
  _id: string
  letters: number
  weight: number
  runs: number
}

/** Comes out right only in the order of the log: what was opened after it was closed is open. */
export const follow = onEvent(
  { where: { event_type: ['session_open', 'session_close', 'room_close'] } },
  async ({ events, db }) => {
    const sessions = db.collection<Session>('sessions')
    for (const { event, props } of events) {
      const [session, room] = [String(event.session), String(event.room)]
      if (props.type === 'session_open')
        await sessions.updateOne(
          { _id: session },
          { $set: { room, opened: Number(event.n) } },
          { upsert: true },
        )
      else if (props.type === 'session_close') await sessions.deleteOne({ _id: session })
      else await sessions.deleteMany({ room })
    }
  },
)

export const collect = onEvent(
  { where: { event_type: 'session_open', 'event.n': { $exists: true } } },
  async ({ events, db }) => {
    await db
      .collection<Letter>('inbox')
      .insertMany(events.map(({ event }) => ({ _id: Number(event.n), weight: Number(event.n) % 10 })))
  },
)

/** Takes letters out of the inbox: each is in it, or counted here. */
export const sweep = cron('* * * * *', async ({ db, now }) => {
  const swept = db.collection<Swept>('swept')
  const letters = await db.collection<Letter>('inbox').find().sort({ _id: 1 }).limit(5_000).toArray()
  const before = (await swept.findOne({ _id: 'all' })) ?? { letters: 0, weight: 0, runs: 0 }
  const weight = letters.reduce((sum, letter) => sum + letter.weight, 0)
  const after = {
    letters: before.letters + letters.length,
    weight: before.weight + weight,
    runs: before.runs + 1,
  }
  await swept.replaceOne({ _id: 'all' }, after, { upsert: true })
  for (const { _id } of letters) await db.collection<Letter>('inbox').deleteOne({ _id })
  await db
    .collection<{ _id: number; at: string }>('runs')
    .insertOne({ _id: after.runs, at: now().toISOString() })
})

export const open = query(({ db }) => db.collection('sessions').countDocuments())
