import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

/** One data layer for each LMS: both say who did something under the same name. */
const EDX = `import { property } from '@lyceum/sdk'
/** Who did it. */
export const actor = property(
  { namespace: 'tincan', when: { 'context.course_id': { $exists: true } } },
  ({ event, now }) => ({ name: event.username, clock: now().toISOString() === event.props.received }),
)
export const weekday = property({ when: { 'context.course_id': { $exists: true } } }, ({ event }) => event.weekday)
`
const SAKAI = `import { property } from '@lyceum/sdk'
export const actor = property(
  { namespace: 'tincan', when: { 'verb.id': { $exists: true } } },
  ({ event }) => ({ name: event.actor.account.name }),
)
`
const SEEN = `import { onEvent, query } from '@lyceum/sdk'
const keep = (name) => ({ events, db }) =>
  db.collection(name).insertMany(events.map(({ id, n, props: { tincan, weekday } }) =>
    ({ id, n, ...(tincan && { tincan: JSON.stringify(tincan) }), ...(weekday !== undefined && { weekday }) })))
export const all = onEvent({ props: ['weekday', 'tincan.actor'] }, ({ events, db }) => keep('all')({ events, db }))
export const again = onEvent({ props: ['tincan.actor'] }, ({ events, db }) => keep('again')({ events, db }))
export const anns = onEvent(
  { props: ['tincan.actor'], where: { 'props.tincan.actor.name': 'ann' }, mode: 'realtime' },
  ({ events, db }) => keep('anns')({ events, db }),
)
export const strict = onEvent(
  { props: ['tincan.actor'], where: { event_type: 'strict' } },
  ({ event, db }) => {
    if (event.props.tincan.actor.name === 'bad') throw new Error('no bad actors')
    return db.collection('strict').insertOne({ id: event.id })
  },
)
export const plain = onEvent(({ events, db }) => keep('plain')({ events, db }))
export const rows = query(({ db, params }) => db.collection(params.of).find().sort({ n: 1 }).toArray())
`.replace('query((', "query({ params: { of: { type: 'string' } } }, (")

let sent = 0
const edx = (id: string, username: string, more: object = {}) => ({
  id,
  n: ++sent,
  event_type: 'play_video',
  username,
  context: { course_id: 'course-v1:A+B+C' },
  event: {},
  ...more,
})
const sakai = (id: string, name: string) => ({
  id,
  n: ++sent,
  actor: { account: { name, homePage: 'https://sakai.example.org' } },
  verb: { id: 'http://adlnet.gov/expapi/verbs/attempted' },
})

/** Starting a host and publishing three plugins, where many others are at work. */
const SLOW_MACHINE_MS = 120_000

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('edxLayer', EDX)
  await lyceum.publish('sakaiLayer', SAKAI)
  const published = await lyceum.publish('seen', SEEN)
  expect(published.json).toMatchObject({
    approval: 'granted',
    needs: ['props.tincan.actor', 'props.weekday'],
  })
}, SLOW_MACHINE_MS)
afterAll(() => lyceum.dispose())

type Row = { id: string; tincan?: string; weekday?: unknown }
async function rows(of: string, ids: RegExp): Promise<Row[]> {
  const { json } = await lyceum.call('GET', `/v1/queries/seen/rows?of=${of}`)
  return json
    .filter(({ id }: Row) => ids.test(id))
    .map(({ _id, n, ...row }: Row & { _id: string; n: number }) => row)
}
const callsOf = async (plugin: string): Promise<number> =>
  (await lyceum.call('GET', `/v1/plugins/${plugin}`)).json.usage.calls
const cursorsOf = async (plugin: string) => (await lyceum.call('GET', `/v1/plugins/${plugin}`)).json.cursors
const names = (found: readonly Row[]) => found.map(({ tincan }) => tincan && JSON.parse(tincan).actor.name)

