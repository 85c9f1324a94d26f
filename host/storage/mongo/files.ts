import type { Payload } from '../../../process/frame.ts'
import { LIMITS } from '../../limits.ts'
import { infoOf, pageOf, partOf, type Span, spanOf } from '../files/page.ts'
import {
  checkPath,
  type FileInfo,
  ListRequest,
  PathRequest,
  ReadRequest,
  requestOf,
  transientWriteOf,
} from '../files/requests.ts'
import { type Chunk, countFile, type FileRow, type FileTotals, isLive } from '../files/rules.ts'
import type { FileReadControl, Swept, TransientFileControl } from '../store-protocol.ts'
import { Contents } from './contents.ts'
import type { Within } from './database.ts'
import { type Db, type MongoClient, MongoServerError } from './driver.ts'
import { FileChanges } from './file-changes.ts'
import type { Room } from './room.ts'
import { sendWrites } from './send-writes.ts'
import { toldAs } from './server-error.ts'
import type { ServerWrite } from './writes.ts'

const FILES = 'lyceum:files'
const NUMBERS = 'lyceum:numbers'
/** Contents that one commit deletes before their day, to make room. */
const MOST_EVICTED = 10_000
/** How long changes that no batch is around are tried, while all others of the plugin wait. */
const COMMIT_MS = 20_000
const HOUR_MS = 3_600_000
/** What a row takes beside its path and its chunks, and what a chunk takes in it, in bytes. */
const ROW_BYTES = 300
const CHUNK_ROW_BYTES = 120
const DUPLICATE_KEY = 11_000
const CONFLICT = 112

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

/** The files of one plugin: a document each, beside those of the plugin, and their contents in GridFS. */
export class PluginFiles {
  readonly contents: Contents
  readonly #db: Db
  readonly #hasTransactions: boolean
  readonly #room: Room
  #isMade = false

  constructor(db: Db, hasTransactions: boolean, room: Room) {
    this.#db = db
    this.#room = room
    this.#hasTransactions = hasTransactions
    this.contents = new Contents(db)
  }

  /** @param names the collections that there are */
  open(names: ReadonlySet<string>): void {
    this.#isMade = names.has(FILES)
    this.contents.open(names)
  }

  /** Whether the plugin has ever kept one. */
  get isUsed(): boolean {
    return this.#isMade
  }

  /** Begins to change files. Nobody else may until that has ended. */
  async begin(): Promise<FileChanges> {
    await this.#make()
    return new FileChanges(this, await this.#totals())
  }

  /** Reads as a guest asks, and makes what the guest gets. @param changes of the transaction that reads */
  async read(
    { op, nowMs, raw }: FileReadControl,
    request: string,
    changes: FileChanges | undefined,
  ): Promise<Payload> {
    if (op === 'list') return JSON.stringify(await this.#list(request, nowMs, changes))
    const find = async (path: string) => {
      checkPath(path)
      const file = await (changes ?? this).fileAt(path)
      return isLive(file, nowMs) ? file : null
    }
    if (op === 'stat') {
      const file = await find(requestOf(PathRequest, request).path)
      return JSON.stringify(file && infoOf(file))
    }
    const asked = requestOf(ReadRequest, request)
    for (let file = await find(asked.path); ; ) {
      if (file === null) return 'null'
      const span = spanOf(file, asked)
      try {
        return pageOf(file, asked, span, await this.#partsOf(file, span, changes), raw === true)
      } catch (error) {
        // One that is replaced may lose its contents at once, where the quota has no room for them.
        const newer = await find(asked.path)
        if (newer?.hash === file.hash) throw error
        file = newer
      }
    }
  }

  #partsOf({ chunks }: File, span: Span, changes: FileChanges | undefined): Promise<Buffer[]> {
    const parts: Promise<Buffer>[] = []
    for (const chunk of chunks) {
      const [from, to] = partOf(chunk, span)
      if (from < to) parts.push((changes ?? this.contents).read(chunk.hash, from, to))
    }
    return Promise.all(parts)
  }

  /** Finds a file, be it that it has expired. */
  async fileAt(path: string): Promise<File | undefined> {
    const row = await this.#rows.findOne({ _id: path })
    return row === null ? undefined : fileOf(row)
  }

  /** Writes a file for a view or query, while no transaction is open. */
  async writeTransient(
    client: MongoClient,
    request: string,
    bytes: Buffer,
    terms: TransientFileControl,
  ): Promise<void> {
    const { asked, content } = transientWriteOf(request, bytes)
    const changes = await this.begin()
    await changes.write(asked, content, terms, true)
    await this.#room.require(changes.rowBytes, terms.maxBytes)
    await this.#commit(client, changes)
    await this.settle(terms.maxFileBytes)
  }

  /** @throws {LyceumError} store_busy where somebody else has changed files since they were looked at */
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
        session === undefined ? { writeConcern: { w: 'majority' } } : { session },
      )
      if (matchedCount !== 1) throw toldAs({ code: CONFLICT }, 'store_busy')
    }
    if (session === undefined) await write(version, { isOpen: true })
    else await write(version, totals)
    await sendWrites(this.#db, [...changed].map(rowWrite), session)
    if (session === undefined) await write(version + 1, { ...totals, isOpen: false })
  }

