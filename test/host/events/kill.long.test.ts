import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventLog } from '../../../host/events/log.ts'
import { SMALL_LIMITS } from './intake.ts'

const CHILD = join(import.meta.dirname, 'append-child.ts')

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-kill-'))
  path = join(folder, 'events.db')
})
afterEach(() => rm(folder, { recursive: true }))

/** Runs a child until it ends, killed after some acknowledgements; its output by line. */
async function appendUntilEnd(child: ChildProcess, killAfterLines: number): Promise<string[]> {
  const ended = once(child, 'exit')
  const lines: string[] = []
  if (child.stdout)
    for await (const line of createInterface(child.stdout)) {
      lines.push(line)
      if (lines.length === killAfterLines) child.kill('SIGKILL')
    }
  await ended
  return lines
}

function acknowledged(lines: readonly string[]): number[] {
  return lines.flatMap((line) => {
    const [word, first, size] = line.split(' ')
    return word === 'ack' ? Array.from({ length: Number(size) }, (_, at) => Number(first) + at) : []
  })
}

async function storedIds(): Promise<string[]> {
  const log = await EventLog.open({ path, limits: SMALL_LIMITS })
  const ids = log.read(0, 1e6, 1e9).map(({ text }) => JSON.parse(text).id)
  await log.close()
  return ids
}

test('killed ten times at random moments, the log has every acknowledged event once', async () => {
  const acks = new Set<number>()
  for (let round = 0; round < 10; round++) {
    // Each round sends again what the last one may have stored without an acknowledgement.
    const first = Math.max(1, ...acks) - 40
    const child = spawn(process.execPath, [CHILD, path, String(Math.max(1, first))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for (const id of acknowledged(await appendUntilEnd(child, 1 + Math.floor(Math.random() * 80))))
      acks.add(id)
  }
  const ids = await storedIds()
  expect(new Set(ids).size).toBe(ids.length)
  const stored = new Set(ids)
  expect(acks.size).toBeGreaterThan(0)
  expect([...acks].filter((id) => !stored.has(`e${id}`))).toEqual([])
})

test('a disk that takes no more refuses with disk_full and keeps what was acknowledged', async () => {
  // No file of the child may pass 2 MB; Node ignores the signal that goes with it.
  const script = 'ulimit -f 4000; exec "$0" "$@"'
  const child = spawn('sh', ['-c', script, process.execPath, CHILD, path, '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = await appendUntilEnd(child, Number.POSITIVE_INFINITY)
  expect(lines.at(-1)).toBe('error disk_full')
  const ids = new Set(await storedIds())
  const acks = acknowledged(lines)
  expect(acks.length).toBeGreaterThan(100)
  expect(acks.filter((id) => !ids.has(`e${id}`))).toEqual([])
})
