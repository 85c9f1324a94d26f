import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EventLog } from '../../../host/events/log.ts'
import { LIMITS } from '../../../host/limits.ts'
import { bytes, NDJSON, RECEIVED } from './intake.ts'

let folder: string
let log: EventLog

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-courses-'))
  log = await open()
})
afterEach(async () => {
  await log.close()
  await rm(folder, { recursive: true })
})

const open = () => EventLog.open({ path: join(folder, 'events.db'), limits: LIMITS })

function send(courses: readonly string[], from = 0) {
  const lines = courses.map((course, at) =>
    JSON.stringify({ id: `e${from + at}`, name: 'x', course_id: course }),
  )
  return log.append(bytes(lines.join('\n')), { ...NDJSON, receivedMs: RECEIVED })
}

describe('the courses of the log', () => {
  test('are those that events named, the one with the newest event first', async () => {
    await send(['a', 'b', 'a', ''])
    expect(log.courses(10)).toEqual([
      { course: 'a', events: 2, last: 3 },
      { course: 'b', events: 1, last: 2 },
    ])
    await send(['b'], 10)
    expect(log.courses(1)).toEqual([{ course: 'b', events: 2, last: 5 }])
  })

  test('do not count an event that is sent again', async () => {
    await send(['a', 'b'])
    await send(['a', 'b', 'b'])
    expect(log.courses(10).map(({ course, events }) => [course, events])).toEqual([
      ['b', 2],
      ['a', 1],
    ])
  })

  test('have keys of a bounded length', async () => {
    await send(['x'.repeat(256), 'y'.repeat(255)])
    expect(log.courses(10).map(({ course }) => course)).toEqual(['y'.repeat(255)])
  })

  test('are so many at most, whatever a sender invents, and those that are there still count', async () => {
    const many = Array.from({ length: LIMITS.coursesKnown + 1 }, (_, at) => `c${at}`)
    await send(many)
    await send(['c0', 'late'], many.length)
    const known = log.courses(2 * LIMITS.coursesKnown)
    expect(known).toHaveLength(LIMITS.coursesKnown)
    expect(known[0]).toMatchObject({ course: 'c0', events: 2 })
  })

  test('are found in a log of an earlier format', async () => {
    await send(['a', 'b', 'a'])
    await log.close()
    const db = new DatabaseSync(join(folder, 'events.db'))
    db.exec('DROP TABLE courses; DROP TABLE type_blocks; PRAGMA user_version = 1')
    db.close()
    log = await open()
    expect(log.courses(10)).toEqual([
      { course: 'a', events: 2, last: 3 },
      { course: 'b', events: 1, last: 2 },
    ])
  })
})
