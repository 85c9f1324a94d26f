import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { inspect } from 'node:util'
import { type Client, connect, HostError, merge } from '@lyceum/sdk/client'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect as connectCommand } from '../../cli/connection.ts'
import { run } from '../cli/run.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const GRADES = `
  import { onEvent, query, t, view } from '@lyceum/sdk'
  interface Grade { _id: string; course: string; user: string; points: number }
  export const keep = onEvent('grade', async ({ events, db }) => {
    for (const e of events)
      await db.collection<Grade>('grades').updateOne({ _id: String(e.user) },
        { $set: { course: String(e.props.course), user: String(e.user), points: Number(e.points) } }, { upsert: true })
  })
  /** The best. */
  export const top = query({ names: ['bestOf'], params: { limit: t.number({ default: 2 }), since: t.date().optional() } },
    ({ db, course, params }) => db.collection<Grade>('grades').find({ course }).sort({ points: -1 }).limit(params.limit)
      .project<{ user: string; points: number }>({ user: 1, points: 1, _id: 0 }).toArray())
  export const kept = query({ cacheSeconds: 60, sample: { n: 7 } }, ({ course }) => ({ course }))
  export const since = query({ params: { at: t.date(), all: t.boolean() } }, ({ params }) => params)
  export const slow = query(() => { for (const until = 4e7, i = { n: 0 }; i.n < until; i.n++); return 1 })
  export const page = view(({ course }) => course)
