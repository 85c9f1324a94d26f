import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const query = async (path: string) => (await lyceum.call('GET', `/v1/queries/${path}`)).json
const details = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}`)).json
const lines = async (
  id: string,
  limit = 1000,
): Promise<{ level: string; endpoint: string; line: string }[]> =>
  (await lyceum.call('GET', `/v1/plugins/${id}/logs?limit=${limit}`)).json.lines

/** A handler that keeps the tags of what it gets, and a query that tells them. */
const keeper = (options: string, more = '') => `
  import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent(${options}, async ({ events, db }) => {
    for (const e of events) await db.collection('kept').insertOne({ tag: e.tag })
  })
  export const kept = query(async ({ db }) =>
    (await db.collection('kept').find().sort({ tag: 1 }).toArray()).map((row) => row.tag))
  ${more}`

describe('a handler gets', () => {
  test.each(['realtime', 'soft', 'queued'])('every event, in mode %s', async (mode) => {
    await lyceum.publish(mode, keeper(`{ where: { event_type: '${mode}' }, mode: '${mode}' }`))
    await lyceum.send([1, 2, 3].map((tag) => ({ event_type: mode, tag })))
    expect(await query(`${mode}/kept`)).toEqual([1, 2, 3])
    expect((await details(mode)).cursors).toMatchObject([{ endpoint: 'keep', mode, lag: 0, state: 'idle' }])
  })

  longTest('the log from its start, or from now where it says so', async () => {
    await lyceum.send([{ event_type: 'history', tag: 'before' }])
    await lyceum.publish('fromStart', keeper("'history'"))
    await lyceum.publish('fromNow', keeper("{ where: { event_type: 'history' }, from: 'now' }"))
    await lyceum.settled()
    await lyceum.send([{ event_type: 'history', tag: 'later' }])
    expect(await query('fromStart/kept')).toEqual(['before', 'later'])
    expect(await query('fromNow/kept')).toEqual(['later'])
  })

  longTest(
    'what its version before has not handled yet, and nothing twice, when a new version takes over',
    async () => {
      await lyceum.publish('takeover', keeper("'turn'"))
      const send = (from: number) =>
        lyceum.call('POST', '/v1/events', {
          body: Array.from({ length: 500 }, (_, n) => ({ event_type: 'turn', tag: from + n })),
        })
      await send(0)
      await lyceum.publish('takeover', keeper("'turn'", '// 2'), { version: '2.0.0' })
      await send(500)
      await lyceum.publish('takeover', keeper("'turn'", 'export const two = query(() => 2)'), {
        version: '3.0.0',
      })
      await send(1000)
      await lyceum.call('POST', '/v1/plugins/takeover/rollback')
      await lyceum.settled()
      expect(await query('takeover/kept')).toEqual(Array.from({ length: 1500 }, (_, n) => n))
    },
  )

  test.each([
    ['type', "'a'", [1]],
    ['types', "{ where: { event_type: ['a', 'b'] } }", [1, 2]],
    ['in', "{ where: { event_type: { $in: ['b', 'c'] } } }", [2, 3]],
    ['exists', "{ where: { 'event.id': { $exists: true } } }", [1, 4]],
    ['missing', "{ where: { event_type: ['a', 'b', 'c', 'd'], 'event.id': { $exists: false } } }", [2, 3]],
    ['greater', "{ where: { 'event.n': { $gt: 1 } } }", [3, 4]],
    ['range', "{ where: { 'event.n': { $gte: 1, $lt: 3 } } }", [2, 3]],
    ['or', "{ where: { $or: [{ event_type: 'a' }, { 'event.n': 3 }] } }", [1, 4]],
    ['not', "{ where: { event_type: ['a', 'b', 'c', 'd'], 'event.n': { $not: { $lte: 2 } } } }", [1, 4]],
    ['and', "{ where: { $and: [{ 'event.n': { $ne: 1 } }, { 'event.n': { $exists: true } }] } }", [3, 4]],
    ['course', "{ where: { 'props.course': 'course-v1:F+F+1' } }", [4]],
  ])('only what its filter lets through: %s', async (name, options, expected) => {
    const id = `filter${name.charAt(0).toUpperCase()}${name.slice(1)}`
    await lyceum.publish(
      id,
      keeper(
        options
          .replace('where: {', 'where: { filtered: true,')
          .replace(/^'a'$/, "{ where: { filtered: true, event_type: 'a' } }"),
      ),
    )
    await lyceum.send([
      { filtered: true, event_type: 'a', event: { id: 'x' }, tag: 1, id: 'f1' },
      { filtered: true, event_type: 'b', event: { n: 1 }, tag: 2, id: 'f2' },
      { filtered: true, event_type: 'c', event: { n: 2 }, tag: 3, id: 'f3' },
      {
        filtered: true,
        event_type: 'd',
        event: { id: 'y', n: 3 },
        context: { course_id: 'course-v1:F+F+1' },
        tag: 4,
        id: 'f4',
      },
    ])
    expect(await query(`${id}/kept`)).toEqual(expected)
  })

  longTest('events one at a time where it asks for `event`, batches where it asks for `events`', async () => {
    await lyceum.publish(
      'sizes',
      `import { onEvent, query } from '@lyceum/sdk'
       export const single = onEvent('size', async ({ event, db }) => {
         await db.collection('single').insertOne({ tag: event.tag })
       })
       export const whole = onEvent('size', async ({ events, db }) => {
         await db.collection('whole').insertOne({ n: events.length, isArray: Array.isArray(events) })
       })
       export const kept = query(async ({ db }) => [
         (await db.collection('single').find().sort({ tag: 1 }).toArray()).map((row) => row.tag),
         (await db.collection('whole').find().toArray()).reduce((sum, row) => sum + row.n, 0),
         await db.collection('whole').distinct('isArray'),
       ])`,
    )
    await lyceum.send([1, 2, 3].map((tag) => ({ event_type: 'size', tag })))
    expect(await query('sizes/kept')).toEqual([[1, 2, 3], 3, [true]])
  })

  test('events with their raw keys, and with what the host derived in props', async () => {
    await lyceum.publish(
      'raw',
      `import { onEvent, query } from '@lyceum/sdk'
       export const keep = onEvent('raw.event', async ({ event, db }) => {
         await db.collection('kept').insertOne({ json: JSON.stringify(event) })
       })
       export const kept = query(async ({ db }) => (await db.collection('kept').find().toArray()).map(({ json }) => JSON.parse(json)))`,
    )
    const sent = {
      name: 'raw.event',
      event_type: 'raw.event',
      event: '{"id":"v"}',
      username: 'sam\n',
      time: '2026-01-02T03:04:05.123456+00:00',
      context: { course_id: 'course-v1:R+R+1', user_id: 7 },
      odd: { 'a.b': 1, $c: 2 },
      id: 'raw-1',
    }
    await lyceum.send([sent])
    const [event] = await query('raw/kept')
    expect(event).toMatchObject({ ...sent, event: { id: 'v' } })
    expect(event.props).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      type: 'raw.event',
      time: '2026-01-02T03:04:05.123Z',
      received: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      course: 'course-v1:R+R+1',
      user: 'sam',
    })
  })

  test('events of its own: what it changes in them, no other handler and no later try sees', async () => {
    await lyceum.publish(
      'changer',
      `import { onEvent, query } from '@lyceum/sdk'
       const change = (e: object) => Object.assign(e, { tag: 'changed', props: { type: 'x' } })
       export const first = onEvent('change', async ({ events, db }) => {
         const tags = events.map((e) => e.tag)
         for (const e of events) change(e)
         if (tags.includes('stop')) throw new Error('after the change')
         await db.collection('tags').insertOne({ by: 'first', tags })
       })
       export const second = onEvent('change', async ({ events, db }) => {
         await db.collection('tags').insertOne({ by: 'second', tags: events.map((e) => e.tag + e.props.type) })
       })
       export const tags = query(async ({ db }) => (await db.collection('tags').find().toArray()).map(({ by, tags }) => [by, tags]))`,
    )
    await lyceum.send([{ event_type: 'change', tag: 'a' }])
    await lyceum.send([{ event_type: 'change', tag: 'stop' }])
    expect(await query('changer/tags')).toEqual(
      expect.arrayContaining([
        ['first', ['a']],
        ['second', ['achange']],
        ['second', ['stopchange']],
      ]),
    )
    const { letters } = (await lyceum.call('GET', '/v1/plugins/changer/dead-letters')).json
    expect(letters.map((letter: { event: { tag: string } }) => letter.event.tag)).toEqual(['stop'])
  })

  test('a time that stands still for the whole batch', async () => {
    await lyceum.publish(
      'clock',
      `import { onEvent, query } from '@lyceum/sdk'
       export const tick = onEvent('tick', async ({ db, now }) => {
         const first = now().getTime()
         for (let n = 0, x = 0; n < 1e6; n++) x += n
         await db.collection('t').insertOne({ same: first === now().getTime() && first === Date.now() })
       })
       export const same = query(async ({ db }) => (await db.collection('t').findOne())?.same)`,
    )
    await lyceum.send([{ event_type: 'tick' }])
    expect(await query('clock/same')).toBe(true)
  })
})

describe('an event that a handler fails on', () => {
  beforeAll(async () => {
    await lyceum.publish(
      'picky',
      [
        "import { onEvent, query } from '@lyceum/sdk'",
        "export const take = onEvent('pick', async ({ events, db }) => {",
        '  for (const e of events) {',
        "    if (e.tag === 'bad') throw new Error('not this one')",
        "    await db.collection('taken').insertOne({ tag: e.tag })",
        '  }',
        '})',
        "export const taken = query(async ({ db }) => (await db.collection('taken').find().sort({ tag: 1 }).toArray()).map((r) => r.tag))",
      ].join('\n'),
    )
    await lyceum.send(['a', 'bad', 'c', 'd'].map((tag) => ({ event_type: 'pick', tag })))
  })

  test('is put aside with its error and the line of the author, and the rest goes on', async () => {
    expect(await query('picky/taken')).toEqual(['a', 'c', 'd'])
    const { total, letters } = (await lyceum.call('GET', '/v1/plugins/picky/dead-letters')).json
    expect([total, letters.length]).toEqual([1, 1])
    expect(letters[0]).toMatchObject({
      endpoint: 'take',
      code: 'plugin_failed',
      message: 'not this one',
      event: { event_type: 'pick', tag: 'bad' },
    })
    expect(letters[0].stack).toContain('plugin.ts:4')
    expect((await details('picky')).deadLetters).toBe(1)
    expect((await lines('picky')).map(({ level, line }) => [level, line.split('\n')[0]])).toContainEqual([
      'error',
      'Error: not this one',
    ])
  })

  test('can be retried: it fails again, or counts once and is gone', async () => {
    const retry = (body?: object) =>
      lyceum.call('POST', '/v1/plugins/picky/dead-letters/retry', body ? { body } : {})
    expect((await retry()).json.retried).toMatchObject([
      { state: 'failed', error: { code: 'plugin_failed', message: 'not this one' } },
    ])
    expect((await retry({ endpoint: 'other' })).json.retried).toEqual([])
    expect((await retry({ ids: [] })).json.retried).toEqual([])
    await lyceum.publish(
      'picky',
      `import { onEvent, query } from '@lyceum/sdk'
       export const take = onEvent('pick', async ({ event, db }) => { await db.collection('taken').insertOne({ tag: event.tag }) })
       export const taken = query(async ({ db }) => (await db.collection('taken').find().sort({ tag: 1 }).toArray()).map((r) => r.tag))`,
      { version: '1.0.1' },
    )
    expect((await retry()).json.retried).toMatchObject([{ state: 'committed' }])
    expect((await retry()).json.retried).toEqual([])
    expect(await query('picky/taken')).toEqual(['a', 'bad', 'c', 'd'])
    expect((await details('picky')).deadLetters).toBe(0)
  })
})

describe('what a plugin logs', () => {
  beforeAll(() =>
    lyceum.publish(
      'talker',
      `import { query, t } from '@lyceum/sdk'
       export const levels = query(({ log }) => {
         log('said', 1, { a: [true] }); log.info('info'); log.warn('warn'); log.error('failed:', new Error('why'))
       })
       export const forged = query(({ log }) => log('one\\u001b[31m\\u0007red \\u202e turned'))
       export const long = query(({ log }) => log('x'.repeat(100_000)))
       export const much = query({ params: { n: t.number() } }, ({ log, params }) => {
         for (let n = 0; n < params.n; n++) log('line', n)
       })`,
    ),
  )

  test('is read by its author, oldest first, with level and endpoint', async () => {
    await query('talker/levels')
    const said = await lines('talker')
    expect(said.map(({ level, endpoint, line }) => [level, endpoint, line.split('\n')[0]])).toEqual([
      ['info', 'levels', 'said 1 {"a":[true]}'],
      ['info', 'levels', 'info'],
      ['warn', 'levels', 'warn'],
      ['error', 'levels', 'failed: Error: why'],
    ])
    expect((await lines('talker', 2)).map(({ level }) => level)).toEqual(['warn', 'error'])
  })

  test('points at the lines of the author', async () => {
    expect((await lines('talker')).at(-1)?.line).toContain('plugin.ts:3')
  })

  test('has no control characters', async () => {
    await query('talker/forged')
    expect((await lines('talker')).at(-1)?.line).toBe('one [31m red   turned')
  })

  test('is cut where it is long, and dropped where it is much', async () => {
    await query('talker/long')
    expect((await lines('talker')).at(-1)?.line.length).toBeLessThanOrEqual(2_000)
    await query('talker/much?n=5000')
    expect((await lines('talker')).length).toBeLessThanOrEqual(205)
  })

  test('and its number is bounded in the question, too', async () => {
    const { status, json } = await lyceum.call('GET', '/v1/plugins/talker/logs?limit=100000')
    expect([status, json.code, json.parameter]).toEqual([400, 'bad_parameter', 'limit'])
  })
})
