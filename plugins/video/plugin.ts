import { collection, html, onEvent, query, t, view } from '@lyceum/sdk'

interface Video {
  course: string
  /** The video's id, as its LMS names it. */
  video: string
  plays: number
  pauses: number
  seeks: number
}

interface StoredVideo extends Video {
  _id: string
}

export const videos = collection({ indexes: [{ course: 1, plays: -1 }] })

/** Which number an event adds to. The apps of edX have names of their own for the same. */
const COUNTS = new Map<string, 'plays' | 'pauses' | 'seeks'>([
  ['play_video', 'plays'],
  ['edx.video.played', 'plays'],
  ['pause_video', 'pauses'],
  ['edx.video.paused', 'pauses'],
  ['seek_video', 'seeks'],
])

/** Counts what learners do with each video. */
export const count = onEvent(
  {
    where: {
      event_type: ['play_video', 'edx.video.played', 'pause_video', 'edx.video.paused', 'seek_video'],
      'event.id': { $exists: true },
    },
  },
  async ({ events, db }) => {
    const videos = db.collection<StoredVideo>('videos')
    for (const e of events) {
      const { course = '' } = e.props
      const video = e.event.id
      const added = { plays: 0, pauses: 0, seeks: 0 }
      const counted = COUNTS.get(e.props.type)
      if (counted) added[counted] = 1
      await videos.updateOne(
        { _id: JSON.stringify([course, video]) },
        { $inc: added, $setOnInsert: { course, video } },
        { upsert: true },
      )
    }
  },
)

/** The videos played most in a course. */
export const top = query(
  { params: { limit: t.number({ default: 10, min: 1, max: 100, integer: true }) } },
  ({ db, course, params }) =>
    db
      .collection<StoredVideo>('videos')
      .find({ course, plays: { $gt: 0 } })
      .sort({ plays: -1, video: 1 })
      .limit(params.limit)
      .project<Video>({ _id: 0 })
      .toArray(),
)

/** All videos of all courses. */
export const totals = query(({ db }) =>
  db
    .collection<StoredVideo>('videos')
    .find()
    .sort({ course: 1, video: 1 })
    .project<Video>({ _id: 0 })
    .toArray(),
)

/** The videos played most in a course, and how often learners paused and jumped in them. */
export const popular = view({ title: 'Most played videos' }, async ({ plugins: { self }, course }) => {
  const videos = await self.top<Video[]>({ course })
  if (videos.length === 0) return html`<p>No videos have been played in this course yet.</p>`
  const most = Math.max(...videos.map(({ plays }) => plays))
  return html`
    <style>
      .videos { --bar: #2f6fc4; width: 100% }
      @media (prefers-color-scheme: dark) { .videos { --bar: #7fb2f5 } }
      .videos td { vertical-align: top }
      .videos td:first-child { width: 100%; font-size: 0.9em; overflow-wrap: anywhere }
      .videos td + td, .videos th + th { text-align: right; font-variant-numeric: tabular-nums }
      .videos svg { display: block; width: 100%; margin: 0.2em 0 }
      .videos rect { fill: var(--bar) }
      .videos small { opacity: 0.8 }
    </style>
    <table class="videos">
      <thead><tr><th scope="col">Video</th><th scope="col">Plays</th></tr></thead>
      <tbody>${videos.map(
        ({ video, plays, pauses, seeks }) => html`
        <tr>
          <td>
            ${video}
            <svg height="10" aria-hidden="true"><rect width="${(100 * plays) / most}%" height="10" rx="2"/></svg>
            <small>Pauses: ${pauses} · Jumps: ${seeks}</small>
          </td>
          <td>${plays}</td>
        </tr>`,
      )}
      </tbody>
    </table>`
})
