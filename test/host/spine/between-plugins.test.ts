import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

const COURSE = 'course-v1:edX+DemoX+2026'

let lyceum: TestHost
let student: string
beforeAll(async () => {
  lyceum = await startHost()
  student = await lyceum.token({ role: 'student', user: 'sam', courses: [COURSE] })
  await lyceum.publish('grades', GRADES)
  await lyceum.publish('report', REPORT)
})
afterAll(() => lyceum.dispose())

const GRADES = `
  import { query, t } from '@lyceum/sdk'
  export const mine = query(({ user }) => 'grade of ' + user)
  export const ofCourse = query(({ course }) => 'grades of ' + course)
  export const asker = query(({ viewer }) => viewer)
  export const since = query({ params: { from: t.date(), limit: t.number({ default: 3 }) } }, ({ params }) =>
    [params.from instanceof Date, params.from, params.limit])
  export const fails = query(() => { throw new Error('secret line') })
  export const one = query(() => 1)
  export const hidden = query(() => 'not asked for')
`
const REPORT = `
  import { query, cron, onEvent, t } from '@lyceum/sdk'
  export const mine = query(({ plugins: { grades }, user }) => grades.mine({ user }))
  export const unsaid = query(({ plugins: { grades } }) => grades.mine())
  export const forged = query(({ plugins: { grades } }) => grades.mine({ user: 'tom' }))
  export const forgedCourse = query(({ plugins: { grades } }) => grades.ofCourse({ course: 'course-v1:x+y+z' }))
  export const asker = query(({ plugins: { grades } }) => grades.asker())
  export const dates = query(({ plugins: { grades } }) => grades.since({ from: new Date(1000) }))
  export const wrong = query(({ plugins: { grades } }) => grades.since({ from: 'never' }))
  export const unknown = query(({ plugins: { grades } }) => grades.nothing())
  export const caught = query(async ({ plugins: { grades } }) => {
    try { await grades.fails() } catch (error) { return { ...error, message: error.message, stack: undefined } }
  })
  export const uncaught = query(({ plugins: { grades } }) => grades.fails())
  export const sneaks = query(({ plugins: { self } }) => [typeof self.one, Object.keys(self), 'grades' in self])

  export const deep = query({ params: { n: t.number() } }, async ({ plugins: { self }, params }) =>
    params.n === 0 ? 0 : 1 + await self.deep({ n: params.n - 1 }))
  export const wide = query({ params: { n: t.number() } }, async ({ plugins: { grades }, params }) => {
    let sum = 0
    for (let i = 0; i < params.n; i++) sum += await grades.one()
    return sum
  })
  export const wideAtOnce = query({ params: { n: t.number() } }, async ({ plugins: { grades }, params }) =>
    (await Promise.all(Array.from({ length: params.n }, () => grades.one()))).length)
  export const both = query({ params: { n: t.number(), m: t.number() } }, async ({ plugins: { self }, params }) => {
    let sum = 0
    for (let i = 0; i < params.n; i++) sum += await self.wide({ n: params.m })
    return sum
  })

  export const job = onEvent('job', async ({ events, plugins: { grades }, db }) => {
    const course = await grades.ofCourse({ course: 'c' })
    const user = await grades.mine({ user: 'tom' }).catch((error) => error.code)
    const viewer = await grades.asker().catch((error) => error.code)
    await db.collection('said').insertOne({ course, user, viewer })
  })
  export const said = query(({ db }) => db.collection('said').find().project({ _id: 0 }).toArray())
`
const ask = (path: string, token?: string) =>
  lyceum.call('GET', `/v1/queries/report/${path}`, token === undefined ? {} : { token })
const as = async (path: string, token?: string) => {
  const { status, json } = await ask(path, token)
  return status === 200 ? json : [status, json.code]
}

