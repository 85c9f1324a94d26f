import { chart, html, onEvent, property, query, view } from '@lyceum/sdk'

interface Play {
  readonly _id: string
  readonly n: number
  readonly course: string
}

const AS_LOOP = { where: { event_type: 'bench_loop' } } as const
const AS_DERIVED = { where: { event_type: 'bench_derived' }, props: ['bench.video'] } as const
const AS_BULK = { where: { event_type: 'bench_bulk' } } as const
const WAITED_FOR = { where: { event_type: 'bench_live' }, mode: 'realtime' } as const

/** The loop that every author writes: one upsert an event. */
export const loop = onEvent(AS_LOOP, async ({ events, db }) => {
  const plays = db.collection<Play>('plays')
  for (const e of events)
    await plays.updateOne(
      { _id: String(e.event.id) },
      { $inc: { n: 1 }, $setOnInsert: { course: e.context.course_id ?? '' } },
      { upsert: true },
    )
})

/** What an event is about, as another plugin would say it. */
export const video = property({ namespace: 'bench', when: { event_type: 'bench_derived' } }, ({ event }) =>
  String(event.event.id),
)

/** The same loop over what was derived. */
export const derived = onEvent(AS_DERIVED, async ({ events, db }) => {
  const plays = db.collection<Play>('plays')
  for (const e of events)
    await plays.updateOne(
      { _id: String(e.props.bench?.video) },
      { $inc: { n: 1 }, $setOnInsert: { course: e.context.course_id ?? '' } },
      { upsert: true },
    )
})

/** The same effects in one call, written by hand. */
export const bulk = onEvent(AS_BULK, async ({ events, db }) => {
  const writes = events.map((e) => ({
    updateOne: {
      filter: { _id: String(e.event.id) },
      update: { $inc: { n: 1 }, $setOnInsert: { course: e.context.course_id ?? '' } },
      upsert: true,
    },
  }))
  await db.collection<Play>('plays').bulkWrite(writes)
})

/** A handler that its sender waits for. */
export const live = onEvent(WAITED_FOR, async ({ events, db }) => {
  const plays = db.collection<Play>('live')
  for (const e of events)
    await plays.updateOne({ _id: String(e.event.id) }, { $inc: { n: 1 } }, { upsert: true })
})

/** Many upserts of one handler, as the loop that every author writes. */
export const upserts = onEvent(
  { where: { event_type: 'bench_upserts' }, mode: 'realtime' },
  async ({ events, db }) => {
    const videos = db.collection<Play>('upserts')
    for (const e of events) {
      const [turn = 0, count = 0, keys = 0, stride = 0] = [
        e.event.turn,
        e.event.count,
        e.event.keys,
        e.event.stride,
      ].map(Number)
      for (let i = 0; i < count; i++)
        await videos.updateOne(
          { _id: `video-${((turn * count + i) * stride) % keys}` },
          { $inc: { n: 1 } },
          { upsert: true },
        )
    }
  },
)

/** Writes that are waited for one by one. */
export const awaited = onEvent(
  { where: { event_type: 'bench_awaited' }, mode: 'realtime' },
  async ({ events, db }) => {
    const counters = db.collection<Play>('awaited')
    for (const e of events)
      for (let i = 0; i < Number(e.event.count); i++)
        await counters.updateOne({ _id: 'one' }, { $inc: { n: 1 } }, { upsert: true, ack: true })
  },
)

export const hello = view(() => html`<h1>Hello world!</h1>`)

const DAYS = Array.from({ length: 30 }, (_, index) => ({
  day: `2026-06-${String(index + 1).padStart(2, '0')}`,
  plays: (index * 37) % 100,
}))

/** The smallest page with a chart. */
export const drawn = view(() => chart.bar(DAYS, { x: 'day', y: 'plays' }))

/** An answer that is kept. */
export const kept = query({ cacheSeconds: 3_600 }, ({ course }) =>
  Array.from({ length: 10 }, (_, n) => ({ course, video: `video ${n}`, n })),
)
