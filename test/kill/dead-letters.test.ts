import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

const plugin = (poison: string) => `import { onEvent, query } from '@lyceum/sdk'
export const count = onEvent('work', async ({ events, db }) => {
  const seen = db.collection('seen')
  for (const e of events) {
    await seen.updateOne({ _id: 'taken' }, { $set: { used: true } }, { upsert: true })
    ${poison}
    await seen.updateOne({ _id: e.id }, { $inc: { n: 1 } }, { upsert: true })
  }
})
export const seen = query(async ({ db }) =>
  Object.fromEntries((await db.collection('seen').find({ n: { $gte: 1 } }).toArray()).map((d) => [d._id, d.n])))`

const POISON = `
    if (e.event.bad === 'throw') throw new Error('no such course')
    if (e.event.bad === 'loop') for (;;);
    if (e.event.bad === 'duplicate') await seen.insertOne({ _id: 'taken' })
    if (e.event.bad === 'operator') await seen.updateOne({ _id: 'x' }, { $nope: { a: 1 } })`
const lineOf = (text: string) =>
  plugin(POISON)
    .split('\n')
    .findIndex((line) => line.includes(text)) + 1

const BAD = new Map([
  [7, 'throw'],
  [8, 'throw'],
  [20, 'loop'],
  [33, 'duplicate'],
  [59, 'operator'],
])
const events = Array.from({ length: 60 }, (_, at) => ({
  id: `w${at}`,
  event_type: 'work',
  event: { bad: BAD.get(at) },
}))

test('exactly the poison among good events is put aside, with its cause and its line', async () => {
  await lyceum.publish('careful', plugin(POISON))
  await lyceum.call('PATCH', '/v1/plugins/careful/quota', { body: { cpuMsPerCall: 200 } })
  await lyceum.send(events)
  const { json } = await lyceum.call('GET', '/v1/plugins/careful/dead-letters')
  const letters = json.letters.map((letter: { event: { id: string }; code: string; stack?: string }) => [
    letter.event.id,
    letter.code,
    /plugin\.ts:(\d+)/.exec(letter.stack ?? '')?.[1] ?? '',
  ])
  expect(letters).toEqual([
    ['w7', 'plugin_failed', String(lineOf("'throw'"))],
    ['w8', 'plugin_failed', String(lineOf("'throw'"))],
    // A loop is in no line: it is told where its handler begins.
    ['w20', 'over_cpu', String(lineOf('export const count'))],
    ['w33', 'duplicate_key', String(lineOf("'duplicate'"))],
    ['w59', expect.any(String), String(lineOf("'operator'"))],
  ])
  expect(json.total).toBe(5)
  const good = events.filter((_, at) => !BAD.has(at)).map(({ id }) => [id, 1])
  expect((await lyceum.call('GET', '/v1/queries/careful/seen')).json).toEqual(Object.fromEntries(good))
})

test('a retry that still fails keeps the letter', async () => {
  const retried = await lyceum.call('POST', '/v1/plugins/careful/dead-letters/retry', { body: { ids: [1] } })
  expect(retried.json.retried).toMatchObject([{ id: 1, state: 'failed', error: { code: 'plugin_failed' } }])
  expect((await lyceum.call('GET', '/v1/plugins/careful/dead-letters')).json.total).toBe(5)
})

test('a retry that fails in another way tells its own error, under the same id', async () => {
  const other = plugin(POISON.replace('no such course', 'no such person'))
  await lyceum.publish('careful', other, { version: '1.0.0-b' })
  const body = { ids: [1] }
  const [{ error }] = (await lyceum.call('POST', '/v1/plugins/careful/dead-letters/retry', { body })).json
    .retried
  expect(error.message).toContain('no such person')
  const { total, letters } = (await lyceum.call('GET', '/v1/plugins/careful/dead-letters')).json
  expect(total).toBe(5)
  expect(letters[0]).toMatchObject({ id: 1, version: '1.0.0-b', message: error.message, attempts: 5 })
  expect(letters[1]).toMatchObject({ id: 2, version: '1.0.0', attempts: 3 })
  await lyceum.call('POST', '/v1/plugins/careful/rollback', { body: { version: '1.0.0' } })
})

test('a letter whose handler is gone keeps no other from being retried', async () => {
  const source = (names: readonly string[], body: string) => `import { onEvent } from '@lyceum/sdk'
    ${names.map((name) => `export const ${name} = onEvent('gone', () => { ${body} })`).join('\n')}`
  await lyceum.publish('shrinking', source(['first', 'second'], `throw new Error('no')`))
  await lyceum.send([{ id: 'g1', event_type: 'gone' }])
  await lyceum.publish('shrinking', source(['second'], ''), { version: '1.0.1' })
  const { retried } = (await lyceum.call('POST', '/v1/plugins/shrinking/dead-letters/retry')).json
  expect(
    retried.map((each: { state: string; error?: { code: string } }) => each.error?.code ?? each.state).sort(),
  ).toEqual(['committed', 'endpoint_unknown'])
})

