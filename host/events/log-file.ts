import { randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LyceumError } from '../errors.ts'
import type { Row } from './accept.ts'

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
]

const SQLITE_FULL = 13
/** What SQLite says of a full quota, too: the sender should try again later. */
const SQLITE_IOERR_WRITE = 778
const SQLITE_CORRUPT = 11
const SQLITE_NOT_A_DATABASE = 26

/** What became of one request's rows. */
export interface Appended {
  accepted: number
  duplicates: number
  /** The highest seq among the rows and the events they duplicate; 0 if there were none. */
  through: number
}

/** The one writing connection to the event log, synchronous: it lives in the log thread. */
export class LogFile {
  readonly id: string
  #db: DatabaseSync
  #insert: StatementSync
  #find: StatementSync
  #head: number

  /** @throws LyceumError data_newer, data_damaged. */
  constructor(path: string) {
    refuseCutFile(path)
    this.#db = new DatabaseSync(path)
    try {
      this.#db.exec(`
        PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4096;`)
      migrate(this.#db)
      this.#db
        .prepare(`INSERT INTO meta VALUES ('log', ?) ON CONFLICT DO NOTHING`)
        .run(randomBytes(8).toString('hex'))
      this.id = String(this.#db.prepare(`SELECT value FROM meta WHERE name = 'log'`).get()?.value)
      this.#insert = this.#db.prepare(
        'INSERT INTO events (seq, key, type, received, text) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      )
      this.#find = this.#db.prepare('SELECT seq FROM events WHERE key = ?')
      this.#head = Number(this.#db.prepare('SELECT max(seq) AS head FROM events').get()?.head ?? 0)
    } catch (error) {
      this.#db.close()
      throw explained(error)
    }
  }

  /** The last seq. */
  get head(): number {
    return this.#head
  }

  /**
   * Appends the rows of all requests in one transaction. When it returns, they are on the disk.
   *
   * @throws LyceumError disk_full, data_damaged, internal: then nothing of any of them was stored.
   */
  append(requests: readonly (readonly Row[])[]): Appended[] {
    let head = this.#head
    const appendRows = (rows: readonly Row[]) => {
      const result = { accepted: 0, duplicates: 0, through: 0 }
      for (const { key, type, receivedMs, text } of rows) {
        // Seqs of our own: SQLite's would leave a gap for every duplicate.
        const isNew = this.#insert.run(head + 1, key, type, receivedMs, text).changes === 1
        if (isNew) head++
        if (isNew) result.accepted++
        else result.duplicates++
        result.through = Math.max(result.through, isNew ? head : Number(this.#find.get(key)?.seq))
      }
      return result
    }
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const appended = requests.map(appendRows)
      this.#db.exec('COMMIT')
      this.#head = head
      return appended
    } catch (error) {
      // A full disk has rolled the transaction back already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw explained(error)
    }
  }

  close(): void {
    this.#db.close()
  }
}

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version > MIGRATIONS.length)
    throw new LyceumError(
      'data_newer',
      `The event log has format ${version}; this Lyceum knows formats up to ${MIGRATIONS.length}. Start the newer Lyceum that wrote it.`,
    )
  if (version === MIGRATIONS.length) return
  db.exec(
    `BEGIN IMMEDIATE; ${MIGRATIONS.slice(version).join('\n')} PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`,
  )
}

/** SQLite notices missing pages only when it comes to them; by then the host would have acknowledged more. */
function refuseCutFile(path: string): void {
  const wal = `${path}-wal`
  if (!existsSync(path) || (existsSync(wal) && statSync(wal).size > 0)) return
  const { size } = statSync(path)
  if (size === 0) return
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count)
    const pageBytes = Number(db.prepare('PRAGMA page_size').get()?.page_size)
    if (size < pages * pageBytes) throw damaged()
  } catch (error) {
    throw explained(error)
  } finally {
    db.close()
  }
}

function damaged(): LyceumError {
  return new LyceumError(
    'data_damaged',
    'The event log is damaged: its file was cut or overwritten by something else. Restore events.db from a backup.',
  )
}

/** Turns what SQLite throws into a refusal that may leave the host; the cause is for the host's own log. */
function explained(error: unknown): LyceumError {
  if (error instanceof LyceumError) return error
  const extended = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  const errcode = extended & 0xff
  const refusal =
    errcode === SQLITE_FULL || extended === SQLITE_IOERR_WRITE
      ? new LyceumError('disk_full', 'The disk of the event log is full: nothing of this request was stored.')
      : errcode === SQLITE_CORRUPT || errcode === SQLITE_NOT_A_DATABASE
        ? damaged()
        : new LyceumError('internal', 'The event log failed: nothing of this request was stored.')
  refusal.cause = error
  return refusal
}
