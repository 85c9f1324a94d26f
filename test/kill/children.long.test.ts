import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { counted, countingPlugin } from './counting.ts'
import { moments, startLoad } from './load.ts'
import { integrity } from './spawned.ts'

let lyceum: TestHost
beforeEach(async () => {
  lyceum = await startHost()
})
afterEach(() => lyceum.dispose())

/** The soak kills a hundred; with LYCEUM_SOAK=1 these are more. */
const KILLS = process.env.LYCEUM_SOAK !== undefined ? 20 : 5

async function killUnderLoad(name: string, pids: () => readonly number[]): Promise<void> {
  const random = moments(name)
  await lyceum.publish('counting', countingPlugin())
  const load = startLoad(
    async (events) => (await lyceum.call('POST', '/v1/events', { body: events })).status === 202,
  )
  let asking = true
  const answers = new Set<number>()
  const person = (async () => {
    // Kills can follow each other faster than a process starts: then the answer comes after the last of them.
    while (asking || !answers.has(200))
      answers.add((await lyceum.call('GET', '/v1/queries/counting/counts')).status)
  })()
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(random.below(150))
    const all = pids()
    const pid = all[random.below(all.length)]
    if (pid === undefined) kill -= 1
    else process.kill(pid, 'SIGKILL')
  }
  const events = await load.stop()
  asking = false
  await person
  await lyceum.settled()
  expect((await lyceum.call('GET', '/v1/queries/counting/counts')).json).toEqual(counted(events))
  expect([...answers].filter((status) => status !== 200 && status !== 503)).toEqual([])
  const { state, deadLetters } = (await lyceum.call('GET', '/v1/plugins/counting')).json
  expect({ state, deadLetters }).toEqual({ state: 'active', deadLetters: 0 })
  await lyceum.close()
  expect(new Set(Object.values(await integrity(lyceum.dataDir)))).toEqual(new Set(['ok']))
}

test(`sandboxes are killed ${KILLS} times under load: every event is counted exactly once`, async () => {
  await killUnderLoad('sandbox', () => lyceum.host.supervisor.pids)
})

test(`stores are killed ${KILLS} times under load: every event is counted exactly once`, async () => {
  await killUnderLoad('store', () => lyceum.host.stores.pids)
})
