import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { BIN, run } from './run.ts'

const PLUGIN = `import { onEvent, query, view } from '@lyceum/sdk'
export const count = onEvent('play_video', ({ events, db, log }) => {
  log.warn('\\x1b[31mred')
  return db.collection('plays').insertMany(events.map(({ event }) => ({ id: event.id })))
})
export const plays = query(({ db }) => db.collection('plays').countDocuments())
export const hello = view(() => '<p>hello</p>')
`

let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-dev-'))
  await writeFile(join(dir, 'package.json'), '{ "name": "plays", "version": "1.0.0" }')
  await writeFile(join(dir, 'plugin.ts'), PLUGIN)
  await writeFile(
    join(dir, 'events.log'),
    '{"event_type":"play_video","time":"2026-03-01","event":{"id":"a"}}\nno event\n',
  )
})
afterAll(() => rm(dir, { recursive: true }))

function start(...words: string[]) {
  const child = spawn(process.execPath, [BIN, 'dev', dir, '--events', join(dir, 'events.log'), ...words], {
    env: { HOME: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    /** The next line that has a text in it. */
    line: async (wanted: string) => {
      for (let next = await lines.next(); next.done !== true; next = await lines.next())
        if (next.value.includes(wanted)) return next.value
      throw new Error(`there is no line with ${wanted}: ${await text(child.stderr)}`)
    },
  }
}

/** The processes that a process has started, as the system knows them. */
async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const listed = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  )
  return listed.join(' ').split(/\s+/).filter(Boolean).map(Number)
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('what happens comes as NDJSON, and Ctrl-C leaves no process and no folder behind', async () => {
  const { child, line } = start('--json')
  const { url, plugin } = JSON.parse(await line('"ready"'))
  expect(plugin).toBe('plays')
  expect(JSON.parse(await line('"events"'))).toMatchObject({
    accepted: 1,
    rejected: 1,
    why: expect.stringContaining('line 2'),
  })
  expect((await fetch(url)).status).toBe(200)
  await writeFile(join(dir, 'plugin.ts'), PLUGIN.replace('hello<', 'hallo<'))
  expect(JSON.parse(await line('"reload"'))).toMatchObject({ version: '1.0.0-dev.2', data: 'kept' })
  const { pid = 0 } = child
  const children = await childrenOf(pid)
  expect(children.length).toBeGreaterThan(2)
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  // They end with their pipes, a moment after.
  await vi.waitFor(() => expect(children.filter(isThere)).toEqual([]), 5_000)
  const kept = await readdir(join(tmpdir(), `lyceum-workbench-${process.getuid?.() ?? 'user'}`))
  expect(kept.filter((name) => name.startsWith(`${pid}-`))).toEqual([])
  expect(await readFile(join(dir, '.lyceum/types.d.ts'), 'utf8')).toContain('plays')
})

test('a person reads lines without colours where there is no terminal, and no plugin steers it', async () => {
  const { child, line } = start()
  expect(await line('runs')).toBe('runs 1.0.0-dev.1')
  expect(await line('is shown')).toMatch(/^plays is shown on http:\/\/127\.0\.0\.1:\d+\/dev$/)
  expect(await line('red')).toBe('warn count  [31mred')
  await writeFile(join(dir, 'plugin.ts'), `${PLUGIN}export const oh = view((`)
  expect(await line('error')).toContain('bundle_broken')
  expect(await line('plugin.ts:')).toContain('plugin.ts:8:')
  expect(await line('^')).toMatch(/^ +\| +\^$/)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('what is not there, or is no port, is refused', async () => {
  const nowhere = await run(dir, ['dev', 'nowhere'])
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('package_invalid')])
  expect((await run(dir, ['dev', '.', '--port', 'http'])).code).toBe(2)
  const events = await run(dir, ['dev', '.', '--events', 'none.log'])
  expect(events.stderr).toContain('none.log cannot be read')
})
