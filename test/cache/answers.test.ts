import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { LyceumError } from '../../host/errors.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { type Gate, gateOf } from './gate.ts'

const COURSE = 'course-v1:edX+DemoX+2026'

const GRADES = `
  import { cron, html, query, onEvent, t, view } from '@lyceum/sdk'
  const asked = { cacheSeconds: 60, params: { key: t.string({ default: '' }), from: t.date().optional() } }
  const count = (db) => db.collection('a').countDocuments()
  export const plain = query({ ...asked, names: ['plainly'] }, async ({ db, params }) => ({ n: await count(db), key: params.key }))
  export const dates = query(asked, async ({ db }) => ({ at: new Date(await count(db)) }))
  export const mine = query(asked, async ({ db, user }) => ({ n: await count(db), user }))
  export const ofCourse = query(asked, async ({ db, course }) => ({ n: await count(db), course }))
  export const who = query(asked, async ({ db, viewer }) => ({ n: await count(db), viewer }))
  export const fails = query(asked, async ({ db }) => { await count(db); throw new Error('it failed') })
  export const large = query(asked, async ({ db }) => 'x'.repeat(1.5e6 + await count(db)))
  export const loose = query(async ({ db }) => count(db))
  export const composed = query(asked, async ({ db, plugins: { self } }) => ({ n: await count(db), ...await self.asker() }))
  export const asker = query(({ viewer }) => ({ viewer: viewer.user }))
  export const inner = query(asked, async ({ plugins: { self } }) => self.plain())
  export const page = view(async ({ plugins: { self } }) => html\`<p>\${(await self.plain()).n}</p>\`)
  export const isDate = query(async ({ plugins: { self } }) => (await self.dates()).at instanceof Date)
  export const clears = query(({ plugins: { self } }) => self.plain.clear())
  export const fill = onEvent('fill', async ({ events, db }) => { for (const e of events) await db.collection('a').insertOne({ n: 1 }) })
  export const warm = onEvent('warm', async ({ events, plugins: { self } }) => {
    await self.ofCourse({ course: '${COURSE}' }, { cache: 'refresh' })
    await self.plain({ key: 'cleared' }, { cache: 'only' }).catch((error) => { if (error.code !== 'not_cached') throw error })
  })
  export const clear = onEvent('clear', async ({ events, plugins: { self }, db }) => {
    await db.collection('a').insertOne({ n: 1 })
    await self.plain.clear()
  })
`
const REPORT = `
  import { query } from '@lyceum/sdk'
  const asked = { cacheSeconds: 60 }
  export const grades = query(asked, ({ plugins: { grades } }) => grades.plain())
  export const course = query(asked, ({ plugins: { grades } }) => grades.ofCourse({ course: '${COURSE}' }))
  export const refreshed = query(({ plugins: { grades } }) => grades.plain({}, { cache: 'refresh' }))
  export const only = query(({ plugins: { grades } }) => grades.plain({ key: 'never' }, { cache: 'only' }))
  export const clears = query(({ plugins: { grades } }) => grades.plain.clear())
  export const byName = query(({ plugins: { plainly } }) => plainly({}, { cache: 'only' }))
  export const misspelt = query(({ plugins: { grades } }) => grades.plain({}, { cache: 'maybe' }))
`
let lyceum: TestHost
let gate: Gate
let aheadMs = 0
let [ann, ben, ina, ivo, author, stranger]: string[] = []
beforeAll(async () => {
  lyceum = await startHost()
  lyceum.host.caches.nowMs = () => performance.now() + aheadMs
  const { token } = lyceum
  ann = await token({ role: 'student', user: 'ann', courses: [COURSE] })
  ben = await token({ role: 'student', user: 'ben', courses: [COURSE] })
  ina = await token({ role: 'instructor', user: 'ina', courses: [COURSE] })
  ivo = await token({ role: 'instructor', user: 'ina', courses: ['course-v1:other+x+1'] })
  author = await token({ role: 'author', user: 'amy' })
  stranger = await token({ role: 'author', user: 'sue' })
  await lyceum.publish('grades', GRADES, { token: author })
  await lyceum.publish('report', REPORT)
  await lyceum.publish(
    'hello',
    `import { view } from '@lyceum/sdk'; export const hello = view(() => 'hello')`,
  )
  gate = gateOf(lyceum, 'grades')
})
beforeEach(() => {
  gate.reads = 0
  // All that was kept is too old.
  aheadMs += 1_000_000
})
afterAll(() => lyceum.dispose())

