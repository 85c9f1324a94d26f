import { closeSync, openSync, readSync, statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOT_A_DATABASE = 26
/** What SQLite says of a full quota, and of a full disk when it maps its shared memory. */
const SQLITE_IOERR_WRITE = 778
const SQLITE_IOERR_SHMSIZE = 4874

/** What is wrong with a disk or a file on it, as far as an error of SQLite or the system tells. */
export type DataFailure = 'full' | 'damaged' | 'busy' | undefined

/** Reads an error of SQLite or of the file system. */
export function dataFailure(error: unknown): DataFailure {
  if (!(error instanceof Error)) return undefined
  if ('errcode' in error) {
    const extended = Number(error.errcode)
    const errcode = extended & 0xff
    if (errcode === SQLITE_FULL || extended === SQLITE_IOERR_WRITE || extended === SQLITE_IOERR_SHMSIZE)
      return 'full'
    if (errcode === SQLITE_CORRUPT || errcode === SQLITE_NOT_A_DATABASE) return 'damaged'
    return errcode === SQLITE_BUSY ? 'busy' : undefined
  }
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT') ? 'full' : undefined
}

/** Pages at the end of a file that are looked at: those that a crash of the machine leaves unwritten. */
const LAST_PAGES = 8
/** SQLite leaves the page that holds this byte empty. */
const LOCK_BYTE = 2 ** 30

/**
 * Whether pages at the end of a database file in WAL mode are missing, or hold nothing. SQLite fills the missing
 * part of a page with zeros and goes on, so it has to be asked before anything is read.
 */
export function isCut(db: DatabaseSync, path: string): boolean {
  // Pages that are in the write-ahead log only are not missing: they enter the file first.
  if (isBusy(db)) return false
  const pragma = (name: string) => Number(db.prepare(`PRAGMA ${name}`).get()?.[name])
  const pages = pragma('page_count')
  const pageBytes = pragma('page_size')
  if (statSync(path).size < pages * pageBytes) return true
  // A page that is free may hold anything.
  return pragma('freelist_count') === 0 && hasEmptyPage(path, pages, pageBytes)
}

/** Folds the write-ahead log into the file, unless somebody is at work on it: that must not be waited for here. */
function isBusy(db: DatabaseSync): boolean {
  const waitMs = Number(db.prepare('PRAGMA busy_timeout').get()?.timeout)
  db.exec('PRAGMA busy_timeout = 0')
  try {
    return db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 0
  } finally {
    db.exec(`PRAGMA busy_timeout = ${waitMs}`)
  }
}

function hasEmptyPage(path: string, pages: number, pageBytes: number): boolean {
  const file = openSync(path, 'r')
  try {
    const page = Buffer.alloc(pageBytes)
    const empty = Buffer.alloc(pageBytes)
    for (let at = Math.max(0, pages - LAST_PAGES); at < pages; at++) {
      if (at === Math.floor(LOCK_BYTE / pageBytes)) continue
      readSync(file, page, 0, pageBytes, at * pageBytes)
      if (page.equals(empty)) return true
    }
    return false
  } finally {
    closeSync(file)
  }
}
