import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

/** Does with each event what the event says. */
const HOSTILE = `import { property } from '@lyceum/sdk'
export const answer = property({ namespace: 'evil', when: { event_type: 'evil' } }, ({ event, log }) => {
  switch (event.does) {
    case 'throw': throw new Error('no answer to ' + event.id)
    case 'throw what hangs': throw { get message() { for (;;); } }
    case 'loop': for (;;);
    case 'huge': return 'x'.repeat(5000)
    case 'deep': { let deep = 1; for (let i = 0; i < 20; i++) deep = [deep]; return deep }
    case 'proto': return JSON.parse('{"__proto__":{"isAdmin":true}}')
    case 'circle': { const circle = {}; circle.circle = circle; return circle }
    case 'bigint': return 1n
    case 'function': return () => 1
    case 'promise': return Promise.resolve(1)
    case 'nothing': return undefined
    case 'null': return null
    case 'mutate': event.props.id = 'forged'; event.n = -1; return event.n
    case 'log': for (let i = 0; i < 500; i++) log('noise'); return 'quiet'
    default: return { n: event.n, at: new Date(0) }
  }
})
`
/** Has a hand in everything that its isolate uses to give its answers. */
const FORGER = `import { property } from '@lyceum/sdk'
export const mark = property({ when: { event_type: 'forge' } }, ({ event }) => {
  const forged = '1},"id":"forged","n":-1,"x":{"y":1'
  if (event.how === 'join') Array.prototype.join = () => forged
  if (event.how === 'map') Array.prototype.map = () => ({ join: () => '2\\n'.repeat(300) })
  if (event.how === 'toJSON') String.prototype.toJSON = () => ({})
  return { toJSON: () => 'mark' }
})
`
const SEEN = `import { onEvent, query } from '@lyceum/sdk'
const keep = (name, key) => ({ events, db }) =>
  db.collection(name).insertMany(events.map((e) => ({ id: e.id, n: e.n, props: JSON.stringify(e.props[key] ?? null) })))
export const evil = onEvent({ props: ['evil.answer'], where: { event_type: 'evil' } }, ({ events, db }) => keep('evil', 'evil')({ events, db }))
export const forged = onEvent({ props: ['mark'], where: { event_type: 'forge' } }, ({ events, db }) => keep('forged', 'mark')({ events, db }))
export const slow = onEvent({ props: ['tick'], where: { event_type: 'tick' } }, async ({ event, db }) => {
  const ticks = db.collection('ticks')
  const last = await ticks.findOne({ _id: 'last' })
  const order = last === null || last.n < event.n ? 'in order' : 'out of order'
  await ticks.updateOne({ _id: 'last' }, { $set: { n: event.n } }, { upsert: true })
  await ticks.updateOne({ _id: order + ' ' + event.props.tick }, { $inc: { seen: 1 } }, { upsert: true })
})
export const bystander = onEvent({ where: { event_type: 'evil' } }, ({ events, db }) => keep('bystander', 'evil')({ events, db }))
export const rows = query({ params: { of: { type: 'string' } } }, ({ db, params }) => db.collection(params.of).find().sort({ n: 1 }).toArray())
`
const TICK = `import { property } from '@lyceum/sdk'
export const tick = property({ when: { event_type: 'tick' } }, ({ event }) => 't' + (event.n % 2))
`

/** Starting a host and publishing three plugins, where many others are at work. */
const SLOW_MACHINE_MS = 120_000

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('hostile', HOSTILE)
  await lyceum.publish('forger', FORGER)
  await lyceum.publish('ticker', TICK)
  expect((await lyceum.publish('seen', SEEN)).status).toBe(201)
}, SLOW_MACHINE_MS)
afterAll(() => lyceum.dispose())

type Row = { _id: string; id: string; n: number; props: string; seen: number }
const rows = async (of: string): Promise<Row[]> => {
  const answer = await lyceum.call('GET', `/v1/queries/seen/rows?of=${of}`)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.json
}
const about = async (plugin: string) => (await lyceum.call('GET', `/v1/plugins/${plugin}`)).json
const linesOf = async (plugin: string): Promise<{ line: string; level: string }[]> =>
  (await lyceum.call('GET', `/v1/plugins/${plugin}/logs?limit=1000`)).json.lines

