import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { accept } from '../../../host/events/accept.ts'
import { EventLog } from '../../../host/events/log.ts'
import { LogFile } from '../../../host/events/log-file.ts'
import { TYPE_BLOCKS_TABLE, TypeBlocks } from '../../../host/events/type-blocks.ts'
import { LIMITS } from '../../../host/limits.ts'
import { bytes, NDJSON, RECEIVED } from './intake.ts'

let folder: string
let log: EventLog
let sent = 0

const open = () => EventLog.open({ path: join(folder, 'events.db'), limits: LIMITS })
const append = (types: readonly string[]) =>
  log.append(bytes(types.map((type) => JSON.stringify({ id: `e${++sent}`, name: type })).join('\n')), {
    ...NDJSON,
    receivedMs: RECEIVED,
  })
const often = (count: number) => Array.from({ length: count }, () => 'often')

describe('leaping over events of other types', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lyceum-types-'))
    log = await open()
  })
  afterAll(async () => {
    await log.close()
    await rm(folder, { recursive: true })
  })

  test('passes none that is of one of the types, wherever it stands', async () => {
    const stretch = fc.record({
      others: fc.integer({ min: 0, max: 2_500 }),
      type: fc.constantFrom('seldom', 'rare', ''),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(stretch, { minLength: 1, maxLength: 4 }),
        fc.subarray(['seldom', 'rare', '', 'never'], { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (stretches, types, share) => {
          for (const { others, type } of stretches) await append([...often(others), type])
          const after = Math.floor(share * log.head())
          const to = log.skip(after, types)
          const passed = log.read(after, Math.max(0, to - after), Number.POSITIVE_INFINITY)
          expect(to).toBeGreaterThanOrEqual(after)
          expect(passed.filter(({ type }) => types.includes(type))).toEqual([])
        },
      ),
      { numRuns: 15 },
    )
  })

  test('ends at the head for what never came, and near the event for what seldom came', async () => {
    await append([...often(5_000), 'once', ...often(5_000)])
    const head = log.head()
    expect(log.skip(0, ['never', 'not once'])).toBe(head)
    expect(log.skip(head, ['often'])).toBe(head)
    const before = log.skip(0, ['never', 'once'])
    expect(before).toBeLessThan(head - 5_000)
    expect(before).toBeGreaterThan(head - 5_000 - 2_000)
  })

  test('leaps over nothing that is committed while it looks', async () => {
    const file = new LogFile(join(folder, 'events.db'))
    const body = ['between one', ...often(3_000), 'between two'].map((name, at) => ({ id: `b${at}`, name }))
    const commit = () =>
      file.append([accept(bytes(JSON.stringify(body)), { receivedMs: RECEIVED }, LIMITS).rows])
    function* types() {
      yield 'between one'
      // As the log's thread does it, whenever it likes.
      commit()
      yield 'between two'
    }
    const head = log.head()
    expect(log.skip(head, types())).toBe(head)
    file.close()
    await append(['often'])
    expect(log.head()).toBe(head + body.length + 1)
  })

  test('does so in a log that was written before types were noted', async () => {
    await append(['old', ...often(3_000)])
    const before = log.skip(0, ['old'])
    await log.close()
    const db = new DatabaseSync(join(folder, 'events.db'))
    db.exec('DROP TABLE type_blocks; PRAGMA user_version = 2')
    db.close()
    log = await open()
    expect(log.skip(0, ['old'])).toBe(before)
    expect(log.skip(0, ['never'])).toBe(log.head())
  })
})

describe('a type', () => {
  let db: DatabaseSync
  beforeEach(() => {
    db = new DatabaseSync(':memory:')
    db.exec(`CREATE TABLE events (seq INTEGER PRIMARY KEY, type TEXT); ${TYPE_BLOCKS_TABLE}`)
  })
  afterEach(() => db.close())

  test('that was noted in a transaction that was rolled back is noted again', () => {
    const blocks = new TypeBlocks(db)
    db.exec('BEGIN')
    blocks.add(1, 'seldom')
    db.exec('ROLLBACK')
    blocks.forget()
    blocks.add(1, 'seldom')
    expect(db.prepare('SELECT type FROM type_blocks').all()).toMatchObject([{ type: 'seldom' }])
  })

  test('is noted once a block', () => {
    const blocks = new TypeBlocks(db)
    for (let seq = 1; seq <= 10_240; seq++) blocks.add(seq, 'often')
    expect(db.prepare('SELECT count(*) AS rows FROM type_blocks').get()?.rows).toBe(11)
  })
})