const get = (path: string, token: string | undefined, cacheControl?: string) =>
  lyceum.call('GET', `/v1/queries/${path}`, {
    ...(token !== undefined && { token }),
    ...(cacheControl !== undefined && { headers: { 'cache-control': cacheControl } }),
  })
const ask = async (path: string, token?: string, cacheControl?: string) => {
  const { status, json } = await get(path, token, cacheControl)
  return status === 200 ? json : [status, json.code]
}
/** How often the documents are read for some questions: how often they are answered anew. */
const readsFor = async (...questions: (readonly [string, string?, string?])[]) => {
  const before = gate.reads
  for (const question of questions) await ask(...question)
  return gate.reads - before
}

describe('the answer of a query that says cacheSeconds', () => {
  test('is given to all who may ask the same, and says how old it is', async () => {
    const fresh = await get('grades/plain', ann)
    expect([fresh.json, fresh.headers.get('age')]).toEqual([{ n: 0, key: '' }, '0'])
    const { json: events } = await lyceum.send([{ event_type: 'fill' }])
    expect(events.accepted).toBe(1)
    aheadMs += 30_000
    const kept = await get('grades/plain', ben)
    expect([kept.json, kept.headers.get('age'), gate.reads]).toEqual([{ n: 0, key: '' }, '30', 1])
    const position = (answer: typeof kept) => Number(answer.headers.get('lyceum-log-position'))
    expect(position(kept)).toBe(position(fresh))
    expect(lyceum.host.logPosition('grades')).toBeGreaterThan(position(kept))
    expect((await get('grades/loose', ben)).headers.get('age')).toBeNull()
    const { plugins } = (await lyceum.call('GET', '/v1/schema')).json
    const { queries } = plugins.find(({ id }: { id: string }) => id === 'grades')
    expect(queries).toContainEqual(expect.objectContaining({ name: 'plain', cacheSeconds: 60 }))
    aheadMs += 30_001
    const next = await get('grades/plain', ben)
    expect([next.json.n, next.headers.get('age')]).toEqual([1, '0'])
    expect(position(next)).toBe(lyceum.host.logPosition('grades'))
  })

  test('is another for each dimension, parameter and query', async () => {
    expect(await readsFor(['grades/plain'], ['grades/plain?key=a'], ['grades/plain?key=b'])).toBe(3)
    expect(
      await readsFor(['grades/plain?key=a&from=2026-01-01'], ['grades/plain?from=2026-01-01&key=a']),
    ).toBe(1)
    expect(await readsFor(['grades/plain?key=a&from=2026-01-02'])).toBe(1)
    expect(await readsFor(['grades/ofCourse?course=x'], ['grades/ofCourse?course=y'])).toBe(2)
    expect(await readsFor(['grades/plain'], ['grades/plain?key=a'], ['grades/ofCourse?course=x'])).toBe(0)
    expect(await readsFor(['grades/dates'])).toBe(1)
  })

  test('is for the person that it is about', async () => {
    expect(await ask('grades/mine', ann)).toMatchObject({ user: 'ann' })
    expect(await ask('grades/mine', ben)).toMatchObject({ user: 'ben' })
    expect(await ask('grades/mine', ann)).toMatchObject({ user: 'ann' })
    expect(gate.reads).toBe(2)
    expect(await ask('grades/mine?user=ann', ben)).toEqual([403, 'user_denied'])
    // An admin asks about the same person, so it is the same answer.
    expect(await ask('grades/mine?user=ann')).toMatchObject({ user: 'ann' })
    expect(gate.reads).toBe(2)
  })

  test('is a viewer’s own where it names the viewer: user, role and courses', async () => {
    expect(await ask('grades/who', ina)).toMatchObject({ viewer: { user: 'ina', courses: [COURSE] } })
    expect(await ask('grades/who', ivo)).toMatchObject({ viewer: { courses: ['course-v1:other+x+1'] } })
    expect(await ask('grades/who', ann)).toMatchObject({ viewer: { user: 'ann', role: 'student' } })
    expect(await ask('grades/who', ben)).toMatchObject({ viewer: { user: 'ben' } })
    expect(gate.reads).toBe(4)
    expect(await ask('grades/who', ina)).toMatchObject({ viewer: { courses: [COURSE] } })
    expect(gate.reads).toBe(4)
  })

  test('is a viewer’s own where it asks other queries: they are asked as that viewer', async () => {
    expect(await ask('grades/composed', ann)).toMatchObject({ viewer: 'ann' })
    expect(await ask('grades/composed', ben)).toMatchObject({ viewer: 'ben' })
    expect(await ask('report/course', ina)).toMatchObject({ course: COURSE })
    expect(await ask('report/course', ann)).toEqual([403, 'role_denied'])
    expect(await ask('report/course', ivo)).toEqual([403, 'course_denied'])
    expect(await readsFor(['grades/composed', ann], ['report/course', ina])).toBe(0)
  })

  test('is given only to those who may ask', async () => {
    expect(await ask(`grades/ofCourse?course=${encodeURIComponent(COURSE)}`, ina)).toMatchObject({
      course: COURSE,
    })
    for (const use of [undefined, 'no-cache', 'only-if-cached']) {
      expect(await ask(`grades/ofCourse?course=${encodeURIComponent(COURSE)}`, ann, use)).toEqual([
        403,
        'role_denied',
      ])
      expect(await ask(`grades/ofCourse?course=${encodeURIComponent(COURSE)}`, ivo, use)).toEqual([
        403,
        'course_denied',
      ])
    }
    await lyceum.call('POST', '/v1/plugins/grades/pause')
    expect(await ask(`grades/ofCourse?course=${encodeURIComponent(COURSE)}`, ina)).toEqual([
      409,
      'plugin_paused',
    ])
    await lyceum.call('POST', '/v1/plugins/grades/resume')
  })

  test('is gone with the approval of what it was made of', async () => {
    expect(await ask('report/grades', ann)).toMatchObject({ key: '' })
    const { granted } = lyceum.host.plugins.get('report')
    lyceum.host.catalogue.setGranted('report', [])
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: {} })
    expect(await ask('report/grades', ann)).toEqual([403, 'op_denied'])
    lyceum.host.catalogue.setGranted('report', [...granted])
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: {} })
    expect(await ask('report/grades', ann)).toMatchObject({ key: '' })
  })

  test('keeps its types for plugins, and is plain JSON outside', async () => {
    const n = await ask('grades/loose')
    expect(await ask('grades/dates', ann)).toEqual({ at: new Date(n).toJSON() })
    expect(await ask('grades/isDate', ann)).toBe(true)
    expect(gate.reads).toBe(2)
  })

  test('that went into another’s makes that as old as itself', async () => {
    await ask('grades/plain', ann)
    aheadMs += 20_000
    const { headers } = await get('grades/inner', ann)
    expect(headers.get('age')).toBe('20')
    aheadMs += 10_000
    expect((await get('grades/inner', ann)).headers.get('age')).toBe('30')
  })

  test('that a view is made of makes parts of that older, which its page says', async () => {
    const { text } = await lyceum.call('GET', '/views/grades/page', ann === undefined ? {} : { token: ann })
    expect(text).toContain('; parts of it may be up to 2 minutes older')
    expect((await lyceum.call('GET', '/views/hello/hello')).text).not.toContain('older')
  })

  test('is not kept where it does not fit, which the log says', async () => {
    await lyceum.call('PATCH', '/v1/plugins/grades/quota', { body: { cacheMb: 1 } })
    gate = gateOf(lyceum, 'grades')
    expect(await readsFor(['grades/large'], ['grades/large'])).toBe(2)
    const { text } = await lyceum.call('GET', '/v1/plugins/grades/logs')
    expect(text).toContain('was not kept')
    await lyceum.call('PATCH', '/v1/plugins/grades/quota', { body: { cacheMb: 8 } })
    gate = gateOf(lyceum, 'grades')
    expect(await readsFor(['grades/large'], ['grades/large'])).toBe(1)
  })
})

