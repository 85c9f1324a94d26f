import { collection, html, onEvent, query, view } from '@lyceum/sdk'

interface Learner {
  _id: string
  course: string
  user: string
  solved: string[]
  points: number
}

export const learners = collection({ indexes: [{ course: 1, points: -1 }] })

/** A point for each problem that a learner solves, the first time. */
export const score = onEvent(
  { where: { event_type: 'problem_check', event_source: 'server' } },
  async ({ events, db }) => {
    for (const { event, props } of events) {
      const { course, user } = props
      if (!course || !user || event.success !== 'correct') continue
      const _id = JSON.stringify([course, user])
      const all = db.collection<Learner>('learners')
      await all.updateOne(
        { _id },
        { $setOnInsert: { course, user, solved: [], points: 0 } },
        { upsert: true },
      )
      await all.updateOne(
        { _id, solved: { $ne: event.problem_id } },
        { $push: { solved: event.problem_id }, $inc: { points: 1 } },
      )
    }
  },
)

/** One learner's points, and how many have more. It counts everyone, and tells about nobody else. */
export const rank = query(async ({ db, course, user }) => {
  const all = db.collection<Learner>('learners')
  const own = await all.findOne({ course, user })
  const points = own?.points ?? 0
  const ahead = await all.countDocuments({ course, points: { $gt: points } })
  return { points, rank: ahead + 1, of: await all.countDocuments({ course }) }
})

/** The same in words. A student sees their own, an instructor that of whom they choose. */
export const place = view(async ({ plugins: { self }, course, user }) => {
  const { points, rank, of } = await self.rank<{ points: number; rank: number; of: number }>({ course, user })
  return html`<p>${points} problems solved: place ${rank} of ${of}.</p>`
})
