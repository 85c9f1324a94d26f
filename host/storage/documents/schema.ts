import { DatabaseSync } from 'node:sqlite'
import { LyceumError } from '../../errors.ts'
import { isCut } from '../data-failure.ts'
import { damagedDatabase } from './refusal.ts'

/**
 * The steps from one version of the file to the next; the length is the version that this code writes. Steps are
 * only ever added. Tables of documents are numbered, since the names of collections come from plugins.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE collections (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
   CREATE TABLE indexes (
     number INTEGER PRIMARY KEY,
     collection INTEGER NOT NULL REFERENCES collections (number),
     keys TEXT NOT NULL,
     is_unique INTEGER NOT NULL
   ) STRICT;`,
]

function versionOf(sqlite: DatabaseSync): number {
  return Number(sqlite.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}

/**
 * Opens or creates a file of documents. Committed transactions survive the process; a power loss may roll the last
 * ones back, cursor and all, since they live in the same file. Throws `data_newer` on a file of a later version.
 */
export function openFile(path: string): DatabaseSync {
  const sqlite = new DatabaseSync(path)
  try {
    // Whoever waits for another process is told before its own is ended for taking too long.
    sqlite.exec(
      'PRAGMA busy_timeout=3000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000',
    )
    if (isCut(sqlite, path)) throw damagedDatabase()
    migrate(sqlite, path)
    return sqlite
  } catch (error) {
    sqlite.close()
    throw error
  }
}

function migrate(sqlite: DatabaseSync, path: string): void {
  const version = versionOf(sqlite)
  if (version > MIGRATIONS.length)
    throw new LyceumError(
      'data_newer',
      'These documents were written by a newer Lyceum: run that one, or restore a copy.',
    )
  if (version === MIGRATIONS.length) return
  if (version > 0) sqlite.prepare('VACUUM INTO ?').run(`${path}.v${version}-${Date.now()}`)
  sqlite.exec('BEGIN IMMEDIATE')
  try {
    for (const step of MIGRATIONS.slice(version)) sqlite.exec(step)
    sqlite.exec(`PRAGMA user_version=${MIGRATIONS.length}; COMMIT`)
  } catch (error) {
    // A full disk has rolled it back already.
    if (sqlite.isTransaction) sqlite.exec('ROLLBACK')
    throw error
  }
}
