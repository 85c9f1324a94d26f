/** What must compile: the design's own examples, and what authors write next. Checked by `tsc`, never run. */
import {
  chart,
  collection,
  cron,
  type Document,
  html,
  type LmsEvent,
  Long,
  ObjectId,
  onEvent,
  property,
  query,
  t,
  table,
  type Viewer,
  view,
} from '@lyceum/sdk'

interface Play {
  _id: string
  n: number
  course: string
  video: string
  seen?: Date
  tags?: string[]
}

export const hello = view(() => html`<h1>Hello world!</h1>`)
export const greet = view(({ user }) => html`<h1>Hello ${user}</h1>`)
export const plain = view(async () => '<p>plain</p>')
export const nothing = view({ title: 'Nothing' }, () => null)

export const count = onEvent('play_video', async ({ events, db }) => {
  const plays = db.collection<Play>('plays')
  for (const e of events) {
    const id: string = e.event.id
    await plays.updateOne(
      { _id: `${e.context.course_id}/${id}` },
      { $inc: { n: 1 }, $setOnInsert: { course: e.context.course_id, video: e.event.id } },
      { upsert: true },
    )
  }
})

interface Answers {
  _id: string
  flags: number
  scores: { n: number }[]
}

export const bits = onEvent('problem_check', async ({ db }) => {
  const answers = db.collection<Answers>('answers')
  await answers.updateOne({ flags: { $bitsAllSet: [0, 2] } }, { $bit: { flags: { or: 4 } } })
  await answers.updateMany(
    {},
    { $set: { 'scores.$[low].n': 0 }, $currentDate: { 'at.day': { $type: 'date' } } },
    { arrayFilters: [{ 'low.n': { $lt: 5 } }] },
  )
  await answers.updateOne({ 'scores.n': 5 }, { $inc: { 'scores.$.n': new Long(1) } })
})

export const paged = query(async ({ db }) => {
  const cursor = db.collection<Answers>('answers').find({ $comment: 'all' }).sort({ flags: -1 })
  let flags = 0
  if (await cursor.hasNext()) for await (const answer of cursor) flags |= answer.flags
  await cursor.close()
  return flags
})

export const each = onEvent({ where: { event_type: ['seek_video', 'play_video'] } }, ({ event, db, log }) => {
  log('at', event.event.id)
  log.warn(event.props.type, event.props.received)
  return db.collection('seeks').insertOne({ at: event.time, video: event.event.id })
})

export const grades = onEvent(
  { where: { event_type: 'problem_check', event_source: 'server' } },
  ({ event }) => {
    const grade: number = event.event.grade
    const questions = Object.values(event.event.submission ?? {}).map((answer) => answer?.question)
    return [grade, questions]
  },
)
export const fromBoth = onEvent('problem_check', ({ event }) =>
  event.event_source === 'server' ? event.event.problem_id : typeof event.event,
)
export const several = onEvent(
  { where: { event_type: { $in: ['play_video', 'seek_video', 'my.own'] }, 'context.course_id': 'x' } },
  ({ events }) => {
    let seconds = 0
    for (const e of events) {
      if (e.event_type === 'play_video') seconds += e.event.currentTime
      else if (e.event_type === 'seek_video') seconds += e.event.new_time - e.event.old_time
      else if (e.event.whatever === (e.event_type satisfies 'my.own')) seconds++
    }
    return seconds
  },
)
export const switched = onEvent({ where: { event_type: ['seq_next', 'book'] } }, ({ event }) => {
  switch (event.event_type) {
    case 'book':
      return event.event.type === 'nextpage' ? event.event.chapter : event.event.new
    case 'seq_next':
      return event.event.new - event.event.old
  }
})
const userOf = (event: LmsEvent) => event.username
export const passedOn = onEvent({ where: { event_type: ['problem_check', 'play_video'] } }, ({ events }) =>
  events.map(userOf),
)
export const byName = onEvent({ where: { name: 'edx.bookmark.added' } }, ({ event }) => {
  const bookmark: string = event.event.bookmark_id
  return bookmark
})
export const byProps = onEvent({ where: { 'props.type': ['edx.team.created'] } }, ({ event }) => {
  const team: string = event.event.team_id
  return team
})
export const severalDerived = onEvent(
  { where: { event_type: ['play_video', 'pause_video'] }, props: ['tincan.actor'] },
  ({ event }) =>
    event.event_type === 'play_video' ? event.props.tincan?.actor?.name : event.event.currentTime,
)

export const unknownType = onEvent('my.own.event', ({ events }) => {
  const first: LmsEvent | undefined = events[0]
  return first?.event.anything
})

declare module '@lyceum/sdk' {
  interface DerivedProps {
    'tincan.actor': { readonly name: string }
  }
}

