import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUOTA_DEFAULTS } from '../../../host/limits.ts'
import { startHost, type TestHost } from '../../support/host.ts'

const COURSE = 'course-v1:edX+DemoX+2026'
const OTHER = 'course-v1:edX+OtherX+2026'

let lyceum: TestHost
let student: string
let instructor: string
let researcher: string
beforeAll(async () => {
  lyceum = await startHost()
  student = await lyceum.token({ role: 'student', user: 'sam', courses: [COURSE] })
  instructor = await lyceum.token({ role: 'instructor', user: 'ina', courses: [COURSE] })
  researcher = await lyceum.token({ role: 'researcher', user: 'rex' })
  await lyceum.publish('asked', SOURCE)
  // So that CPU time is used up before the wall time is, however busy the machine.
  await lyceum.call('PATCH', '/v1/plugins/asked/quota', { body: { wallMs: 60_000 } })
})
afterAll(() => lyceum.dispose())

const SOURCE = `
  import { Binary, collection, Decimal128, Long, ObjectId, onEvent, query, t, view } from '@lyceum/sdk'

  export const echo = query({
    params: {
      from: t.date().optional(),
      limit: t.number({ default: 10, min: 1, max: 100, integer: true }),
      sorted: t.boolean({ default: false }),
      kind: t.enum(['short', 'long'], { default: 'short' }),
      needle: t.string({ max: 8 }).optional(),
      must: t.string({ default: '-' }),
    },
  }, ({ params }) => ({ ...params, isDate: params.from instanceof Date }))
  export const needed = query({ params: { word: t.string() } }, ({ params }) => params.word)

  export const nobody = query(() => 'anyone')
  export const mine = query(({ user }) => user)
  export const ours = query(({ course }) => course)
  export const both = query(({ user, course }) => [user, course])
  export const inVideo = query(({ course, video }) => [course, video])
  export const who = query(({ viewer }) => viewer)
  export const times = query(({ now }) => [now(), typeof now().getTime()])

  export const types = collection({ indexes: [{ n: 1 }] })
  export const keep = onEvent('keep', ({ events, db }) => {
    for (const e of events)
      db.collection('types').insertOne({
        _id: new ObjectId('0123456789abcdef01234567'), date: new Date(0), long: new Long('9007199254740993'),
        decimal: new Decimal128('0.10'), binary: new Binary(new Uint8Array([1, 2, 3])), n: 1, none: null,
      })
  })
  export const stored = query(({ db }) => db.collection('types').findOne())
  export const again = query(async ({ plugins: { self } }) => {
    const { _id, date, long, decimal, binary } = await self.stored()
    return {
      id: _id instanceof ObjectId, date: date instanceof Date, long: long instanceof Long && long.toString(),
      decimal: decimal instanceof Decimal128 && decimal.toString(), binary: binary instanceof Binary && [...binary.bytes],
    }
  })

  export const nothing = query(() => undefined)
  export const large = query(() => 'x'.repeat(5 * 1024 * 1024))
  export const circle = query(() => { const a: { a?: object } = {}; a.a = a; return a })
  export const tooMany = query(async ({ db }) => {
    for (let n = 0; n < 501; n++) await db.collection('none').findOne({ _id: n })
  })
  export const writes = query(({ db }) => (db as never as { collection(n: string): { insertOne(d: object): Promise<object> } })
    .collection('types').insertOne({ n: 2 }))
  export const slow = query(() => new Promise(() => {}))
  export const spins = query(() => { for (;;) {} })

  export const fails = query(({ user }) => {
    const nobody: { name?: { length: number } } = {}
    return nobody.name!.length + user.length
  })
  export const rejects = query(async () => { await Promise.resolve(); throw 'a text' })
  export const page = view(() => '<p>hi</p>')
`

const ask = (path: string, token?: string) =>
  lyceum.call('GET', `/v1/queries/asked/${path}`, token === undefined ? {} : { token })
const as = async (path: string, token?: string) => {
  const { status, json } = await ask(path, token)
  return status === 200 ? json : [status, json.code]
}
const course = `course=${encodeURIComponent(COURSE)}`
const other = `course=${encodeURIComponent(OTHER)}`

