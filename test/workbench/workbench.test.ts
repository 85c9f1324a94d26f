import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorkbench, type Workbench } from '../../workbench/workbench.ts'
import { longTest } from '../support/long.ts'

const SOURCE = `import { onEvent, query } from '@lyceum/sdk'
export const count = onEvent('page_close', ({ events, db }) =>
  db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: events.length } }, { upsert: true }))
export const total = query(async ({ db }) => (await db.collection('n').findOne({ _id: 'n' }))?.n ?? 0)
`

let dir: string
let bench: Workbench

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
  await writeFile(join(dir, 'package.json'), '{ "name": "counting", "version": "1.2.0-beta.1" }')
  await writeFile(join(dir, 'plugin.ts'), SOURCE)
  bench = await openWorkbench({ dir })
})
afterAll(async () => {
  await bench.close()
  await rm(dir, { recursive: true })
})

const ask = async () => {
  const authorization = `Bearer ${await bench.token({ role: 'admin' })}`
  return (await fetch(`${bench.url}/v1/queries/counting/total`, { headers: { authorization } })).json()
}
const lines = (n: number, from = 0) =>
  Array.from({ length: n }, (_, index) =>
    JSON.stringify({ event_type: 'page_close', time: '2026-03-02T10:00:00Z', n: from + index }),
  )

describe('a workbench', () => {
  test('publishes the folder as it is, each time as a version of its own', async () => {
    expect(await bench.publish()).toMatchObject({ plugin: 'counting', version: '1.2.0-dev.1', needs: [] })
    await writeFile(join(dir, 'plugin.ts'), SOURCE.replace('?? 0', '?? -1'))
    expect(await bench.publish()).toMatchObject({ version: '1.2.0-dev.2', approval: 'granted' })
    expect(await ask()).toBe(-1)
  })

  test('sends lines of a log, and says when handlers are through', async () => {
    expect(await bench.send(lines(1_500))).toMatchObject({ accepted: 1_500, rejected: 0 })
    await bench.settled()
    expect(await ask()).toBe(1_500)
  })

  test('says so where its port is taken, and leaves nothing behind', async () => {
    const dataDir = join(dir, 'second')
    const second = openWorkbench({ dir, dataDir, port: Number(new URL(bench.url).port) })
    await expect(second).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringMatching(/^Port \d+ is in use\. .*--port 0/),
    })
    await (await openWorkbench({ dir, dataDir })).close()
  })

  test('takes its temporary folder away', async () => {
    const other = await openWorkbench({ dir })
    const { dataDir } = other.host.config
    expect(existsSync(dataDir)).toBe(true)
    await other.close()
    expect(existsSync(dataDir)).toBe(false)
  })

  longTest('that nobody closes lets the process end, and leaves nothing behind', async () => {
    const { child, dataDir, pids, ended } = await forgotten()
    expect(await ended).toEqual([0, null])
    expect(pids.length).toBeGreaterThan(1)
    expect(existsSync(dataDir)).toBe(false)
    expect(child.exitCode).toBe(0)
  })

  longTest('leaves nothing behind when somebody presses Ctrl-C', async () => {
    const { child, dataDir, ended } = await forgotten('stays')
    expect(existsSync(dataDir)).toBe(true)
    child.kill('SIGINT')
    expect(await ended).toEqual([null, 'SIGINT'])
    expect(existsSync(dataDir)).toBe(false)
  })

  longTest('sweeps what a killed process left, and nothing of those that live', async () => {
    const { child, dataDir, ended } = await forgotten('stays')
    child.kill('SIGKILL')
    await ended
    expect(existsSync(dataDir)).toBe(true)
    const living = join(dirname(dataDir), `${process.pid}-mine`)
    mkdirSync(living)
    await (await openWorkbench({ dir })).close()
    expect(existsSync(dataDir)).toBe(false)
    expect(existsSync(living)).toBe(true)
    await rm(living, { recursive: true })
  })
})

async function forgotten(...args: string[]) {
  const script = join(import.meta.dirname, 'forgotten.ts')
  const child = spawn(process.execPath, [script, dir, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const [said] = await once(child.stdout, 'data')
  const { dataDir, pids }: { dataDir: string; pids: number[] } = JSON.parse(String(said))
  return { child, dataDir, pids, ended }
}
