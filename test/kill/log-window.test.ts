import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LogWindow } from '../../host/dispatch/log-window.ts'
import { EventLog } from '../../host/events/log.ts'
import { LIMITS } from '../../host/limits.ts'

let folder: string
let log: EventLog
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-window-'))
  log = await EventLog.open({ path: join(folder, 'events.db'), limits: LIMITS })
})
afterAll(async () => {
  await log.close()
  await rm(folder, { recursive: true, force: true })
})

let sent = 0
async function append(events: number): Promise<void> {
  const lines = Array.from({ length: events }, () => JSON.stringify({ id: `e${++sent}`, name: 'x' }))
  await log.append(new TextEncoder().encode(lines.join('\n')), { receivedMs: 0 })
}

test('wherever handlers stand and however the log grows, they read what the log has, without a gap', async () => {
  const step = fc.oneof(
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((append) => ({ append })) },
    // Where one of three readers stands: it goes on from there, or leaps to a place in the log.
    {
      weight: 8,
      arbitrary: fc.record({
        reader: fc.nat(2),
        leap: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      }),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const window = new LogWindow(log)
      const readers = [0, log.head(), log.head()]
      for (const step of steps) {
        if ('append' in step) {
          await append(step.append)
          continue
        }
        const { reader, leap } = step
        const at = leap === null ? (readers[reader] ?? 0) : Math.floor(leap * log.head())
        const rows = window.after(at)
        expect(rows).toEqual(log.read(at, rows.length, Number.POSITIVE_INFINITY))
        expect(rows.length > 0).toBe(at < log.head())
        readers[reader] = rows.at(-1)?.seq ?? at
      }
    }),
    { numRuns: 15 },
  )
})
