import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { Machine } from '../kill/spawned.ts'
import { startHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const YEAR_MS = 365 * 24 * HOUR_MS

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const PLUGIN = `import { onEvent, query } from '@lyceum/sdk'
export const keep = onEvent('note', async ({ events, db, log }) => {
  for (const e of events) {
    await db.collection('notes').insertOne({ _id: e.id })
    log.info('kept ' + e.id)
  }
})
export const notes = query(async ({ db }) => (await db.collection('notes').find().toArray()).map((d) => d._id))
export const spin = query(() => { for (;;); })`

/** A host in a process of its own whose clock can be set. */
async function hostWithClock() {
  const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-clock-'))
  cleanups.push(() => rm(dataDir, { recursive: true, force: true }))
  const file = join(dataDir, 'clock')
  await writeFile(file, '0')
  const { NODE_OPTIONS } = process.env
  process.env.CLOCK_FILE = file
  process.env.NODE_OPTIONS = `--import=${join(import.meta.dirname, 'shifted-clock.ts')}`
  try {
    const machine = await Machine.start(dataDir)
    cleanups.push(() => machine.kill())
    const setClock = async (shiftMs: number) => {
      await writeFile(file, String(shiftMs))
      machine.host.process.kill('SIGUSR2')
      await vi.waitUntil(
        () => machine.host.output().trimEnd().endsWith(`the clock is off by ${shiftMs} ms`),
        10_000,
      )
    }
    return { machine, setClock }
  } finally {
    delete process.env.CLOCK_FILE
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = NODE_OPTIONS
  }
}

longTest(
  'a clock that jumps by hours and years changes what is signed until then, and nothing that is counted',
  async () => {
    const { machine, setClock } = await hostWithClock()
    await machine.publish('keeper', PLUGIN)
    const ask = async (name: string) => (await machine.call('GET', `/v1/queries/keeper/${name}`)).json
    let sent = 0
    const sendAndCheck = async () => {
      expect(await machine.post([{ id: `n${sent}`, event_type: 'note' }])).toBe(true)
      sent += 1
      await machine.caughtUp('keeper')
      expect(await ask('notes')).toEqual(Array.from({ length: sent }, (_, at) => `n${at}`))
    }
    await sendAndCheck()
    for (const shiftMs of [5 * MINUTE_MS, -5 * MINUTE_MS, -3 * HOUR_MS, -3 * YEAR_MS, -MINUTE_MS]) {
      await setClock(shiftMs)
      await sendAndCheck()
      const logged = (await machine.call('GET', '/v1/plugins/keeper/logs')).json as {
        lines: { line: string }[]
      }
      expect(logged.lines.at(-1)?.line).toBe(`kept n${sent - 1}`)
    }
    // Budgets are no times of day.
    await machine.call('PATCH', '/v1/plugins/keeper/quota', { cpuMsPerCall: 500 })
    const spinning = machine.call('GET', '/v1/queries/keeper/spin')
    await setClock(-YEAR_MS)
    expect((await spinning).json).toMatchObject({ code: 'over_cpu' })
    await setClock(0)
    const conduct = async () =>
      ((await machine.call('GET', '/v1/plugins/keeper')).json as { conduct: { onProbation: boolean } })
        .conduct
    expect(await conduct()).toMatchObject({ onProbation: true })
    // A token is good until a time of day, whatever that says: this one for half a day.
    await setClock(YEAR_MS)
    expect(await machine.call('GET', '/v1/plugins/keeper')).toMatchObject({
      status: 401,
      json: { code: 'token_expired' },
    })
    expect((await machine.call('GET', '/healthz')).status).toBe(200)
    await setClock(HOUR_MS)
    // What it did wrong a moment ago was not ten minutes ago.
    expect(await conduct()).toMatchObject({ onProbation: true })
    await sendAndCheck()
  },
)

test('a job runs once for each time of day that comes, and goes on when a clock that was wrong is put right', async () => {
  const nine = Date.parse('2026-03-01T09:30:00Z')
  let nowMs = nine
  const lyceum = await startHost(undefined, () => nowMs)
  cleanups.push(() => lyceum.dispose())
  await lyceum.publish(
    'jobs',
    `import { cron, query } from '@lyceum/sdk'
     export const hourly = cron('0 * * * *', async ({ db }) => {
       await db.collection('runs').updateOne({ _id: 'hourly' }, { $inc: { n: 1 } }, { upsert: true })
     })
     export const runs = query(async ({ db }) => (await db.collection('runs').findOne({ _id: 'hourly' }))?.n ?? 0)`,
  )
  const { cron, plugins } = lyceum.host
  /** The runs so far, where the job's timer fires at a time. */
  const runsAt = async (ms: number) => {
    nowMs = ms
    await cron.remove('jobs')
    cron.add(plugins.get('jobs'))
    await cron.settled('jobs')
    return (await lyceum.call('GET', '/v1/queries/jobs/runs')).json
  }
  expect(await runsAt(nine)).toBe(0)
  expect(await runsAt(nine + HOUR_MS)).toBe(1)
  // Back by minutes: ten o'clock comes again, and is not for a second run.
  expect(await runsAt(nine + 29 * MINUTE_MS)).toBe(1)
  expect(await runsAt(nine + 31 * MINUTE_MS)).toBe(1)
  expect(await runsAt(nine + 2 * HOUR_MS)).toBe(2)
  // Forward by a year: what was missed is made up for once.
  expect(await runsAt(nine + YEAR_MS)).toBe(3)
  expect(await runsAt(nine + YEAR_MS + MINUTE_MS)).toBe(3)
  // And right again: it does not wait for a year.
  expect(await runsAt(nine + 3 * HOUR_MS)).toBe(3)
  expect(await runsAt(nine + 3 * HOUR_MS + MINUTE_MS)).toBe(3)
  expect(await runsAt(nine + 4 * HOUR_MS)).toBe(4)
  expect(await runsAt(nine + 5 * HOUR_MS)).toBe(5)
})

longTest('a version that comes after the clock was put back is the newest all the same', async () => {
  const lyceum = await startHost()
  cleanups.push(() => lyceum.dispose())
  const author = await lyceum.token({ role: 'author', user: 'ann' })
  const version = (of: string, text: string) => {
    const realMs = Date.now()
    const clock = vi.spyOn(Date, 'now').mockReturnValue(realMs - HOUR_MS)
    return lyceum.publish('mine', text, { version: of, token: author }).finally(() => clock.mockRestore())
  }
  await lyceum.publish('other', PLUGIN)
  await lyceum.publish('mine', PLUGIN, { token: author })
  await version('2.0.0', `${PLUGIN}\nexport const two = query(() => 2)`)
  const asks = `${PLUGIN}\nexport const asks = query(({ plugins: { other } }) => other.notes())`
  expect((await version('3.0.0', asks)).json).toMatchObject({
    approval: 'pending',
    pending: { version: '3.0.0' },
  })
  const shown = (await lyceum.call('GET', '/v1/plugins/mine')).json
  expect(shown).toMatchObject({ version: '2.0.0', pending: { version: '3.0.0' } })
  expect(shown.versions.map((row: { version: string }) => row.version)).toEqual(['3.0.0', '2.0.0', '1.0.0'])
  expect((await lyceum.call('POST', '/v1/plugins/mine/rollback')).json).toMatchObject({ version: '1.0.0' })
})
