import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

let lyceum: TestHost
let ingest: string
beforeAll(async () => {
  lyceum = await startHost()
  ingest = await lyceum.token({ role: 'ingest' })
  await lyceum.publish('seen', SEEN)
})
afterAll(() => lyceum.dispose())

/** Counts every event by the tag that the test gave it. */
const SEEN = `
  import { onEvent, query, t } from '@lyceum/sdk'
  export const count = onEvent(async ({ events, db }) => {
    for (const e of events)
      await db.collection('tags').updateOne({ _id: e.tag }, { $inc: { n: 1 } }, { upsert: true })
  })
  export const tagged = query({ params: { tag: t.string() } }, async ({ db, params }) =>
    (await db.collection('tags').findOne({ _id: params.tag }))?.n ?? 0)`

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  query = '',
) {
  const answer = await fetch(`${lyceum.url}/v1/events${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ingest}`, ...headers },
    body,
  })
  return { status: answer.status, headers: answer.headers, json: await answer.json() }
}
async function seen(tag: string): Promise<number> {
  await lyceum.settled()
  return (await lyceum.call('GET', `/v1/queries/seen/tagged?tag=${tag}`)).json
}
const event = (tag: string, id?: string) => ({ event_type: 'tagged', tag, ...(id && { id }) })
const NDJSON = { 'content-type': 'application/x-ndjson' }

describe('events are taken', () => {
  test('as one object', async () => {
    const answer = await post(JSON.stringify(event('one')))
    expect([answer.status, answer.json]).toEqual([202, { accepted: 1, duplicates: 0, rejected: [] }])
    expect(await seen('one')).toBe(1)
  })

  test('as an array', async () => {
    const answer = await post(JSON.stringify([event('array'), event('array'), event('array')]))
    expect(answer.json).toEqual({ accepted: 3, duplicates: 0, rejected: [] })
    expect(await seen('array')).toBe(3)
  })

  test('as lines, with blank ones between', async () => {
    const lines = `${JSON.stringify(event('lines'))}\n\n${JSON.stringify(event('lines'))}\r\n`
    expect((await post(lines, NDJSON)).json.accepted).toBe(2)
    expect((await post(lines, { 'content-type': 'text/plain' })).json.accepted).toBe(2)
    expect(await seen('lines')).toBe(4)
  })

  test('as gzip, said so or not', async () => {
    const body = new Uint8Array(gzipSync(JSON.stringify([event('gzip'), event('gzip')])))
    expect((await post(body, { 'content-encoding': 'gzip' })).json.accepted).toBe(2)
    expect((await post(body, {})).json.accepted).toBe(2)
    expect(await seen('gzip')).toBe(4)
  })

  test('from the role ingest and from admins, and from nobody else', async () => {
    const send = async (token: string) =>
      (await lyceum.call('POST', '/v1/events', { body: event('roles'), token })).status
    expect(await send(await lyceum.token({ role: 'admin' }))).toBe(202)
    expect(await send(await lyceum.token({ role: 'author', user: 'ann' }))).toBe(403)
    expect(await send(await lyceum.token({ role: 'student', user: 'sam' }))).toBe(403)
    expect(await seen('roles')).toBe(1)
  })
})

