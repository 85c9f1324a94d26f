import { cp, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { LyceumError } from '../../host/errors.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

/** Counts what it gets, with enough text to fill many pages. */
const keeper = (from: 'start' | 'now') => `import { onEvent, query } from '@lyceum/sdk'
export const keep = onEvent({ where: { event_type: 'note' }, from: '${from}' }, async ({ events, db }) => {
  for (const e of events) await db.collection('notes').insertOne({ _id: e.id, text: e.event.text })
})
export const notes = query(async ({ db }) => (await db.collection('notes').find().toArray()).map((d) => d._id))`

const EVENTS = 600
const note = (at: number) => ({ id: `n${at}`, event_type: 'note', event: { text: `${at} `.repeat(300) } })
const notes = (first: number, count: number) => Array.from({ length: count }, (_, at) => note(first + at))
const ids = (first: number, count: number) => notes(first, count).map(({ id }) => id)

// A busy machine takes its time to start hosts.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

let root: string
/** As a host left it that stopped in order. */
let stopped: string
/** As a host left it that was killed: its last events are in the write-ahead logs only. */
let killed: string
let copies = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lyceum-damage-'))
  stopped = join(root, 'stopped')
  killed = join(root, 'killed')
  const first = await startHost(stopped)
  await first.publish('one', keeper('start'))
  await first.send(notes(0, EVENTS))
  await first.publish('two', keeper('start'))
  await first.publish('late', keeper('now'))
  await first.settled()
  await first.send(notes(EVENTS, 10))
  await first.close()
  const second = await startHost(await copyOf(stopped))
  await second.send(notes(EVENTS + 10, 20))
  await cp(second.dataDir, killed, { recursive: true })
  await second.close()
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function copyOf(folder: string): Promise<string> {
  const copy = join(root, `copy-${++copies}`)
  await cp(folder, copy, { recursive: true })
  return copy
}

const PAGE_BYTES = 4_096
/** Overwrites pages with zeros, counted from the end where negative. */
async function zero(path: string, firstPage: number, pages: number, pageBytes = PAGE_BYTES): Promise<void> {
  const file = await open(path, 'r+')
  const { size } = await file.stat()
  const from = firstPage < 0 ? size + firstPage * pageBytes : firstPage * pageBytes
  await file.write(Buffer.alloc(Math.min(pages * pageBytes, size - from)), 0, undefined, from)
  await file.close()
}

async function cut(path: string, bytes: number): Promise<void> {
  await truncate(path, (await stat(path)).size - bytes)
}

/** What keeps a host from starting on a folder. */
async function refusalOf(folder: string): Promise<LyceumError> {
  const started = await startHost(folder).catch((error: unknown) => error)
  if (started instanceof LyceumError) return started
  await (started as TestHost).close()
  throw new Error('it started')
}

const query = (host: TestHost, plugin: string) => host.call('GET', `/v1/queries/${plugin}/notes`)
const cursorOf = async (host: TestHost, plugin: string) =>
  (await host.call('GET', `/v1/plugins/${plugin}`)).json.cursors[0]

test.each<[harm: string, file: string, harmIt: (path: string) => Promise<void>, told: RegExp]>([
  [
    'a log cut in its last page',
    'events.db',
    (path) => cut(path, 3_000),
    /event log is damaged.*Restore events\.db/,
  ],
  ['a log cut by many pages', 'events.db', (path) => cut(path, 200_000), /event log is damaged/],
  ['a log whose last page is empty', 'events.db', (path) => zero(path, -1, 1, 8_192), /event log is damaged/],
  [
    'a log that is something else',
    'events.db',
    (path) => writeFile(path, 'something else '.repeat(900)),
    /event log is damaged/,
  ],
  ['a cut catalogue', 'registry.db', (path) => cut(path, 3_000), /registry\.db.*is damaged.*Restore it/],
  [
    'a catalogue that is something else',
    'registry.db',
    (path) => zero(path, 0, 1),
    /registry\.db.*is damaged/,
  ],
  [
    'a damaged lock',
    'lock.db',
    (path) => writeFile(path, 'something else '.repeat(900)),
    /lock\.db.*delete it/,
  ],
])('%s is refused at the start, with what to do', async (_, file, harmIt, told) => {
  const folder = await copyOf(stopped)
  await harmIt(join(folder, file))
  const { code, message } = await refusalOf(folder)
  expect(code).toBe('data_damaged')
  expect(message).toMatch(told)
})

test('what was killed recovers alone, also without the shared memory of its files', async () => {
  const folder = await copyOf(killed)
  for (const file of ['events.db-shm', 'registry.db-shm', 'plugins/one.1.db-shm'])
    await rm(join(folder, file), { force: true })
  const host = await startHost(folder)
  await host.settled()
  expect((await query(host, 'one')).json).toEqual(ids(0, EVENTS + 30))
  expect((await query(host, 'late')).json).toEqual(ids(EVENTS, 30))
  await host.close()
})

longTest('a log that lost its newest events takes no more, so that no number is given twice', async () => {
  const folder = await copyOf(killed)
  await truncate(join(folder, 'events.db-wal'), 0)
  const host = await startHost(folder)
  await vi.waitUntil(async () => (await cursorOf(host, 'one')).lastError !== undefined, 10_000)
  const told = `The event log ends at event ${EVENTS + 10}, but handlers have seen event ${EVENTS + 30}`
  expect((await cursorOf(host, 'one')).lastError).toMatchObject({ code: 'data_damaged' })
  const refused = await host.call('POST', '/v1/events', { body: [note(EVENTS + 40)] })
  expect(refused).toMatchObject({
    status: 503,
    json: { code: 'data_damaged', detail: expect.stringContaining(told) },
  })
  // What handlers made of the lost events is there.
  expect((await query(host, 'one')).json).toEqual(ids(0, EVENTS + 30))
  await host.close()
  await cp(join(killed, 'events.db-wal'), join(folder, 'events.db-wal'))
  const mended = await startHost(folder)
  await mended.send([note(EVENTS + 30)])
  expect((await query(mended, 'one')).json).toEqual(ids(0, EVENTS + 31))
  await mended.close()
})

longTest(
  'databases of plugins that are cut, emptied or lost hold up nobody else; those that are lost are counted anew',
  async () => {
    const folder = await copyOf(stopped)
    const first = await startHost(folder)
    for (const id of ['cut', 'empty']) await first.publish(id, keeper('start'))
    await first.settled()
    await first.close()
    await cut(join(folder, 'plugins/cut.1.db'), 3_000)
    await zero(join(folder, 'plugins/empty.1.db'), 40, 20)
    await rm(join(folder, 'plugins/two.1.db'))
    await rm(join(folder, 'plugins/late.1.db'))
    const host = await startHost(folder)
    await host.call('POST', '/v1/events', { body: notes(EVENTS + 10, 10) })
    await vi.waitUntil(
      async () => (await cursorOf(host, 'two')).lag + (await cursorOf(host, 'late')).lag === 0,
      20_000,
    )
    for (const id of ['one', 'two']) expect((await query(host, id)).json).toEqual(ids(0, EVENTS + 20))
    // It begins again where it began, which was kept when it was published.
    expect((await query(host, 'late')).json).toEqual(ids(EVENTS, 20))

    expect(await query(host, 'cut')).toMatchObject({ status: 503, json: { code: 'data_damaged' } })
    expect(await query(host, 'empty')).toMatchObject({ status: 503, json: { code: 'data_damaged' } })
    const { json } = await host.call('GET', '/v1/plugins/cut')
    expect(json).toMatchObject({
      state: 'active',
      deadLetters: null,
      cursors: [
        {
          lastError: { code: 'data_damaged', message: expect.stringContaining('backup, or delete it') },
        },
      ],
    })

    // While it runs, too: once the file is gone, its handlers run again over all events.
    await rm(join(folder, 'plugins/cut.1.db'))
    await vi.waitUntil(async () => (await cursorOf(host, 'cut')).lag === 0, 20_000)
    expect((await query(host, 'cut')).json).toEqual(ids(0, EVENTS + 20))
    await host.close()
  },
)

longTest(
  'a log that is damaged while the host runs stops whoever has to read there, and nobody else',
  async () => {
    const folder = await copyOf(stopped)
    const host = await startHost(folder)
    const path = join(folder, 'events.db')
    const good = await readFile(path)
    await zero(path, 20, 30, 8_192)
    await host.publish('newer', keeper('start'))
    await vi.waitUntil(async () => (await cursorOf(host, 'newer')).lastError !== undefined, 10_000)
    expect(await cursorOf(host, 'newer')).toMatchObject({ lastError: { code: 'data_damaged' } })
    expect((await query(host, 'one')).json).toEqual(ids(0, EVENTS + 10))
    expect((await host.call('GET', '/healthz')).status).toBe(200)
    await writeFile(path, good, { flag: 'r+' })
    // SQLite keeps the pages that it has read until the log changes.
    await host.call('POST', '/v1/events', { body: [note(EVENTS + 10)] })
    await vi.waitUntil(async () => (await cursorOf(host, 'newer')).lag === 0, 20_000)
    expect((await query(host, 'newer')).json).toEqual(ids(0, EVENTS + 11))
    await host.close()
  },
)

longTest('a bundle that cannot be read fails its calls at once, and no process', async () => {
  const it = await startHost(await copyOf(stopped))
  try {
    const registry = new DatabaseSync(join(it.dataDir, 'registry.db'))
    registry.exec("PRAGMA foreign_keys = OFF; UPDATE versions SET version = 'lost' WHERE plugin = 'one'")
    registry.close()
    // Who asked until the time is over would not come back before this test ends.
    await it.call('PATCH', '/v1/plugins/one/quota', { body: { wallMs: 60_000 } })
    for (let ask = 0; ask < 2; ask++) {
      const { status, json } = await it.call('GET', '/v1/queries/one/notes')
      expect([status, json.code]).toEqual([503, 'data_damaged'])
    }
    expect((await it.call('GET', '/v1/queries/two/notes')).json).toHaveLength(EVENTS + 10)
    expect(it.host.conduct.of('one')).toMatchObject({ strikes: 0, onProbation: false })
  } finally {
    await it.close()
  }
})
