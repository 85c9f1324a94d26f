import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Sandbox } from '../../sandbox/sandbox.ts'
import { callOf, Lab } from './lab.ts'

const asRoot = process.getuid?.() === 0
let folder: string
let found: Readonly<Record<string, unknown>>
let sandbox: Sandbox
const output: string[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-spied-'))
  await writeFile(join(folder, 'secret'), 'x')
  process.env.LYCEUM_TEST_SECRET = 'x'
  sandbox = new Sandbox({
    name: 'spy',
    script: join(import.meta.dirname, 'spy.ts'),
    nice: 0,
    uid: asRoot ? 64_123 : undefined,
    rssCapMb: 1_024,
    heartbeatMs: 5_000,
    graceMs: 1_000,
    maxIsolates: 8,
    onOutput: (text) => output.push(text),
    onGone() {},
  })
  const call = { ...callOf('spy', '', { budget: { wallMs: 10_000 } }), input: JSON.stringify({ folder }) }
  const { result, failure } = await sandbox.run(call)
  if (failure !== undefined) throw new Error(`${failure.message}\n${output.join('')}`)
  found = JSON.parse(result.toString())
})
afterAll(async () => {
  sandbox.end()
  delete process.env.LYCEUM_TEST_SECRET
  await rm(folder, { recursive: true })
})

describe('a process that is started like a sandbox', () => {
  test('has an empty environment', () => expect(found.environment).toEqual([]))

  test.each(['list', 'read', 'write', 'passwords', 'parent', 'child', 'worker', 'network'])(
    'is denied by Node: %s',
    (what) => expect(found[what]).toBe('ERR_ACCESS_DENIED'),
  )

  test.runIf(asRoot)(
    'has a user of its own, is in no group of ours, and the kernel keeps it from its parent',
    () => {
      expect(found).toMatchObject({ uid: 64_123, gid: 64_123, kill: 'EPERM' })
      expect(found.groups).not.toContain(0)
    },
  )
})

test.runIf(asRoot)('no two sandboxes have the same user', async () => {
  const lab = new Lab({ sandboxes: 2 })
  await lab.supervisor.start()
  await Promise.all([
    lab.handler('a', 'return 1'),
    lab.handler('b', 'return 1', { onProbation: true }),
    lab.handler('c', 'return 1', { onProbation: true }),
  ])
  const { readFileSync } = await import('node:fs')
  const userOf = (pid: number) => /Uid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  const users = () => lab.supervisor.pids.map(userOf)
  expect(users().length).toBeGreaterThanOrEqual(3)
  // The spare may be on its way still: what starts it becomes the user just before it becomes Node.
  await expect.poll(users, { timeout: 20_000 }).not.toContain('0')
  expect(new Set(users()).size).toBe(users().length)
  lab.close()
})