describe('parameters', () => {
  test('come with their types and defaults', async () => {
    expect(await as('echo')).toEqual({ limit: 10, sorted: false, kind: 'short', must: '-', isDate: false })
    expect(await as('echo?from=2026-09-01&limit=5&sorted=true&kind=long&needle=hay&must=')).toEqual({
      from: '2026-09-01T00:00:00.000Z',
      limit: 5,
      sorted: true,
      kind: 'long',
      needle: 'hay',
      must: '',
      isDate: true,
    })
  })

  test.each([
    ['echo?limit=ten', 'limit is "ten". Give a whole number from 1 to 100'],
    ['echo?limit=0', 'limit is "0". Give a whole number from 1 to 100'],
    ['echo?limit=1.5', 'limit is "1.5"'],
    ['echo?limit=1e999', 'limit is "1e999"'],
    ['echo?limit=1&limit=2', 'limit is given twice. Give it once'],
    ['echo?sorted=yes', 'sorted is "yes". Give true or false'],
    ['echo?kind=middle', 'kind is "middle". Give one of short, long'],
    ['echo?from=yesterday', 'from is "yesterday". Give a day'],
    ['echo?from=2026-02-30', 'from is "2026-02-30"'],
    ['echo?needle=longerthan8', 'needle is "longerthan8"'],
    ['echo?limti=5', 'limti does not exist. Did you mean `limit`?'],
    ['echo?constructor=1', 'constructor does not exist'],
    ['needed', 'word is missing. Give'],
    ['nobody?a=1', 'a does not exist. There are no parameters here'],
  ])('%s is refused with what to give', async (path, expected) => {
    const { status, json } = await ask(path)
    expect([status, json.code]).toEqual([400, 'bad_parameter'])
    expect(json.detail).toContain(expected)
    expect(json.parameter).toBe(/^The parameter (\S+)/.exec(json.detail)?.[1])
  })

  test('of the host are passed over, and dimensions that the query does not ask for are refused: it would not narrow to them', async () => {
    expect(await as('nobody?format=json')).toBe('anyone')
    for (const dimension of ['course', 'user', 'video']) {
      const { status, json } = await ask(`nobody?${dimension}=x`)
      expect([status, json.code, json.parameter]).toEqual([400, 'bad_parameter', dimension])
      expect(json.detail).toContain(`leave ${dimension} out`)
    }
  })
})

describe('whom and what a result is about', () => {
  test('a student gets their own, whatever the address says', async () => {
    expect(await as('mine', student)).toBe('sam')
    expect(await as('mine?user=sam', student)).toBe('sam')
    expect(await as('mine?user=tom', student)).toEqual([403, 'user_denied'])
    expect(await as(`both?${course}`, student)).toEqual(['sam', COURSE])
    expect(await as(`both?${other}`, student)).toEqual([403, 'course_denied'])
    expect(await as(`both?${course}&user=tom`, student)).toEqual([403, 'user_denied'])
    expect(await as(`ours?${course}`, student)).toEqual([403, 'role_denied'])
    expect(await as('nobody', student)).toBe('anyone')
  })

  test('an instructor chooses a person within their courses', async () => {
    expect(await as(`ours?${course}`, instructor)).toBe(COURSE)
    expect(await as(`ours?${other}`, instructor)).toEqual([403, 'course_denied'])
    expect(await as(`both?${course}&user=tom`, instructor)).toEqual(['tom', COURSE])
    expect(await as(`both?${other}&user=tom`, instructor)).toEqual([403, 'course_denied'])
    expect(await as('mine?user=tom', instructor)).toEqual([403, 'user_denied'])
  })

  test('a researcher sees courses and no single person', async () => {
    expect(await as(`ours?${other}`, researcher)).toBe(OTHER)
    expect(await as(`both?${course}&user=tom`, researcher)).toEqual([403, 'user_denied'])
  })

  test('an admin says whom, and is told where they have not', async () => {
    expect(await as(`both?${other}&user=tom`)).toEqual(['tom', OTHER])
    const { status, json } = await ask(`both?${other}`)
    expect([status, json.code, json.parameter]).toEqual([400, 'bad_parameter', 'user'])
    expect(json.detail).toContain('say which, user=')
    expect(await as(`inVideo?${course}&video=v1`)).toEqual([COURSE, 'v1'])
    expect((await ask(`inVideo?${course}`)).json.detail).toContain('say which, video=')
  })

  test('a token narrowed to other plugins does not open it; an ingest token opens none', async () => {
    const narrow = await lyceum.token({ role: 'student', user: 'sam', plugins: ['another'] })
    expect(await as('nobody', narrow)).toEqual([403, 'plugin_denied'])
    expect(await as('nobody', await lyceum.token({ role: 'ingest' }))).toEqual([403, 'role_denied'])
  })

  test('the viewer is the caller as the host verified it', async () => {
    expect(await as('who', student)).toEqual({ user: 'sam', role: 'student', courses: [COURSE] })
    expect(await as('who')).toEqual({ user: '', role: 'admin', courses: [] })
  })
})

