/** What must not compile: each line is a mistake that an author's editor has to underline. Checked by `tsc`. */
import { chart, collection, cron, html, onEvent, property, query, t, table, view } from '@lyceum/sdk'

interface Play {
  _id: string
  n: number
  course: string
}

// @ts-expect-error TS2339: a view has no events
export const a1 = view(({ events }) => String(events))
// @ts-expect-error TS2339: a misspelt dimension
export const a2 = view(({ coarse }) => html`${coarse}`)
// @ts-expect-error TS2345: a view must return something to show
export const a3 = view(() => {})
// @ts-expect-error TS2322: a view does not return data
export const a4 = view(() => ({ n: 1 }))
// @ts-expect-error TS2339: a view does not write
export const a5 = view(({ db }) => db.collection('plays').insertOne({}).then(String))
// @ts-expect-error TS2339: a facility that does not exist
export const a6 = view(({ fetch }) => String(fetch))
// @ts-expect-error TS2353: a view without a handler
export const a7 = view({ title: 'x' })
// @ts-expect-error TS2561: an option that does not exist
export const a8 = view({ titel: 'x' }, () => '')

// @ts-expect-error TS2820: an axis is a field of the rows
export const r1 = view(() => chart.bar([{ video: 'a', n: 1 }], { x: 'vidoe', y: 'n' }))
// @ts-expect-error TS2741: a bar needs a length
export const r2 = view(() => chart.bar([{ video: 'a', n: 1 }], { x: 'video' }))
// @ts-expect-error TS2322: a column is a field of the rows
export const r3 = view(() => table([{ video: 'a' }], { columns: ['n'] }))
// @ts-expect-error TS2741: a chart of one's own says what it shows
export const r4 = view(() => chart.spec({ mark: 'bar' }, {}))
// @ts-expect-error TS2322: rows are objects
export const r5 = view(() => table([1, 2]))
// @ts-expect-error TS2740: a chart takes rows, not the promise of them
export const r6 = view(({ db }) => chart.histogram(db.collection<Play>('plays').find().toArray(), { x: 'n' }))
// @ts-expect-error TS2322: a way to write numbers that there is not
export const r7 = view(() => table([{ n: 1 }], { columns: [{ key: 'n', format: 'euro' }] }))

// @ts-expect-error TS2339: a query does not write
export const b1 = query(({ db }) => db.collection<Play>('plays').deleteMany({}))
// @ts-expect-error TS2551: a parameter that was not declared
export const b2 = query({ params: { limit: t.number() } }, ({ params }) => params.limt)
// @ts-expect-error TS2345: a query does not return functions
export const b3 = query(() => () => 1)
// @ts-expect-error TS2322: a comparison with the wrong type
export const b4 = query(({ db }) => db.collection<Play>('plays').find({ n: 'many' }).toArray())
// @ts-expect-error TS2353: a field that the documents do not have
export const b5 = query(({ db }) => db.collection<Play>('plays').find({ m: 1 }).toArray())
// @ts-expect-error TS2322: a cursor is not data yet: toArray() is missing
export const b6 = query(({ db }) => db.collection<Play>('plays').find())
// @ts-expect-error TS2561: a misspelt operator
export const b7 = query(({ db }) => db.collection<Play>('plays').countDocuments({ n: { $gret: 1 } }))
// @ts-expect-error TS18048: an optional parameter may be undefined
export const b8 = query({ params: { from: t.date().optional() } }, ({ params }) => params.from.getTime())
// @ts-expect-error TS2322: a parameter without a schema
export const b9 = query({ params: { from: 'date' } }, () => 1)

// @ts-expect-error TS2554: how long a value is kept has to be said
export const b10 = query(({ cache }) => cache.set('key', 1).then(String))
// @ts-expect-error TS2345: nothing is nothing to keep
export const b11 = query(({ cache }) => cache.set('key', undefined, { seconds: 1 }).then(String))
// @ts-expect-error TS2345: the seconds come before the function
export const b12 = query(({ cache }) => cache.memoize('key', () => 1, 60))
// @ts-expect-error TS2322: a wish that does not exist
export const b13 = query(({ plugins: { self } }) => self.top?.({}, { cache: 'never' }))
// @ts-expect-error TS2353: views keep no answers: the queries that they ask do
export const b14 = view({ cacheSeconds: 60 }, () => '')

// @ts-expect-error TS2345: a statement is a template, so that values stay values
export const b15 = query(({ replica: { lms } }) => lms.sql('SELECT 1'))
// @ts-expect-error TS2353: a value is a scalar or a list of them
export const b16 = query(({ replica: { lms } }) => lms.sql`SELECT ${{ a: 1 }}`)
// @ts-expect-error TS2339: replicas are only read
export const b17 = query(({ replica: { lms } }) => lms.collection('a').insertOne({}))

// @ts-expect-error TS2339: a handler of events has no viewer
export const c1 = onEvent('play_video', ({ viewer }) => viewer)
// @ts-expect-error TS2339: a handler of events is about no one user
export const c2 = onEvent('play_video', ({ user }) => user)
// @ts-expect-error TS2322: play_video has no field of this name that is a number
export const c3 = onEvent('play_video', ({ event }): number => event.event.id)
// @ts-expect-error TS2339: events cannot be changed
export const c4 = onEvent('play_video', ({ events }) => events.push())
// @ts-expect-error TS2769: a mode that does not exist
export const c5 = onEvent({ mode: 'fast' }, () => {})
// @ts-expect-error TS2769: filters have no regular expressions
export const c6 = onEvent({ where: { name: { $regex: 'x' } } }, () => {})
// @ts-expect-error TS2339: counts need { ack: true }
export const c7 = onEvent(async ({ db }) => (await db.collection('x').deleteMany({})).deletedCount)
// @ts-expect-error TS2353: $inc of a text
export const c8 = onEvent(({ db }) => db.collection<Play>('plays').updateOne({}, { $inc: { course: 1 } }))
// @ts-expect-error TS2322: $set of the wrong type
export const c9 = onEvent(({ db }) => db.collection<Play>('plays').updateOne({}, { $set: { n: '1' } }))
// @ts-expect-error TS2345: a document without one of its fields
export const c10 = onEvent(({ db }) => db.collection<Play>('plays').insertOne({ n: 1 }))

