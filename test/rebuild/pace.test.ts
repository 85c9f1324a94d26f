import { expect, onTestFinished, test, vi } from 'vitest'
import { Rate } from '../../host/dispatch/rate.ts'
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
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const [busy, alone] = [paceOf({ isBusy: true }), paceOf({})]
  for (const pace of [busy, alone]) {
    const end = await pace.turn()
    vi.advanceTimersByTime(20)
    end()
  }
  const resting = busy.turn()
  expect(await settled(alone.turn())).toBe(true)
  vi.advanceTimersByTime(19)
  expect(await settled(resting)).toBe(false)
  vi.advanceTimersByTime(1)
  expect(await settled(resting)).toBe(true)
})

test('how fast it is is told of the last seconds, and not before there is anything to tell', () => {
  const rate = new Rate()
  expect(rate.perSecond).toBe(0)
  rate.note(100, 1_000)
  expect(rate.perSecond).toBe(0)
  // Looked at more often than is kept.
  rate.note(900, 1_001)
  expect(rate.perSecond).toBe(0)
  rate.note(1_100, 2_000)
  expect(rate.perSecond).toBe(1_000)
  // It began fast, and has been slow for longer than is remembered.
  for (let second = 3; second <= 10; second++) rate.note(1_100 + second, second * 1_000)
  expect(rate.perSecond).toBe(1)
  // What was counted is undone, as with a store that is lost.
  rate.note(0, 11_000)
  expect(rate.perSecond).toBe(0)
})
