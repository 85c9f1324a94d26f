/** What plugins write to ask each other must compile, and mistakes must not. Checked by `tsc`. */
import { collection, cron, type Html, html, onEvent, query, t, view } from '@lyceum/sdk'

interface Grade {
  readonly user: string
  readonly points: number
}

export const list = query(
  { names: ['courseGrades', 'gradesOf'], params: { limit: t.number({ default: 3 }) } },
  ({ db, course, params }) =>
    db.collection<Grade>('grades').find({ user: course }).limit(params.limit).toArray(),
)

export const mean = query(async ({ plugins: { grades, courseGrades }, course }) => {
  const all: Grade[] = (await grades?.list?.<Grade[]>({ course })) ?? []
  const common: Grade[] = (await courseGrades?.<Grade[]>({ course, limit: 3, since: new Date() })) ?? []
  return [...all, ...common].reduce((sum, { points }) => sum + points, 0)
})

export const page = view(
  async ({ plugins: { grades, self }, course }) =>
    html`<h1>${course}</h1>${await grades?.chart?.<Html>({ course })}${await self.part?.<Html>({ course })}`,
)

export const busiest = query(async ({ plugins: { video } }) => {
  const plays = video?.collection<{ _id: string; n: number }>('plays')
  const most: { n: number } | null | undefined = await plays?.findOne({ n: { $gt: 1 } })
  const names: string[] | undefined = await plays?.distinct('_id')
  return [most?.n, names, await plays?.aggregate<{ n: number }>([{ $count: 'n' }]).toArray()]
})

export const plays = collection({ indexes: [{ course: 1 }], read: ['report'] })
export const open = collection({ read: '*' })

export const remind = cron({ schedule: '0 7 * * 1', asUsers: true }, async ({ plugins: { grades } }) => {
  await grades?.total?.<number>({ user: 'ann' })
})
export const each = onEvent({ where: { event_type: 'x' }, asUsers: true }, () => {})

// @ts-expect-error TS2339: nothing of another plugin is written
export const a1 = query(({ plugins: { video } }) => video?.collection('plays').insertOne({}))
// @ts-expect-error TS2353: a field that the documents do not have
export const a2 = query(({ plugins: { video } }) => video?.collection<Grade>('grades').findOne({ grade: 1 }))
// @ts-expect-error TS2353: arguments are parameters, not data
export const a3 = query(({ plugins: { grades } }) => grades?.list?.({ of: { course: 'c' } }))
// @ts-expect-error TS2345: arguments have names
export const a4 = query(({ plugins: { courseGrades } }) => courseGrades?.('c'))
// @ts-expect-error TS2322: readers are a list
export const a5 = collection({ read: 'report' })
// @ts-expect-error TS2353: names are of queries
export const a6 = view({ names: ['courseGrades'] }, () => '')
// @ts-expect-error TS2353: a query has somebody who asks, or asks nobody about people
export const a7 = query({ asUsers: true }, () => 1)
