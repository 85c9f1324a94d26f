import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { OpContext } from '../../../host/capabilities/capability.ts'
import { LIMITS } from '../../../host/limits.ts'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

const NOW = Date.UTC(2031, 4, 5, 6, 7, 8)
/** A view that waits for a document, telling how far it is, and gives what it has when its time is nearly over. */
const SLOW = `
  import { cron, html, onEvent, query, view } from '@lyceum/sdk'
  export const open = onEvent('open', ({ event, db }) => db.collection('gates').insertOne({ _id: event.gate }))
  export const waits = view({ params: {} }, async ({ db, progress, signal }) => {
    progress(0, 'first')
    progress(0.25, 'a\\u0007quarter')
    while (!signal.aborted && await db.collection('gates').findOne({ _id: 'view' }) === null);
    return html\`<p>\${signal.aborted ? 'what there is' : 'all of it'}</p>\`
  })
  export const tells = view(async ({ signal }) => {
    const told = new Promise((resolve) => signal.addEventListener('abort', resolve))
    await told
    try { signal.throwIfAborted() } catch (error) { return html\`<p>\${error.name}</p>\` }
  })
  export const wrong = query(({ progress }) => progress(50))
  export const refused = query(async ({ db, plugins: { self } }) => {
    await db.collection('gates').findOne({ _id: 'view' })
    return self.nope()
  })
  export const time = query(({ now }) => [now().toISOString(), new Date().toISOString()])
  export const speak = onEvent('speak', ({ event, log }) => log(event.line))
  export const shout = onEvent('shout', async ({ event, log }) => { for (let n = 0; n < 50; n++) log(n) })
  export const job = onEvent('job', async ({ event, db, progress }) => {
    progress(0.5, 'half of the job')
    while (await db.collection('gates').findOne({ _id: 'job' }) === null && event.tries-- > 0);
  })`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost(undefined, () => NOW)
  expect((await lyceum.publish('slow', SLOW)).status).toBe(201)
})
afterAll(() => lyceum.dispose())

async function ticketOf(view: string): Promise<string> {
  const page = await lyceum.call('GET', `/views/slow/${view}`)
  const [, ticket = ''] = /src="\/frames\/([^"]+)"/.exec(page.text) ?? []
  expect(ticket).not.toBe('')
  return ticket
}

/** Reads a body that stays open, piece by piece. */
async function* piecesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for await (const piece of body ?? []) yield decoder.decode(piece, { stream: true })
}

/** Reads until all of these were there, and gives what was read. */
async function readUntil(pieces: AsyncGenerator<string>, ...wanted: readonly string[]): Promise<string> {
  let text = ''
  while (!wanted.every((part) => text.includes(part))) {
    const { value, done } = await pieces.next()
    if (done) throw new Error(`the answer ended before ${wanted.join(', ')}: ${text}`)
    text += value
  }
  return text
}

describe('progress', () => {
  test('of a view reaches the page around it while the view is being made, and ends with it', async () => {
    const ticket = await ticketOf('waits')
    const frame = fetch(`${lyceum.url}/frames/${ticket}`)
    // Nobody is told anything before the view runs: asked too early the answer is empty.
    let watching = await fetch(`${lyceum.url}/progress/${ticket}`)
    while (watching.status === 204) watching = await fetch(`${lyceum.url}/progress/${ticket}`)
    expect(watching.headers.get('content-type')).toContain('text/event-stream')
    const told = piecesOf(watching.body)
    await readUntil(told, 'data: {"fraction":0.25,"text":"a quarter"}')
    expect((await lyceum.call('GET', '/v1/plugins/slow')).json.running).toEqual([
      { endpoint: 'waits', fraction: 0.25, text: 'a quarter', startedMs: expect.any(Number) },
    ])
    await lyceum.send([{ event_type: 'open', gate: 'view' }])
    await readUntil(told, 'event: over')
    expect(await (await frame).text()).toContain('<p>all of it</p>')
    expect((await fetch(`${lyceum.url}/progress/${ticket}`)).status).toBe(204)
    expect((await lyceum.call('GET', '/v1/plugins/slow')).json.running).toEqual([])
  })

  test('is told to those only who hold the ticket of the frame', async () => {
    expect((await fetch(`${lyceum.url}/progress/x`)).status).toBe(401)
  })

  longTest('of a handler shows at its plugin', async () => {
    const answer = lyceum.call('POST', '/v1/events', { body: [{ event_type: 'job', tries: 5_000 }] })
    const running = async () => (await lyceum.call('GET', '/v1/plugins/slow')).json.running
    while ((await running()).length === 0);
    expect(await running()).toMatchObject([{ endpoint: 'job', fraction: 0.5, text: 'half of the job' }])
    await lyceum.send([{ event_type: 'open', gate: 'job' }])
    await answer
    expect(await running()).toEqual([])
  })

  test('is a number from 0 to 1', async () => {
    const { status, json } = await lyceum.call('GET', '/v1/queries/slow/wrong')
    expect([status, json.detail]).toEqual([502, expect.stringContaining('a number from 0 to 1')])
  })
})

