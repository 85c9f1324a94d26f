import { html, onEvent, query, view } from '@lyceum/sdk'

interface Work {
  _id: string
  course: string
  user: string
  lastMs: number
  ms: number
}

/** A pause that is longer is no work: whoever comes back has been away. */
const LONGEST_PAUSE_MS = 10 * 60_000

/** Adds up the time between a learner's events, as far as it is no pause: one read, and one write for each learner. */
export const measure = onEvent(async ({ events, db }) => {
  const work = db.collection<Work>('work')
  const seen = new Map<string, Work>()
  const idOf = ({ props }: (typeof events)[number]) => JSON.stringify([props.course, props.user])
  for (const one of await work.find({ _id: { $in: [...new Set(events.map(idOf))] } }).toArray())
    seen.set(one._id, one)
  for (const e of events) {
    const { course, user, time } = e.props
    if (!course || !user || !time) continue
    const atMs = Date.parse(time)
    const one = seen.get(idOf(e)) ?? { _id: idOf(e), course, user, lastMs: atMs, ms: 0 }
    const pauseMs = atMs - one.lastMs
    // Events may come late: what lies before the last one that is known adds nothing.
    if (pauseMs > 0 && pauseMs <= LONGEST_PAUSE_MS) one.ms += pauseMs
    one.lastMs = Math.max(one.lastMs, atMs)
    seen.set(one._id, one)
  }
  for (const one of seen.values()) await work.replaceOne({ _id: one._id }, one, { upsert: true })
})

/** The hours that a learner has spent on a course. */
export const hours = query(async ({ db, course, user }) => {
  const one = await db.collection<Work>('work').findOne({ course, user })
  return Math.round((one?.ms ?? 0) / 360_000) / 10
})

/** The same in words. */
export const spent = view(
  async ({ plugins: { self }, course, user }) =>
    html`<p>${await self.hours<number>({ course, user })} hours on task.</p>`,
)
