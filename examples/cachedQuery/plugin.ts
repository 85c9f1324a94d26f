import { html, onEvent, query, view } from '@lyceum/sdk'

interface Moment {
  hour: number
}

/** Keeps when something happened, and nothing else. */
export const record = onEvent(async ({ events, db }) => {
  const moments = db.collection<Moment>('moments')
  await moments.insertMany(
    events.map(({ props }) => ({ hour: new Date(props.time ?? props.received).getUTCHours() })),
  )
})

/**
 * How much happened in each hour of the day. It reads everything that was kept, so its answer is kept for a minute:
 * a thousand people who ask within it cost one reading.
 */
export const byHour = query({ cacheSeconds: 60 }, ({ db }) =>
  db
    .collection<Moment>('moments')
    .aggregate<{ hour: number; events: number }>([
      { $group: { _id: '$hour', events: { $sum: 1 } } },
      { $sort: { events: -1, _id: 1 } },
      { $project: { _id: 0, hour: '$_id', events: 1 } },
    ])
    .toArray(),
)

/** The three busiest hours. */
export const busiest = view(async ({ plugins: { self } }) => {
  const hours = await self.byHour<{ hour: number; events: number }[]>()
  return html`<ol>${hours.slice(0, 3).map(({ hour, events }) => html`<li>${hour}:00 UTC: ${events} events</li>`)}</ol>`
})
