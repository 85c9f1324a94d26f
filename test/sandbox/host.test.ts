import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleSource, startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  const quiet = await lyceum.publish('quiet', QUIET)
  expect(quiet.status).toBe(201)
})
afterAll(() => lyceum.dispose())

const QUIET = `import { onEvent, query } from '@lyceum/sdk'
  export const count = onEvent('tick', async ({ events, db }) => {
    await db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true })
  })
  export const total = query(async ({ db }) => (await db.collection('n').findOne())?.n ?? 0)`

/** Little CPU time, and more time than that takes at nice 19, where there is only what others leave. */
const small = { memoryMb: 32, cpuMsPerCall: 50, wallMs: 60_000 }

/** A plugin whose query \`run\` has this body, on a small budget. */
async function hostile(id: string, body: string): Promise<void> {
  const source = `import { query } from '@lyceum/sdk'
    export const run = query(async ({ db, log, plugins: { self } }) => { ${body} })
    export const other = query(() => 1)`
  expect((await lyceum.publish(id, source)).json).toMatchObject({ approval: 'granted' })
  expect((await lyceum.call('PATCH', `/v1/plugins/${id}/quota`, { body: small })).status).toBe(200)
}

/** Asked by the admin, or by somebody else. */
const run = async (id: string, user?: string) =>
  lyceum.call('GET', `/v1/queries/${id}/run`, {
    ...(user !== undefined && { token: await lyceum.token({ role: 'admin', user }) }),
  })
const about = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}`)).json

/** Events go in and are counted while something else goes on; what comes of the something. */
async function beside<Result>(hostile: Promise<Result>): Promise<Result> {
  const before = (await lyceum.call('GET', '/v1/queries/quiet/total')).json
  await lyceum.send([{ event_type: 'tick', n: before, time: new Date(before * 1_000).toISOString() }])
  expect((await lyceum.call('GET', '/v1/queries/quiet/total')).json).toBe(before + 1)
  return hostile
}

test('a loop costs its caller an answer that says why, and its plugin the company of others', async () => {
  await hostile('looping', 'for (;;);')
  const answer = await beside(run('looping'))
  expect([answer.status, answer.json.code]).toEqual([502, 'over_cpu'])
  expect(answer.json.detail).toContain('50 ms of CPU time')
  expect((await about('looping')).conduct).toEqual({ strikes: 1, onProbation: true, quarantined: null })
  await beside(run('looping'))
  const nice = lyceum.host.supervisor.pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })
  expect(nice).toContain(19)
})

longTest(
  'who breaks limits again and again is stopped, and its author reads why',
  async () => {
    await hostile('stubborn', 'for (;;);')
    for (let at = 0; at < 20; at++) await run('stubborn', `reader${at}`)
    const { state, conduct } = await about('stubborn')
    expect(state).toBe('quarantined')
    expect(conduct.quarantined).toMatch(
      /20 times within ten minutes it broke a limit, the last time over_cpu: /,
    )
    const refused = await run('stubborn')
    expect([refused.status, refused.json.code]).toEqual([503, 'plugin_quarantined'])
  },
  300_000,
)

longTest(
  'one person who asks for too much again and again waits, and stops the plugin for nobody else',
  async () => {
    await hostile('generous', 'for (;;);')
    for (let at = 0; at < 3; at++) expect((await run('generous', 'ann')).json.code).toBe('over_cpu')
    const refused = await run('generous', 'ann')
    expect([refused.status, refused.json.code]).toEqual([429, 'asked_too_much'])
    expect((await run('generous', 'bob')).json.code).toBe('over_cpu')
    expect((await about('generous')).conduct).toMatchObject({ strikes: 4, quarantined: null })
  },
)

longTest(
  'who takes its process down again and again is stopped sooner',
  async () => {
    await hostile('murderous', 'new Array(2 ** 32 - 1).indexOf(1)')
    // After the first it is alone in its process, so that nobody else can have taken that down.
    await beside(run('murderous', 'reader'))
    for (let lost = 1; lost <= 5; lost++) {
      await beside(run('murderous', `reader${lost}`))
      await expect.poll(() => lyceum.host.conduct.lossesOf('murderous')).toBe(lost)
    }
    expect((await about('murderous')).conduct.quarantined).toMatch(/took down its process 5 times/)
  },
  300_000,
)

test('a new version that behaves is let out', async () => {
  const source = `import { query } from '@lyceum/sdk'; export const run = query(() => 1)`
  expect((await lyceum.publish('murderous', source, { version: '1.0.1' })).status).toBe(201)
  expect((await run('murderous')).json).toBe(1)
  expect((await about('murderous')).conduct).toMatchObject({ strikes: 0, quarantined: null })
})

longTest('an author has only so many publishes under way, which keeps out nobody else', async () => {
  const token = await lyceum.token({ role: 'author', user: 'many' })
  const other = await lyceum.token({ role: 'author', user: 'one' })
  const slow = `import { query } from '@lyceum/sdk'\nfor (;;);\nexport const run = query(() => 1)`
  // Bundled before, so that all are there before the first has ended.
  const bodies = await Promise.all(Array.from({ length: 8 }, (_, n) => bundleSource(`many${n}`, slow)))
  const many = bodies.map((body, n) => lyceum.call('POST', `/v1/plugins/many${n}/versions`, { body, token }))
  const one = lyceum.publish(
    'one',
    `import { query } from '@lyceum/sdk'; export const run = query(() => 1)`,
    { token: other },
  )
  const codes = (await Promise.all(many)).map(({ json }) => json.code)
  expect(codes.filter((code) => code === 'over_concurrency')).toHaveLength(4)
  expect((await one).status).toBe(201)
})

test('after all of this the quiet one has never been suspected', async () => {
  expect((await about('quiet')).conduct).toEqual({ strikes: 0, onProbation: false, quarantined: null })
})