test('what fails for an event leaves that event without it, and all others as they are', async () => {
  const does = [
    'throw',
    'huge',
    'deep',
    'proto',
    'circle',
    'bigint',
    'function',
    'promise',
    'nothing',
    'null',
  ]
  const acts = [...does, 'mutate', ...does].flatMap((one) => [one, 'answer'])
  await lyceum.send(acts.map((one, n) => ({ id: `${n} ${one}`, n, event_type: 'evil', does: one })))
  const found = await rows('evil')
  expect(found.map(({ id }) => id)).toEqual(acts.map((one, n) => `${n} ${one}`))
  const answer = (n: number) => JSON.stringify({ answer: { n, at: '1970-01-01T00:00:00.000Z' } })
  const expected: Record<string, string> = {
    null: '{"answer":null}',
    mutate: '{"answer":-1}',
  }
  expect(found.map(({ props }) => props)).toEqual(
    acts.map((one, n) => (one === 'answer' ? answer(n) : (expected[one] ?? 'null'))),
  )
  const failed = (await linesOf('hostile')).filter(({ level }) => level === 'error')
  expect(failed[0]?.line).toMatch(
    /no answer to 0 throw \(16 of \d+ events; handlers get them without the property\)/,
  )
  expect(failed[0]?.line).toContain('plugin.ts:4')
  await lyceum.send([{ id: 'log', n: 500, event_type: 'evil', does: 'log' }])
  expect((await rows('evil')).at(-1)).toMatchObject({ id: 'log', props: '{"answer":"quiet"}' })
})

test('a batch in which one event never ends is taken apart until the others have theirs', async () => {
  await lyceum.call('PATCH', '/v1/plugins/hostile/quota', { body: { cpuMsPerCall: 100 } })
  const events = Array.from({ length: 40 }, (_, n) => ({
    id: `loop ${n}`,
    n: 1_000 + n,
    event_type: 'evil',
    does: n === 17 ? 'loop' : n === 30 ? 'throw what hangs' : 'answer',
  }))
  await lyceum.send(events)
  const found = (await rows('evil')).filter(({ id }) => id.startsWith('loop'))
  expect(found.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  expect(found.flatMap(({ props }, n) => (props === 'null' ? [n] : []))).toEqual([17, 30])
  expect((await rows('bystander')).filter(({ id }) => id.startsWith('loop'))).toHaveLength(40)
  const { conduct } = await about('hostile')
  expect(conduct.strikes).toBeGreaterThan(0)
  expect((await linesOf('hostile')).map(({ line }) => line).join('\n')).toMatch(
    /\(event \d+; handlers get it without/,
  )
})

test('one that is quarantined keeps those who ask waiting, and says why, until an admin decides', async () => {
  for (let n = 0; n < 20; n++) lyceum.host.conduct.strike('hostile', 'over_cpu', 'again')
  await lyceum.send([{ id: 'late', n: 2_000, event_type: 'evil' }])
  const evil = (await about('seen')).cursors.find(({ endpoint }: { endpoint: string }) => endpoint === 'evil')
  expect(evil).toMatchObject({
    state: 'waiting',
    lastError: { message: expect.stringContaining('hostile broke its limits too often') },
  })
  expect((await rows('bystander')).at(-1)?.id).toBe('late')
  await lyceum.call('POST', '/v1/plugins/hostile/resume')
  await lyceum.settled()
  expect((await rows('evil')).at(-1)).toMatchObject({
    id: 'late',
    props: expect.stringContaining('"n":2000'),
  })
})

test('no trick with what the isolate uses changes anything else of an event', async () => {
  const hows = ['none', 'join', 'none', 'map', 'none', 'toJSON', 'none']
  for (const [n, how] of hows.entries()) {
    await lyceum.send([{ id: `f${n}`, n, event_type: 'forge', how }])
    // Its isolate stays as it was made; another quota gives it a new one.
    await lyceum.call('PATCH', '/v1/plugins/forger/quota', { body: { memoryMb: 32 + n } })
  }
  const found = await rows('forged')
  expect(found.map(({ id, n }) => [id, n])).toEqual(hows.map((_, n) => [`f${n}`, n]))
  expect(
    found.map(({ props }) => props).filter((props) => !['"mark"', 'null', '{}'].includes(props)),
  ).toEqual([])
})

test(
  'events keep their order and count once, whatever processes are killed while they are derived',
  async () => {
    const count = 800
    const body = Array.from({ length: count }, (_, n) => ({ id: `t${n}`, n, event_type: 'tick' }))
    await lyceum.call('POST', '/v1/events', { body })
    for (const share of [0.1, 0.5]) {
      const passed = () =>
        lyceum.host.lane.status('seen').find(({ endpoint }) => endpoint === 'slow')?.cursor ?? 0
      const from = lyceum.host.log.head() - count
      while (passed() < from + share * count && !lyceum.host.lane.quiet)
        await new Promise((resolve) => setTimeout(resolve, 2))
      for (const pid of lyceum.host.supervisor.pids) process.kill(pid, 'SIGKILL')
    }
    await lyceum.settled()
    const ticks = await rows('ticks')
    expect(ticks.map(({ _id, seen }) => [_id, seen]).sort()).toEqual([
      ['in order t0', count / 2],
      ['in order t1', count / 2],
      ['last', undefined],
    ])
  },
  SLOW_MACHINE_MS,
)