`
const COURSE = 'course-v1:Lyceum+STAT101+2026'
const grade = (user: string, points: number) => ({
  name: 'grade',
  event_type: 'grade',
  context: { course_id: COURSE },
  user,
  points,
})

let north: TestHost
let south: TestHost
let lyceum: Client
let tokens: { north: string; south: string }
beforeAll(async () => {
  ;[north, south] = await Promise.all([startHost(), startHost()])
  expect((await north.publish('grades', GRADES)).status).toBe(201)
  const own = "import { query } from '@lyceum/sdk'\nexport const n = query(() => 'south')"
  expect((await south.publish('plays', own)).status).toBe(201)
  tokens = { north: await north.token({ role: 'admin' }), south: await south.token({ role: 'admin' }) }
  lyceum = connect(north.url, { token: tokens.north })
})
afterAll(() => Promise.all([north.dispose(), south.dispose()]))

describe('a host', () => {
  test('takes events in batches, however often they are sent, and names those that are none', async () => {
    const events = Array.from({ length: 2_500 }, (_, n) => grade(`u${n}`, n % 1_000))
    async function* all() {
      yield* events.slice(0, 1_200)
      yield ''
      yield 'not an event'
      yield JSON.stringify(grade('last', 2_000))
      yield* events.slice(1_200)
    }
    const delivered = await lyceum.send(all(), { idempotencyKey: 'first' })
    expect(delivered).toMatchObject({
      accepted: 2_501,
      duplicates: 0,
      rejected: [
        {
          index: 1_201,
          code: 'event_not_json',
          message: expect.stringMatching(/^Line 1202: Unexpected token/),
        },
      ],
    })
    expect(await lyceum.send(all(), { idempotencyKey: 'first' })).toMatchObject({
      accepted: 0,
      duplicates: 2_501,
    })
    await north.settled()
  })

  test('answers queries by their names, by common names, and with where the result comes from', async () => {
    const best = [
      { user: 'last', points: 2_000 },
      { user: 'u999', points: 999 },
    ]
    expect(await lyceum.query('grades', 'top', { course: COURSE })).toEqual(best)
    expect(await lyceum.grades?.top?.({ course: COURSE })).toEqual(best)
    expect(await lyceum.grades?.top?.({ course: COURSE, limit: 1 })).toEqual(best.slice(0, 1))
    expect(await lyceum.query('bestOf', { course: COURSE })).toEqual(best)
    expect(await lyceum.bestOf?.({ course: COURSE, limit: undefined })).toEqual(best)
    const answer = await lyceum.answer('grades', 'top', { course: COURSE })
    expect(answer).toMatchObject({ result: best, plugin: 'grades', version: '1.0.0', isSample: false })
    expect(answer.logPosition).toBeGreaterThan(2_500)
  })

  test('gets dates and truth values as it reads them', async () => {
    const at = new Date('2026-09-01T08:00:00Z')
    expect(await lyceum.grades?.since?.({ at, all: false })).toEqual({ at: at.toISOString(), all: false })
  })

  test('gives CSV, kept answers and samples where they are asked for', async () => {
    expect(await lyceum.csv('grades', 'top', { course: COURSE })).toBe(
      'user,points\r\nlast,2000\r\nu999,999\r\n',
    )
    const only = lyceum.query('grades', 'kept', { course: 'a' }, { cache: 'only' })
    await expect(only).rejects.toMatchObject({ code: 'not_cached' })
    await lyceum.query('grades', 'kept', { course: 'a' })
    const kept = await lyceum.answer('grades', 'kept', { course: 'a' }, { cache: 'only' })
    expect(kept).toMatchObject({ result: { course: 'a' }, ageSeconds: expect.any(Number) })
    const sample = await lyceum.answer('grades', 'kept', { course: 'a' }, { sample: true })
    expect(sample).toMatchObject({ result: { n: 7 }, isSample: true, logPosition: undefined })
  })

  test('counts events that have neither an id nor a time once, by their place among all that are sent', async () => {
    const bare = Array.from({ length: 1_001 }, () => ({ event_type: 'bare' }))
    const options = { idempotencyKey: 'bare' }
    expect(await lyceum.send(bare, options)).toMatchObject({ accepted: 1_001, duplicates: 0 })
    expect(await lyceum.send(bare, options)).toMatchObject({ accepted: 0, duplicates: 1_001 })
    // Whoever gives no key sends something else each time; a text may have lines of its own.
    for (const one of [bare.slice(0, 1), bare.slice(0, 1), ['{"event_type":\n"bare"}']])
      expect(await lyceum.send(one)).toMatchObject({ accepted: 1, rejected: [] })
    const long = { idempotencyKey: 'x'.repeat(151) }
    await expect(lyceum.send(bare, long)).rejects.toMatchObject({ code: 'bad_parameter' })
  })

  test('lists what there is', async () => {
    const fresh = connect(`${north.url}//`, { token: tokens.north })
    expect(fresh.url).toBe(north.url)
    expect(Object.keys(fresh)).not.toContain('grades')
    const [grades] = await fresh.plugins()
    expect(grades).toMatchObject({ id: 'grades', views: [{ name: 'page' }] })
    expect(grades?.queries.find(({ name }) => name === 'top')).toMatchObject({
      description: 'The best.',
      dimensions: ['course'],
      params: { limit: { type: 'number', default: 2, required: false }, since: { required: false } },
    })
    expect(Object.keys(fresh)).toEqual(expect.arrayContaining(['query', 'send', 'grades', 'bestOf']))
    expect(Object.keys(fresh.grades ?? {}).sort()).toEqual(['kept', 'since', 'slow', 'top'])
    expect('grades' in fresh).toBe(true)
    expect('other' in fresh).toBe(false)
  })

  test('may be awaited, printed and written as JSON, like any value', async () => {
    expect(await Promise.resolve(lyceum)).toBe(lyceum)
    const { grades } = lyceum
    expect(await Promise.resolve(grades)).toBe(grades)
    // No name of a plugin, and one that functions have: a query may be called so.
    expect(Reflect.get(lyceum, '$$typeof')).toBeUndefined()
    expect(Reflect.get(grades ?? {}, 'name')).toBeTypeOf('function')
    expect(JSON.parse(JSON.stringify(lyceum))).toMatchObject({ url: north.url })
    expect(inspect([lyceum, grades])).not.toContain(tokens.north)
  })
})

