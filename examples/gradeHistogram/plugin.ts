import { chart, collection, onEvent, query, table, view } from '@lyceum/sdk'

interface Result {
  _id: string
  course: string
  user: string
  grade: number
}

export const results = collection({ indexes: [{ course: 1, user: 1 }] })

/** Keeps each learner's best grade in each problem, from 0 to 1. */
export const best = onEvent(
  { where: { event_type: 'problem_check', event_source: 'server' } },
  async ({ events, db }) => {
    for (const { event, props } of events) {
      const { course, user } = props
      const { grade = 0, max_grade = 0, problem_id } = event
      if (!course || !user || max_grade === 0) continue
      const _id = JSON.stringify([course, user, problem_id])
      const update = { $max: { grade: grade / max_grade }, $setOnInsert: { course, user } }
      await db.collection<Result>('results').updateOne({ _id }, update, { upsert: true })
    }
  },
)

/** The mean grade of each learner of a course, in percent. */
export const grades = query(({ db, course }) =>
  db
    .collection<Result>('results')
    .aggregate<{ user: string; grade: number }>([
      { $match: { course } },
      { $group: { _id: '$user', grade: { $avg: '$grade' } } },
      { $sort: { grade: -1, _id: 1 } },
      { $project: { _id: 0, user: '$_id', grade: { $round: [{ $multiply: ['$grade', 100] }] } } },
    ])
    .toArray(),
)

/** For those who teach the course: the shape of it, and the five who may need help. A view can return a list. */
export const spread = view(async ({ plugins: { self }, course }) => {
  const all = await self.grades<{ user: string; grade: number }[]>({ course })
  return [
    chart.histogram(all, { x: 'grade', bins: 10, title: 'Learners by mean grade (%)' }),
    table(all.slice(-5), { title: 'The lowest five' }),
  ]
})
