import { randomBytes } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LyceumError } from '../errors.ts'
import { isCut } from '../storage/data-failure.ts'
import { COURSES_TABLE, CourseCounts } from './courses.ts'
import { damagedLog, explained } from './log-failure.ts'
import type { SeqRange } from './log-protocol.ts'
import { KEY_BYTES, type Rows } from './rows.ts'
import { TYPE_BLOCKS_TABLE, TypeBlocks } from './type-blocks.ts'

/** One script a version, in order; `user_version` says how many a file has seen. */
const MIGRATIONS = [
  `CREATE TABLE events (
     seq INTEGER PRIMARY KEY,
     key BLOB NOT NULL UNIQUE,
     type TEXT NOT NULL,
     received INTEGER NOT NULL,
     text TEXT NOT NULL
   ) STRICT;
   CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  COURSES_TABLE,
  TYPE_BLOCKS_TABLE,
]

/** Rows at the end of a log that are read when it is opened: its last pages are those that a crash damages. */
const CHECKED_ROWS = 64

/** What became of one request's rows. */
export interface Appended {
  accepted: number
  duplicates: number
  /** The highest seq among the rows and the events they duplicate; 0 if there were none. */
  through: number
  /** Where those stand, in the order of the request. */
  ranges: SeqRange[]
}

/** Of a request without events. */
export const NOTHING_APPENDED: Appended = { accepted: 0, duplicates: 0, through: 0, ranges: [] }

/** The one writing connection to the event log, synchronous: it lives in the log thread. */
export class LogFile {
  readonly id: string
  #db: DatabaseSync
  #insert: StatementSync
  #last: StatementSync
  #find: StatementSync
  #courses: CourseCounts
  #types: TypeBlocks

  /** @throws LyceumError data_newer, data_damaged, internal. */
  constructor(path: string) {
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(path, { timeout: 5000 })
      const version = formatOf(db)
      db.exec(`
        PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4096;`)
      // SQLite notices missing pages only when it comes to them; by then more would have been acknowledged.
      if (isCut(db, path)) throw damagedLog()
      migrate(db, version)
      db.prepare(`INSERT INTO meta VALUES ('log', ?) ON CONFLICT DO NOTHING`).run(
        randomBytes(8).toString('hex'),
      )
      this.id = String(db.prepare(`SELECT value FROM meta WHERE name = 'log'`).get()?.value)
      this.#insert = db.prepare(
        'INSERT INTO events (seq, key, type, received, text) VALUES (?, ?, ?, ?, CAST(? AS TEXT)) ON CONFLICT (key) DO NOTHING',
      )
      this.#last = db.prepare('SELECT max(seq) AS seq FROM events')
      this.#find = db.prepare('SELECT seq FROM events WHERE key = ?')
      refuseDamagedEnd(db)
      this.#courses = new CourseCounts(db)
      this.#types = new TypeBlocks(db)
      this.#db = db
    } catch (error) {
      db?.close()
      throw explained(error, 'The event log cannot be opened. The log of the host says why.')
    }
  }

  /** The last seq. */
  get head(): number {
    return Number(this.#last.get()?.seq ?? 0)
  }

  /**
   * Appends the rows of all requests in one transaction. When it returns, they are on the disk.
   *
   * @throws LyceumError disk_full, data_damaged, internal: then nothing of any of them was stored.
   */
  append(requests: readonly Rows[]): Appended[] {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const appended = this.#insertAll(requests)
      this.#db.exec('COMMIT')
      return appended
    } catch (error) {
      this.#types.forget()
      // A full disk has rolled the transaction back already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      const refusal = explained(error, 'The event log failed: nothing of this request was stored.')
      if (refusal.code === 'disk_full') this.#foldWal()
      throw refusal
    }
  }

  /** What was not committed lies in the write-ahead log still: plugins can use that room. */
  #foldWal(): void {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // There is no room for that either.
    }
  }

  #insertAll(requests: readonly Rows[]): Appended[] {
    // Seqs of our own: SQLite's would leave a gap for every duplicate.
    let head = this.head
    const courses = new Map<string, { events: number; last: number }>()
    const results = requests.map((rows) => {
      const { receivedMs, count, keys, texts, ends } = rows
      const result = { accepted: 0, duplicates: 0, through: 0 }
      const ranges: [first: number, last: number][] = []
      let start = 0
      for (let at = 0; at < count; at++) {
        const key = keys.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES)
        const end = ends[at] ?? start
        const type = rows.types[rows.typeAt[at] ?? 0] ?? ''
        const text = texts.subarray(start, end)
        start = end
        const isNew = this.#insert.run(head + 1, key, type, receivedMs, text).changes === 1
        if (isNew) {
          head++
          result.accepted++
          const course = rows.courses[rows.courseAt[at] ?? -1]
          this.#types.add(head, type)
          if (course !== undefined)
            courses.set(course, { events: (courses.get(course)?.events ?? 0) + 1, last: head })
        } else result.duplicates++
        const seq = isNew ? head : Number(this.#find.get(key)?.seq)
        result.through = Math.max(result.through, seq)
        const range = ranges.at(-1)
        if (range !== undefined && seq === range[1] + 1) range[1] = seq
        else if (range === undefined || seq < range[0] || seq > range[1]) ranges.push([seq, seq])
      }
      return { ...result, ranges }
    })
    this.#courses.add(courses)
    return results
  }

  close(): void {
    this.#db.close()
  }
}

/** How many migrations a file has seen. Asked before anything is written to it. */
function formatOf(db: DatabaseSync): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version <= MIGRATIONS.length) return version
  throw new LyceumError(
    'data_newer',
    `The event log has format ${version}; this Lyceum knows formats up to ${MIGRATIONS.length}. Start the newer Lyceum that wrote it.`,
  )
}

function migrate(db: DatabaseSync, version: number): void {
  if (version === MIGRATIONS.length) return
  const scripts = MIGRATIONS.slice(version).join('\n')
  db.exec(`BEGIN IMMEDIATE; ${scripts} PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`)
}

/** Reads the newest events and finds each by its key, so that pages that were not written whole are found now. */
function refuseDamagedEnd(db: DatabaseSync): void {
  const find = db.prepare('SELECT seq FROM events WHERE key = ?')
  for (const { seq, key } of db
    .prepare('SELECT seq, key, type, text FROM events ORDER BY seq DESC LIMIT ?')
    .all(CHECKED_ROWS))
    if (!(key instanceof Uint8Array) || find.get(key)?.seq !== seq) throw damagedLog()
}