describe('results', () => {
  test('say which version and how much of the log they come from', async () => {
    const { headers } = await ask('nobody')
    expect(headers.get('lyceum-version')).toBe('1.0.0')
    expect(headers.get('lyceum-log-position')).toMatch(/^\d+$/)
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('leave as plain JSON, and keep their types on the way to another plugin', async () => {
    await lyceum.send([{ event_type: 'keep', id: 'k1' }])
    expect(await as('stored')).toEqual({
      _id: '0123456789abcdef01234567',
      date: '1970-01-01T00:00:00.000Z',
      long: '9007199254740993',
      decimal: '0.10',
      binary: 'AQID',
      n: 1,
      none: null,
    })
    expect(await as('again')).toEqual({
      id: true,
      date: true,
      long: '9007199254740993',
      decimal: '0.10',
      binary: [1, 2, 3],
    })
  })

  test('may be nothing, which is null', async () => {
    expect((await ask('nothing')).text).toBe('null')
  })

  test('know the time', async () => {
    const before = Date.now()
    const [now, type] = await as('times')
    expect(type).toBe('number')
    expect(Date.parse(now)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(now)).toBeLessThanOrEqual(Date.now())
  })
})

describe('a plugin that fails', () => {
  test('shows author and admin where, in their own lines, and nobody else', async () => {
    const { status, headers, json } = await ask('fails?user=tom')
    expect([status, json.code]).toEqual([502, 'plugin_failed'])
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(json).toMatchObject({ plugin: 'asked', endpoint: 'fails' })
    expect(json.detail).toMatch(/^asked\.fails: TypeError: Cannot read properties of undefined/)
    const line = SOURCE.split('\n').findIndex((text) => text.includes('nobody.name!.length')) + 1
    expect(json.stack).toContain(`plugin.ts:${line}`)
    expect(json.stack).not.toContain('lyceum:')

    const author = await lyceum.token({ role: 'author', user: 'ann', courses: [COURSE] })
    expect((await ask('fails', author)).json.stack).toContain(`plugin.ts:${line}`)
    for (const token of [student, researcher]) {
      const { text, json } = await ask('fails', token)
      expect(json.code).toBe('plugin_failed')
      expect(text).not.toMatch(/plugin\.[jt]s/)
      expect(json.stack).toBeUndefined()
    }
  })

  test('is reported even where it throws what is no error', async () => {
    const { json } = await ask('rejects')
    expect(json.code).toBe('plugin_failed')
    expect(json.detail).toContain('throw new Error')
  })

  test.each([
    ['large', 502, 'over_output'],
    ['circle', 502, 'plugin_failed'],
    ['tooMany', 502, 'over_ops'],
    ['writes', 403, 'write_denied'],
    ['spins', 502, 'over_cpu'],
  ])('%s ends with %i %s, and the next call is served', async (path, status, code) => {
    await lyceum.call('PATCH', '/v1/plugins/asked/quota', { body: { opsPerCall: 500, cpuMsPerCall: 500 } })
    const answer = await ask(path)
    const { opsPerCall, cpuMsPerCall } = QUOTA_DEFAULTS
    await lyceum.call('PATCH', '/v1/plugins/asked/quota', { body: { opsPerCall, cpuMsPerCall } })
    expect([answer.status, answer.json.code]).toEqual([status, code])
    expect(answer.json.detail).toMatch(/\S+ \S+ \S+/)
    expect(await as('nobody')).toBe('anyone')
  })

  test('to end, because it awaits nothing, is told so at once', async () => {
    const { status, json } = await ask('slow')
    expect([status, json.code]).toEqual([502, 'plugin_failed'])
    expect(json.detail).toContain('It awaits something that never happens')
  })
})

describe('what does not exist is refused with what there is', () => {
  test.each([
    ['/v1/queries/askd/nobody', 'plugin_unknown', 'Did you mean `asked`?'],
    ['/v1/queries/asked/nobdy', 'endpoint_unknown', 'Did you mean `nobody`?'],
    ['/v1/queries/asked/page', 'endpoint_unknown', 'has no query "page"'],
    ['/v1/queries/asked/keep', 'endpoint_unknown', 'has no query "keep"'],
    ['/v1/queries/asked/__proto__', 'endpoint_unknown', 'It has: again, both, '],
    ['/v1/queries/constructor/nobody', 'plugin_unknown', 'There is no plugin "constructor"'],
  ])('%s', async (path, code, expected) => {
    const { status, json } = await lyceum.call('GET', path)
    expect([status, json.code]).toEqual([404, code])
    expect(json.detail).toContain(expected)
  })
})
