import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CpuRates } from '../../../host/dispatch/cpu-rates.ts'

function ratesAt(startMs = 0) {
  let nowMs = startMs
  const rates = new CpuRates(() => nowMs)
  return {
    rates,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

test('a plugin waits once it has used its quota, and until what it used is a minute ago', () => {
  const { rates, pass } = ratesAt()
  rates.charge('a', 600)
  pass(10_000)
  rates.charge('a', 399)
  expect([rates.usedMs('a'), rates.waitMs('a', 1_000)]).toEqual([999, 0])
  rates.charge('a', 1)
  expect([rates.usedMs('a'), rates.waitMs('a', 1_000)]).toEqual([1_000, 50_000])
  pass(49_999)
  expect(rates.waitMs('a', 1_000)).toBe(1)
  pass(1)
  expect([rates.usedMs('a'), rates.waitMs('a', 1_000)]).toEqual([400, 0])
})

test('a quota that is raised ends the wait, one that is lowered begins it', () => {
  const { rates } = ratesAt()
  rates.charge('a', 500)
  expect([501, 500, 499].map((quota) => rates.waitMs('a', quota))).toEqual([0, 60_000, 60_000])
})

test('nobody waits for what others used', () => {
  const { rates } = ratesAt()
  rates.charge('a', 5_000)
  expect([rates.waitMs('b', 1), rates.usedMs('b')]).toEqual([0, 0])
})

test('whatever is used when, the sum is that of the last minute, and whoever waited so long may run', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 90_000 }),
    cpuMs: fc.integer({ min: 0, max: 5_000 }),
  })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), fc.array(step, { maxLength: 40 }), (startMs, steps) => {
      const { rates, pass } = ratesAt(startMs)
      let nowMs = startMs
      const used: { second: number; cpuMs: number }[] = []
      for (const { ms, cpuMs } of steps) {
        pass(ms)
        nowMs += ms
        rates.charge('a', cpuMs)
        used.push({ second: Math.floor(nowMs / 1_000), cpuMs })
      }
      const recent = used.filter(({ second }) => second > Math.floor(nowMs / 1_000) - 60)
      const sum = recent.reduce((total, { cpuMs }) => total + cpuMs, 0)
      expect(rates.usedMs('a')).toBe(sum)
      const waitMs = rates.waitMs('a', 3_000)
      expect(waitMs > 0).toBe(sum >= 3_000)
      expect(waitMs).toBeLessThanOrEqual(60_000)
      pass(waitMs)
      expect(rates.waitMs('a', 3_000)).toBe(0)
    }),
  )
})
