import { collection, html, type LmsEvent, onEvent, query, t, type Viewer, view } from '@lyceum/sdk'

interface Kept {
  _id: string
  /** When it was received, and among those received together when it happened: an order as text. */
  order: string
  /** The whole event, as text: its keys may hold dots and dollar signs, which those of a document may not. */
  json: string
}

interface TypeCount {
  _id: string
  n: number
}

export const events = collection({ indexes: [{ order: -1 }] })

/** Keeps every event, and counts its type. */
export const keep = onEvent(async ({ events, db }) => {
  const kept = db.collection<Kept>('events')
  const types = new Map<string, number>()
  for (const event of events) {
    const { id, type, received, time = '' } = event.props
    const added = { order: `${received} ${time}`, json: JSON.stringify(event) }
    await kept.replaceOne({ _id: id }, added, { upsert: true })
    types.set(type, (types.get(type) ?? 0) + 1)
  }
  for (const [type, n] of types)
    await db.collection<TypeCount>('types').updateOne({ _id: type }, { $inc: { n } }, { upsert: true })
})

const limit = t.number({ default: 50, min: 1, max: 100, integer: true })

/** The events that arrived last, newest first, each as it was sent. */
export const recent = query({ params: { limit } }, async ({ db, params, viewer }) => {
  if (!maySeeEverybody(viewer)) throw new Error(NOT_FOR_ALL)
  const newest = db.collection<Kept>('events').find().sort({ order: -1 }).limit(params.limit)
  return (await newest.toArray()).map(({ json }): LmsEvent => JSON.parse(json))
})

/** How many events of each type there are, the most frequent first. */
export const count = query(async ({ db }) => {
  const types = await db.collection<TypeCount>('types').find().sort({ n: -1 }).toArray()
  return types.map(({ _id, n }) => ({ type: _id, n }))
})

/** The events that arrived last. */
export const dump = view(
  { title: 'Newest events', params: { limit } },
  async ({ plugins: { self }, params, viewer }) => {
    if (!maySeeEverybody(viewer)) return html`<p>${NOT_FOR_ALL}</p>`
    const newest = await self.recent<LmsEvent[]>({ limit: params.limit })
    if (newest.length === 0)
      return html`<p>No events have arrived yet. They show here as the LMS sends them.</p>`
    return html`
      <style>
        .dump { width: 100% }
        .dump td { overflow-wrap: anywhere; vertical-align: top }
        .dump td:first-child { width: 6.5em }
        .dump small { display: block; opacity: 0.75 }
        .dump pre { white-space: pre-wrap; font-size: 0.8em }
      </style>
      <table class="dump">
        <thead><tr><th scope="col">Time (UTC)</th><th scope="col">Event</th></tr></thead>
        <tbody>${newest.map(row)}</tbody>
      </table>`
  },
)

function row(event: LmsEvent) {
  const { type, time, received, user, course } = event.props
  const [day, clock] = (time ?? received).slice(0, 19).split('T')
  return html`
    <tr>
      <td>${day} <small>${clock}</small></td>
      <td>
        <strong>${type || 'an event without a type'}</strong>
        <small>${[user, course].filter(Boolean).join(' · ')}</small>
        <details><summary>Whole event</summary><pre>${JSON.stringify(event, null, 2)}</pre></details>
      </td>
    </tr>`
}

const NOT_FOR_ALL = 'Raw events name people, so only admins and researchers of all courses may see them.'

function maySeeEverybody({ role, courses }: Viewer): boolean {
  return role === 'admin' || (role === 'researcher' && courses.length === 0)
}