describe('a property', () => {
  test('comes from the plugin whose condition matches, and is missing where none does', async () => {
    await lyceum.send([
      edx('a1', 'ann', { weekday: 1 }),
      sakai('a2', 'bob'),
      { id: 'a3', n: ++sent },
      edx('a4', 'cleo'),
    ])
    const found = await rows('all', /^a/)
    expect(names(found)).toEqual(['ann', 'bob', undefined, 'cleo'])
    expect(found.map(({ weekday }) => weekday)).toEqual([1, undefined, undefined, undefined])
  })

  test('sees the time at which its event arrived, whenever it is worked out', async () => {
    const [first] = await rows('all', /^a1$/)
    expect(JSON.parse(first?.tincan ?? '')).toEqual({ actor: { name: 'ann', clock: true } })
  })

  test('reaches only handlers that ask for it', async () => {
    expect((await rows('plain', /^a1$/))[0]).toEqual({ id: 'a1' })
    expect((await rows('again', /^a1$/))[0]).toEqual({ id: 'a1', tincan: expect.any(String) })
  })

  test('may be in a filter', async () => {
    await lyceum.send([edx('b1', 'ann'), edx('b2', 'bob'), sakai('b3', 'ann'), { id: 'b4', n: ++sent }])
    expect((await rows('anns', /^b/)).map(({ id }) => id)).toEqual(['b1', 'b3'])
  })

  test('is worked out once for all handlers, and no isolate wakes for events that it does not match', async () => {
    const before = await Promise.all([callsOf('edxLayer'), callsOf('sakaiLayer')])
    await lyceum.send([sakai('c1', 'dora')])
    await lyceum.send([{ id: 'c2', n: ++sent, event_type: 'other' }])
    expect(await Promise.all([callsOf('edxLayer'), callsOf('sakaiLayer')])).toEqual([
      before[0],
      (before[1] ?? 0) + 1,
    ])
    expect(names(await rows('all', /^c/))).toEqual(['dora', undefined])
  })

  test('decides for a sender that waits which handlers the event was for', async () => {
    const wait = async (event: object) =>
      (await lyceum.call('POST', '/v1/events?wait=realtime', { body: event })).json.handlers
    expect(await wait(edx('d1', 'ann'))).toEqual([{ plugin: 'seen', endpoint: 'anns', state: 'committed' }])
    expect(await wait(edx('d2', 'bob'))).toEqual([])
  })

  test('is there again when a dead letter is retried', async () => {
    await lyceum.send([
      edx('e1', 'bad', { event_type: 'strict' }),
      edx('e2', 'good', { event_type: 'strict' }),
    ])
    expect((await rows('strict', /^e/)).map(({ id }) => id)).toEqual(['e2'])
    const letters = async () => (await lyceum.call('GET', '/v1/plugins/seen/dead-letters')).json
    expect((await letters()).letters).toMatchObject([{ endpoint: 'strict', message: 'no bad actors' }])
    const { json } = await lyceum.call('POST', '/v1/plugins/seen/dead-letters/retry', { body: {} })
    expect(json.retried).toMatchObject([{ state: 'failed', error: { message: 'no bad actors' } }])
    await lyceum.publish(
      'edxLayer',
      EDX.replace('event.username,', "event.username.replace('bad', 'good'),"),
      {
        version: '1.1.0',
      },
    )
    const again = await lyceum.call('POST', '/v1/plugins/seen/dead-letters/retry', { body: {} })
    expect(again.json.retried).toMatchObject([{ state: 'committed' }])
    expect((await letters()).total).toBe(0)
  })
})

describe('handlers that need a plugin which may not run', () => {
  test('wait from the first event that it has to work out, say so, and miss nothing', async () => {
    await lyceum.call('POST', '/v1/plugins/edxLayer/pause')
    await lyceum.send([sakai('f1', 'ann')])
    await lyceum.send([edx('f2', 'ann'), sakai('f3', 'ann')])
    await lyceum.send([edx('f4', 'bob')])
    expect(names(await rows('all', /^f/))).toEqual(['ann'])
    expect((await rows('plain', /^f/)).map(({ id }) => id)).toEqual(['f1', 'f2', 'f3', 'f4'])
    const all = (await cursorsOf('seen')).find(({ endpoint }: { endpoint: string }) => endpoint === 'all')
    expect(all).toMatchObject({
      state: 'waiting',
      lag: 3,
      lastError: {
        code: 'property_unavailable',
        message: expect.stringMatching(/of edxLayer: edxLayer is paused/),
      },
    })
    const { lines } = (await lyceum.call('GET', '/v1/plugins/seen/logs')).json
    expect(lines.filter(({ endpoint }: { endpoint: string }) => endpoint === 'all')).toHaveLength(1)

    await lyceum.call('POST', '/v1/plugins/edxLayer/resume')
    await lyceum.settled()
    expect(names(await rows('all', /^f/))).toEqual(['ann', 'ann', 'ann', 'bob'])
    expect((await rows('anns', /^f/)).map(({ id }) => id)).toEqual(['f1', 'f2', 'f3'])
  })

  test('do not wait for it with events that their filter excludes anyway', async () => {
    await lyceum.call('POST', '/v1/plugins/edxLayer/pause')
    await lyceum.send([edx('g1', 'ann')])
    const strict = (await cursorsOf('seen')).find(
      ({ endpoint }: { endpoint: string }) => endpoint === 'strict',
    )
    expect(strict).toMatchObject({ state: 'idle', lag: 0 })
    await lyceum.call('POST', '/v1/plugins/edxLayer/resume')
    await lyceum.settled()
  })

  test('wait for any plugin where none provides it any more', async () => {
    await lyceum.publish(
      'edxLayer',
      "import { view } from '@lyceum/sdk'\nexport const a = view(() => '<p>')",
      {
        version: '2.0.0',
      },
    )
    await lyceum.send([sakai('h1', 'ann')])
    expect(names(await rows('again', /^h/))).toEqual(['ann'])
    const all = (await cursorsOf('seen')).find(({ endpoint }: { endpoint: string }) => endpoint === 'all')
    expect(all).toMatchObject({
      state: 'waiting',
      lastError: { message: /"weekday", which no plugin provides now/ },
    })
    await lyceum.call('POST', '/v1/plugins/edxLayer/rollback')
    await lyceum.settled()
    expect(names(await rows('all', /^h/))).toEqual(['ann'])
  })

  longTest('find it after a restart, whoever starts first', async () => {
    await lyceum.call('POST', '/v1/plugins/seen/pause')
    await lyceum.send(Array.from({ length: 40 }, (_, at) => edx(`i${at}`, `u${at}`)))
    await lyceum.close()
    lyceum = await startHost(lyceum.dataDir)
    await lyceum.call('POST', '/v1/plugins/seen/resume')
    await lyceum.settled()
    expect(names(await rows('all', /^i/))).toEqual(Array.from({ length: 40 }, (_, at) => `u${at}`))
  })
})

