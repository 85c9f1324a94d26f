import { chart, collection, onEvent, query, view } from '@lyceum/sdk'

interface Problem {
  _id: string
  course: string
  problem: string
  attempts: number
  correct: number
}

/** A row of the chart. */
interface Difficulty {
  problem: string
  attempts: number
  /** Attempts that were not correct, from 0 to 1. */
  wrong: number
}

export const problems = collection({ indexes: [{ course: 1 }] })

/** Counts attempts at each problem. The server's event tells whether they were correct; the browser's does not. */
export const attempts = onEvent(
  { where: { event_type: 'problem_check', event_source: 'server', 'event.problem_id': { $exists: true } } },
  async ({ events, db }) => {
    const problems = db.collection<Problem>('problems')
    for (const e of events) {
      const course = e.props.course ?? ''
      const problem = String(e.event.problem_id)
      await problems.updateOne(
        { _id: `${course}/${problem}` },
        {
          $inc: { attempts: 1, correct: e.event.success === 'correct' ? 1 : 0 },
          $setOnInsert: { course, problem },
        },
        { upsert: true },
      )
    }
  },
)

/** How hard each problem of a course is, the hardest first. */
export const difficulty = query(async ({ db, course }) => {
  const problems = await db.collection<Problem>('problems').find({ course }).toArray()
  return problems
    .map(
      ({ problem, attempts, correct }): Difficulty => ({
        // The last part of the problem's key, which is long.
        problem: problem.split('@').at(-1) ?? problem,
        attempts,
        wrong: 1 - correct / attempts,
      }),
    )
    .sort((a, b) => b.wrong - a.wrong || b.attempts - a.attempts)
})

/** Which problems learners get wrong most: for those who teach the course. */
export const hardest = view(async ({ plugins: { self }, course }) => {
  const problems = await self.difficulty({ course })
  return chart.bar(problems.slice(0, 15), {
    x: 'problem',
    y: 'wrong',
    title: 'Wrong attempts by problem',
    empty: 'Nobody has tried a problem of this course yet.',
  })
})