  /** Contents that nobody refers to stay for a day where there is room for them. Never fails what has committed. */
  async settle(maxFileBytes: number): Promise<void> {
    try {
      if (this.contents.isEmpty) return
      const [{ bytes }, touchedBytes] = await Promise.all([this.#totals(), this.contents.touchedBytes()])
      const excess = bytes + touchedBytes - Math.max(maxFileBytes, bytes)
      if (excess > 0) await this.#collect(Number.MAX_SAFE_INTEGER, MOST_EVICTED, excess)
    } catch (error) {
      const reason = error instanceof Error ? error.name : 'unknown'
      process.stderr.write(`contents of files could not be deleted yet: ${reason}\n`)
    }
  }

  /** Deletes some of what has expired, and of the contents that no file has referred to for a day. */
  async sweep(client: MongoClient, nowMs: number): Promise<Swept> {
    if (!this.#isMade) return { files: 0, contents: 0, dueMs: null }
    const expired = await this.#rows
      .find({ expiresMs: { $lte: nowMs } })
      .sort({ expiresMs: 1 })
      .limit(LIMITS.sweptAtOnce)
      .toArray()
    if (expired.length > 0) {
      const changes = await this.begin()
      for (const row of expired) changes.remove(fileOf(row), nowMs)
      await this.#commit(client, changes)
    }
    const beforeMs = nowMs - LIMITS.unreferencedHours * HOUR_MS
    const contents = await this.#collect(beforeMs, LIMITS.sweptAtOnce, Number.POSITIVE_INFINITY)
    return { files: expired.length, contents, dueMs: await this.#dueMs() }
  }

  /** What all files come to. */
  async usage(): Promise<{ readonly fileBytes: number; readonly files: number }> {
    if (!this.#isMade) return { fileBytes: 0, files: 0 }
    const { files, bytes } = await this.#totals()
    return { fileBytes: bytes, files }
  }

  async #list(
    request: string,
    nowMs: number,
    changes: FileChanges | undefined,
  ): Promise<readonly FileInfo[]> {
    const { prefix, after, limit } = requestOf(ListRequest, request)
    const changed = changes?.changed ?? new Map<string, File | undefined>()
    const rows = await this.#rows
      .find(
        {
          // No path holds the last of all characters.
          _id: { $gt: after, $gte: prefix, $lt: `${prefix}\u{10ffff}` },
          $or: [{ expiresMs: { $exists: false } }, { expiresMs: { $gt: nowMs } }],
        },
        { projection: { chunks: 0 } },
      )
      .sort({ _id: 1 })
      .limit(limit + changed.size)
      .toArray()
    const found = rows.map((row) => fileOf({ ...row, chunks: [] })).filter(({ path }) => !changed.has(path))
    for (const [path, file] of changed)
      if (path.startsWith(prefix) && isAfter(path, after) && isLive(file, nowMs)) found.push(file)
    return found
      .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
      .slice(0, limit)
      .map(infoOf)
  }

  /** Commits changes that no batch is around. */
  async #commit(client: MongoClient, changes: FileChanges): Promise<void> {
    await changes.store()
    if (!this.#hasTransactions) return changes.save(undefined)
    await client.withSession((session) =>
      session.withTransaction(() => changes.save(session), {
        readConcern: { level: 'snapshot' },
        writeConcern: { w: 'majority' },
        timeoutMS: COMMIT_MS,
      }),
    )
  }

  #collect(beforeMs: number, most: number, bytesWanted: number): Promise<number> {
    return this.contents.collect(beforeMs, most, bytesWanted, async (hashes) => {
      const found = await this.#rows
        .find({ 'chunks.hash': { $in: [...hashes] } }, { projection: { 'chunks.hash': 1 } })
        .toArray()
      return new Set(found.flatMap(({ chunks }) => chunks.map(({ hash }) => hash)))
    })
  }

  async #dueMs(): Promise<number | null> {
    const [expires] = await this.#rows
      .find({ expiresMs: { $gt: 0 } })
      .sort({ expiresMs: 1 })
      .limit(1)
      .toArray()
    const touchedMs = await this.contents.oldestMs()
    const due = [
      ...(expires?.expiresMs === undefined ? [] : [expires.expiresMs]),
      ...(touchedMs === undefined ? [] : [touchedMs + LIMITS.unreferencedHours * HOUR_MS]),
    ]
    return due.length === 0 ? null : Math.min(...due)
  }

  async #totals(): Promise<StoredTotals> {
    const found = await this.#numbers.findOne({ _id: FILES })
    const { version = 0, files = 0, bytes = 0, transientBytes = 0, isOpen = false } = found ?? {}
    const totals = { version, files, bytes, transientBytes }
    return isOpen ? { version, ...(await this.#counted()) } : totals
  }

  async #counted(): Promise<FileTotals> {
    const totals = { files: 0, bytes: 0, transientBytes: 0 }
    for await (const row of this.#rows.find({}, { projection: { chunks: 0 } }))
      countFile(totals, fileOf({ ...row, chunks: [] }), 1)
    return totals
  }

  /** Outside of transactions, before the first: those of older servers make no collections. */
  async #make(): Promise<void> {
    if (this.#isMade) return
    await this.#rows.createIndex({ expiresMs: 1 }, { sparse: true })
    await this.#rows.createIndex({ 'chunks.hash': 1 })
    try {
      const none = { version: 0, files: 0, bytes: 0, transientBytes: 0, isOpen: false }
      await this.#numbers.insertOne({ _id: FILES, ...none }, { writeConcern: { w: 'majority' } })
    } catch (error) {
      if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error
    }
    this.#isMade = true
  }

  get #rows() {
    const level = this.#hasTransactions ? { readConcern: { level: 'majority' } as const } : {}
    return this.#db.collection<FileDocument>(FILES, level)
  }

  get #numbers() {
    return this.#db.collection<TotalsDocument>(NUMBERS)
  }
}

function rowWrite([path, file]: readonly [string, File | undefined]): ServerWrite {
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

/** About what a row takes in the database. */
export function rowBytes({ path, chunks }: File): number {
  return ROW_BYTES + path.length + chunks.length * CHUNK_ROW_BYTES
}

function isAfter(path: string, after: string): boolean {
  return Buffer.compare(Buffer.from(path), Buffer.from(after)) > 0
}
