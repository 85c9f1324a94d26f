import { collection, html, onEvent, query, view } from '@lyceum/sdk'

interface Plays {
  _id: string
  course: string
  video: string
  n: number
}

/** Finding the videos of one course, the most played first, is quick with this, however many there are. */
export const plays = collection({ indexes: [{ course: 1, n: -1 }] })

/** Runs on each event once: one document per video, and a counter in it. Awaited or not, writes go out together. */
export const count = onEvent('play_video', async ({ events, db }) => {
  const plays = db.collection<Plays>('plays')
  for (const e of events) {
    const { course = '' } = e.props
    const video = e.event.id
    await plays.updateOne(
      { _id: `${course}/${video}` },
      { $inc: { n: 1 }, $setOnInsert: { course, video } },
      { upsert: true },
    )
  }
})

/** The five videos played most in a course. */
export const top = query(({ db, course }) =>
  db.collection<Plays>('plays').find({ course }).sort({ n: -1, video: 1 }).limit(5).toArray(),
)

/** The same as a list. */
export const popular = view(async ({ plugins: { self }, course }) => {
  const videos = await self.top<Plays[]>({ course })
  return html`<ol>${videos.map(({ video, n }) => html`<li>${video}: ${n} plays</li>`)}</ol>`
})
