import type { DatabaseSync } from 'node:sqlite'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import type { FileWriteControl, Swept } from '../store-protocol.ts'
import { Blobs, sha256 } from './blobs.ts'
import {
  AppendRequest,
  checkPath,
  contentOf,
  ExpireRequest,
  PathRequest,
  requestOf,
  WriteRequest,
} from './requests.ts'
import { chunksOf, type FileRow, fileAt, isLive, rowOf, saveTotals, type Totals, totalsOf } from './rows.ts'
import { typeOf } from './types.ts'

/**
 * The last chunk of a file grows until it has this size, so that a file has few of them however it was appended to,
 * and one append copies no more than this of what was there before.
 */
const CHUNK_BYTES = 64 * 1024
/** Contents that one commit deletes before their day, to make room. */
const MOST_EVICTED = 10_000
const HOUR_MS = 3_600_000

/** What a change is made under. */
export interface Terms {
  readonly nowMs: number
  readonly maxFileBytes: number
}

/**
 * The files of one plugin, in its own database and in a folder beside it. What changes them runs inside the
 * transaction of that database: {@link beforeCommit} and {@link afterCommit} go around its commit.
 */
export class PluginFiles {
  readonly #sqlite: DatabaseSync
  readonly blobs: Blobs
  /** Of the open transaction, once it has changed something. */
  #totals: Totals | undefined
  #maxFileBytes = 0

  /** @param sqlite what writes the database; {@link FILE_TABLES} are in it */
  constructor(databasePath: string, sqlite: DatabaseSync) {
    this.#sqlite = sqlite
    this.blobs = new Blobs(databasePath.replace(/\.db$/, '.files'))
    if (this.blobs.hasPending()) this.#recover()
  }

  /** Changes a file as a guest asks. Returns what the guest gets. */
  change(op: FileWriteControl['op'], request: string, bytes: Buffer, terms: Terms): string {
    this.#maxFileBytes = terms.maxFileBytes
    switch (op) {
      case 'write': {
        const asked = requestOf(WriteRequest, request)
        this.#write(asked, contentOf(asked.as, bytes), terms, false)
        return ''
      }
      case 'append': {
        const asked = requestOf(AppendRequest, request)
        this.#append(asked, contentOf(asked.as, bytes), terms)
        return ''
      }
      case 'delete':
        return String(this.#delete(requestOf(PathRequest, request).path, terms.nowMs))
      case 'expire':
        return String(this.#expire(requestOf(ExpireRequest, request), terms.nowMs))
    }
  }

  /** Writes a file for a view or query. */
  writeTransient(request: string, bytes: Buffer, terms: Terms): void {
    this.#maxFileBytes = terms.maxFileBytes
    const asked = requestOf(WriteRequest, request)
    if (asked.expire === undefined || asked.expire > LIMITS.transientFileSeconds)
      throw new LyceumError(
        'write_denied',
        `A view or query writes files that expire: fs.write(path, data, { expire: 3600 }), with at most ${LIMITS.transientFileSeconds} seconds. Files that stay are written by handlers and jobs.`,
      )
    this.#write(asked, contentOf(asked.as, bytes), terms, true)
  }

  #write(
    { path, type, expire }: { path: string; type?: string | undefined; expire?: number | undefined },
    content: Buffer,
    { nowMs, maxFileBytes }: Terms,
    transient: boolean,
  ): void {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (transient && isLive(old, nowMs) && !old.transient)
      throw new LyceumError(
        'write_denied',
        `"${path}" was written by a handler or job: a view or query writes beside it, not over it.`,
      )
    const hash = sha256(content)
    const file = {
      path,
      hash,
      bytes: content.length,
      type: type ?? typeOf(path),
      modifiedMs: nowMs,
      expiresMs: expire === undefined ? null : nowMs + Math.ceil(expire * 1_000),
      transient,
    }
    this.#replace(old, file, maxFileBytes)
    // The new content first, so that one that stays the same is never without a file.
    if (content.length > 0) this.#refer(hash, content)
    this.#releaseAll(path, nowMs)
    if (content.length > 0) this.#addChunk(path, 0, hash, content.length)
  }

  #append({ path, type }: { path: string; type?: string | undefined }, content: Buffer, terms: Terms): void {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (!isLive(old, terms.nowMs)) {
      this.#write({ path, type }, content, terms, false)
      return
    }
    const bytes = old.bytes + content.length
    if (bytes > LIMITS.fileBytes)
      throw new LyceumError(
        'file_too_large',
        `A file has at most ${LIMITS.fileBytes} bytes. Begin another one.`,
      )
    // A chain, since the hash of all of it would have to read all of it.
    const hash = old.bytes === 0 ? sha256(content) : sha256(Buffer.from(`${old.hash} ${sha256(content)}`))
    const file = {
      ...old,
      hash,
      bytes,
      type: type ?? old.type,
      modifiedMs: terms.nowMs,
      transient: false,
    }
    this.#replace(old, file, terms.maxFileBytes)
    if (content.length === 0) return
    const [last] = chunksOf(this.#sqlite, path, old.bytes - 1, old.bytes)
    const grows = last !== undefined && last.bytes < CHUNK_BYTES
    const chunk = grows ? Buffer.concat([this.blobs.read(last.hash, 0, last.bytes), content]) : content
    const chunkHash = sha256(chunk)
    this.#refer(chunkHash, chunk)
    if (grows) this.#release(last.hash, terms.nowMs)
    this.#addChunk(path, grows ? last.at : old.bytes, chunkHash, chunk.length)
  }

