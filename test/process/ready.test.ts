import { expect, test } from 'vitest'
import { Child } from '../../process/child.ts'

test('a child that ends before it listens is told, instead of being waited for', async () => {
  let exitCode: number | null | undefined
  const child = new Child({
    name: 'broken',
    script: '/nowhere/to/be/found.ts',
    args: [],
    nodeFlags: [],
    confinement: { uid: undefined, writesFiles: false },
    rssCapMb: 512,
    heartbeatMs: 1_000,
    maxFrameBytes: 1_000,
    onFrame: () => {},
    onExit: ({ code }) => {
      exitCode = code
    },
    onOutput: () => {},
  })
  expect(await child.ready).toBe(false)
  expect(exitCode).toBe(1)
})
