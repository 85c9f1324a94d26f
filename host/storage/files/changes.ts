import type { DatabaseSync } from 'node:sqlite'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Blobs, sha256 } from './blobs.ts'
import { checkPath } from './requests.ts'
import { chunksOf, type FileRow, fileAt, isLive, saveTotals, type Totals, totalsOf } from './rows.ts'
import { typeOf } from './types.ts'

/**
 * The last chunk of a file grows until it has this size, so that a file has few of them however it was appended to,
 * and one append copies no more than this of what was there before.
 */
const CHUNK_BYTES = 64 * 1024

/** What a change is made under. */
export interface Terms {
  readonly nowMs: number
  /** The quota. */
  readonly maxFileBytes: number
}

/** A file to write, or to append to. */
export interface Written {
  readonly path: string
  readonly type?: string | undefined
  /** Seconds from now after which it is gone. */
  readonly expire?: number | undefined
}

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
  write({ path, type, expire }: Written, content: Buffer, terms: Terms, transient: boolean): void {
    checkPath(path)
    const { nowMs } = terms
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
    this.#replace(old, file, terms.maxFileBytes)
    // The new content first, so that one that stays the same is never without a file.
    if (content.length > 0) this.#refer(hash, content)
    this.#releaseAll(path, nowMs)
    if (content.length > 0) this.#addChunk(path, 0, hash, content.length)
  }

  /** @throws {LyceumError} file_path_invalid, file_too_large, files_full */
  append({ path, type }: Written, content: Buffer, terms: Terms): void {
    checkPath(path)
    const old = fileAt(this.#sqlite, path)
    if (!isLive(old, terms.nowMs)) {
      this.write({ path, type }, content, terms, false)
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
    const file = { ...old, hash, bytes, type: type ?? old.type, modifiedMs: terms.nowMs, transient: false }
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
    const expiresMs = seconds === null ? null : nowMs + Math.ceil(seconds * 1_000)
    this.#replace(old, { ...old, expiresMs, transient: false }, Number.POSITIVE_INFINITY)
    return true
  }

  remove(file: FileRow, nowMs: number): void {
    this.#releaseAll(file.path, nowMs)
    this.#sqlite.prepare('DELETE FROM lyceum_files WHERE path = ?').run(file.path)
    this.#count(file, -1)
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
    const { bytes, transientBytes } = this.totals
    if (old !== undefined) this.#count(old, -1)
    this.#count(file, 1)
    const isOver = this.totals.bytes > Math.max(maxFileBytes, bytes)
    const isOverHalf =
      file.transient && this.totals.transientBytes > Math.max(maxFileBytes / 2, transientBytes)
    if (isOver || isOverHalf)
      throw new LyceumError(
        'files_full',
        isOver
          ? 'The files of the plugin take as much as its quota allows. Delete files, let them expire, or ask an admin to raise fileMb.'
          : 'The files that views and queries have written take half of the quota of the plugin, which is all that they may. They expire; until then there is no room for more.',
      )
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

  #count(file: FileRow, sign: 1 | -1): void {
    const bytes = sign * onDisk(file.bytes)
    this.totals.files += sign
    this.totals.bytes += bytes
    if (file.transient) this.totals.transientBytes += bytes
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

/** A file of the disk takes whole blocks of it, and an empty one a row of the database. */
export function onDisk(bytes: number): number {
  return Math.max(bytes, LIMITS.fileLeastBytes)
}
