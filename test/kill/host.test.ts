import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { counted, countingPlugin } from './counting.ts'
import { moments, startLoad } from './load.ts'
import { integrity, Machine } from './spawned.ts'

let dataDir: string
let machine: Machine
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lyceum-kill-'))
  machine = await Machine.start(dataDir)
})
afterEach(async () => {
  await machine.kill().catch(() => {}) // the test may have stopped it
  await rm(dataDir, { recursive: true, force: true })
})

/** The soak kills a hundred; with LYCEUM_SOAK=1 these are more. */
const KILLS = process.env.LYCEUM_SOAK !== undefined ? 20 : 5

test(`the host is killed ${KILLS} times under load: every acknowledged event is counted exactly once`, async () => {
  const random = moments('host')
  await machine.publish('counting', countingPlugin())
  const load = startLoad((events) => machine.post(events))
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(random.below(250))
    await machine.kill()
    await machine.restart()
  }
  const events = await load.stop()
  await machine.caughtUp('counting')
  expect((await machine.call('GET', '/v1/queries/counting/counts')).json).toEqual(counted(events))
  expect(await machine.host.stop('SIGTERM')).toBe(0)
  const files = await integrity(dataDir)
  expect(Object.keys(files)).toContain('plugins/counting.1.db')
  expect(new Set(Object.values(files))).toEqual(new Set(['ok']))
}, 300_000)
