import { copyFile, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { Piscina } from 'piscina'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accept } from '../../../host/events/accept.ts'
import { EventLog } from '../../../host/events/log.ts'
import { LogFile } from '../../../host/events/log-file.ts'
import { longTest } from '../../support/long.ts'
import { bomb, bytes, NDJSON, RECEIVED, SMALL_LIMITS } from './intake.ts'

const ABOUT = { ...NDJSON, receivedMs: RECEIVED }

let folder: string
let path: string
const open: EventLog[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-log-'))
  path = join(folder, 'events.db')
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((log) => log.close()))
  await rm(folder, { recursive: true })
})

async function openLog(at = path): Promise<EventLog> {
  const log = await EventLog.open({ path: at, limits: SMALL_LIMITS })
  open.push(log)
  return log
}

function lines(from: number, count: number): Uint8Array {
  return bytes(
    Array.from({ length: count }, (_, at) => JSON.stringify({ id: `e${from + at}`, name: 'x' })).join('\n'),
  )
}

function idsOf(log: EventLog): string[] {
  return log.read(0, 1e6, 1e9).map(({ text }) => JSON.parse(text).id)
}

describe('append', () => {
  test('answers with what became of each event', async () => {
    const log = await openLog()
    const answer = await log.append(bytes('{"id":"a"}\n# no\n{"id":"a"}\n{"id":"b"}'), ABOUT)
    expect(answer).toEqual({
      accepted: 2,
      duplicates: 1,
      rejected: [{ index: 1, code: 'event_comment', message: expect.any(String) }],
      through: 2,
      ranges: [[1, 2]],
    })
  })

  test('says where new events and duplicates stand', async () => {
    const log = await openLog()
    await log.append(lines(0, 10), ABOUT)
    const mixed = ['e3', 'e4', 'e4', 'new', 'e8'].map((id) => JSON.stringify({ id, name: 'x' })).join('\n')
    expect(await log.append(bytes(mixed), ABOUT)).toMatchObject({
      ranges: [
        [4, 5],
        [11, 11],
        [9, 9],
      ],
    })
  })

  test('counts what the log has already as duplicates, and says how far they go', async () => {
    const log = await openLog()
    await log.append(lines(0, 10), ABOUT)
    expect(await log.append(lines(2, 3), ABOUT)).toMatchObject({ accepted: 0, duplicates: 3, through: 5 })
    expect(await log.append(lines(8, 4), ABOUT)).toMatchObject({ accepted: 2, duplicates: 2, through: 12 })
    expect(await log.append(bytes('#'), ABOUT)).toMatchObject({ accepted: 0, duplicates: 0, through: 0 })
  })

  test('leaves no gap in the seqs', async () => {
    const log = await openLog()
    for (const from of [0, 3, 3, 5, 20]) await log.append(lines(from, 5), ABOUT)
    expect(log.read(0, 100, 1e6).map(({ seq }) => seq)).toEqual(Array.from({ length: 15 }, (_, at) => at + 1))
    expect(log.size().events).toBe(15)
  })

  test('takes many requests at once, and each event once', async () => {
    const log = await openLog()
    const answers = await Promise.all(Array.from({ length: 300 }, (_, at) => log.append(lines(at, 3), ABOUT)))
    expect(answers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(302)
    expect(answers.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(598)
    expect(new Set(idsOf(log)).size).toBe(302)
    expect(idsOf(log)).toHaveLength(302)
  })

  test('commits requests together that wait together', async () => {
    const oneByOne = await openLog()
    for (let at = 0; at < 100; at++) await oneByOne.append(lines(at, 1), ABOUT)
    const together = await openLog(join(folder, 'together.db'))
    await Promise.all(Array.from({ length: 100 }, (_, at) => together.append(lines(at, 1), ABOUT)))
    expect(together.head()).toBe(100)
    // A commit writes whole pages: the bytes tell how many there were.
    expect(together.size().bytes).toBeLessThan(oneByOne.size().bytes / 2)
  })

  test('moves a body that owns its memory, and leaves shared memory alone', async () => {
    const log = await openLog()
    const own = lines(0, 1)
    const pooled = Buffer.from('{"id":"pooled"}')
    await Promise.all([log.append(own, ABOUT), log.append(pooled, ABOUT)])
    expect(own.byteLength).toBe(0)
    expect(pooled.toString()).toBe('{"id":"pooled"}')
  })

  test.each([
    ['body_unreadable', bytes('{'), {}],
    ['body_unreadable', gzipSync('{}').subarray(0, 15), {}],
    ['body_too_large', bomb(50_000_000), {}],
    ['unsupported_encoding', bytes('{}'), { contentEncoding: 'zstd' }],
    ['internal', bytes('{}'), { receivedMs: Number.NaN }],
  ])('refuses with %s and goes on', async (code, body, about) => {
    const log = await openLog()
    const before = log.append(lines(0, 1), ABOUT)
    const refused = log.append(body, { receivedMs: RECEIVED, ...about })
    const after = log.append(lines(1, 1), ABOUT)
    await expect(refused).rejects.toMatchObject({
      name: 'LyceumError',
      code,
      message: expect.not.stringContaining('/'),
    })
    expect(await before).toMatchObject({ accepted: 1 })
    expect(await after).toMatchObject({ accepted: 1 })
    expect(log.head()).toBe(2)
  })
})

describe('the log thread', () => {
  test('is replaced if it dies, and what was acknowledged is there', async () => {
    const pools = vi.spyOn(Piscina.prototype, 'run')
    const log = await openLog()
    const pool = pools.mock.contexts[0]
    pools.mockRestore()
    await log.append(lines(0, 3), ABOUT)
    if (!(pool instanceof Piscina)) throw new Error('the log runs in no pool')
    await Promise.all(pool.threads.map((thread) => thread.terminate()))
    // The pool may hand this one still to the thread that died.
    await log.append(lines(3, 1), ABOUT).catch((error) => expect(error).toMatchObject({ code: 'internal' }))
    expect(await log.append(lines(0, 5), ABOUT)).toMatchObject({ through: 5 })
    expect(idsOf(log)).toEqual(expect.arrayContaining(['e0', 'e1', 'e2', 'e3', 'e4']))
  })
})

describe('read', () => {
  test('gives the events after a seq, in order, with type and text', async () => {
    const log = await openLog()
    await log.append(bytes('{"id":"a","name":"x"}\n{"id":"b","name":"y"}\n{"id":"c"}'), ABOUT)
    const rows = log.read(1, 10, 1e6)
    expect(rows.map(({ seq, type }) => [seq, type])).toEqual([
      [2, 'y'],
      [3, ''],
    ])
    expect(JSON.parse(rows[0]?.text ?? '')).toMatchObject({
      id: 'b',
      props: { type: 'y', received: new Date(RECEIVED).toISOString() },
    })
    expect(log.read(3, 10, 1e6)).toEqual([])
  })

  test('stops at its limits, but gives one row at least', async () => {
    const log = await openLog()
    await log.append(lines(0, 20), ABOUT)
    const [first] = log.read(0, 1, 1e6)
    const bytesOfOne = first?.text.length ?? 0
    expect(log.read(0, 7, 1e6)).toHaveLength(7)
    expect(log.read(0, 20, 1)).toHaveLength(1)
    expect(log.read(0, 20, bytesOfOne * 5)).toHaveLength(5)
  })

  test('keeps no snapshot open: the write-ahead log can be folded in after it', async () => {
    const log = await openLog()
    await log.append(lines(0, 20), ABOUT)
    log.read(0, 20, 1)
    const other = new DatabaseSync(path)
    expect(other.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0 })
    other.close()
  })

  test('gives back types that are no proper text as they are in the event', async () => {
    const log = await openLog()
    await log.append(bytes('{"name":"a\\u0000b"}\n{"name":"\\ud800"}'), ABOUT)
    for (const { type, text } of log.read(0, 2, 1e6)) expect(JSON.parse(text).props.type).toBe(type)
  })
})

test('reads nothing that is committed and not told yet: a handler past the head would look like a log that was cut', async () => {
  const log = await openLog()
  await log.append(lines(0, 3), ABOUT)
  const file = new LogFile(path)
  file.append([accept(lines(3, 3), ABOUT, SMALL_LIMITS).rows])
  file.close()
  expect(idsOf(log)).toEqual(['e0', 'e1', 'e2'])
  await log.append(lines(6, 1), ABOUT)
  expect(idsOf(log)).toHaveLength(7)
})

describe('listeners', () => {
  test('hear how far the log goes, until they stop', async () => {
    const log = await openLog()
    const heard: number[] = []
    const stop = log.onAppend((head) => heard.push(head))
    await log.append(lines(0, 3), ABOUT)
    await log.append(lines(0, 3), ABOUT)
    await log.append(lines(2, 3), ABOUT)
    stop()
    await log.append(lines(9, 1), ABOUT)
    expect(heard).toEqual([3, 5])
    expect(log.head()).toBe(6)
  })
})

describe('opening and closing', () => {
  longTest('keeps the events and the name of the log', async () => {
    const first = await openLog()
    await first.append(lines(0, 5), ABOUT)
    await first.close()
    const second = await openLog()
    expect([second.id, second.head()]).toEqual([first.id, 5])
    expect(await second.append(lines(3, 3), ABOUT)).toMatchObject({ accepted: 1, duplicates: 2, through: 6 })
    expect((await openLog(join(folder, 'other.db'))).id).not.toBe(first.id)
  })

  test('close waits for what was sent before and refuses what comes after', async () => {
    const log = await openLog()
    const sent = Array.from({ length: 50 }, (_, at) => log.append(lines(at, 1), ABOUT))
    const closed = log.close()
    await expect(log.append(lines(99, 1), ABOUT)).rejects.toMatchObject({ code: 'shutting_down' })
    await closed
    for (const answer of await Promise.all(sent)) expect(answer.accepted).toBe(1)
    expect(idsOf(await openLog())).toHaveLength(50)
  })

  test('takes in the write-ahead log that a killed host left', async () => {
    const log = await openLog()
    await log.append(lines(0, 5), ABOUT)
    const copy = join(folder, 'copy.db')
    await copyFile(path, copy)
    await copyFile(`${path}-wal`, `${copy}-wal`)
    expect(idsOf(await openLog(copy))).toHaveLength(5)
  })

  test('leaves out a commit that was torn', async () => {
    const log = await openLog()
    await log.append(lines(0, 5), ABOUT)
    await log.append(lines(5, 5), ABOUT)
    const copy = join(folder, 'copy.db')
    await copyFile(path, copy)
    await copyFile(`${path}-wal`, `${copy}-wal`)
    await truncate(`${copy}-wal`, (await stat(`${copy}-wal`)).size - 100)
    const recovered = await openLog(copy)
    expect(idsOf(recovered)).toEqual(['e0', 'e1', 'e2', 'e3', 'e4'])
    expect(await recovered.append(lines(5, 5), ABOUT)).toMatchObject({ accepted: 5, through: 10 })
  })

  test.each(['cut by half a page', 'overwritten'])('refuses a file that was %s', async (harm) => {
    const log = await openLog()
    await log.append(lines(0, 500), ABOUT)
    await log.close()
    if (harm === 'overwritten') await writeFile(path, 'not a database, '.repeat(1000))
    else await truncate(path, (await stat(path)).size - 4000)
    await expect(openLog()).rejects.toMatchObject({
      code: 'data_damaged',
      message: expect.stringContaining('backup'),
    })
  })

  test('refuses a folder that is not there, without naming it', async () => {
    const absent = EventLog.open({ path: join(folder, 'absent', 'events.db'), limits: SMALL_LIMITS })
    await expect(absent).rejects.toMatchObject({
      code: 'internal',
      message: expect.not.stringContaining('absent'),
    })
  })

  test('refuses a file of a newer Lyceum and leaves it alone', async () => {
    await (await openLog()).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 99')
    db.close()
    await expect(openLog()).rejects.toMatchObject({
      code: 'data_newer',
      message: expect.stringContaining('99'),
    })
  })
})