describe('an event counts once', () => {
  test('by its own id, whatever else is different', async () => {
    const again = { ...event('id', 'same'), time: '2026-01-01T00:00:00Z' }
    await post(JSON.stringify(event('id', 'same')))
    expect((await post(JSON.stringify([again, event('id', 'other')]))).json).toEqual({
      accepted: 1,
      duplicates: 1,
      rejected: [],
    })
    expect(await seen('id')).toBe(2)
  })

  test('by its content, where it has a time', async () => {
    const timed = JSON.stringify({ ...event('timed'), time: '2026-01-01T00:00:00Z' })
    await post(timed)
    expect((await post(timed)).json.duplicates).toBe(1)
    expect(await seen('timed')).toBe(1)
  })

  test('by its delivery, where the sender names that with Idempotency-Key', async () => {
    const body = JSON.stringify([event('delivery'), event('delivery')])
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'batch 7' }
    expect((await post(body, headers)).json).toMatchObject({ accepted: 2, duplicates: 0 })
    expect((await post(body, headers)).json).toMatchObject({ accepted: 0, duplicates: 2 })
    expect((await post(body)).json).toMatchObject({ accepted: 2, duplicates: 0 })
    expect(await seen('delivery')).toBe(4)
  })

  test('and an Idempotency-Key has a bounded length', async () => {
    const { status, json } = await post('{}', { 'idempotency-key': 'x'.repeat(201) })
    expect([status, json.code, json.parameter]).toEqual([400, 'bad_parameter', 'Idempotency-Key'])
  })
})

describe('a bad event is reported by its index and costs only itself', () => {
  test('whatever is wrong with it', async () => {
    const deep = `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`
    const lines = [
      JSON.stringify(event('good')),
      '# a comment',
      '[1,2]',
      '"text"',
      'null',
      '{"event_type":"cut","ev',
      '{"a":}',
      deep,
      JSON.stringify({ text: 'x'.repeat(300_000) }),
      JSON.stringify(event('good')),
    ]
    const { status, json } = await post(lines.join('\n'), NDJSON)
    expect(status).toBe(202)
    expect(json.accepted).toBe(2)
    expect(json.rejected.map(({ index, code }: { index: number; code: string }) => [index, code])).toEqual([
      [1, 'event_comment'],
      [2, 'event_not_object'],
      [3, 'event_not_object'],
      [4, 'event_not_object'],
      [5, 'event_truncated'],
      [6, 'event_not_json'],
      [7, 'event_too_deep'],
      [8, 'event_too_large'],
    ])
    for (const { index, message } of json.rejected) expect(message).toContain(`Line ${index + 1} `)
    expect(await seen('good')).toBe(2)
  })

  test('in an array too, and 202 though all were bad', async () => {
    const { status, json } = await post('[1, null, "x"]')
    expect([status, json.accepted, json.rejected.length]).toEqual([202, 0, 3])
    expect(json.rejected[1]).toEqual({
      index: 1,
      code: 'event_not_object',
      message: 'The event at index 1 is null; an event is an object, {…}.',
    })
  })
})

describe('a body is refused whole', () => {
  test.each([
    ['', 400, 'body_unreadable', 'The body is empty'],
    ['   \n', 400, 'body_unreadable', 'Send one event, an array'],
    ['{"a":1', 400, 'body_unreadable', 'not JSON'],
    ['[{"a":1}', 400, 'body_unreadable', 'does not end'],
    ['[{"a":1},,{}]', 400, 'body_unreadable', 'comma too many'],
    ['[{}] more', 400, 'body_unreadable', 'goes on after its array'],
    ['hello', 400, 'body_unreadable', 'not JSON'],
  ])('%j: %i %s', async (body, status, code, expected) => {
    const answer = await post(body)
    expect([answer.status, answer.json.code]).toEqual([status, code])
    expect(answer.json.detail).toContain(expected)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
  })

  test('where its encoding is unknown or is not what it says', async () => {
    const brotli = await post('{}', { 'content-encoding': 'br' })
    expect([brotli.status, brotli.json.code]).toEqual([415, 'unsupported_encoding'])
    expect(brotli.json.detail).toContain('Send gzip, or leave it out')
    const fake = await post('{}', { 'content-encoding': 'gzip' })
    expect([fake.status, fake.json.code]).toEqual([400, 'body_unreadable'])
    const cut = await post(new Uint8Array(gzipSync('{"a":1}').subarray(0, 15)), {
      'content-encoding': 'gzip',
    })
    expect([cut.status, cut.json.detail]).toEqual([400, expect.stringContaining('damaged gzip')])
  })

  test('where it is too large, packed or unpacked, or has too many events', async () => {
    const large = await post(' '.repeat(33 * 1024 * 1024))
    expect([large.status, large.json.code]).toEqual([413, 'body_too_large'])
    const bomb = await post(new Uint8Array(gzipSync(Buffer.alloc(129 * 1024 * 1024, 32))), {})
    expect([bomb.status, bomb.json.code]).toEqual([413, 'body_too_large'])
    const many = await post('{}\n'.repeat(50_001), NDJSON)
    expect([many.status, many.json.code]).toEqual([413, 'body_too_large'])
    expect(many.json.detail).toContain('Send them in parts')
  })

  test('and then nothing of it is kept', async () => {
    const head = lyceum.host.log.head()
    await post(`${'{}\n'.repeat(50_000)}{}`, NDJSON)
    await post('[{"a":1},,{}]')
    expect(lyceum.host.log.head()).toBe(head)
  })
})

