import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { sha256 } from './blobs.ts'
import type { FileInfo } from './requests.ts'
import { typeOf } from './types.ts'

/** What holds of files wherever their rows and contents are kept. */

/**
 * The last chunk of a file grows until it has this size, so that a file has few of them however it was appended to,
 * and one append copies no more than this of what was there before.
 */
export const CHUNK_BYTES = 64 * 1024

/** A file, with what only the host knows. */
export interface FileRow extends FileInfo {
  /** Written by a view or query. */
  readonly transient: boolean
}

/** A part of a file: a content by its hash. */
export interface Chunk {
  readonly at: number
  readonly hash: string
  readonly bytes: number
}

/** What all files of a plugin come to. Each counts for `LIMITS.fileLeastBytes` at least. */
export interface FileTotals {
  files: number
  bytes: number
  transientBytes: number
}

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

export function isLive<File extends FileRow>(file: File | undefined, nowMs: number): file is File {
  return file !== undefined && (file.expiresMs === null || file.expiresMs > nowMs)
}

/**
 * The file that a write makes.
 * @param old what is at its path, be it that it has expired
 * @param transient by a view or query
 * @throws {LyceumError} write_denied
 */
export function writtenFile(
  old: FileRow | undefined,
  { path, type, expire }: Written,
  content: Buffer,
  nowMs: number,
  transient: boolean,
): FileRow {
  if (transient && isLive(old, nowMs) && !old.transient)
    throw new LyceumError(
      'write_denied',
      `"${path}" was written by a handler or job: a view or query writes beside it, not over it.`,
    )
  return {
    path,
    hash: sha256(content),
    bytes: content.length,
    type: type ?? typeOf(path),
    modifiedMs: nowMs,
    expiresMs: expiryOf(expire ?? null, nowMs),
    transient,
  }
}

/** The file that an append makes of one that is live. @throws {LyceumError} file_too_large */
export function longerFile(
  old: FileRow,
  type: string | undefined,
  content: Buffer,
  modifiedMs: number,
): FileRow {
  const bytes = old.bytes + content.length
  if (bytes > LIMITS.fileBytes)
    throw new LyceumError(
      'file_too_large',
      `A file has at most ${LIMITS.fileBytes} bytes. Begin another one.`,
    )
  // A chain, since the hash of all of it would have to read all of it.
  const hash = old.bytes === 0 ? sha256(content) : sha256(Buffer.from(`${old.hash} ${sha256(content)}`))
  return { ...old, hash, bytes, type: type ?? old.type, modifiedMs, transient: false }
}

/** When a file is gone. @param seconds `null`: it stays */
export function expiryOf(seconds: number | null, nowMs: number): number | null {
  return seconds === null ? null : nowMs + Math.ceil(seconds * 1_000)
}

/** Counts a file in, or out. */
export function countFile(totals: FileTotals, file: FileRow, sign: 1 | -1): void {
  const bytes = sign * onDisk(file.bytes)
  totals.files += sign
  totals.bytes += bytes
  if (file.transient) totals.transientBytes += bytes
}

/**
 * Counts a file in the place of another, where the quota has room for that, or where there are fewer bytes then.
 * @throws {LyceumError} files_full; the totals are of no use then
 */
export function countInPlaceOf(
  totals: FileTotals,
  old: FileRow | undefined,
  file: FileRow,
  maxFileBytes: number,
): void {
  const { bytes, transientBytes } = totals
  if (old !== undefined) countFile(totals, old, -1)
  countFile(totals, file, 1)
  const isOver = totals.bytes > Math.max(maxFileBytes, bytes)
  const isOverHalf = file.transient && totals.transientBytes > Math.max(maxFileBytes / 2, transientBytes)
  if (isOver || isOverHalf)
    throw new LyceumError(
      'files_full',
      isOver
        ? 'The files of the plugin take as much as its quota allows. Delete files, let them expire, or ask an admin to raise fileMb.'
        : 'The files that views and queries have written take half of the quota of the plugin, which is all that they may. They expire; until then there is no room for more.',
    )
}

/** A file of the disk takes whole blocks of it, and an empty one a row of the database. */
export function onDisk(bytes: number): number {
  return Math.max(bytes, LIMITS.fileLeastBytes)
}
