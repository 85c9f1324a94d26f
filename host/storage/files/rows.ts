import type { DatabaseSync } from 'node:sqlite'
import type { FileInfo } from './requests.ts'
import type { Chunk, FileRow, FileTotals } from './rules.ts'

/**
 * The rows of a plugin's files, beside its documents. A file is a list of chunks, each a content by its hash: one
 * chunk where it was written at once, more where it was appended to. `refs` are the chunks that are a content.
 */
export const FILE_TABLES = `
  CREATE TABLE IF NOT EXISTS lyceum_files (
    path TEXT PRIMARY KEY, hash TEXT NOT NULL, bytes INTEGER NOT NULL, type TEXT NOT NULL,
    modified_ms INTEGER NOT NULL, expires_ms INTEGER, transient INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS lyceum_files_expire ON lyceum_files (expires_ms) WHERE expires_ms IS NOT NULL;
  CREATE TABLE IF NOT EXISTS lyceum_chunks (
    path TEXT NOT NULL, at INTEGER NOT NULL, hash TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (path, at)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lyceum_blobs (
    hash TEXT PRIMARY KEY, bytes INTEGER NOT NULL, refs INTEGER NOT NULL, unreferenced_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS lyceum_blobs_unreferenced ON lyceum_blobs (unreferenced_ms) WHERE refs = 0;
  CREATE TABLE IF NOT EXISTS lyceum_file_totals (
    id INTEGER PRIMARY KEY CHECK (id = 1), files INTEGER NOT NULL, bytes INTEGER NOT NULL,
    transient_bytes INTEGER NOT NULL, blob_bytes INTEGER NOT NULL
  ) STRICT;
`

/** What all files come to, and their contents. */
export interface Totals extends FileTotals {
  /** Contents on the disk, be they referred to or not. */
  blobBytes: number
}

/** Finds a file, be it that it has expired. */
export function fileAt(sqlite: DatabaseSync, path: string): FileRow | undefined {
  const row = sqlite.prepare('SELECT * FROM lyceum_files WHERE path = ?').get(path)
  return row && rowOf(row)
}

/** The chunks that hold a part of a file. */
export function chunksOf(sqlite: DatabaseSync, path: string, from: number, to: number): Chunk[] {
  return sqlite
    .prepare('SELECT * FROM lyceum_chunks WHERE path = ? AND at < ? AND at + bytes > ? ORDER BY at')
    .all(path, to, from)
    .map(({ at, hash, bytes }) => ({ at: Number(at), hash: String(hash), bytes: Number(bytes) }))
}

/** Files whose paths begin with `prefix` and come after `after`, in order. */
export function filesFrom(
  sqlite: DatabaseSync,
  { prefix, after, limit }: { readonly prefix: string; readonly after: string; readonly limit: number },
  nowMs: number,
): FileInfo[] {
  return (
    sqlite
      .prepare(
        `SELECT * FROM lyceum_files WHERE path > ? AND path >= ? AND path < ?
       AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY path LIMIT ?`,
      )
      // No path holds the last of all characters.
      .all(after, prefix, `${prefix}\u{10ffff}`, nowMs, limit)
      .map(infoOf)
  )
}

export function totalsOf(sqlite: DatabaseSync): Totals {
  const row = sqlite.prepare('SELECT * FROM lyceum_file_totals').get()
  return {
    files: Number(row?.files ?? 0),
    bytes: Number(row?.bytes ?? 0),
    transientBytes: Number(row?.transient_bytes ?? 0),
    blobBytes: Number(row?.blob_bytes ?? 0),
  }
}

export function saveTotals(sqlite: DatabaseSync, totals: Totals): void {
  sqlite
    .prepare('INSERT OR REPLACE INTO lyceum_file_totals VALUES (1, ?, ?, ?, ?)')
    .run(totals.files, totals.bytes, totals.transientBytes, totals.blobBytes)
}

type Row = Readonly<Record<string, unknown>>

export function rowOf(row: Row): FileRow {
  return { ...infoOf(row), transient: row.transient === 1 }
}

function infoOf(row: Row): FileInfo {
  return {
    path: String(row.path),
    bytes: Number(row.bytes),
    type: String(row.type),
    modifiedMs: Number(row.modified_ms),
    expiresMs: row.expires_ms === null ? null : Number(row.expires_ms),
    hash: String(row.hash),
  }
}

/** What all files come to, for those who watch quotas. */
export function fileUsageOf(sqlite: DatabaseSync): { readonly fileBytes: number; readonly files: number } {
  const { files, bytes } = totalsOf(sqlite)
  return { fileBytes: bytes, files }
}
