import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { SerialProcess } from '../../process/serial-process.ts'

const REQUEST = 8

function echo(
  onGone: (reason: string, culprit: string | undefined) => void,
  onSlow: (owner: string) => void = () => {},
  script = 'echo-child.ts',
): SerialProcess {
  const child = new SerialProcess({
    name: 'echo',
    script: join(import.meta.dirname, script),
    nodeFlags: [],
    confinement: { uid: undefined, writesFiles: false },
    rssCapMb: 1_024,
    maxFrameBytes: 1_000,
    requestMs: 1_000,
    slowMs: 1_000,
    onSlow,
    onOutput: () => {},
    onGone,
    refusal: () => new Error('refused'),
    lost: () => new Error('lost'),
  })
  onTestFinished(() => child.kill('the test is over'))
  return child
}

test('an answer does not wait for the next request, so that the one that hangs is blamed and no other', async () => {
  const gone = Promise.withResolvers<string | undefined>()
  const child = echo((_reason, culprit) => gone.resolve(culprit))
  await child.ready
  const [first, second] = await Promise.allSettled([
    child.request('quick', { kind: REQUEST }, 'hello'),
    child.request('stuck', { kind: REQUEST }, 'hang'),
  ])
  expect(first).toEqual({ status: 'fulfilled', value: Buffer.from('hello') })
  expect(second).toMatchObject({ status: 'rejected' })
  expect(await gone.promise).toBe('stuck')
})

test('a process that takes long to start is waited for, and lays that to no request', async () => {
  const child = echo(
    () => {},
    () => {},
    'slow-start.ts',
  )
  expect((await child.request('quick', { kind: REQUEST }, 'hello')).toString()).toBe('hello')
})

test('a host that was held up for longer than a request may take reads the answer, kills nobody and calls nobody slow', async () => {
  const slow: string[] = []
  const child = echo(
    () => {},
    (owner) => slow.push(owner),
  )
  await child.ready
  const answer = child.request('quick', { kind: REQUEST }, 'hello')
  for (const until = performance.now() + 1_500; performance.now() < until; );
  expect((await answer).toString()).toBe('hello')
  expect(slow).toEqual([])
})

test('a child that ends while it starts is told of, also where nothing else keeps the process that asked', async () => {
  const script = join(import.meta.dirname, 'lonely.ts')
  expect((await promisify(execFile)(process.execPath, [script])).stdout).toBe('lost\n')
})
