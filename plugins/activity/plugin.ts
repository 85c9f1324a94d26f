import { collection, type Database, onEvent, query, type ReadOnlyDatabase, view } from '@lyceum/sdk'
import { type Day, dayChart } from './chart.ts'

/** That a learner was there on a day: one document, however much they did. */
interface Presence {
  _id: string
  course: string
  day: string
}

interface DayOfCourse extends Day {
  _id: string
  course: string
}

/** Stands for all courses together, and for events that lie in none. */
const ALL = ''

export const days = collection({ indexes: [{ course: 1, day: 1 }] })

/** Counts a learner once a day, in each course and in all. */
export const record = onEvent(async ({ events, db }) => {
  const inCourse = new Map<string, Presence>()
  const anywhere = new Map<string, Presence>()
  for (const { props } of events) {
    if (props.user === undefined) continue
    const day = (props.time ?? props.received).slice(0, 10)
    if (props.course) note(inCourse, { course: props.course, day }, props.user)
    note(anywhere, { course: ALL, day }, props.user)
  }
  await countNew(db, inCourse)
  await countNew(db, anywhere)
})

function note(presences: Map<string, Presence>, at: { course: string; day: string }, user: string): void {
  // A list as text: unlike `course/day/user` it is never the same for two, whatever the names hold.
  const _id = JSON.stringify([at.course, at.day, user])
  presences.set(_id, { _id, ...at })
}

/** One read for the whole batch, and then writes for those only who are seen for the first time that day. */
async function countNew(db: Database, noted: Map<string, Presence>): Promise<void> {
  const presences = db.collection<Presence>('presences')
  const known = new Set(await presences.distinct('_id', { _id: { $in: [...noted.keys()] } }))
  for (const presence of noted.values()) {
    if (known.has(presence._id)) continue
    const { course, day } = presence
    await presences.insertOne(presence)
    await db
      .collection<DayOfCourse>('days')
      .updateOne(
        { _id: JSON.stringify([course, day]) },
        { $inc: { learners: 1 }, $setOnInsert: { course, day } },
        { upsert: true },
      )
  }
}

/** How many different learners were active in a course, for each day (UTC) on which any was. */
export const daily = query(({ db, course }) => daysOf(db, course))

/** How many different learners were active in any course, for each day (UTC) on which any was. */
export const dailyAll = query(({ db }) => daysOf(db, ALL))

/** How many different learners were active in a course on each day. */
export const perDay = view({ title: 'Active learners' }, async ({ db, course, now }) =>
  dayChart(await daysOf(db, course), now(), 'Nobody has been active in this course yet.'),
)

/** How many different learners were active on each day, in all courses together. */
export const overall = view({ title: 'Active learners in all courses' }, async ({ db, now }) =>
  dayChart(await daysOf(db, ALL), now(), 'Nobody has been active yet.'),
)

function daysOf(db: ReadOnlyDatabase, course: string): Promise<Day[]> {
  return db
    .collection<DayOfCourse>('days')
    .find({ course })
    .sort({ day: 1 })
    .project<Day>({ _id: 0, day: 1, learners: 1 })
    .toArray()
}