describe('approval', () => {
  const RIVAL = `import { property } from '@lyceum/sdk'
export const actor = property({ namespace: 'tincan' }, () => ({ name: 'stolen' }))`

  test('is what a plugin needs to take part, and to see what others derive', async () => {
    const author = await lyceum.token({ role: 'author', user: 'eve' })
    const rival = await lyceum.publish('aRival', RIVAL, { token: author })
    expect(rival.json).toMatchObject({ version: '1.0.0', needs: ['property.tincan'], approval: 'pending' })
    const reader = await lyceum.publish(
      'reader',
      "import { onEvent } from '@lyceum/sdk'\nexport const a = onEvent({ props: ['tincan.actor'] }, () => {})",
      { token: author },
    )
    expect(reader.json).toMatchObject({ needs: ['props.tincan.actor'], approval: 'pending' })
    await lyceum.send([edx('j1', 'ann')])
    expect(names(await rows('all', /^j/))).toEqual(['ann'])
  })

  test('once given lets it answer for what it matches: of several, the first by its id', async () => {
    await lyceum.call('POST', '/v1/plugins/aRival/approve', { body: {} })
    await lyceum.send([edx('k1', 'ann')])
    expect(names(await rows('all', /^k/))).toEqual(['stolen'])
    expect((await lyceum.call('GET', '/')).text).toMatch(
      /event\.props\.tincan\.actor<\/code>\s*<span[^>]*>Who did it\. By aRival, edxLayer, sakaiLayer\./,
    )
    const { properties } = (await lyceum.call('GET', '/v1/schema')).json
    expect(properties).toContainEqual({
      name: 'tincan.actor',
      providers: [
        { plugin: 'aRival', title: 'Actor', description: '' },
        { plugin: 'edxLayer', title: 'Actor', description: 'Who did it.' },
        { plugin: 'sakaiLayer', title: 'Actor', description: '' },
      ],
    })
  })

  test('can be taken back: then others answer again, and handlers that lack theirs wait', async () => {
    await lyceum.call('POST', '/v1/plugins/aRival/revoke', { body: { needs: ['property.tincan'] } })
    await lyceum.send([edx('l1', 'ann')])
    expect(names(await rows('all', /^l/))).toEqual(['ann'])
    await lyceum.call('POST', '/v1/plugins/seen/revoke', { body: { needs: ['props.weekday'] } })
    await lyceum.send([edx('l2', 'ann')])
    expect(names(await rows('all', /^l/))).toEqual(['ann'])
    expect(names(await rows('again', /^l/))).toEqual(['ann', 'ann'])
    await lyceum.call('POST', '/v1/plugins/seen/approve', { body: {} })
    await lyceum.settled()
    expect(names(await rows('all', /^l/))).toEqual(['ann', 'ann'])
  })
})

describe('a publish is refused', () => {
  test.each([
    [
      "onEvent({ props: ['tincan.actr'] }, () => {})",
      'No plugin here provides the property "tincan.actr". Did you mean `tincan.actor`?',
    ],
    ['property(() => 1)', "`course` would take the place of the host's own `event.props.course`"],
  ])('%s', async (made, message) => {
    const source = `import { onEvent, property } from '@lyceum/sdk'\nexport const course = ${made}`
    const answer = await lyceum.publish('refused', source)
    expect(answer.status).toBe(422)
    expect(answer.json.detail).toContain(message)
  })
})

longTest('the example of the documentation works as it is written', async () => {
  const page = await readFile('docs/properties.md', 'utf8')
  for (const [, plugin = '', source = ''] of page.matchAll(/```ts\n\/\/ (\w+)\/plugin\.ts\n(.*?)```/gs))
    expect((await lyceum.publish(plugin, source, { version: '3.0.0' })).json).toMatchObject({
      approval: 'granted',
    })
  await lyceum.send([edx('m1', 'ann'), sakai('m2', 'ann'), sakai('m3', 'bob')])
  const counted: { _id: string; n: number }[] = (await lyceum.call('GET', '/v1/queries/people/all')).json
  expect(counted.find(({ _id }) => _id === 'ann')?.n).toBeGreaterThanOrEqual(2)
  expect(counted.find(({ _id }) => _id === 'bob')?.n).toBeGreaterThanOrEqual(1)
})
