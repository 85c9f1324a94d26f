import { collection, html, onEvent, query, table, view } from '@lyceum/sdk'

interface Plays {
  course: string
  video: string
  n: number
}

/** What is kept: one document for each video of a course. The index makes the query below fast. */
export const plays = collection({ indexes: [{ course: 1, n: -1 }] })

/** Counts how often each video is played. Each event is counted once, whatever happens. */
export const count = onEvent('play_video', async ({ events, db }) => {
  const plays = db.collection<Plays & { _id: string }>('plays')
  for (const e of events) {
    const course = e.props.course ?? ''
    const video = String(e.event.id)
    await plays.updateOne(
      { _id: `${course}/${video}` },
      { $inc: { n: 1 }, $setOnInsert: { course, video } },
      { upsert: true },
    )
  }
})

/** The ten videos played most in a course. */
export const top = query(({ db, course }) =>
  db
    .collection<Plays>('plays')
    .find({ course })
    .sort({ n: -1, video: 1 })
    .limit(10)
    .project<Plays>({ _id: 0 })
    .toArray(),
)

/** What learners of a course watch most. */
export const popular = view(async ({ plugins: { self }, course }) => {
  const videos = await self.top({ course })
  return html`<h2>What is watched</h2>
${table(videos, { columns: ['video', { key: 'n', label: 'Plays' }], empty: 'No video has been played yet.' })}`
})
