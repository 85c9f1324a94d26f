import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noUsage } from '../../../host/registry/plugin.ts'
import { openRegistry } from '../../../host/registry/registry-file.ts'
import { UsageBook } from '../../../host/registry/usage-book.ts'
import { UsageHours } from '../../../host/registry/usage-hours.ts'

const HOUR_MS = 3_600_000

async function bookAt(startMs: number) {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-usage-'))
  const db = openRegistry(join(folder, 'registry.db'))
  onTestFinished(async () => {
    db.close()
    await rm(folder, { recursive: true })
  })
  let nowMs = startMs
  const again = () => new UsageBook(new UsageHours(db), () => nowMs)
  return { book: again(), again, db, pass: (hours: number) => (nowMs += hours * HOUR_MS) }
}

test('what was used counts for a day and for a month, kept or not, and once', async () => {
  const { book, pass } = await bookAt(1_000 * HOUR_MS)
  book.of('a').events += 5
  const events = () => {
    const { day, month } = book.recent('a').get('a') ?? { day: noUsage(), month: noUsage() }
    return [day.events, month.events]
  }
  expect(events()).toEqual([5, 5])
  book.flush()
  book.flush()
  expect(events()).toEqual([5, 5])
  pass(23)
  book.of('a').events += 2
  expect(events()).toEqual([7, 7])
  book.flush()
  pass(1)
  expect(events()).toEqual([2, 7])
  pass(30 * 24 - 1)
  expect(events()).toEqual([0, 0])
})

test('a host that starts anew goes on with what was kept', async () => {
  const { book, again } = await bookAt(0)
  Object.assign(book.of('a'), {
    calls: 1,
    failures: 2,
    cpuMs: 3.5,
    storeCpuMs: 4.5,
    ops: 5,
    bytes: 6,
    events: 7,
  })
  book.flush()
  const next = again()
  next.of('a').calls += 1
  next.flush()
  const all = { calls: 2, failures: 2, cpuMs: 3.5, storeCpuMs: 4.5, ops: 5, bytes: 6, events: 7 }
  expect([...next.recent()]).toEqual([['a', { day: all, month: all }]])
})

test('hours of rest have no rows, and old hours go', async () => {
  const { book, db, pass } = await bookAt(0)
  const rows = () => Number(db.prepare('SELECT count(*) AS n FROM usage_hours').get()?.n)
  book.of('idle')
  book.flush()
  expect(rows()).toBe(0)
  for (let hour = 0; hour < 3; hour++) {
    book.of('a').calls += 1
    book.flush()
    pass(1)
  }
  expect(rows()).toBe(3)
  pass(31 * 24)
  book.of('a').calls += 1
  book.flush()
  expect(rows()).toBe(1)
})
