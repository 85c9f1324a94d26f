import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const HOUR_MS = 3_600_000
const NINE = Date.parse('2026-03-01T09:30:00Z')

let dataDir: string
let lyceum: TestHost
let nowMs = NINE
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lyceum-cron-'))
  nowMs = NINE
  lyceum = await startHost(dataDir, () => nowMs)
})
afterEach(async () => {
  await lyceum.close()
  await rm(dataDir, { recursive: true, force: true })
})

const source = (version: string, body = '') => `import { cron, query } from '@lyceum/sdk'
  export const hourly = cron('0 * * * *', async ({ db }) => {
    await db.collection('runs').updateOne({ _id: '${version}' }, { $inc: { n: 1 } }, { upsert: true })
    ${body}
  })
  export const runs = query(async ({ db }) =>
    Object.fromEntries((await db.collection('runs').find().toArray()).map((d) => [d._id, d.n])))`
const publish = (version: string, body?: string) => lyceum.publish('jobs', source(version, body), { version })
const runs = async () => (await lyceum.call('GET', '/v1/queries/jobs/runs')).json

/** Starts the host again at a later time; jobs that are due then have ended. */
async function restartAt(ms: number): Promise<void> {
  await lyceum.close()
  nowMs = ms
  lyceum = await startHost(dataDir, () => nowMs)
  await lyceum.host.cron.settled('jobs')
}

test('a job does not run because it was published, and a run that was missed is made up for once', async () => {
  await publish('1.0.0')
  await lyceum.host.cron.settled('jobs')
  expect(await runs()).toEqual({})
  await restartAt(NINE + 5 * HOUR_MS)
  expect(await runs()).toEqual({ '1.0.0': 1 })
  await restartAt(NINE + 5 * HOUR_MS + 60_000)
  expect(await runs()).toEqual({ '1.0.0': 1 })
  await restartAt(NINE + 6 * HOUR_MS)
  expect(await runs()).toEqual({ '1.0.0': 2 })
})

longTest('versions that follow each other at once run a due job once in all', async () => {
  await publish('1.0.0')
  await lyceum.host.cron.settled('jobs')
  nowMs = NINE + HOUR_MS
  await Promise.all([publish('1.0.1'), publish('1.0.2'), publish('1.0.3')])
  await lyceum.host.cron.settled('jobs')
  const counts: Record<string, number> = await runs()
  expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBe(1)
})

longTest('a job that fails leaves nothing behind and is due still', async () => {
  await publish('1.0.0', `throw new Error('not today')`)
  await restartAt(NINE + HOUR_MS)
  expect(await runs()).toEqual({})
  await vi.waitFor(async () => {
    const { lines } = (await lyceum.call('GET', '/v1/plugins/jobs/logs')).json
    expect(lines).toMatchObject([{ line: expect.stringMatching(/not today[\s\S]*plugin\.ts:4/) }])
  }, 10_000)
  await publish('1.0.1')
  await lyceum.host.cron.settled('jobs')
  expect(await runs()).toEqual({ '1.0.1': 1 })
})

longTest('a job that asks a plugin which is paused waits for it, says so once, and runs then', async () => {
  await lyceum.publish('asked', "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)")
  const asks = `import { cron, query } from '@lyceum/sdk'
    export const hourly = cron('0 * * * *', async ({ db, plugins: { asked } }) => {
      await db.collection('runs').insertOne({ n: await asked.one() })
    })
    export const runs = query(({ db }) => db.collection('runs').countDocuments())`
  await lyceum.publish('jobs', asks)
  await lyceum.host.cron.settled('jobs')
  await lyceum.call('POST', '/v1/plugins/asked/pause')
  nowMs = NINE + HOUR_MS
  await lyceum.publish('jobs', asks, { version: '1.0.1' })
  await lyceum.host.cron.settled('jobs')
  expect(await runs()).toBe(0)
  await lyceum.call('POST', '/v1/plugins/asked/resume')
  await vi.waitFor(async () => expect(await runs()).toBe(1), 25_000)
  const { lines } = (await lyceum.call('GET', '/v1/plugins/jobs/logs')).json
  expect(lines.filter(({ line }: { line: string }) => line.includes('asked is paused'))).toHaveLength(1)
})