export const actor = property(
  { namespace: 'tincan', when: { event_type: 'play_video' } },
  ({ event, now }) => {
    const video: string = event.event.id
    return { name: event.username ?? video, since: now().getTime() }
  },
)

export const bare = property(({ event, log }) => {
  if (event.username === undefined) log.warn('nobody')
  return event.username
})

export const derived = onEvent(
  {
    where: { event_type: 'play_video', 'props.tincan.actor': { $exists: true } },
    props: ['tincan.actor', 'tincan.verb', 'bare'],
  },
  async ({ events, db }) => {
    for (const e of events) {
      const name: string | undefined = e.props.tincan?.actor?.name
      const received: string = e.props.received
      await db
        .collection('seen')
        .insertOne({ name, verb: e.props.tincan?.verb, bare: e.props.bare, received, video: e.event.id })
    }
  },
)

export const filtered = onEvent(
  {
    where: {
      event_type: 'edx.course.enrollment.activated',
      'context.course_id': { $exists: true, $ne: '' },
      $or: [{ event_source: 'server' }, { $not: { username: null } }],
    },
    mode: 'realtime',
    from: 'now',
  },
  ({ events, db, now }) =>
    db
      .collection('enrolled')
      .insertMany(events.map((e) => ({ who: e.event.user_id, mode: e.event.mode, at: now() }))),
)

/** The ten videos played most in a course. */
export const top = query(({ db, course }) =>
  db.collection<Play>('plays').find({ course }).sort({ n: -1 }).limit(10).toArray(),
)

export const recent = query(
  {
    title: 'Recent',
    params: {
      from: t.date().optional(),
      limit: t.number({ default: 10, min: 1, max: 100, integer: true }),
      order: t.enum(['up', 'down'], { default: 'up' }),
      search: t.string({ max: 40 }),
      all: t.boolean({ default: false }),
    },
  },
  async ({ db, params, viewer, cohort }) => {
    const from: Date | undefined = params.from
    const limit: number = params.limit
    const order: 'up' | 'down' = params.order
    const search: string = params.search
    const all: boolean = params.all
    const who: Viewer = viewer
    const plays = await db
      .collection<Play>('plays')
      .find({
        n: { $gte: 1 },
        video: { $in: [search] },
        tags: 'new',
        ...(from && !all ? { seen: { $gt: from } } : {}),
      })
      .sort({ n: order === 'up' ? 1 : -1 })
      .limit(limit)
      .project<{ n: number }>({ n: 1 })
      .toArray()
    return { who: who.role, cohort, most: plays[0]?.n ?? 0, at: new Date(), id: new ObjectId() }
  },
)

export const days = query(async ({ db }) => {
  const rows: { _id: string; learners: number }[] = []
  for await (const row of db
    .collection('days')
    .aggregate<{ _id: string; learners: number }>([{ $match: { day: '2026-09-01' } }, { $sort: { _id: 1 } }]))
    rows.push(row)
  return rows
})

export const page = view(
  { params: { course2: t.string().optional() } },
  async ({ plugins: { self }, course, params }) => {
    const plays = (await self.top?.<Play[]>({ course })) ?? []
    return html`<h1 title="${params.course2}">${course}</h1><ul>${plays.map((p) => html`<li>${p.video}: ${p.n}</li>`)}</ul>`
  },
)

export const keptTop = query({ cacheSeconds: 240, title: 'Top' }, ({ db, course }) =>
  db.collection<Play>('plays').find({ course }).toArray(),
)
export const keeps = query(async ({ cache, plugins: { self }, course }) => {
  const seen: number = await cache.memoize(`seen/${course}`, 60, async () => 7)
  const at: Date | undefined = await cache.get<Date>('at')
  await cache.set('at', new Date(), { seconds: 60 })
  const was: boolean = await cache.delete('at')
  const plays = await self.keptTop?.<Play[]>({ course }, { cache: 'only' })
  return { seen, at, was, plays }
})
export const warm = cron('*/3 * * * *', async ({ plugins: { self }, cache }) => {
  await self.keptTop?.({ course: 'x' }, { cache: 'refresh' })
  await self.keptTop?.clear()
  await cache.delete('at')
})

export const tidy = cron('0 4 * * *', ({ db }) => db.collection<Play>('plays').deleteMany({ n: { $lt: 2 } }))

export const report = cron({ schedule: '*/5 * * * *', title: 'Report' }, async ({ db, log }) => {
  const plays = db.collection<Play>('plays')
  const { modifiedCount } = await plays.updateMany({ course: 'x' }, { $set: { n: 0 } }, { ack: true })
  const { deletedCount } = await plays.deleteOne({ _id: 'x' }, { ack: true })
  const { insertedId } = await plays.insertOne({ n: 1, course: 'c', video: 'v' })
  const made: string = insertedId
  const bulk = await plays.bulkWrite([{ deleteOne: { filter: { _id: made } } }], { ack: true })
  const unknowns: Document | null = await db.collection('other').findOne({ 'a.b': 1 })
  const videos: string[] = await plays.distinct('video')
  log.info(modifiedCount, deletedCount, bulk.matchedCount, unknowns, videos)
})

