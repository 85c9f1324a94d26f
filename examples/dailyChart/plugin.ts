import { chart, collection, onEvent, query, view } from '@lyceum/sdk'

interface Day {
  _id: string
  course: string
  day: string
  events: number
}

export const days = collection({ indexes: [{ course: 1, day: 1 }] })

/** Counts a course's events by day. It adds up what a batch holds, and writes once for each day in it. */
export const count = onEvent({ where: { 'props.course': { $exists: true } } }, async ({ events, db }) => {
  const batch = Map.groupBy(
    events,
    ({ props }) => `${props.course}/${(props.time ?? props.received).slice(0, 10)}`,
  )
  for (const [_id, { length }] of batch) {
    const at = _id.lastIndexOf('/')
    const [course, day] = [_id.slice(0, at), _id.slice(at + 1)]
    await db
      .collection<Day>('days')
      .updateOne({ _id }, { $inc: { events: length }, $setOnInsert: { course, day } }, { upsert: true })
  }
})

/** How much happened in a course on each day. */
export const perDay = query(({ db, course }) =>
  db
    .collection<Day>('days')
    .find({ course })
    .sort({ day: 1 })
    .project<Pick<Day, 'day' | 'events'>>({ _id: 0, day: 1, events: 1 })
    .toArray(),
)

/** The same as a chart. Its data stand below it as a table, and it is described for those who do not see it. */
export const activity = view(async ({ plugins: { self }, course }) =>
  chart.area(await self.perDay<Pick<Day, 'day' | 'events'>[]>({ course }), {
    x: 'day',
    y: 'events',
    title: 'Events by day',
    empty: 'Nothing has happened in this course yet.',
  }),
)
