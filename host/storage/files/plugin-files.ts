import type { DatabaseSync } from 'node:sqlite'
import { LIMITS } from '../../limits.ts'
import type { FileWriteControl, Swept } from '../store-protocol.ts'
import { Blobs } from './blobs.ts'
import { FileChanges } from './changes.ts'
import { changeOf, transientWriteOf } from './requests.ts'
import { rowOf } from './rows.ts'
import { onDisk, type Terms } from './rules.ts'

/** Contents that one commit deletes before their day, to make room. */
const MOST_EVICTED = 10_000
const HOUR_MS = 3_600_000

/**
 * The files of one plugin, in its own database and in a folder beside it. What changes them runs inside the
 * transaction of that database: {@link beforeCommit} and {@link afterCommit} go around its commit.
 */
export class PluginFiles {
  readonly #sqlite: DatabaseSync
  readonly blobs: Blobs
  /** Of the open transaction. */
  #changes: FileChanges | undefined
  #maxFileBytes = 0

  /** @param sqlite what writes the database; `FILE_TABLES` are in it */
  constructor(databasePath: string, sqlite: DatabaseSync) {
    this.#sqlite = sqlite
    this.blobs = new Blobs(databasePath.replace(/\.db$/, '.files'))
    if (this.blobs.hasPending()) this.#recover()
  }

  /** Changes a file as a guest asks. Returns what the guest gets. */
  change(op: FileWriteControl['op'], request: string, bytes: Buffer, terms: Terms): string {
    const changes = this.#open(terms)
    const change = changeOf(op, request, bytes)
    switch (change.op) {
      case 'write':
        changes.write(change.asked, change.content, terms, false)
        return ''
      case 'append':
        changes.append(change.asked, change.content, terms)
        return ''
      case 'delete':
        return String(changes.delete(change.asked.path, terms.nowMs))
      case 'expire':
        return String(changes.expire(change.asked.path, change.asked.seconds, terms.nowMs))
    }
  }

  /** Writes a file for a view or query. */
  writeTransient(request: string, bytes: Buffer, terms: Terms): void {
    const { asked, content } = transientWriteOf(request, bytes)
    this.#open(terms).write(asked, content, terms, true)
  }

  /** Stores what the open transaction has written, so that it may commit. */
  beforeCommit(): void {
    if (this.#changes === undefined) return
    this.#changes.save()
    this.blobs.beforeCommit()
  }

  /** The transaction has committed: nothing of this may fail it any more. */
  afterCommit(): void {
    if (this.#changes === undefined) return
    const { bytes, blobBytes } = this.#changes.totals
    this.#changes = undefined
    try {
      this.blobs.afterCommit()
      // Contents that nobody refers to stay for a day where there is room for them.
      const excess = blobBytes - Math.max(this.#maxFileBytes, bytes)
      if (excess > 0) this.#collect(Number.MAX_SAFE_INTEGER, MOST_EVICTED, excess)
    } catch (error) {
      // What is committed stays so: contents are found where they are, and others are deleted later.
      process.stderr.write(`files could not be put into their places: ${String(error)}\n`)
    }
  }

  rollback(): void {
    this.#changes = undefined
    this.blobs.rollback()
  }

  /** Deletes what has expired, and contents that nobody has referred to for a day. In transactions of its own. */
  sweep(nowMs: number): Swept {
    const expired = this.#sqlite
      .prepare('SELECT * FROM lyceum_files WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?')
      .all(nowMs, LIMITS.sweptAtOnce)
      .map(rowOf)
    if (expired.length > 0)
      this.#inTransaction((changes) => {
        for (const file of expired) changes.remove(file, nowMs)
      })
    const beforeMs = nowMs - LIMITS.unreferencedHours * HOUR_MS
    const contents = this.#collect(beforeMs, LIMITS.sweptAtOnce, Number.POSITIVE_INFINITY)
    return { files: expired.length, contents, dueMs: this.#dueMs() }
  }

  #open({ maxFileBytes }: Terms): FileChanges {
    this.#maxFileBytes = maxFileBytes
    this.#changes ??= new FileChanges(this.#sqlite, this.blobs)
    return this.#changes
  }

  #dueMs(): number | null {
    const least = (sql: string) => this.#sqlite.prepare(sql).get()?.ms ?? null
    const expires = least('SELECT min(expires_ms) AS ms FROM lyceum_files WHERE expires_ms IS NOT NULL')
    const unreferenced = least('SELECT min(unreferenced_ms) AS ms FROM lyceum_blobs WHERE refs = 0')
    const due = [
      ...(expires === null ? [] : [Number(expires)]),
      ...(unreferenced === null ? [] : [Number(unreferenced) + LIMITS.unreferencedHours * HOUR_MS]),
    ]
    return due.length === 0 ? null : Math.min(...due)
  }

  /** Deletes contents that nobody refers to: the oldest first, until there is as much room. Returns how many. */
  #collect(beforeMs: number, most: number, bytesWanted: number): number {
    const found = this.#sqlite
      .prepare(
        'SELECT hash, bytes FROM lyceum_blobs WHERE refs = 0 AND unreferenced_ms <= ? ORDER BY unreferenced_ms LIMIT ?',
      )
      .all(beforeMs, most)
    if (found.length === 0) return 0
    this.#syncDatabase()
    let deleted = 0
    let bytes = 0
    this.#inTransaction((changes) => {
      for (const row of found) {
        if (bytes >= bytesWanted) break
        this.blobs.remove(String(row.hash))
        changes.forget(String(row.hash), Number(row.bytes))
        deleted += 1
        bytes += onDisk(Number(row.bytes))
      }
    })
    return deleted
  }

  /**
   * Brings onto the disk what has committed so far: else the database, which syncs now and then only, might refer
   * again to contents that are gone, after a power loss.
   */
  #syncDatabase(): void {
    this.#sqlite.exec('PRAGMA synchronous = FULL')
    try {
      this.#inTransaction(() => {})
    } finally {
      this.#sqlite.exec('PRAGMA synchronous = NORMAL')
    }
  }

  #recover(): void {
    const recover = () =>
      this.blobs.recover(
        (hash) => this.#sqlite.prepare('SELECT 1 FROM lyceum_blobs WHERE hash = ?').get(hash) !== undefined,
      )
    if (this.#sqlite.isTransaction) recover()
    else this.#inTransaction(recover)
  }

  /** Nobody else writes meanwhile, in whatever process. */
  #inTransaction(work: (changes: FileChanges) => void): void {
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      const changes = new FileChanges(this.#sqlite, this.blobs)
      work(changes)
      changes.save()
      this.#sqlite.exec('COMMIT')
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK')
      throw error
    }
  }
}
