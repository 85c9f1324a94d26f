import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { longTest } from '../support/long.ts'
import { spawnHost } from '../support/spawned-host.ts'
import { counted, countingPlugin } from './counting.ts'
import { cpuMs, gone } from './gone.ts'
import { startLoad } from './load.ts'
import { Machine } from './spawned.ts'

let dataDir: string
let machine: Machine
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lyceum-stop-'))
  machine = await Machine.start(dataDir)
})
afterEach(async () => {
  await machine.kill().catch(() => {}) // the test may have stopped it
  await rm(dataDir, { recursive: true, force: true })
})

longTest(
  'SIGINT and SIGTERM under load end in order, and what was accepted is handled after the next start',
  async () => {
    await machine.publish('counting', countingPlugin())
    const load = startLoad((events) => machine.post(events))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
      await load.more(160)
      const children = machine.host.children()
      expect(children.length).toBeGreaterThan(1)
      expect(await machine.host.stop(signal)).toBe(0)
      await gone(children)
      await machine.restart()
    }
    const events = await load.stop()
    await machine.caughtUp('counting')
    expect((await machine.call('GET', '/v1/queries/counting/counts')).json).toEqual(counted(events))
  },
)

test('a second host on the same folder is refused, and the first goes on', async () => {
  await expect(spawnHost(dataDir, ['--no-samples', '--no-plugins'])).rejects.toThrow(/Another Lyceum runs/)
  expect((await machine.call('GET', '/readyz')).status).toBe(200)
})

longTest('children end with a host that was killed, also where an isolate cannot be stopped', async () => {
  await machine.publish(
    'stuck',
    `import { query } from '@lyceum/sdk'
     export const spin = query(() => { throw new Proxy({}, { get() { for (;;); } }) })`,
  )
  const asked = machine.call('GET', '/v1/queries/stuck/spin').catch(() => 'cut off')
  let children = machine.host.children()
  while (Math.max(...children.map(cpuMs)) < 700) {
    await sleep(20)
    children = machine.host.children()
  }
  await machine.kill()
  await gone(children)
  expect(await asked).toBe('cut off')
})

test('a child whose main thread is busy for ever ends with its parent', async () => {
  const host = spawn(process.execPath, [join(import.meta.dirname, 'stuck-child.ts'), 'host'])
  const [chunk] = (await once(host.stdout, 'data')) as [Buffer]
  const child = Number(chunk.toString())
  expect(child).toBeGreaterThan(0)
  host.kill('SIGKILL')
  await gone([child])
})
