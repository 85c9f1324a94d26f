import { LIMITS } from '../../limits.ts'
import { type Chunk, countFile, type FileRow, type FileTotals } from '../files/rules.ts'
import type { Within } from './database.ts'
import { type Db, MongoServerError } from './driver.ts'
import { sendWrites } from './send-writes.ts'
import { toldAs } from './server-error.ts'
import type { ServerWrite } from './writes.ts'

const FILES = 'lyceum:files'
const NUMBERS = 'lyceum:numbers'
/** What a row takes beside its path and its chunks, and what a chunk takes in it, in bytes. */
const ROW_BYTES = 300
const CHUNK_ROW_BYTES = 120
const DUPLICATE_KEY = 11_000
const CONFLICT = 112
const LASTS = { writeConcern: { w: 'majority' } } as const

export interface File extends FileRow {
  /** In order, without gaps. */
  readonly chunks: readonly Chunk[]
}

/** A file as it is kept: one that stays has no time at which it expires. */
interface FileDocument extends Omit<File, 'path' | 'expiresMs'> {
  readonly _id: string
  readonly expiresMs?: number
}

export interface StoredTotals extends FileTotals {
  /** Raised by each change: of two at the same time one is refused. */
  readonly version: number
}

interface TotalsDocument extends StoredTotals {
  readonly _id: string
  /** On a server without transactions, while rows are written: if that was cut short all of them are counted. */
  readonly isOpen: boolean
}

/** The rows of a plugin's files, a document each, and what they come to. */
export class FileRows {
  readonly #db: Db
  readonly #level: { readonly readConcern?: { readonly level: 'majority' } }
  #isMade = false

  constructor(db: Db, hasTransactions: boolean) {
    this.#db = db
    this.#level = hasTransactions ? { readConcern: { level: 'majority' } } : {}
  }

  /** @param names the collections that there are */
  open(names: ReadonlySet<string>): void {
    this.#isMade = names.has(FILES)
  }

  /** Whether there has ever been one. */
  get isMade(): boolean {
    return this.#isMade
  }

  /** Outside of transactions, before the first: those of older servers make no collections. */
  async make(): Promise<void> {
    if (this.#isMade) return
    const none = { version: 0, files: 0, bytes: 0, transientBytes: 0, isOpen: false }
    try {
      await this.#numbers.insertOne({ _id: FILES, ...none }, LASTS)
    } catch (error) {
      if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error
    }
    // Last, and both at once: this makes the collection, by which it is known that all is there.
    await this.#rows.createIndexes([{ key: { expiresMs: 1 }, sparse: true }, { key: { 'chunks.hash': 1 } }])
    this.#isMade = true
  }

  /** Finds a file, be it that it has expired. */
  async at(path: string): Promise<File | undefined> {
    const row = await this.#rows.findOne({ _id: path })
    return row === null ? undefined : fileOf(row)
  }

  /** Files that have not expired, whose paths begin with `prefix` and come after `after`, in order; without their chunks. */
  async list(prefix: string, after: string, limit: number, nowMs: number): Promise<File[]> {
    const filter = {
      // No path holds the last of all characters.
      _id: { $gt: after, $gte: prefix, $lt: `${prefix}\u{10ffff}` },
      $or: [{ expiresMs: { $exists: false } }, { expiresMs: { $gt: nowMs } }],
    }
    const rows = this.#rows
      .find(filter, { projection: { chunks: 0 } })
      .sort({ _id: 1 })
      .limit(limit)
    return (await rows.toArray()).map((row) => fileOf({ ...row, chunks: [] }))
  }

  /** Some of those that have expired. */
  async expired(nowMs: number): Promise<File[]> {
    const rows = this.#rows.find({ expiresMs: { $lte: nowMs } }).sort({ expiresMs: 1 })
    return (await rows.limit(LIMITS.sweptAtOnce).toArray()).map(fileOf)
  }

  /** When the next one expires. */
  async nextExpiryMs(): Promise<number | undefined> {
    const rows = this.#rows.find({ expiresMs: { $gt: 0 } }, { projection: { expiresMs: 1 } })
    const [first] = await rows.sort({ expiresMs: 1 }).limit(1).toArray()
    return first?.expiresMs
  }

  /** Which of some contents files refer to. */
  async referred(hashes: readonly string[]): Promise<ReadonlySet<string>> {
    const filter = { 'chunks.hash': { $in: [...hashes] } }
    const found = await this.#rows.find(filter, { projection: { 'chunks.hash': 1 } }).toArray()
    return new Set(found.flatMap(({ chunks }) => chunks.map(({ hash }) => hash)))
  }

  /** Writes changed files, and deletes those without any. @throws {LyceumError} store_busy where others were faster */
  async save(
    changed: ReadonlyMap<string, File | undefined>,
    { version, files, bytes, transientBytes }: StoredTotals,
    session: Within,
  ): Promise<void> {
    const totals = { files, bytes, transientBytes }
    const write = async (from: number, fields: object) => {
      const { matchedCount } = await this.#numbers.updateOne(
        { _id: FILES, version: from },
        { $set: { ...fields, version: from + 1 } },
        session === undefined ? LASTS : { session },
      )
      if (matchedCount !== 1) throw toldAs({ code: CONFLICT }, 'store_busy')
    }
    await write(version, session === undefined ? { isOpen: true } : totals)
    await sendWrites(this.#db, [...changed].map(writeOf), session)
    if (session === undefined) await write(version + 1, { ...totals, isOpen: false })
  }

  async totals(): Promise<StoredTotals> {
    const found = await this.#numbers.findOne({ _id: FILES })
    const { version = 0, files = 0, bytes = 0, transientBytes = 0, isOpen = false } = found ?? {}
    if (!isOpen) return { version, files, bytes, transientBytes }
    const counted = { files: 0, bytes: 0, transientBytes: 0 }
    for await (const row of this.#rows.find({}, { projection: { chunks: 0 } }))
      countFile(counted, fileOf({ ...row, chunks: [] }), 1)
    return { version, ...counted }
  }

  get #rows() {
    return this.#db.collection<FileDocument>(FILES, this.#level)
  }

  get #numbers() {
    return this.#db.collection<TotalsDocument>(NUMBERS)
  }
}

/** About what a row takes in the database. */
export function rowBytes({ path, chunks }: File): number {
  return ROW_BYTES + path.length + chunks.length * CHUNK_ROW_BYTES
}

function writeOf([path, file]: readonly [string, File | undefined]): ServerWrite {
  const about = { collection: FILES, index: 0 }
  if (file === undefined)
    return { ...about, command: 'delete', statement: { q: { _id: path }, limit: 1 }, bytes: 0 }
  const { path: _id, expiresMs, ...fields } = file
  const u = { _id, ...fields, ...(expiresMs !== null && { expiresMs }) }
  return { ...about, command: 'update', statement: { q: { _id }, u, upsert: true }, bytes: rowBytes(file) }
}

function fileOf({ _id, hash, bytes, type, modifiedMs, expiresMs, transient, chunks }: FileDocument): File {
  return { path: _id, hash, bytes, type, modifiedMs, expiresMs: expiresMs ?? null, transient, chunks }
}