interface Day {
  day: string
}

export const untyped = cron('0 0 * * *', async ({ db }) => {
  const any = db.collection('any')
  await any.updateOne({ _id: 'x', n: { $gt: 1 } }, { $inc: { n: 1 }, $push: { list: 1 }, $set: { 'a.b': 1 } })
  const found: Document | null = await any.findOne({ _id: new ObjectId() })
  const { insertedId } = await db.collection<Day>('days').insertOne({ day: '2026-09-01' })
  const made: ObjectId = insertedId
  const day = await db.collection<Day>('days').findOne({ _id: made })
  return [found?.n, day?._id.toString(), day?.day]
})

export const plays = collection({
  indexes: [
    { course: 1, n: -1 },
    { keys: { video: 1 }, unique: true },
  ],
})

export const writesFiles = onEvent('play_video', async ({ events, fs }) => {
  await fs.write('a.txt', 'text')
  await fs.write('a.bin', new Uint8Array([1]), { type: 'application/x-own', expire: 60 })
  await fs.writeJson('a.json', { n: events.length })
  await fs.append('log.csv', 'x,y\n')
  const gone: boolean = await fs.delete('a.txt')
  const kept: boolean = await fs.expire('a.bin', null)
  return [gone, kept]
})

export const drawsPlot = view(async ({ fs, course }) => {
  await fs.write(`plots/${course}.png`, new Uint8Array(), { expire: 3_600 })
  const address: string = await fs.url(`plots/${course}.png`, { seconds: 60 })
  const bytes: Uint8Array | null = await fs.read('a.bin', { from: 1, bytes: 2 })
  const model = await fs.readJson<{ n: number }>('model.json')
  const newest: Date | undefined = (await fs.list('plots/', { limit: 1 }))[0]?.modified
  return html`<img src="${address}">${bytes?.length}${model?.n}${newest?.toISOString()}${(await fs.stat('a'))?.bytes}`
})

export const enrolled = query(
  ({ replica: { lms }, course }) =>
    lms.sql<{ username: string }>`SELECT username FROM auth_user WHERE course_id = ${course}`,
)

export const readsReplicas = onEvent('play_video', async ({ events, replica: { lms, other }, db }) => {
  const users = [...new Set(events.map((event) => String(event.context.user_id)))]
  for await (const row of lms.sql<{
    id: number
    joined: Date
  }>`SELECT id, joined FROM auth_user WHERE id IN (${users})`)
    await db.collection('joined').insertOne({ user: row.id, at: row.joined })
  const [unknown] = await lms.sql`SELECT ${1}, ${null}, ${new Date()}, ${true}, ${new Long(1)}`
  const threads = await other
    ?.collection<{ _id: string; n: number }>('threads')
    .find({ n: { $gt: 1 } }, { limit: 5 })
  const counted = lms
    .collection('threads')
    .aggregate<{ _id: string; n: number }>([{ $sortByCount: '$course' }])
  for await (const { n } of counted) if (n > 1) return [unknown?.id, threads?.[0]?.n]
  return []
})

interface Watched {
  video: string
  n: number
  day: Date
  section: string | null
}

export const looks = view(async ({ plugins: { self }, db }) => {
  const rows = await db.collection<Watched>('watched').find().toArray()
  return [
    html`<h2>${rows.length}</h2>`,
    chart.bar(rows, { x: 'video', y: 'n', color: 'section', sort: '-y', stack: 'share', aggregate: 'mean' }),
    chart.line(rows, { x: 'day', y: 'n', labels: { n: 'Times' }, format: { n: 'integer' }, height: 300 }),
    rows.length > 1 && chart.area(rows, { x: 'day', y: 'n' }),
    [chart.heatmap(rows, { x: 'day', y: 'video', color: 'n' }), null],
    chart.histogram(rows, { x: 'n', bins: 10, title: 'How often' }),
    chart.timeline(rows, { y: 'video', start: 'day', end: 'day' }),
    chart.spec({ data: { values: rows }, mark: 'point' }, { description: 'Points.' }),
    table(rows, {
      columns: ['video', { key: 'n', label: 'Times', align: 'right', cell: (row) => html`<b>${row.n}</b>` }],
    }),
    table((await self.top?.<{ a: number }[]>()) ?? [], { title: 'All', limit: 10, empty: 'None.' }),
    html`<section>${chart.bar(rows, { x: 'video', y: 'n' })}</section>`,
  ]
})
