import type { DatabaseSync } from 'node:sqlite'
import { LIMITS } from '../../limits.ts'
import { type Blobs, sha256 } from './blobs.ts'
import { checkPath } from './requests.ts'
import { chunksOf, fileAt, saveTotals, type Totals, totalsOf } from './rows.ts'
import {
  CHUNK_BYTES,
  countFile,
  countInPlaceOf,
  expiryOf,
  type FileRow,
  isLive,
  longerFile,
  onDisk,
  type Terms,
  type Written,
  writtenFile,
} from './rules.ts'

/** What one transaction does to files: rows and references, and what they come to. */
export class FileChanges {
  readonly totals: Totals
  readonly #sqlite: DatabaseSync
  readonly #blobs: Blobs

  constructor(sqlite: DatabaseSync, blobs: Blobs) {
    this.#sqlite = sqlite
    this.#blobs = blobs
    this.totals = totalsOf(sqlite)
  }

  /**
   * @param transient by a view or query
   * @throws {LyceumError} file_path_invalid, write_denied, files_full
   */
  write(asked: Written, content: Buffer, terms: Terms, transient: boolean): void {
    const { path } = asked
    checkPath(path)
    const { nowMs } = terms
    const old = fileAt(this.#sqlite, path)
    const file = writtenFile(old, asked, content, nowMs, transient)
    this.#replace(old, file, terms.maxFileBytes)
    // The new content first, so that one that stays the same is never without a file.
    if (content.length > 0) this.#refer(file.hash, content)
    this.#releaseAll(path, nowMs)
    if (content.length > 0) this.#addChunk(path, 0, file.hash, content.length)
  }

  /** @throws {LyceumError} file_path_invalid, file_too_large, files_full */
  append({ path, type }: Written, content: Buffer, terms: Terms): void {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (!isLive(old, terms.nowMs)) {
      this.write({ path, type }, content, terms, false)
      return
    }
    const file = longerFile(old, type, content, terms.nowMs)
    this.#replace(old, file, terms.maxFileBytes)
    if (content.length > 0) this.#extend(old, content, terms.nowMs)
  }

  /** Returns whether there was such a file. */
  delete(path: string, nowMs: number): boolean {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (old === undefined) return false
    this.remove(old, nowMs)
    return isLive(old, nowMs)
  }

  /** Returns whether there is such a file. @param seconds `null`: it stays */
  expire(path: string, seconds: number | null, nowMs: number): boolean {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (!isLive(old, nowMs)) return false
    const expiresMs = expiryOf(seconds, nowMs)
    this.#replace(old, { ...old, expiresMs, transient: false }, Number.POSITIVE_INFINITY)
    return true
  }

  remove(file: FileRow, nowMs: number): void {
    this.#releaseAll(file.path, nowMs)
    this.#sqlite.prepare('DELETE FROM lyceum_files WHERE path = ?').run(file.path)
    countFile(this.totals, file, -1)
  }

  /** Forgets a content that nothing refers to. */
  forget(hash: string, bytes: number): void {
    this.#sqlite.prepare('DELETE FROM lyceum_blobs WHERE hash = ?').run(hash)
    this.totals.blobBytes -= onDisk(bytes)
  }

  /** Writes down what all of it comes to: the last thing before the commit. */
  save(): void {
    saveTotals(this.#sqlite, this.totals)
  }

  /** Puts a row in the place of another, where the quota has room for that. */
  #replace(old: FileRow | undefined, file: FileRow, maxFileBytes: number): void {
    countInPlaceOf(this.totals, old, file, maxFileBytes)
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

  #extend(old: FileRow, content: Buffer, nowMs: number): void {
    const { path, bytes } = old
    const [last] = chunksOf(this.#sqlite, path, bytes - 1, bytes)
    const grows = last !== undefined && last.bytes < CHUNK_BYTES
    const chunk = grows ? Buffer.concat([this.#blobs.read(last.hash, 0, last.bytes), content]) : content
    const hash = sha256(chunk)
    this.#refer(hash, chunk)
    if (grows) this.#release(last.hash, nowMs)
    this.#addChunk(path, grows ? last.at : bytes, hash, chunk.length)
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
    if (known === undefined || (known.refs === 0 && !this.#blobs.isKept(hash))) this.#blobs.add(hash, content)
    if (known === undefined) this.totals.blobBytes += onDisk(content.length)
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
    if (left?.refs !== 0 || !this.#blobs.isNew(hash)) return
    // Nobody has ever seen it.
    this.#blobs.drop(hash)
    this.forget(hash, Number(left.bytes))
  }
}