test('retried after a fix, twice at the same time, each counts once and the list is empty', async () => {
  // Longer by a line above the loop, so that a stack read with the wrong map shows another line.
  await lyceum.publish('careful', `// mended\n${plugin('')}`, { version: '1.0.1' })
  const before = await lyceum.call('GET', '/v1/plugins/careful/dead-letters')
  expect(before.json.letters[1]).toMatchObject({ version: '1.0.0' })
  expect(before.json.letters[1].stack).toContain(`plugin.ts:${lineOf("'throw'")}:`)
  const retry = () => lyceum.call('POST', '/v1/plugins/careful/dead-letters/retry')
  const answers = await Promise.all([retry(), retry()])
  // Whoever came second waited, and found nothing left.
  expect(answers.map(({ json }) => json.retried.length).sort()).toEqual([0, 5])
  const states = answers.flatMap(({ json }) => json.retried.map(({ state }: { state: string }) => state))
  expect(new Set(states)).toEqual(new Set(['committed']))
  const all = Object.fromEntries(events.map(({ id }) => [id, 1]))
  expect((await lyceum.call('GET', '/v1/queries/careful/seen')).json).toEqual(all)
  expect((await lyceum.call('GET', '/v1/plugins/careful/dead-letters')).json).toEqual({
    total: 0,
    letters: [],
  })
})

test('a refused write in the middle of a batch undoes the batch, and is laid to its own event', async () => {
  await lyceum.publish(
    'unique',
    `import { collection, onEvent, query } from '@lyceum/sdk'
     export const people = collection({ indexes: [{ keys: { mail: 1 }, unique: true }] })
     export const add = onEvent('join', async ({ events, db }) => {
       for (const e of events) await db.collection('people').insertOne({ _id: e.id, mail: e.event.mail })
     })
     export const all = query(async ({ db }) => (await db.collection('people').find().toArray()).map((d) => d._id))`,
  )
  const join = (id: string, mail: string) => ({ id, event_type: 'join', event: { mail } })
  await lyceum.send([
    join('a', '1@x'),
    join('b', '2@x'),
    join('c', '1@x'),
    join('d', '3@x'),
    join('e', '2@x'),
  ])
  expect((await lyceum.call('GET', '/v1/queries/unique/all')).json).toEqual(['a', 'b', 'd'])
  const { letters } = (await lyceum.call('GET', '/v1/plugins/unique/dead-letters')).json
  expect(letters.map((letter: { event: { id: string } }) => letter.event.id)).toEqual(['c', 'e'])
})

test('an event whose handler had to wait for the database of its plugin is not put aside', async () => {
  await lyceum.publish(
    'waiting',
    `import { onEvent, query } from '@lyceum/sdk'
     export const count = onEvent('wait', async ({ event, db }) => {
       await db.collection('seen').findOne({ _id: 'x' })
       await db.collection('seen').insertOne({ _id: event.id })
     })
     export const seen = query(({ db }) => db.collection('seen').countDocuments())`,
  )
  await lyceum.call('PATCH', '/v1/plugins/waiting/quota', { body: { wallMs: 100 } })
  await lyceum.settled()
  const store = lyceum.host.plugins.storeOf('waiting')
  let release = await store.hold()
  await lyceum.call('POST', '/v1/events', { body: [{ id: 'patient', event_type: 'wait' }] })
  const failures = () => lyceum.host.plugins.active().get('waiting')?.usage.failures ?? 0
  for (let failed = 1; failed <= 4; failed++) {
    await vi.waitUntil(() => failures() >= failed, 20_000)
    const next = store.hold()
    release()
    release = await next
  }
  await lyceum.call('PATCH', '/v1/plugins/waiting/quota', { body: { wallMs: 10_000 } })
  release()
  await lyceum.settled()
  expect((await lyceum.call('GET', '/v1/queries/waiting/seen')).json).toBe(1)
  expect((await lyceum.call('GET', '/v1/plugins/waiting')).json).toMatchObject({
    deadLetters: 0,
    state: 'active',
  })
})

test('an event with thousands of writes is handled like any other', async () => {
  await lyceum.publish(
    'busy',
    `import { onEvent, query } from '@lyceum/sdk'
     export const spread = onEvent('spread', async ({ event, db }) => {
       for (let n = 0; n < 8000; n++) await db.collection('parts').insertOne({ _id: n, aName: 'x'.repeat(20) })
     })
     export const parts = query(({ db }) => db.collection('parts').countDocuments())`,
  )
  await lyceum.call('PATCH', '/v1/plugins/busy/quota', { body: { outputBytes: 600_000 } })
  await lyceum.send([{ id: 'spread', event_type: 'spread' }])
  expect((await lyceum.call('GET', '/v1/queries/busy/parts')).json).toBe(8000)
})