// @ts-expect-error TS2339: a cron job has no parameters
export const d1 = cron('0 4 * * *', ({ params }) => params)
// @ts-expect-error TS2554: a cron job needs a schedule
export const d2 = cron(() => {})
// @ts-expect-error TS2339: a cron job has no course
export const d3 = cron('0 4 * * *', ({ course }) => course)

// @ts-expect-error TS2322: an index is 1 or -1
export const e1 = collection({ indexes: [{ n: 2 }] })
// @ts-expect-error TS2353: an object cannot be shown
export const e2 = html`${{ a: 1 }}`
// @ts-expect-error TS2322: a default that is none of the words
export const e3 = t.enum(['a', 'b'], { default: 'c' })
// @ts-expect-error TS2322: a default of the wrong type
export const e4 = t.number({ default: '10' })

// @ts-expect-error TS2554: a file that a view writes expires
export const f1 = view(({ fs }) => fs.write('a', 'x').then(String))
// @ts-expect-error TS2339: a query does not append
export const f2 = query(({ fs }) => fs.append('a', 'x'))
// @ts-expect-error TS2339: a view deletes no files
export const f3 = view(({ fs }) => fs.delete('a').then(String))
// @ts-expect-error TS2353: a value is written with writeJson
export const f4 = cron('0 4 * * *', ({ fs }) => fs.write('a', { n: 1 }))
// @ts-expect-error TS2531: there may be no such file
export const f5 = query(async ({ fs }) => (await fs.readText('a')).length)

// @ts-expect-error TS2322: a property is worked out at once: it cannot wait
export const g1 = property(async ({ event }) => event.username)
// @ts-expect-error TS2339: a property has no database
export const g2 = property(({ db }) => String(db))
// @ts-expect-error TS2345: a property is no function
export const g3 = property(() => () => 1)
// @ts-expect-error TS2561: a misspelt option
export const g4 = property({ namspace: 'tincan' }, () => 1)
// @ts-expect-error TS2322: a filter of a property has no regular expressions either
export const g5 = property({ when: { name: { $regex: 'x' } } }, () => 1)

const moves = { where: { event_type: ['play_video', 'seek_video'] } } as const
// @ts-expect-error TS18049: a misspelt field of a video's event is of no known type
export const h1 = onEvent('play_video', ({ event }) => event.event.currentTme.toFixed())
// @ts-expect-error TS18049: the browser's problem_check has a form and no grade
export const h3 = onEvent('problem_check', ({ event }) => event.event.grade.toFixed())
// @ts-expect-error TS18049: seek_video has old_time and new_time
export const h4 = onEvent('seek_video', ({ event }) => event.event.currentTime.toFixed())
// @ts-expect-error TS2322: which of the two it is has to be looked at first
export const h5 = onEvent(moves, ({ event }): number => event.event.new_time)
// @ts-expect-error TS2367: a type that the filter does not let through
export const h6 = onEvent(moves, ({ event }) => event.event_type === 'stop_video')
// @ts-expect-error TS2339: a property that the handler did not ask for
export const h7 = onEvent({ props: ['tincan.actor'] }, ({ event }) => event.props.tincan?.verb)
// @ts-expect-error TS18048: a derived property may be missing
export const h8 = onEvent({ props: ['tincan.actor'] }, ({ event }) => event.props.tincan.actor)
// @ts-expect-error TS2769: the time at which it happened may be missing
export const h9 = onEvent('play_video', ({ event }) => new Date(event.time).getTime())
// @ts-expect-error TS2339: a handler takes a batch or one event by these names
export const h10 = onEvent('play_video', ({ evnts }) => evnts)
// @ts-expect-error TS2769: an option of queries
export const h11 = onEvent({ where: { event_type: 'x' }, params: {} }, () => {})
// @ts-expect-error TS2769: a list in $in
export const h12 = onEvent({ where: { event_type: { $in: 'play_video' } } }, () => {})

// @ts-expect-error TS2322: a collection's readers are names
export const i1 = collection({ read: [1] })
// @ts-expect-error TS2554: a collection has no handler
export const i2 = collection({ indexes: [] }, () => {})
// @ts-expect-error TS2322: a minimum is a number
export const i3 = query({ params: { limit: t.number({ min: '1' }) } }, () => 1)
// @ts-expect-error TS2367: a parameter of one word of a few
export const i4 = query({ params: { by: t.enum(['a', 'b']) } }, ({ params }) => params.by === 'c')
// @ts-expect-error TS2345: a promise is not markup: await it
export const i5 = view(async ({ plugins: { self } }) => html`${self.part?.({})}`)
// @ts-expect-error TS2561: a misspelt option of a job
export const i6 = cron({ schdule: '0 4 * * *' }, () => {})
// @ts-expect-error TS2353: a field that the documents do not have
export const i7 = cron('0 4 * * *', ({ db }) => db.collection<Play>('plays').deleteMany({ nn: 1 }))
// @ts-expect-error TS2345: progress is a number
export const i8 = cron('0 4 * * *', ({ progress }) => progress('half'))
