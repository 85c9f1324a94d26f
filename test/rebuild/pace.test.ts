import { expect, test } from 'vitest'
import { RebuildPace } from '../../host/dispatch/rebuild-pace.ts'
import { QUOTA_DEFAULTS } from '../../host/limits.ts'
import type { ActivePlugin } from '../../host/registry/plugin.ts'

/** What the pace asks of a plugin. */
const plugin = { id: 'plays', quota: QUOTA_DEFAULTS } as ActivePlugin
const settled = async (promise: Promise<unknown>) => {
  const isOpen = Symbol('open')
  // Longer than any number of microtasks.
  const soon = new Promise((resolve) => setImmediate(() => resolve(isOpen)))
  return (await Promise.race([promise, soon])) !== isOpen
}
const paceOf = ({ usedMs = 0, isBusy = false, isNear = false }) =>
  new RebuildPace(
    plugin,
    { usedMs: () => usedMs },
    () => isBusy,
    () => isNear,
  )

test('a batch runs when the one before has ended', async () => {
  const pace = paceOf({})
  const end = await pace.turn()
  const next = pace.turn()
  expect(await settled(next)).toBe(false)
  end()
  expect(await settled(next)).toBe(true)
})

test('a rebuild that has used up half of the CPU time of its plugin rests, but not near the head of the log', async () => {
  const usedMs = QUOTA_DEFAULTS.cpuMsPerMinute / 2 + 1
  const pace = paceOf({ usedMs })
  const resting = pace.turn()
  expect(await settled(resting)).toBe(false)
  pace.stop()
  await resting
  expect(await settled(paceOf({ usedMs: usedMs - 1 }).turn())).toBe(true)
  expect(await settled(paceOf({ usedMs, isNear: true }).turn())).toBe(true)
})

test('while live handlers have something to do, it rests as long as it has worked', async () => {
  const [busy, alone] = [paceOf({ isBusy: true }), paceOf({})]
  for (const pace of [busy, alone]) {
    const end = await pace.turn()
    await new Promise((resolve) => setTimeout(resolve, 20))
    end()
  }
  const resting = busy.turn()
  expect(await settled(resting)).toBe(false)
  expect(await settled(alone.turn())).toBe(true)
  await resting
})