describe('a refusal', () => {
  test('has the host’s code, its sentence and what else it says', async () => {
    const error = await lyceum.query('grades', 'tpo', { course: COURSE }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(HostError)
    expect(error).toMatchObject({
      code: 'endpoint_unknown',
      status: 404,
      message: expect.stringContaining('`top`'),
    })
    await expect(lyceum.query('grades', 'top', { course: COURSE, limt: 1 })).rejects.toMatchObject({
      code: 'bad_parameter',
      details: { parameter: 'limt' },
    })
    await expect(lyceum.grades?.top?.({})).rejects.toMatchObject({
      code: 'bad_parameter',
      details: { parameter: 'course' },
    })
    await expect(connect(north.url, { token: 'x' }).plugins()).rejects.toMatchObject({
      code: 'token_invalid',
      status: 401,
    })
  })

  test('cannot be passed by a name that is a path', async () => {
    await expect(lyceum.query('../plugins', 'grades')).rejects.toBeInstanceOf(HostError)
    await expect(lyceum.query('grades', '../../plugins/grades')).rejects.toMatchObject({
      code: 'endpoint_unknown',
    })
  })

  longTest('is said of an address that is none, or where nobody is', async () => {
    expect(() => connect('lyceum.example.edu', { token: '' })).toThrow('must look like https://')
    const nobody = connect('http://127.0.0.1:1', { token: 'x' })
    await expect(nobody.plugins()).rejects.toMatchObject({ code: 'server_unreachable', status: undefined })
  })

  test('is said of what cannot be a token, which no error shows', () => {
    for (const token of ['', 'SECRET\nSECRET', 'SECRET\u2028SECRET'])
      expect(() => connect('http://127.0.0.1:1', { token })).toThrow(/^The token is one word(?!.*SECRET)/s)
  })

  test('ends a call that was given up, with the reason; and one that takes too long', async () => {
    const reason = new Error('not needed any more')
    const controller = new AbortController()
    const call = lyceum.query('grades', 'slow', {}, { signal: controller.signal })
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await expect(lyceum.query('grades', 'slow', {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    await expect(lyceum.query('grades', 'slow', {}, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'timed_out',
    })
  })
})

describe('a host that cannot answer yet', () => {
  const servers: { close(): void }[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** Gives each answer once, in turn, and keeps what it was asked. */
  async function serving(answers: readonly (number | 'hang up')[], code = 'shutting_down', retryAfter = '0') {
    const asked: { method: string | undefined; key: string | undefined }[] = []
    const server = createServer((incoming, outgoing) => {
      const answer = answers[asked.length]
      const key = incoming.headers['idempotency-key']
      asked.push({ method: incoming.method, key: String(key) })
      incoming.resume().on('end', () => {
        if (answer === 'hang up') return outgoing.destroy()
        outgoing.writeHead(answer ?? 500, { 'content-type': 'application/json', 'retry-after': retryAfter })
        outgoing.end(
          JSON.stringify(
            answer === 200
              ? { accepted: 1, duplicates: 0, rejected: [] }
              : { type: '/docs/errors', title: 'Not now', status: answer, code, detail: 'Later.' },
          ),
        )
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return { asked, client: connect(`http://127.0.0.1:${port}/`, { token: 'x' }) }
  }

  longTest('is asked again, and events again under the same key', async () => {
    const { asked, client } = await serving([503, 'hang up', 200])
    expect(await client.send([grade('ann', 1)])).toMatchObject({ accepted: 1 })
    expect(asked.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST'])
    expect(new Set(asked.map(({ key }) => key)).size).toBe(1)
    expect(asked[0]?.key).not.toBe('undefined')
  })

  longTest('but not for ever, and not where it refuses', async () => {
    const busy = await serving([503, 503, 503, 200])
    await expect(busy.client.query('a', 'b')).rejects.toMatchObject({ code: 'shutting_down', status: 503 })
    expect(busy.asked).toHaveLength(3)
    const refusing = await serving([400, 200])
    const refused = await refusing.client.query('a', 'b').catch((error: unknown) => error)
    expect(refused).toHaveProperty('status', 400)
    expect(refused).toHaveProperty('details', {})
    expect(refusing.asked).toHaveLength(1)
  })

  test('is asked once where that takes longer than anybody waits, or changes nothing', async () => {
    const long = await serving([503, 200], 'shutting_down', '3600')
    await expect(long.client.query('a', 'b')).rejects.toMatchObject({ code: 'shutting_down' })
    const stopped = await serving([503, 200], 'plugin_quarantined')
    await expect(stopped.client.query('a', 'b')).rejects.toMatchObject({ code: 'plugin_quarantined' })
    expect([long.asked.length, stopped.asked.length]).toEqual([1, 1])
  })

  test('is not waited for by whoever gives up, or has no more time', async () => {
    const late = await serving([503], 'shutting_down', '9')
    const { signal } = new AbortController()
    await expect(late.client.query('a', 'b', {}, { signal, timeoutMs: 300 })).rejects.toMatchObject({
      code: 'timed_out',
    })
    const reason = new Error('not needed any more')
    const controller = new AbortController()
    const { client, asked } = await serving([503], 'shutting_down', '9')
    const call = client.query('a', 'b', {}, { signal: controller.signal })
    await vi.waitFor(() => expect(asked).toHaveLength(1), { timeout: 20_000 })
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })
})

test('what answers, but is no host of Lyceum, is told as that', async () => {
  const server = createServer((incoming, outgoing) => {
    if (incoming.url?.startsWith('/v1/queries/a')) outgoing.writeHead(404)
    incoming
      .resume()
      .on('end', () => outgoing.end(incoming.url === '/v1/events' ? '<p>Hello' : '{"plugins":[{}]}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const other = connect(`http://127.0.0.1:${port}`, { token: 'x' })
  const unreadable = { name: 'HostError', code: 'answer_unreadable', status: 200 }
  await expect(other.plugins()).rejects.toMatchObject(unreadable)
  await expect(other.send([grade('ann', 1)])).rejects.toMatchObject(unreadable)
  await expect(other.query('a', 'b')).rejects.toMatchObject({ code: 'answer_unreadable', status: 404 })
  await expect(other.csv('page', 'b')).rejects.toMatchObject(unreadable)
  await expect(
    run(tmpdir(), ['query', 'page', 'b', '--format', 'csv'], {
      env: { LYCEUM_URL: other.url, LYCEUM_TOKEN: 'x' },
    }),
  ).resolves.toMatchObject({ code: 3, stdout: '' })
  server.close()
})

test('nothing that is meant for a host goes where that one leads', async () => {
  const gone: string[] = []
  const elsewhere = createServer(({ method, url }, outgoing) => {
    gone.push(`${method} ${url}`)
    outgoing.end('{}')
  })
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
  const there = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
  const server = createServer(({ url }, outgoing) => outgoing.writeHead(307, { location: there + url }).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const client = connect(here, { token: 'x' })
    const led = { code: 'answer_unreadable', status: 307 }
    await expect(client.send([grade('ann', 1)])).rejects.toMatchObject(led)
    await expect(client.query('grades', 'top')).rejects.toMatchObject(led)
    const command = connectCommand(here, 'x').request('POST', '/v1/plugins/a/versions', { bundle: 'mine' })
    await expect(command).rejects.toMatchObject({ code: 'server_unreachable' })
    expect(gone).toEqual([])
  } finally {
    server.close()
    elsewhere.close()
  }
})

describe('several hosts as one', () => {
  test('have the plugins of all; what several have is asked by the host', async () => {
    const hosts = {
      north: connect(north.url, { token: tokens.north }),
      south: connect(south.url, { token: tokens.south }),
    }
    const all = await merge(hosts)
    expect(all.conflicts).toEqual([])
    expect(await all.plays?.n?.()).toBe('south')
    expect(await all.bestOf?.({ course: COURSE, limit: 1 })).toHaveLength(1)
    expect((await all.plugins()).map(({ id, host }) => `${host} ${id}`)).toEqual([
      'north grades',
      'south plays',
    ])
    expect(Object.keys(all)).toEqual(
      expect.arrayContaining(['north', 'south', 'conflicts', 'grades', 'plays', 'bestOf']),
    )
    expect(() => all.other).toThrow('None of north, south has a plugin "other"')
    expect(await Promise.resolve(all)).toBe(all)

    await south.publish(
      'grades',
      "import { query } from '@lyceum/sdk'\nexport const top = query(() => 'southern')",
    )
    const both = await merge(hosts)
    expect(both.conflicts).toEqual([{ name: 'grades', hosts: ['north', 'south'] }])
    expect(() => both.grades).toThrow(
      '"grades" is on north and south: ask it by the host, such as north.grades',
    )
    expect(Object.keys(both)).toEqual(expect.arrayContaining(['grades', 'plays']))
    expect(await both.south.grades?.top?.()).toBe('southern')
    expect(await both.north.query('grades', 'top', { course: COURSE })).toHaveLength(2)
    await expect(merge({ grades: hosts.north, south: hosts.south })).rejects.toThrow(
      'cannot be called "grades"',
    )
    await expect(merge({ plugins: hosts.north })).rejects.toThrow('cannot be called "plugins"')
  })
})