describe('?wait=realtime', () => {
  beforeAll(() =>
    lyceum.publish(
      'live',
      `import { onEvent, query } from '@lyceum/sdk'
       export const instant = onEvent({ where: { event_type: ['fine', 'bad'] }, mode: 'realtime' }, async ({ events, db }) => {
         for (const e of events) {
           if (e.event_type === 'bad') throw new Error('cannot take this')
           await db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: 1 } }, { upsert: true })
         }
       })
       export const later = onEvent('fine', () => {})
       export const n = query(async ({ db }) => (await db.collection('n').findOne())?.n ?? 0)`,
    ),
  )
  const send = (types: string[], query = '?wait=realtime') =>
    post(JSON.stringify(types.map((event_type) => ({ event_type }))), undefined, query)

  test('returns after the commit of the realtime handlers that wanted an event, and of no others', async () => {
    const { status, json } = await send(['fine', 'other'])
    expect(status).toBe(200)
    expect(json).toEqual({
      accepted: 2,
      duplicates: 0,
      rejected: [],
      handlers: [{ plugin: 'live', endpoint: 'instant', state: 'committed' }],
    })
    expect((await lyceum.call('GET', '/v1/queries/live/n')).json).toBe(1)
  })

  test('says which handler failed, with its error', async () => {
    const { json } = await send(['bad', 'fine'])
    expect(json.handlers).toEqual([
      {
        plugin: 'live',
        endpoint: 'instant',
        state: 'failed',
        error: { code: 'plugin_failed', message: 'cannot take this' },
      },
    ])
    expect((await lyceum.call('GET', '/v1/queries/live/n')).json).toBe(2)
  })

  test('lists nobody where nobody wanted them, or nothing was new', async () => {
    expect((await send(['other'])).json.handlers).toEqual([])
    expect((await post('[1]', undefined, '?wait=realtime')).json).toMatchObject({ accepted: 0, handlers: [] })
  })

  test('of events that were sent before waits for them, too', async () => {
    const body = JSON.stringify({ event_type: 'fine', id: 'twice' })
    await post(body)
    const { json } = await post(body, undefined, '?wait=realtime')
    expect(json).toEqual({
      accepted: 0,
      duplicates: 1,
      rejected: [],
      handlers: [{ plugin: 'live', endpoint: 'instant', state: 'committed' }],
    })
  })

  test('says late where the handler is paused', async () => {
    await lyceum.call('POST', '/v1/plugins/live/pause')
    const { json } = await send(['fine'])
    expect(json.handlers).toEqual([{ plugin: 'live', endpoint: 'instant', state: 'late' }])
    await lyceum.call('POST', '/v1/plugins/live/resume')
    await lyceum.settled()
    expect((await lyceum.call('GET', '/v1/queries/live/n')).json).toBe(4)
  })

  test('takes no other value', async () => {
    const { status, json } = await send(['fine'], '?wait=yes')
    expect([status, json.code, json.parameter]).toEqual([400, 'bad_parameter', 'wait'])
    expect(json.detail).toContain('?wait=realtime')
  })
})
