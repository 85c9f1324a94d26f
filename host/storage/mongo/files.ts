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
import { isLive } from '../files/rules.ts'
import type { FileReadControl, Swept, TransientFileControl } from '../store-protocol.ts'
import { Contents } from './contents.ts'
import type { Db, MongoClient } from './driver.ts'
import { FileChanges } from './file-changes.ts'
import { type File, FileRows } from './file-rows.ts'
import type { Room } from './room.ts'

/** Contents that one commit deletes before their day, to make room. */
const MOST_EVICTED = 10_000
/** How long changes that no batch is around are tried, while all others of the plugin wait. */
const COMMIT_MS = 20_000
const HOUR_MS = 3_600_000
/** The files of one plugin: a document each, beside those of the plugin, and their contents in GridFS. */
export class PluginFiles {
  readonly contents: Contents
  readonly rows: FileRows
  readonly #hasTransactions: boolean
  readonly #room: Room

  constructor(db: Db, hasTransactions: boolean, room: Room) {
    this.#room = room
    this.#hasTransactions = hasTransactions
    this.contents = new Contents(db)
    this.rows = new FileRows(db, hasTransactions)
  }

  /** @param names the collections that there are */
  open(names: ReadonlySet<string>): void {
    this.rows.open(names)
    this.contents.open(names)
  }

  /** Begins to change files. Nobody else may until that has ended. */
  async begin(): Promise<FileChanges> {
    await this.rows.make()
    return new FileChanges(this, await this.rows.totals())
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
      const file = await (changes ?? this.rows).at(path)
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

  /** Contents that nobody refers to stay for a day where there is room for them. Never fails what has committed. */
  async settle(maxFileBytes: number): Promise<void> {
    try {
      if (this.contents.isEmpty) return
      const [{ bytes }, touchedBytes] = await Promise.all([this.rows.totals(), this.contents.touchedBytes()])
      const excess = bytes + touchedBytes - Math.max(maxFileBytes, bytes)
      if (excess > 0) await this.#collect(Number.MAX_SAFE_INTEGER, MOST_EVICTED, excess)
    } catch (error) {
      const reason = error instanceof Error ? error.name : 'unknown'
      process.stderr.write(`contents of files could not be deleted yet: ${reason}\n`)
    }
  }

  /** Deletes some of what has expired, and of the contents that no file has referred to for a day. */
  async sweep(client: MongoClient, nowMs: number): Promise<Swept> {
    if (!this.rows.isMade) return { files: 0, contents: 0, dueMs: null }
    const expired = await this.rows.expired(nowMs)
    if (expired.length > 0) {
      const changes = await this.begin()
      for (const file of expired) changes.remove(file, nowMs)
      await this.#commit(client, changes)
    }
    const beforeMs = nowMs - LIMITS.unreferencedHours * HOUR_MS
    const contents = await this.#collect(beforeMs, LIMITS.sweptAtOnce, Number.POSITIVE_INFINITY)
    return { files: expired.length, contents, dueMs: await this.#dueMs() }
  }

  /** What all files come to. */
  async usage(): Promise<{ readonly fileBytes: number; readonly files: number }> {
    if (!this.rows.isMade) return { fileBytes: 0, files: 0 }
    const { files, bytes } = await this.rows.totals()
    return { fileBytes: bytes, files }
  }

  async #list(
    request: string,
    nowMs: number,
    changes: FileChanges | undefined,
  ): Promise<readonly FileInfo[]> {
    const { prefix, after, limit } = requestOf(ListRequest, request)
    const changed = changes?.changed ?? new Map<string, File | undefined>()
    const rows = await this.rows.list(prefix, after, limit + changed.size, nowMs)
    const found = rows.filter(({ path }) => !changed.has(path))
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
    return this.contents.collect(beforeMs, most, bytesWanted, (hashes) => this.rows.referred(hashes))
  }

  async #dueMs(): Promise<number | null> {
    const [expiryMs, touchedMs] = await Promise.all([this.rows.nextExpiryMs(), this.contents.oldestMs()])
    const due = [
      ...(expiryMs === undefined ? [] : [expiryMs]),
      ...(touchedMs === undefined ? [] : [touchedMs + LIMITS.unreferencedHours * HOUR_MS]),
    ]
    return due.length === 0 ? null : Math.min(...due)
  }
}

function isAfter(path: string, after: string): boolean {
  return Buffer.compare(Buffer.from(path), Buffer.from(after)) > 0
}
