import { expect, test } from 'vitest'
import { whenStuck } from '../../sandbox/stuck.ts'

test('a process that got no CPU time is not taken for one that does not stop', async () => {
  let runs = true
  const told = new Promise((resolve) => {
    whenStuck(
      () => runs,
      () => resolve('stuck'),
    )
    // Timers that are due come between the two.
    setImmediate(() =>
      setImmediate(() => {
        runs = false
        resolve('stopped')
      }),
    )
  })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  expect(await told).toBe('stopped')
})

test('what computes on and does not stop is stuck', async () => {
  const told = new Promise((resolve) => {
    whenStuck(
      () => true,
      () => resolve('stuck'),
    )
  })
  for (const until = process.cpuUsage().user + 150_000; process.cpuUsage().user < until; );
  expect(await told).toBe('stuck')
})
