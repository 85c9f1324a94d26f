/** What must not compile: each line is a mistake that an author's editor has to underline. Checked by `tsc`. */
import { collection, cron, html, onEvent, query, t, view } from '@lyceum/sdk'

interface Play {
  _id: string
  n: number
  course: string
}

// @ts-expect-error a view has no events
export const a1 = view(({ events }) => String(events))
// @ts-expect-error a misspelt dimension
export const a2 = view(({ coarse }) => html`${coarse}`)
// @ts-expect-error a view must return something to show
export const a3 = view(() => {})
// @ts-expect-error a view does not return data
export const a4 = view(() => ({ n: 1 }))
// @ts-expect-error a view does not write
export const a5 = view(({ db }) => db.collection('plays').insertOne({}).then(String))
// @ts-expect-error a facility that does not exist
export const a6 = view(({ fetch }) => String(fetch))
// @ts-expect-error a view without a handler
export const a7 = view({ title: 'x' })
// @ts-expect-error an option that does not exist
export const a8 = view({ titel: 'x' }, () => '')

// @ts-expect-error a query does not write
export const b1 = query(({ db }) => db.collection<Play>('plays').deleteMany({}))
// @ts-expect-error a parameter that was not declared
export const b2 = query({ params: { limit: t.number() } }, ({ params }) => params.limt)
// @ts-expect-error a query does not return functions
export const b3 = query(() => () => 1)
// @ts-expect-error a comparison with the wrong type
export const b4 = query(({ db }) => db.collection<Play>('plays').find({ n: 'many' }).toArray())
// @ts-expect-error a field that the documents do not have
export const b5 = query(({ db }) => db.collection<Play>('plays').find({ m: 1 }).toArray())
// @ts-expect-error a cursor is not data yet: toArray() is missing
export const b6 = query(({ db }) => db.collection<Play>('plays').find())
// @ts-expect-error a misspelt operator
export const b7 = query(({ db }) => db.collection<Play>('plays').countDocuments({ n: { $gret: 1 } }))
// @ts-expect-error an optional parameter may be undefined
export const b8 = query({ params: { from: t.date().optional() } }, ({ params }) => params.from.getTime())
// @ts-expect-error a parameter without a schema
export const b9 = query({ params: { from: 'date' } }, () => 1)

// @ts-expect-error how long a value is kept has to be said
export const b10 = query(({ cache }) => cache.set('key', 1).then(String))
// @ts-expect-error nothing is nothing to keep
export const b11 = query(({ cache }) => cache.set('key', undefined, { seconds: 1 }).then(String))
// @ts-expect-error the seconds come before the function
export const b12 = query(({ cache }) => cache.memoize('key', () => 1, 60))
// @ts-expect-error a wish that does not exist
export const b13 = query(({ plugins: { self } }) => self.top?.({}, { cache: 'never' }))
// @ts-expect-error views keep no answers: the queries that they ask do
export const b14 = view({ cacheSeconds: 60 }, () => '')

// @ts-expect-error a statement is a template, so that values stay values
export const b15 = query(({ replica: { lms } }) => lms.sql('SELECT 1'))
// @ts-expect-error a value is a scalar or a list of them
export const b16 = query(({ replica: { lms } }) => lms.sql`SELECT ${{ a: 1 }}`)
// @ts-expect-error replicas are only read
export const b17 = query(({ replica: { lms } }) => lms.collection('a').insertOne({}))

// @ts-expect-error a handler of events has no viewer
export const c1 = onEvent('play_video', ({ viewer }) => viewer)
// @ts-expect-error a handler of events is about no one user
export const c2 = onEvent('play_video', ({ user }) => user)
// @ts-expect-error play_video has no field of this name that is a number
export const c3 = onEvent('play_video', ({ event }): number => event.event.id)
// @ts-expect-error events cannot be changed
export const c4 = onEvent('play_video', ({ events }) => events.push())
// @ts-expect-error a mode that does not exist
export const c5 = onEvent({ mode: 'fast' }, () => {})
// @ts-expect-error filters have no regular expressions
export const c6 = onEvent({ where: { name: { $regex: 'x' } } }, () => {})
// @ts-expect-error counts need { ack: true }
export const c7 = onEvent(async ({ db }) => (await db.collection('x').deleteMany({})).deletedCount)
// @ts-expect-error $inc of a text
export const c8 = onEvent(({ db }) => db.collection<Play>('plays').updateOne({}, { $inc: { course: 1 } }))
// @ts-expect-error $set of the wrong type
export const c9 = onEvent(({ db }) => db.collection<Play>('plays').updateOne({}, { $set: { n: '1' } }))
// @ts-expect-error a document without one of its fields
export const c10 = onEvent(({ db }) => db.collection<Play>('plays').insertOne({ n: 1 }))

// @ts-expect-error a cron job has no parameters
export const d1 = cron('0 4 * * *', ({ params }) => params)
// @ts-expect-error a cron job needs a schedule
export const d2 = cron(() => {})
// @ts-expect-error a cron job has no course
export const d3 = cron('0 4 * * *', ({ course }) => course)

// @ts-expect-error an index is 1 or -1
export const e1 = collection({ indexes: [{ n: 2 }] })
// @ts-expect-error an object cannot be shown
export const e2 = html`${{ a: 1 }}`
// @ts-expect-error a default that is none of the words
export const e3 = t.enum(['a', 'b'], { default: 'c' })
// @ts-expect-error a default of the wrong type
export const e4 = t.number({ default: '10' })

// @ts-expect-error a file that a view writes expires
export const f1 = view(({ fs }) => fs.write('a', 'x').then(String))
// @ts-expect-error a query does not append
export const f2 = query(({ fs }) => fs.append('a', 'x'))
// @ts-expect-error a view deletes no files
export const f3 = view(({ fs }) => fs.delete('a').then(String))
// @ts-expect-error a value is written with writeJson
export const f4 = cron('0 4 * * *', ({ fs }) => fs.write('a', { n: 1 }))
// @ts-expect-error there may be no such file
export const f5 = query(async ({ fs }) => (await fs.readText('a')).length)