describe('a question that many ask at the same time', () => {
  test('is asked once', async () => {
    const reached = gate.shut()
    const answers = [ann, ben, ina].map((token) => ask('grades/plain', token))
    await reached
    gate.open()
    expect(new Set((await Promise.all(answers)).map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(gate.reads).toBe(1)
  })

  test('is asked again by the next where it failed, and no failure is kept', async () => {
    const reached = gate.shut()
    const first = ask('grades/fails', ann)
    await reached
    const second = ask('grades/fails', ben)
    gate.open()
    expect([await first, await second]).toEqual([
      [502, 'plugin_failed'],
      [502, 'plugin_failed'],
    ])
    expect(await readsFor(['grades/fails', ann])).toBe(1)
  })

  test('has each wait until their own deadline', async () => {
    const reached = gate.shut()
    const first = ask('grades/plain', ann)
    await reached
    await lyceum.call('PATCH', '/v1/plugins/grades/quota', { body: { wallMs: 100 } })
    expect(await ask('grades/plain', ben)).toEqual([504, 'over_wall'])
    gate.open()
    expect(await first).toMatchObject({ key: '' })
    await lyceum.call('PATCH', '/v1/plugins/grades/quota', { body: { wallMs: 10_000 } })
    gate = gateOf(lyceum, 'grades')
    expect(await readsFor(['grades/plain', ben])).toBe(0)
    expect(lyceum.host.conduct.of('grades').strikes).toBe(0)
  })

  test('gets the old answer while one asks anew', async () => {
    const { n } = await ask('grades/plain', ann)
    await lyceum.send([{ event_type: 'fill' }])
    aheadMs += 60_001
    const reached = gate.shut()
    const refreshes = ask('grades/plain', ann)
    await reached
    expect(await ask('grades/plain', ben)).toMatchObject({ n })
    gate.open()
    expect(await refreshes).toMatchObject({ n: n + 1 })
    expect(await ask('grades/plain', ben)).toMatchObject({ n: n + 1 })
  })
})

describe('callers', () => {
  test('force a new answer, people only after a few seconds', async () => {
    await ask('grades/plain', ann)
    expect(await readsFor(['grades/plain', ben, 'no-cache'], ['grades/plain', author, 'no-cache'])).toBe(0)
    expect(await readsFor(['grades/plain', undefined, 'no-cache'])).toBe(1)
    aheadMs += 5_001
    expect(
      await readsFor(['grades/plain', ann, 'max-age=0, No-Cache'], ['grades/plain', ben, 'no-cache']),
    ).toBe(1)
    expect(await readsFor(['report/refreshed', ben])).toBe(0)
    aheadMs += 5_001
    expect(await readsFor(['report/refreshed', ben], ['grades/plain', ann])).toBe(1)
  })

  test('take nothing but a kept answer', async () => {
    expect(await ask('grades/plain', ann, 'only-if-cached')).toEqual([504, 'not_cached'])
    expect(await ask('grades/loose', ann, 'only-if-cached')).toEqual([504, 'not_cached'])
    expect(await ask('report/only', ann)).toEqual([504, 'not_cached'])
    expect(gate.reads).toBe(0)
    await ask('grades/plain', ann)
    aheadMs += 70_000
    expect(await ask('grades/plain', ben, 'only-if-cached')).toMatchObject({ key: '' })
    expect(gate.reads).toBe(1)
  })

  test('of plugins are told what they may ask for', async () => {
    expect(await ask('report/misspelt', ann)).toEqual([400, 'op_malformed'])
    expect(await ask('report/byName', ann)).toEqual([504, 'not_cached'])
    const asked = await ask('plainly', ann)
    expect(asked).toMatchObject({ key: '' })
    expect(await ask('report/byName', ben)).toEqual(asked)
    expect(gate.reads).toBe(1)
  })

  test('that ask to clear anything but a query of their own are refused', async () => {
    const { ops, plugins } = lyceum.host
    const plugin = plugins.get('grades')
    const endpoint = plugin.endpoints.get('clear')
    if (endpoint === undefined) throw new Error('there is no such endpoint')
    const tree = new CallTree(plugin.quota)
    const call = { plugin, endpoint, caller: undefined, transaction: undefined, tree, depth: 0 }
    const context = { ...call, deadlineMs: tree.deadlineMs, onEnd: () => {} }
    const clear = (payload: string) => {
      try {
        return ops.queryClear(Buffer.from(payload), context)
      } catch (error) {
        return error instanceof LyceumError ? error.code : error
      }
    }
    expect(clear('["self","plain"]')).toBe('')
    for (const malformed of [
      '',
      '{',
      'null',
      '[]',
      '["self"]',
      '["self",7]',
      '["self","plain",1]',
      `["self","${'x'.repeat(20_000)}"]`,
    ])
      expect(clear(malformed), malformed.slice(0, 40)).toBe('op_malformed')
    for (const name of ['report', '__proto__', '', 'plainly'])
      expect(clear(JSON.stringify([name, 'plain']))).toBe('op_denied')
    for (const query of ['nothing', 'clear', '__proto__', ''])
      expect(clear(JSON.stringify(['self', query]))).toBe('endpoint_unknown')
  })

  test('who own the plugin, and admins, forget all answers', async () => {
    const clear = async (token?: string, name = 'grades/plain') =>
      (await lyceum.call('DELETE', `/v1/queries/${name}`, token === undefined ? {} : { token })).status
    await readsFor(['grades/plain', ann], ['grades/plain?key=a', ann], ['grades/dates', ann])
    expect([await clear(ann), await clear(stranger), await clear(ina)]).toEqual([403, 403, 403])
    expect(await readsFor(['grades/plain', ann])).toBe(0)
    expect(await clear(author)).toBe(204)
    expect(await readsFor(['grades/plain', ben], ['grades/plain?key=a', ann], ['grades/dates', ann])).toBe(2)
    expect([
      await clear(),
      await clear(undefined, 'grades/nothing'),
      await clear(undefined, 'nobody/plain'),
    ]).toEqual([204, 404, 404])
  })

  test('of plugins forget their own in handlers and jobs, and not before what they wrote is seen', async () => {
    expect(await ask('grades/clears')).toEqual([403, 'write_denied'])
    expect(await ask('report/clears')).toEqual([403, 'write_denied'])
    const { n } = await ask('grades/plain', ann)
    const { store } = lyceum.host.plugins.get('grades')
    const begin = store.begin.bind(store)
    let between: unknown
    store.begin = (...given) => {
      const transaction = begin(...given)
      const commit = transaction.commit.bind(transaction)
      transaction.commit = async (...last) => {
        between = await ask('grades/plain', ann)
        await commit(...last)
      }
      return transaction
    }
    await lyceum.send([{ event_type: 'clear' }])
    store.begin = begin
    expect([between, await ask('grades/plain', ann)]).toMatchObject([{ n }, { n: n + 1 }])
  })

  test('of plugins keep answers warm in handlers and jobs, which have no caller', async () => {
    await lyceum.send([{ event_type: 'warm' }])
    expect(gate.reads).toBe(1)
    expect(await ask(`grades/ofCourse?course=${encodeURIComponent(COURSE)}`, ina)).toMatchObject({
      course: COURSE,
    })
    expect(gate.reads).toBe(1)
    await lyceum.send([{ event_type: 'warm' }])
    expect(gate.reads).toBe(2)
  })
})
