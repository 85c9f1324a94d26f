import { encode } from '../../../sdk/ejson.ts'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { MONGO, refusal } from '../documents/refusal.ts'
import { weigh } from '../documents/values.ts'
import { pageText } from '../store-protocol.ts'
import type { AbstractCursor, ClientSession, Document } from './driver.ts'
import { openCursor, type Reading, type ServerRead } from './reads.ts'
import type { OpenDatabase } from './server.ts'
import { fromBson } from './values.ts'

/** What a cursor is opened for. */
export interface Opening {
  readonly open: OpenDatabase
  readonly scope: bigint
  readonly cursor: number
  readonly timeMs: number
  readonly session: ClientSession | undefined
  readonly level: Reading['level']
}

interface Open {
  readonly rows: AbstractCursor<Document>
  readonly database: OpenDatabase
  readonly scope: bigint
}

/** Reads that are given in pages. The server keeps the rows; here are only those that came with the last answer. */
export class Cursors {
  readonly #open = new Map<number, Open>()

  /** The first page. @throws {LyceumError} cursor_limit */
  open(read: ServerRead, { open, scope, cursor, timeMs, session, level }: Opening): Promise<string> {
    if (this.#open.size >= LIMITS.cursorsPerStore)
      throw new LyceumError('cursor_limit', 'All plugins together have too many cursors open. Try again.')
    const reading = { db: open.database.db, session, timeMs: LIMITS.cursorMs, level }
    const rows = openCursor(read, reading, LIMITS.firstPageRows + 1)
    open.uses += 1
    this.#open.set(cursor, { rows, database: open, scope })
    return this.#page(cursor, LIMITS.firstPageRows, timeMs)
  }

  more(cursor: number, timeMs: number): Promise<string> {
    return this.#page(cursor, LIMITS.pageRows, timeMs)
  }

  /** Resolves when the server knows: a transaction does one thing at a time. */
  async close(cursor: number): Promise<void> {
    const open = this.#open.get(cursor)
    if (open === undefined) return
    this.#open.delete(cursor)
    open.database.uses -= 1
    // A server that is gone keeps no cursor.
    await open.rows.close().catch(() => {})
  }

  closeOf(scope: bigint): void {
    for (const [cursor, open] of this.#open) if (open.scope === scope) void this.close(cursor)
  }

  async #page(cursor: number, mostRows: number, timeMs: number): Promise<string> {
    const open = this.#open.get(cursor)
    if (open === undefined)
      throw new LyceumError('store_lost', 'The cursor ended with its transaction or its store.')
    const { rows } = open
    const deadlineMs = performance.now() + timeMs
    const page: unknown[] = []
    let bytes = 0
    let isMore = true
    // A server that takes longer than it may is left, and told to stop.
    const timer = setTimeout(() => void this.close(cursor), timeMs)
    try {
      while (page.length < mostRows && bytes < LIMITS.pageBytes) {
        const document = await rows.next()
        if (document === null) {
          isMore = false
          break
        }
        const row = fromBson(document)
        bytes += weigh(row, LIMITS.pageBytes)
        page.push(row)
      }
      if (!this.#open.has(cursor)) throw new Error('closed')
    } catch (error) {
      await this.close(cursor)
      if (performance.now() < deadlineMs) throw error
      throw refusal('time_limit', MONGO.MaxTimeMSExpired, 'The operation ran out of time: narrow its filter.')
    } finally {
      clearTimeout(timer)
    }
    isMore &&= rows.bufferedCount() > 0 || (rows.id !== undefined && !rows.id.isZero())
    if (!isMore) await this.close(cursor)
    return pageText(isMore, encode(page))
  }
}