  #delete(path: string, nowMs: number): boolean {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (old === undefined) return false
    this.#remove(old, nowMs)
    return isLive(old, nowMs)
  }

  #expire({ path, seconds }: { path: string; seconds: number | null }, nowMs: number): boolean {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (!isLive(old, nowMs)) return false
    const expiresMs = seconds === null ? null : nowMs + Math.ceil(seconds * 1_000)
    this.#replace(old, { ...old, expiresMs, transient: false }, Number.POSITIVE_INFINITY)
    return true
  }

  #remove(old: FileRow, nowMs: number): void {
    this.#releaseAll(old.path, nowMs)
    this.#sqlite.prepare('DELETE FROM lyceum_files WHERE path = ?').run(old.path)
    this.#count(old, -1)
  }

  /** Puts a row in the place of another, where the quota has room for that. */
  #replace(old: FileRow | undefined, file: FileRow, maxFileBytes: number): void {
    const before = { ...this.#open() }
    if (old !== undefined) this.#count(old, -1)
    const after = this.#count(file, 1)
    const mostTransient = maxFileBytes / 2
    if (
      (after.bytes > maxFileBytes && after.bytes > before.bytes) ||
      (file.transient && after.transientBytes > mostTransient && after.transientBytes > before.transientBytes)
    ) {
      this.#totals = before
      throw new LyceumError(
        'files_full',
        file.transient && after.bytes <= maxFileBytes
          ? 'The files that views and queries have written take half of the quota of the plugin, which is all that they may. They expire; until then there is no room for more.'
          : 'The files of the plugin take as much as its quota allows. Delete files, let them expire, or ask an admin to raise fileMb.',
      )
    }
    this.#sqlite
      .prepare('INSERT OR REPLACE INTO lyceum_files VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(
        file.path,
        file.hash,
        file.bytes,
        file.type,
        file.modifiedMs,
        file.expiresMs,
        file.transient ? 1 : 0,
      )
  }

  #count(file: FileRow, sign: 1 | -1): Totals {
    const totals = this.#open()
    const bytes = sign * Math.max(file.bytes, LIMITS.fileLeastBytes)
    totals.files += sign
    totals.bytes += bytes
    if (file.transient) totals.transientBytes += bytes
    return totals
  }

  #open(): Totals {
    this.#totals ??= totalsOf(this.#sqlite)
    return this.#totals
  }

  #addChunk(path: string, at: number, hash: string, bytes: number): void {
    this.#sqlite
      .prepare('INSERT OR REPLACE INTO lyceum_chunks VALUES (?, ?, ?, ?)')
      .run(path, at, hash, bytes)
  }

  /** Keeps a content, or another reference to it. */
  #refer(hash: string, content: Buffer): void {
    const known = this.#sqlite.prepare('SELECT refs FROM lyceum_blobs WHERE hash = ?').get(hash)
    // A sweep that was cut short may have deleted one that its row still tells of.
    if (known === undefined || (known.refs === 0 && !this.blobs.isKept(hash))) this.blobs.add(hash, content)
    if (known === undefined) this.#open().blobBytes += onDisk(content.length)
    this.#sqlite
      .prepare(
        `INSERT INTO lyceum_blobs VALUES (?, ?, 1, NULL)
         ON CONFLICT (hash) DO UPDATE SET refs = refs + 1, unreferenced_ms = NULL`,
      )
      .run(hash, content.length)
  }

  #releaseAll(path: string, nowMs: number): void {
    for (const { hash } of chunksOf(this.#sqlite, path, 0, LIMITS.fileBytes)) this.#release(hash, nowMs)
    this.#sqlite.prepare('DELETE FROM lyceum_chunks WHERE path = ?').run(path)
  }

  #release(hash: string, nowMs: number): void {
    const left = this.#sqlite
      .prepare(
        `UPDATE lyceum_blobs SET refs = refs - 1, unreferenced_ms = CASE refs WHEN 1 THEN ?2 END
         WHERE hash = ?1 RETURNING refs, bytes`,
      )
      .get(hash, nowMs)
    if (left?.refs !== 0 || !this.blobs.isNew(hash)) return
    // Nobody has ever seen it.
    this.blobs.drop(hash)
    this.#forget(hash, Number(left.bytes))
  }

  #forget(hash: string, bytes: number): void {
    this.#sqlite.prepare('DELETE FROM lyceum_blobs WHERE hash = ?').run(hash)
    this.#open().blobBytes -= onDisk(bytes)
  }

  /** Stores what the open transaction has written, so that it may commit. */
  beforeCommit(): void {
    if (this.#totals === undefined) return
    saveTotals(this.#sqlite, this.#totals)
    this.blobs.beforeCommit()
  }

  /** The transaction has committed: nothing of this may fail it any more. */
  afterCommit(): void {
    const totals = this.#totals
    if (totals === undefined) return
    this.#totals = undefined
    try {
      this.blobs.afterCommit()
      // Contents that nobody refers to stay for a day where there is room for them.
      const excess = totals.blobBytes - Math.max(this.#maxFileBytes, totals.bytes)
      if (excess > 0) this.#collect(Number.MAX_SAFE_INTEGER, MOST_EVICTED, excess)
    } catch (error) {
      // What is committed stays so: contents are found where they are, and others are deleted later.
      process.stderr.write(`files could not be put into their places: ${String(error)}\n`)
    }
  }

  rollback(): void {
    this.#totals = undefined
    this.blobs.rollback()
  }

  /** Deletes what has expired, and contents that nobody has referred to for a day. In transactions of its own. */
  sweep(nowMs: number): Swept {
    const expired = this.#sqlite
      .prepare('SELECT * FROM lyceum_files WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?')
      .all(nowMs, LIMITS.sweptAtOnce)
      .map(rowOf)
    if (expired.length > 0)
      this.#inTransaction(() => {
        for (const file of expired) this.#remove(file, nowMs)
      })
    const beforeMs = nowMs - LIMITS.unreferencedHours * HOUR_MS
    const contents = this.#collect(beforeMs, LIMITS.sweptAtOnce, Number.POSITIVE_INFINITY)
    return { files: expired.length, contents, dueMs: this.#dueMs() }
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

  /** Deletes contents that nobody refers to: the oldest first, until there is as much room. */
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
    this.#inTransaction(() => {
      for (const row of found) {
        if (bytes >= bytesWanted) break
        this.blobs.remove(String(row.hash))
        this.#forget(String(row.hash), Number(row.bytes))
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

  /** Nobody else writes meanwhile, in whatever process. */
  #inTransaction(work: () => void): void {
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      this.#totals = totalsOf(this.#sqlite)
      work()
      saveTotals(this.#sqlite, this.#totals)
      this.#sqlite.exec('COMMIT')
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK')
      throw error
    } finally {
      this.#totals = undefined
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
}

/** A file of the disk takes whole blocks of it. */
function onDisk(bytes: number): number {
  return Math.max(bytes, LIMITS.fileLeastBytes)
}
