import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { DevTerminal } from '../../cli/dev-terminal.ts'
import { longTest } from '../support/long.ts'
import { BIN, run } from './run.ts'

const PLUGIN = `import { onEvent, query, view } from '@lyceum/sdk'
export const count = onEvent('play_video', ({ events, db }) =>
  db.collection('plays').insertMany(events.map(({ event }) => ({ id: event.id }))))
export const plays = query(({ db }) => db.collection('plays').countDocuments())
export const hello = view(() => '<p>hello</p>')
`

let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-dev-'))
  await writeFile(join(dir, 'package.json'), '{ "name": "plays", "version": "1.0.0" }')
  await writeFile(join(dir, 'plugin.ts'), PLUGIN)
  // As logs are rotated: what it is says its content, and not its name.
  const packed = gzipSync('{"event_type":"play_video","time":"2026-03-01","event":{"id":"a"}}\nno event\n')
  await writeFile(join(dir, 'events.log.1'), packed)
  await writeFile(join(dir, 'cut.log.1'), packed.subarray(0, -8))
})
afterAll(() => rm(dir, { recursive: true }))

function start(...words: string[]) {
  const child = spawn(process.execPath, [BIN, 'dev', dir, '--events', join(dir, 'events.log.1'), ...words], {
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

longTest('what happens comes as NDJSON, and Ctrl-C leaves no process and no folder behind', async () => {
  const { child, line } = start('--json')
  const { url, plugin } = JSON.parse(await line('"ready"'))
  expect(plugin).toBe('plays')
  expect(JSON.parse(await line('"events"'))).toMatchObject({
    accepted: 1,
    rejected: 1,
    why: expect.stringContaining('line 2'),
  })
  // As an open page does, which must not keep it from ending.
  expect((await fetch(`${url}/changes`)).status).toBe(200)
  await writeFile(join(dir, 'plugin.ts'), PLUGIN.replace('hello<', 'hallo<'))
  expect(JSON.parse(await line('"reload"'))).toMatchObject({ version: '1.0.0-dev.2', data: 'kept' })
  const { pid = 0 } = child
  const children = await childrenOf(pid)
  expect(children.length).toBeGreaterThan(2)
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  // They end with their pipes, a moment after.
  await vi.waitFor(() => expect(children.filter(isThere)).toEqual([]), 20_000)
  const kept = await readdir(join(tmpdir(), `lyceum-workbench-${process.getuid?.() ?? 'user'}`))
  expect(kept.filter((name) => name.startsWith(`${pid}-`))).toEqual([])
  expect(await readFile(join(dir, '.lyceum/types.d.ts'), 'utf8')).toContain('plays')
})

test('a person reads a line for each thing, below them how it stands, and no plugin steers the terminal', () => {
  const written: string[] = []
  const terminal = (isTTY: boolean) =>
    new DevTerminal({ isTTY, columns: 60, write: (text: string) => written.push(text) })
  const piped = terminal(false)
  const about = { atMs: 0, by: 'plugin', version: '1.0.0', endpoint: 'count' } as const
  piped.show({ type: 'log', line: { ...about, level: 'warn', line: '\x1b[31mred' } })
  const [bundleMs, publishMs, tookMs] = [5, 90, 100]
  const reload = {
    type: 'reload',
    version: '1.0.0-dev.2',
    files: ['plugin.ts'],
    bundleMs,
    publishMs,
    tookMs,
  } as const
  piped.show({ ...reload, data: 'kept', because: '' })
  piped.show({ ...reload, data: 'rebuilding', because: 'the handler count changed' })
  const byHost = { ...about, by: 'host', endpoint: 'rebuild', level: 'info' } as const
  piped.show({
    type: 'log',
    line: { ...byHost, line: 'Rebuilt: its handlers have seen all 9 events again.' },
  })
  piped.show({ type: 'log', line: { ...byHost, endpoint: 'count', line: 'It goes on.' } })
  piped.show({ type: 'log', line: { ...about, endpoint: 'rebuild', level: 'info', line: 'mine' } })
  piped.show({ type: 'rebuilt', state: 'done', events: 9, tookMs: 3, problem: null })
  piped.show({ type: 'rebuilt', state: 'cancelled', events: 9, tookMs: 3, problem: null })
  piped.show({ type: 'needs', needs: ['identities'], warnings: ['no fetch'] })
  piped.show({ type: 'activity', head: 9, handlers: [] })
  expect(written.splice(0)).toEqual([
    'warn count  [31mred\n',
    'reload plugin.ts → 1.0.0-dev.2 in 100 ms, its data are kept\n',
    'reload plugin.ts → 1.0.0-dev.2 in 100 ms, its data are made anew, because the handler count changed\n',
    'info count It goes on.\n',
    'info rebuild mine\n',
    'rebuilt from 9 events in 3 ms\n',
    'rebuild cancelled\n',
    'publish would wait for an admin to approve: identities\n',
    'warning no fetch\n',
  ])

  const fault = { during: 'run', version: '1.0.0', code: 'plugin_failed', stack: '', atMs: 0 } as const
  const places = [{ source: 'plugin.ts', line: 2, column: 3, message: '', frame: '> 2 | oh()\n    |   ^' }]
  for (const times of [1, 2, 3, 4])
    piped.show({ type: 'fault', fault: { ...fault, endpoint: 'count', message: 'oh no', places, times } })
  expect(written.splice(0).join('')).toBe(
    'error count: oh no\n  plugin.ts:2:3\n  > 2 | oh()\n      |   ^\n' +
      'error count: oh no (2 times)\nerror count: oh no (4 times)\n',
  )

  const shown = terminal(true)
  const handlers = [{ endpoint: 'count', state: 'running', cursor: 1_000, eventsPerSecond: 500 }]
  shown.show({ type: 'activity', head: 2_000, handlers })
  shown.show({ type: 'mended' })
  shown.close()
  const status = 'q quits · count 1,000 of 2,000 (500 events/s)'
  expect(written).toEqual([`\r${status}\x1b[K`, '\rmended\x1b[K\n', `\r${status}\x1b[K`, '\r\x1b[K'])
})

test('what is not there, or is no port, is refused', async () => {
  const nowhere = await run(dir, ['dev', 'nowhere'])
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('package_invalid')])
  expect((await run(dir, ['dev', '.', '--port', 'http'])).code).toBe(2)
  const events = await run(dir, ['dev', '.', '--events', 'none.log'])
  expect(events.stderr).toContain('error file_unreadable: none.log: There is no such file')
})

test('a log that breaks off is told by its name', async () => {
  const { child, line } = start('--events', join(dir, 'cut.log.1'))
  expect(await line('error')).toContain('cut.log.1: Its gzip data is damaged or cut off')
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
})