describe('a call from plugin to plugin', () => {
  test('is made as the person who asked', async () => {
    expect(await as('mine', student)).toBe('grade of sam')
    expect(await as('unsaid', student)).toBe('grade of sam')
    expect(await as('asker', student)).toEqual({ user: 'sam', role: 'student', courses: [COURSE] })
  })

  test('cannot reach whom or what that person may not see', async () => {
    expect(await as('forged', student)).toEqual([403, 'user_denied'])
    expect(await as('forgedCourse', student)).toEqual([403, 'role_denied'])
    const instructor = await lyceum.token({ role: 'instructor', user: 'ina', courses: [COURSE] })
    expect(await as('forgedCourse', instructor)).toEqual([403, 'course_denied'])
    expect(await as('forged')).toBe('grade of tom')
  })

  test('takes parameters with their types and checks them', async () => {
    expect(await as('dates')).toEqual([true, '1970-01-01T00:00:01.000Z', 3])
    const { json } = await ask('wrong')
    expect([json.code, json.detail]).toEqual(['bad_parameter', expect.stringContaining('from is "never"')])
  })

  test('to a query that does not exist is refused with those that do', async () => {
    const { json } = await ask('unknown')
    expect([json.code, json.detail]).toEqual(['endpoint_unknown', expect.stringContaining('It has: asker, ')])
  })

  test('that fails tells the caller code and message, and nothing of the code behind', async () => {
    const caught = await as('caught')
    expect(caught).toEqual({
      code: 'plugin_failed',
      message: 'grades.fails: secret line',
      name: 'LyceumError',
    })
    const { text, json } = await ask('uncaught')
    expect([json.code, json.plugin]).toEqual(['plugin_failed', 'report'])
    expect(text).toContain('grades.fails: secret line')
    const line = GRADES.split('\n').findIndex((text) => text.includes('secret line')) + 1
    expect(json.stack ?? '').not.toContain(`plugin.ts:${line}:`)
  })

  test('reaches no more than the names that were destructured', async () => {
    expect(await as('sneaks')).toEqual(['function', [], false])
  })

  test('of an approval that was taken back is denied', async () => {
    lyceum.host.catalogue.setGranted('report', [])
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: {} })
    expect(await as('asker')).toEqual([403, 'op_denied'])
    lyceum.host.catalogue.setGranted('report', ['plugins.grades'])
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: {} })
    expect(await as('asker')).toMatchObject({ role: 'admin' })
  })
})

describe('a tree of calls', () => {
  test('is four deep at most', async () => {
    expect(await as('deep?n=4')).toBe(4)
    const { json } = await ask('deep?n=5')
    expect([json.code, json.detail]).toEqual(['over_depth', expect.stringContaining('4 deep')])
  })

  test('has 32 calls at most, one after the other or at once, over all its branches', async () => {
    expect(await as('wide?n=32')).toBe(32)
    expect(await as('wide?n=33')).toEqual([502, 'over_depth'])
    expect((await ask('wide?n=33')).json.detail).toContain('32 times')
    expect(await as('wideAtOnce?n=32')).toBe(32)
    expect(await as('wideAtOnce?n=33')).toEqual([502, 'over_depth'])
    expect(await as('both?n=2&m=15')).toBe(30)
    expect(await as('both?n=2&m=16')).toEqual([502, 'over_depth'])
  })

  longTest(
    'uses together no more CPU time than its root may, also where it asks for all at once',
    async () => {
      await lyceum.publish(
        'spender',
        `import { query } from '@lyceum/sdk'
       export const costly = query(() => { let x = 0; for (let n = 0; n < 3e7; n++) x = (x + n) % 7; return x })
       export const all = query(async ({ plugins: { self } }) =>
         (await Promise.all(Array.from({ length: 32 }, () => self.costly()))).length)`,
      )
      const cpuMsPerCall = 400
      await lyceum.call('PATCH', '/v1/plugins/spender/quota', { body: { cpuMsPerCall, wallMs: 60_000 } })
      expect((await lyceum.call('GET', '/v1/queries/spender/costly')).status).toBe(200)
      expect((await lyceum.call('GET', '/v1/queries/spender/all')).json.code).toBe('over_cpu')
      const { usage, conduct } = (await lyceum.call('GET', '/v1/plugins/spender')).json
      // The single call, the tree, and what is noticed late.
      expect(usage.cpuMs).toBeLessThan(3 * cpuMsPerCall)
      expect(conduct.strikes).toBeLessThanOrEqual(1)
    },
  )

  longTest('lays a used-up budget to who used it, not to who was asked last', async () => {
    await lyceum.publish(
      'asked',
      "import { query } from '@lyceum/sdk'\nexport const small = query(() => { let x = 0; for (let n = 0; n < 3e7; n++) x = (x + n) % 7; return x })",
    )
    await lyceum.publish(
      'blamer',
      `import { query } from '@lyceum/sdk'
       export const blame = query(({ plugins: { asked } }) => asked.small().catch((error) => error.code))`,
    )
    await lyceum.call('PATCH', '/v1/plugins/blamer/quota', { body: { cpuMsPerCall: 20 } })
    // What it asked for has used up its own time too, and neither of them used that much alone.
    expect((await lyceum.call('GET', '/v1/queries/blamer/blame')).json.code).toBe('over_cpu')
    for (const id of ['asked', 'blamer']) {
      const { conduct } = (await lyceum.call('GET', `/v1/plugins/${id}`)).json
      expect(conduct).toMatchObject({ strikes: 0, onProbation: false })
    }
  })

  test('does not wait for the places that other calls of its own plugin hold', async () => {
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { concurrentCalls: 4 } })
    const answers = await Promise.all(Array.from({ length: 4 }, () => as('deep?n=4')))
    expect(answers).toEqual([4, 4, 4, 4])
  })

  test('of a handler asks about courses, and never about people: nobody asks there', async () => {
    await lyceum.send([{ event_type: 'job', id: 'j' }])
    expect(await as('said')).toEqual([{ course: 'grades of c', user: 'op_denied', viewer: 'op_denied' }])
  })
})
