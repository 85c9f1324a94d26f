import { collection, onEvent, property, query, table, view } from '@lyceum/sdk'

/** What a learner did, in words that are the same for every LMS. */
type Activity = 'watch' | 'solve' | 'discuss'

interface Count {
  course: string
  activity: Activity
  n: number
}

/** What one LMS, edX, calls them. A data layer for another LMS has another list. */
const ACTIVITIES: readonly (readonly [RegExp, Activity])[] = [
  [/^(?:play_video|edx\.video\.played)$/, 'watch'],
  [/^problem_check$/, 'solve'],
  [/^edx\.forum\./, 'discuss'],
]

/**
 * What a learner did: at `event.props.study.activity` of every handler, also of other plugins, that lists
 * `study.activity` in its `props`. It is only worked out for events of edX, which name their course like this.
 */
export const activity = property(
  { namespace: 'study', when: { 'context.course_id': { $exists: true } } },
  ({ event }) => ACTIVITIES.find(([type]) => type.test(event.props.type))?.[1],
)

export const counts = collection({ indexes: [{ course: 1 }] })

/** Counts activities. Nothing in here is about edX: events of any LMS with a data layer are counted. */
export const count = onEvent(
  { props: ['study.activity'], where: { 'props.study.activity': { $exists: true } } },
  async ({ events, db }) => {
    const counts = db.collection<Count & { _id: string }>('counts')
    for (const e of events) {
      const course = e.props.course ?? ''
      const activity = e.props.study?.activity as Activity
      await counts.updateOne(
        { _id: `${course}/${activity}` },
        { $inc: { n: 1 }, $setOnInsert: { course, activity } },
        { upsert: true },
      )
    }
  },
)

/** How often learners of a course did what. Other plugins ask for `activityCounts`, whichever plugin answers. */
export const list = query({ names: ['activityCounts'] }, ({ db, course }) =>
  db.collection<Count>('counts').find({ course }).sort({ n: -1 }).project<Count>({ _id: 0 }).toArray(),
)

/** What learners of a course do, whatever the LMS calls it. */
export const activities = view(async ({ plugins: { self }, course }) =>
  table(await self.list({ course }), { columns: ['activity', { key: 'n', label: 'Times' }] }),
)
