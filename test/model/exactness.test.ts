import fc from 'fast-check'
import { afterAll, beforeAll, expect } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { commands, version } from './arbitraries.ts'
import { Publish, Resume } from './commands.ts'
import { Model } from './model.ts'
import { Real, settle } from './real.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
})
afterAll(() => lyceum.dispose())

/** Time for new runs. */
const RUNS_MS = 20_000
/** Time to make one that fails smaller: what is tried after it counts as good. */
const SHRINK_MS = 60_000
const {
  MODEL_SEED = String(Date.now() % 1_000_000_000),
  MODEL_PATH: path,
  MODEL_REPLAY: replayPath,
  MODEL_MS = String(RUNS_MS),
} = process.env

longTest(
  'whatever is sent, published, killed or retried in whatever order, each handler has each event exactly once',
  async () => {
    console.log(`model: MODEL_SEED=${MODEL_SEED}`)
    let untilMs = performance.now() + Number(MODEL_MS)
    let runs = 0
    let tried = 0
    let hasFailed = false
    await fc.assert(
      fc.asyncProperty(version, commands(replayPath), async (first, steps) => {
        if (performance.now() > untilMs) return
        runs += 1
        const real = new Real(`model${runs}`, lyceum, async () => {
          await lyceum.close()
          lyceum = await startHost(lyceum.dataDir)
          return lyceum
        })
        const model = new Model()
        try {
          await new Publish(first).run(model, real)
          await fc.asyncModelRun(() => ({ model, real }), steps)
          if (model.paused || model.quarantined) await new Resume().run(model, real)
          await settle(model, real)
          // Both handlers at last, so that what waited for one that was gone is seen.
          await new Publish(LAST).run(model, real)
          await settle(model, real)
          tried += 1
        } catch (error) {
          if (!hasFailed) untilMs = performance.now() + SHRINK_MS
          hasFailed = true
          throw error
        }
      }),
      { seed: Number(MODEL_SEED), numRuns: 1_000, ...(path !== undefined && { path }) },
    )
    console.log(`model: ${tried} runs`)
    expect(tried).toBeGreaterThan(0)
  },
  Number(MODEL_MS) + SHRINK_MS + 60_000,
)

const handler = { least: 0, from: 'start', mode: 'soft', reads: false } as const
const LAST = { fails: [], first: handler, second: handler }