test('a signal comes before the time is over, early enough to give what there is', async () => {
  const { ops } = lyceum.host
  const { signal } = ops
  onTestFinished(() => {
    vi.useRealTimers()
    Object.assign(ops, { signal })
  })
  let asked: OpContext | undefined
  Object.assign(ops, {
    signal: (payload: Buffer, context: OpContext) => {
      asked = context
      // Soon, so that what follows it has time on a busy machine, too.
      return signal(payload, { ...context, deadlineMs: performance.now() + 100 })
    },
  })
  const frame = await fetch(`${lyceum.url}/frames/${await ticketOf('tells')}`)
  expect(await frame.text()).toContain('<p>TimeoutError</p>')
  if (asked === undefined) throw new Error('nobody asked for a signal')
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
  const told = signal(Buffer.alloc(0), { ...asked, deadlineMs: performance.now() + 5_000, onEnd() {} })
  vi.advanceTimersByTime(4_500)
  expect(await told).toBe('')
})

test('the time that a plugin sees is the time of its host', async () => {
  const iso = new Date(NOW).toISOString()
  expect((await lyceum.call('GET', '/v1/queries/slow/time')).json).toEqual([iso, iso])
})

test('an op that the host refuses is told with the line that asked for it', async () => {
  const { json } = await lyceum.call('GET', '/v1/queries/slow/refused')
  expect(json.detail).toContain('slow has no query or view "nope"')
  const line = SLOW.split('\n').findIndex((text) => text.includes('self.nope()')) + 1
  expect(json.stack).toMatch(new RegExp(`at .*plugin\\.ts:${line}:`))
})

test('a plugin that floods its log hides nothing that the host says about it, and cannot pass for the host', async () => {
  await lyceum.publish(
    'loud',
    `import { query } from '@lyceum/sdk'
     export const floods = query(({ log }) => {
       for (let n = 0; n < 500; n++) log.error('noise')
       throw new Error('behind the noise')
     })`,
  )
  await lyceum.call('GET', '/v1/queries/loud/floods')
  const { lines } = (await lyceum.call('GET', '/v1/plugins/loud/logs?limit=1000')).json
  expect(lines.filter((line: { by: string }) => line.by === 'plugin').length).toBeLessThanOrEqual(101)
  expect(lines.filter((line: { by: string }) => line.by === 'host')).toMatchObject([
    { level: 'error', line: expect.stringContaining('behind the noise') },
  ])
})

describe('a log that is followed', () => {
  const follow = async (limit: number, token?: string) =>
    fetch(`${lyceum.url}/v1/plugins/slow/logs/follow?limit=${limit}`, {
      headers: { authorization: `Bearer ${token ?? (await lyceum.token({ role: 'admin' }))}` },
    })

  test('begins with the newest lines and goes on with those to come', async () => {
    await lyceum.send([{ event_type: 'speak', line: 'before' }])
    const following = await follow(1)
    const lines = piecesOf(following.body)
    await readUntil(lines, '"line":"before"}\n')
    await lyceum.send([{ event_type: 'speak', line: 'after' }])
    const after = await readUntil(lines, '"line":"after"}\n')
    expect(JSON.parse(after)).toMatchObject({
      level: 'info',
      endpoint: 'speak',
      version: '1.0.0',
      line: 'after',
    })
    await lines.return(undefined)
  })

  test('is told to its owner and to admins only', async () => {
    const stranger = await follow(1, await lyceum.token({ role: 'author', user: 'zoe' }))
    expect(stranger.status).toBe(403)
    expect((await follow(1, await lyceum.token({ role: 'student', user: 'sam' }))).status).toBe(403)
  })

  test('is followed by so many at a time, and who leaves makes room', async () => {
    const all = await Promise.all(Array.from({ length: LIMITS.logFollowers }, () => follow(0)))
    const oneMore = await follow(0)
    expect([oneMore.status, (await oneMore.json()).code]).toEqual([429, 'over_concurrency'])
    await Promise.all(all.map(({ body }) => body?.cancel()))
    let again = await follow(0)
    while (again.status === 429) again = await follow(0)
    await again.body?.cancel()
  })
})
