import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { damagedDatabase } from '../documents/refusal.ts'

/**
 * Contents that a transaction holds in memory before it stores them: what is replaced before that, as the end of a
 * file that is appended to again and again, never meets the disk. Few, so that no request waits for many syncs.
 */
const HELD_BYTES = 4 * 1024 * 1024
const MOST_HELD = 16
/** What is written is on the disk when the write returns: Node's permissions allow a store no `fsync`. */
const SYNCED = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC

/**
 * The contents of one plugin's files: immutable, each in a file of the disk that is named by its hash. There are
 * three places for one:
 *
 * 1. in memory, while its transaction is open;
 * 2. in the folder `pending`, synced, before that commits;
 * 3. in a folder of the first two digits of the hash, once that has committed.
 *
 * So what is pending when a database is opened is what a killed store left: it is kept where a row tells of it and
 * it is whole, and deleted otherwise.
 */
export class Blobs {
  readonly #folder: string
  readonly #pending: string
  readonly #held = new Map<string, Buffer>()
  #heldBytes = 0
  /** Pending, of the open transaction. */
  readonly #stored = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
    this.#pending = join(folder, 'pending')
  }

  /** Whether it is of the open transaction. */
  isNew(hash: string): boolean {
    return this.#held.has(hash) || this.#stored.has(hash)
  }

  /** Whether an earlier transaction left it. */
  isKept(hash: string): boolean {
    return existsSync(this.#keptPath(hash))
  }

  add(hash: string, content: Buffer): void {
    if (this.isNew(hash)) return
    this.#held.set(hash, content)
    this.#heldBytes += content.length
    if (this.#held.size > MOST_HELD || this.#heldBytes > HELD_BYTES) this.#store()
  }

  /** Forgets a new one that nothing refers to any more. */
  drop(hash: string): void {
    this.#heldBytes -= this.#held.get(hash)?.length ?? 0
    this.#held.delete(hash)
    if (this.#stored.delete(hash)) rmSync(this.#pendingPath(hash), { force: true })
  }

  /** Part of a content. @throws {LyceumError} data_damaged where the disk no longer has it */
  read(hash: string, from: number, to: number): Buffer {
    const held = this.#held.get(hash)
    if (held !== undefined) return held.subarray(from, to)
    const file = this.#open(hash)
    try {
      const bytes = Buffer.allocUnsafe(to - from)
      for (let at = 0; at < bytes.length; ) {
        const got = readSync(file, bytes, at, bytes.length - at, from + at)
        if (got === 0) throw damagedDatabase()
        at += got
      }
      return bytes
    } finally {
      closeSync(file)
    }
  }

  /** Stores all that is new, for good: it may be committed then. */
  beforeCommit(): void {
    this.#store()
  }

  /** Puts into its place what is committed. What stays pending is found there, and put into its place later. */
  afterCommit(): void {
    for (const hash of this.#stored) this.#keep(hash)
    this.#stored.clear()
  }

  rollback(): void {
    this.#held.clear()
    this.#heldBytes = 0
    for (const hash of this.#stored) rmSync(this.#pendingPath(hash), { force: true })
    this.#stored.clear()
  }

  /** Whether a store was killed before it had put everything into its place. */
  hasPending(): boolean {
    return existsSync(this.#pending) && readdirSync(this.#pending).length > 0
  }

  /** Ends what a killed store had begun. Nobody else may write meanwhile. */
  recover(isReferred: (hash: string) => boolean): void {
    for (const name of readdirSync(this.#pending))
      if (isReferred(name) && !this.isKept(name) && this.#isWhole(name)) this.#keep(name)
      else rmSync(join(this.#pending, name), { force: true })
  }

  /** Deletes one that nothing refers to. */
  remove(hash: string): void {
    rmSync(this.#keptPath(hash), { force: true })
    rmSync(this.#pendingPath(hash), { force: true })
  }

  #isWhole(hash: string): boolean {
    return sha256(readFileSync(this.#pendingPath(hash))) === hash
  }

  #store(): void {
    if (this.#held.size > 0) mkdirSync(this.#pending, { recursive: true, mode: 0o700 })
    for (const [hash, content] of this.#held) {
      this.#stored.add(hash)
      const file = openSync(this.#pendingPath(hash), SYNCED, 0o600)
      try {
        for (let at = 0; at < content.length; ) at += writeSync(file, content, at)
      } finally {
        closeSync(file)
      }
      this.#heldBytes -= content.length
      this.#held.delete(hash)
    }
  }

  #keep(hash: string): void {
    const path = this.#keptPath(hash)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    renameSync(this.#pendingPath(hash), path)
  }

  #open(hash: string): number {
    for (const path of [this.#keptPath(hash), this.#pendingPath(hash)])
      try {
        return openSync(path, 'r')
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      }
    throw damagedDatabase()
  }

  #keptPath(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash)
  }

  #pendingPath(hash: string): string {
    return join(this.#pending, hash)
  }
}

/** The name of a content. */
export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
