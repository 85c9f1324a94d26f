import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BIN } from '../cli/run.ts'
import { authorOf } from './author.ts'

const ENDLESS = `import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
test('never ends', () => {
  writeFileSync('pid', String(process.pid))
  for (;;);
})
`

test('lyceum test that is told to end takes its tests with it, though they never end by themselves', async () => {
  const author = await authorOf(
    'plays',
    "import { query } from '@lyceum/sdk'\nexport const q = query(() => 1)\n",
  )
  await author.write('plugin.test.ts', ENDLESS)
  const child = spawn(process.execPath, [BIN, 'test'], {
    cwd: author.dir,
    env: { HOME: author.dir },
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  const pid = async () => Number(await readFile(join(author.dir, 'pid'), 'utf8').catch(() => '0'))
  try {
    await expect.poll(pid, { timeout: 20_000 }).toBeGreaterThan(0)
    child.kill('SIGTERM')
    expect(await ended).toEqual([null, 'SIGTERM'])
    await expect.poll(async () => isThere(await pid()), { timeout: 20_000 }).toBe(false)
  } finally {
    child.kill('SIGKILL')
    if (isThere(await pid())) process.kill(await pid(), 'SIGKILL')
    await author.remove()
  }
})

function isThere(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}
