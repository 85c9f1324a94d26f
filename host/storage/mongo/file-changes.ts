import { sha256 } from '../files/blobs.ts'
import { type Change, checkPath } from '../files/requests.ts'
import {
  CHUNK_BYTES,
  type Chunk,
  countFile,
  countInPlaceOf,
  expiryOf,
  type FileRow,
  isLive,
  longerFile,
  type Terms,
  type Written,
  writtenFile,
} from '../files/rules.ts'
import type { Within } from './database.ts'
import { type File, rowBytes, type StoredTotals } from './file-rows.ts'
import type { PluginFiles } from './files.ts'

/** Contents that a transaction holds in memory; beyond, they are stored while it goes on. */
const HELD_BYTES = 8 * 1024 * 1024

/**
 * What one transaction does to files. All of it is in memory until the commit, so that it can be done again where
 * others were faster; contents are stored ahead of that. Nobody else may change files of the plugin meanwhile.
 */
export class FileChanges {
  readonly totals: StoredTotals
  maxFileBytes = 0
  readonly #files: PluginFiles
  /** As they were, of all that were looked at to be changed. */
  readonly #before = new Map<string, File | undefined>()
  /** As they become; undefined where one is deleted. */
  readonly #after = new Map<string, File | undefined>()
  readonly #held = new Map<string, Buffer>()
  #heldBytes = 0
  #nowMs = 0

  constructor(files: PluginFiles, totals: StoredTotals) {
    this.#files = files
    this.totals = totals
  }

  /** Does what a handler or job asks. Returns what the guest gets. */
  async change(change: Change, terms: Terms): Promise<string> {
    checkPath(change.asked.path)
    this.#nowMs = terms.nowMs
    this.maxFileBytes = terms.maxFileBytes
    switch (change.op) {
      case 'write':
        await this.write(change.asked, change.content, terms, false)
        return ''
      case 'append':
        await this.#append(change.asked, change.content, terms)
        return ''
      case 'delete':
        return String(await this.#delete(change.asked.path, terms.nowMs))
      case 'expire':
        return String(await this.#expire(change.asked.path, change.asked.seconds, terms.nowMs))
    }
  }

  /** @param transient by a view or query */
  async write(asked: Written, content: Buffer, terms: Terms, transient: boolean): Promise<void> {
    checkPath(asked.path)
    this.#nowMs = terms.nowMs
    this.maxFileBytes = terms.maxFileBytes
    const old = await this.at(asked.path)
    const file = writtenFile(old, asked, content, terms.nowMs, transient)
    const chunks = content.length === 0 ? [] : [{ at: 0, hash: file.hash, bytes: content.length }]
    this.#replace(old, { ...file, chunks }, terms.maxFileBytes)
    if (content.length > 0) await this.#hold(file.hash, content)
  }

  /** A file as the transaction sees it, be it that it has expired. */
  async at(path: string): Promise<File | undefined> {
    if (this.#after.has(path)) return this.#after.get(path)
    if (!this.#before.has(path)) this.#before.set(path, await this.#files.rows.at(path))
    return this.#before.get(path)
  }

  /** What is changed, by path; undefined where a file is deleted. */
  get changed(): ReadonlyMap<string, File | undefined> {
    return this.#after
  }

  /** About what its rows take in the database, in bytes. */
  get rowBytes(): number {
    return [...this.#after.values()].reduce((sum, file) => sum + (file === undefined ? 0 : rowBytes(file)), 0)
  }

  /** Part of a content as the transaction sees it. */
  async read(hash: string, from: number, to: number): Promise<Buffer> {
    return this.#held.get(hash)?.subarray(from, to) ?? this.#files.contents.read(hash, from, to)
  }

  remove(file: File, nowMs: number): void {
    this.#nowMs = nowMs
    this.#before.set(file.path, file)
    this.#after.set(file.path, undefined)
    countFile(this.totals, file, -1)
  }

  /** Stores contents, so that the transaction may commit, and notes which it lets go: outside of it, and before. */
  async store(): Promise<void> {
    const { contents } = this.#files
    await this.#storeHeld()
    const kept = new Set(
      [...this.#after.values()].flatMap((file) => file?.chunks ?? []).map(({ hash }) => hash),
    )
    const gone = new Map<string, Chunk>()
    for (const path of this.#after.keys())
      for (const chunk of this.#before.get(path)?.chunks ?? [])
        if (!kept.has(chunk.hash)) gone.set(chunk.hash, chunk)
    await contents.letGo([...gone.values()], this.#nowMs)
  }

  /** Writes the rows; may be done again where the transaction is. @throws {LyceumError} store_busy */
  save(session: Within): Promise<void> {
    return this.#files.rows.save(this.#after, this.totals, session)
  }

  async #append(asked: Written, content: Buffer, terms: Terms): Promise<void> {
    const old = await this.at(asked.path)
    if (!isLive(old, terms.nowMs))
      return this.write({ path: asked.path, type: asked.type }, content, terms, false)
    const file = longerFile(old, asked.type, content, terms.nowMs)
    const last = old.chunks.at(-1)
    const grows = last !== undefined && last.bytes < CHUNK_BYTES
    if (content.length === 0) return this.#replace(old, { ...file, chunks: old.chunks }, terms.maxFileBytes)
    const longer = grows ? Buffer.concat([await this.read(last.hash, 0, last.bytes), content]) : content
    const chunk = { at: grows ? last.at : old.bytes, hash: sha256(longer), bytes: longer.length }
    const chunks = [...(grows ? old.chunks.slice(0, -1) : old.chunks), chunk]
    this.#replace(old, { ...file, chunks }, terms.maxFileBytes)
    await this.#hold(chunk.hash, longer)
  }

  async #delete(path: string, nowMs: number): Promise<boolean> {
    const old = await this.at(path)
    if (old === undefined) return false
    this.#after.set(path, undefined)
    countFile(this.totals, old, -1)
    return isLive(old, nowMs)
  }

  async #expire(path: string, seconds: number | null, nowMs: number): Promise<boolean> {
    const old = await this.at(path)
    if (!isLive(old, nowMs)) return false
    const file = { ...old, expiresMs: expiryOf(seconds, nowMs), transient: false }
    this.#replace(old, file, Number.POSITIVE_INFINITY)
    return true
  }

  #replace(old: FileRow | undefined, file: File, maxFileBytes: number): void {
    countInPlaceOf(this.totals, old, file, maxFileBytes)
    this.#after.set(file.path, file)
  }

  async #hold(hash: string, content: Buffer): Promise<void> {
    if (this.#held.has(hash)) return
    this.#held.set(hash, content)
    this.#heldBytes += content.length
    if (this.#heldBytes > HELD_BYTES) await this.#storeHeld()
  }

  /** Those that a file still refers to; the end of a file that was appended to again is none of them. */
  async #storeHeld(): Promise<void> {
    const needed = new Set(
      [...this.#after.values()].flatMap((file) => file?.chunks ?? []).map(({ hash }) => hash),
    )
    for (const [hash, content] of this.#held)
      if (needed.has(hash)) await this.#files.contents.put(hash, content, this.#nowMs)
    this.#held.clear()
    this.#heldBytes = 0
  }
}
