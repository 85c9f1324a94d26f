import { existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Payload } from '../../process/frame.ts'
import { LyceumError } from '../errors.ts'
import type { SeqRange } from '../events/log-protocol.ts'
import { LIMITS } from '../limits.ts'
import { DocumentDatabase } from './documents/database.ts'
import type { DocumentLimits } from './documents/limits.ts'
import type { Page, PagedRead } from './documents/paged-read.ts'
import { asRefusal } from './documents/refusal.ts'
import { PluginFiles } from './files/plugin-files.ts'
import { readFiles } from './files/read.ts'
import { FILE_TABLES, fileUsageOf } from './files/rows.ts'
import type {
  Claim,
  ClaimControl,
  Claimed,
  CollectionDeclaration,
  DeadLetter,
  DeadLetterList,
  FileReadControl,
  FileWriteControl,
  NewDeadLetter,
  Peeked,
  StorageUsage,
  Survey,
  SweepControl,
  Swept,
  TransientFileControl,
} from './store-protocol.ts'

const TABLES = `
  CREATE TABLE IF NOT EXISTS lyceum_cursors (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, version INTEGER NOT NULL,
    epoch INTEGER NOT NULL, log TEXT NOT NULL, seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lyceum_dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, version TEXT NOT NULL, seq INTEGER NOT NULL, code TEXT NOT NULL,
    message TEXT NOT NULL, stack TEXT, attempts INTEGER NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS lyceum_dead_letters_at ON lyceum_dead_letters (endpoint, seq);
`

const MB = 1024 * 1024

/**
 * One plugin's database file: its documents, and beside them its cursors and dead letters, so that
 * effects and cursor are one transaction. At most one transaction is open at a time.
 */
export class PluginFile {
  readonly #path: string
  readonly #limits: DocumentLimits
  readonly #writer: DocumentDatabase
  #reader: DocumentDatabase | undefined
  #transaction: bigint | undefined
  #failed: { readonly transaction: bigint; readonly error: unknown } | undefined
  /** Reads that are given in pages, by number; none is of a transaction that has ended. */
  readonly #cursors = new Map<number, { readonly read: PagedRead; readonly transaction: bigint }>()
  /** Once files have been read or written. */
  #files: PluginFiles | undefined
  /** Writes of the open transaction so far: failures are told by their place in the whole of it. */
  #written = 0

  constructor(path: string, limits: DocumentLimits) {
    this.#path = path
    this.#limits = limits
    this.#writer = new DocumentDatabase(path, limits)
    this.#writer.sqlite.exec(TABLES + FILE_TABLES)
  }

  /** Whether it holds what is still needed: a transaction, why one failed, or the rest of what is read in pages. */
  get inUse(): boolean {
    return this.#transaction !== undefined || this.#failed !== undefined || this.#cursors.size > 0
  }

  get cursors(): number {
    return this.#cursors.size
  }

  /** What its cursors keep in memory together, in bytes. */
  get heldBytes(): number {
    let held = 0
    for (const { read } of this.#cursors.values()) held += read.heldBytes
    return held
  }

  declare(collections: readonly CollectionDeclaration[]): void {
    this.#writer.declare(collections.map(({ name, indexes }) => ({ name, indexes: [...indexes] })))
  }

  /** Takes a cursor over: whoever held it before can commit no more. */
  claim(about: ClaimControl): Claimed {
    const row = this.#writer.sqlite
      .prepare(
        `INSERT INTO lyceum_cursors (id, generation, version, epoch, log, seq) VALUES (?, ?, ?, 1, ?, max(?, ?6))
         ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1, version = excluded.version, seq = max(seq, ?6)
         WHERE log = excluded.log RETURNING epoch, seq`,
      )
      .get(about.cursor, about.generation, about.version, about.log, about.from, about.passed)
    if (row === undefined)
      throw new LyceumError(
        'cursor_lost',
        `The cursor "${about.cursor}" belongs to another event log. Put that log back, or rebuild the plugin.`,
      )
    return { epoch: Number(row.epoch), seq: Number(row.seq) }
  }

  /** Reads committed data, or inside `transaction` what it has written so far. */
  read(op: unknown, deadlineMs: number, transaction: bigint, only?: ReadonlySet<string>): unknown[] {
    if (transaction !== 0n && transaction === this.#transaction)
      return this.#writer.read(op, deadlineMs, only)
    this.#refuseFailed(transaction)
    return this.#committed().read(op, deadlineMs, only)
  }

  /** The first page of a read as of {@link read}; the rest is kept under `cursor`. */
  openCursor(cursor: number, op: unknown, deadlineMs: number, transaction: bigint): Page {
    const isInside = transaction !== 0n && transaction === this.#transaction
    if (!isInside) this.#refuseFailed(transaction)
    // Outside of a transaction never by the connection that writes: a later page would see what one has not committed.
    const read = (isInside ? this.#writer : this.#readerApart()).openPaged(op)
    const page = read.page({ rows: LIMITS.firstPageRows, bytes: LIMITS.pageBytes }, deadlineMs)
    if (page.isMore) this.#cursors.set(cursor, { read, transaction: isInside ? transaction : 0n })
    return page
  }

  /** The next page of a cursor. @throws {LyceumError} store_lost where it is not open */
  readMore(cursor: number, deadlineMs: number): Page {
    const open = this.#cursors.get(cursor)
    if (open === undefined)
      throw new LyceumError('store_lost', 'The cursor ended with its transaction or its store.')
    this.#cursors.delete(cursor)
    const page = open.read.page({ rows: LIMITS.pageRows, bytes: LIMITS.pageBytes }, deadlineMs)
    if (page.isMore) this.#cursors.set(cursor, open)
    return page
  }

  closeCursor(cursor: number): void {
    this.#cursors.get(cursor)?.read.close()
    this.#cursors.delete(cursor)
  }

  #closeCursorsOf(transaction: bigint): void {
    for (const [cursor, open] of this.#cursors) if (open.transaction === transaction) this.closeCursor(cursor)
  }

  /** What an open transaction has written is not there yet for those outside of it. */
  #committed(): DocumentDatabase {
    return this.#transaction === undefined ? this.#writer : this.#readerApart()
  }

  #readerApart(): DocumentDatabase {
    this.#reader ??= new DocumentDatabase(this.#path, this.#limits)
    return this.#reader
  }

  /** Opens the transaction if it is not open, which moves the cursor, and runs nothing else yet. */
  enter(transaction: bigint, claim: Claim, maxBytes: number): void {
    this.#refuseFailed(transaction)
    if (this.#transaction === transaction) return
    if (this.#transaction !== undefined) throw new Error('two transactions at once')
    this.#writer.begin()
    this.#transaction = transaction
    this.#written = 0
    this.#writer.limitBytes(maxBytes)
    this.#guarded(transaction, () => this.#take(claim))
  }

  /** @param readOps reads what the guest sent: writes that cannot be read fail their transaction like any others */
  write(transaction: bigint, readOps: () => readonly unknown[]): unknown[] {
    return this.#guarded(transaction, () => {
      const ops = readOps()
      try {
        const outcomes = this.#writer.write(ops)
        this.#written += ops.length
        return outcomes
      } catch (error) {
        if (!(error instanceof LyceumError) || typeof error.details?.index !== 'number') throw error
        throw new LyceumError(error.code, error.message, {
          ...error.details,
          index: error.details.index + this.#written,
        })
      }
    })
  }

  commit(transaction: bigint, deadLetter: NewDeadLetter | DeadLetter | undefined): void {
    this.#guarded(transaction, () => {
      if (deadLetter !== undefined) this.#addDeadLetter(deadLetter)
      this.#closeCursorsOf(transaction)
      this.#files?.beforeCommit()
      this.#writer.commit()
    })
    this.#transaction = undefined
    this.#files?.afterCommit()
  }

  /** Rolls back; a transaction that is not open has nothing to lose. */
  abort(transaction: bigint): void {
    if (this.#failed?.transaction === transaction) this.#failed = undefined
    if (this.#transaction !== transaction) return
    this.#transaction = undefined
    this.#closeCursorsOf(transaction)
    this.#rollback()
  }

  #rollback(): void {
    this.#writer.rollback()
    this.#files?.rollback()
  }

  /** Reads files: what is committed or, inside `transaction`, what it sees. Returns what the guest gets. */
  readFiles(control: FileReadControl, request: string, transaction: bigint): Payload {
    const isInside = transaction !== 0n && transaction === this.#transaction
    if (!isInside) this.#refuseFailed(transaction)
    const { sqlite } = isInside ? this.#writer : this.#committed()
    return readFiles(control, request, { sqlite, blobs: this.#fileSpace().blobs })
  }

  /** Changes a file in the open transaction. Returns what the guest gets. */
  changeFile(transaction: bigint, control: FileWriteControl, request: string, content: Buffer): string {
    return this.#guarded(transaction, () => this.#fileSpace().change(control.op, request, content, control))
  }

  /** Writes a file for a view or query. */
  writeTransient({ maxBytes, ...terms }: TransientFileControl, request: string, content: Buffer): void {
    if (this.#transaction !== undefined) throw new Error('two transactions at once')
    this.#writer.begin()
    try {
      this.#writer.limitBytes(maxBytes)
      this.#fileSpace().writeTransient(request, content, terms)
      this.#files?.beforeCommit()
      this.#writer.commit()
    } catch (error) {
      this.#rollback()
      throw this.#quotaOrDisk(error)
    }
    this.#files?.afterCommit()
  }

  /** Deletes some of what has expired, and some contents that nobody refers to. */
  sweepFiles({ nowMs }: SweepControl): Swept {
    if (this.#transaction !== undefined) throw new Error('two transactions at once')
    return this.#fileSpace().sweep(nowMs)
  }

  usage(): StorageUsage {
    return { databaseBytes: this.#writer.bytes(), ...fileUsageOf(this.#committed().sqlite) }
  }

  #fileSpace(): PluginFiles {
    this.#files ??= new PluginFiles(this.#path, this.#writer.sqlite)
    return this.#files
  }

  deadLetters(
    endpoint: string | undefined,
    limit: number,
    retry?: { readonly ids?: readonly number[] },
  ): DeadLetterList {
    const asked = [
      ...(endpoint === undefined ? [] : [{ sql: 'endpoint = ?', value: endpoint }]),
      ...(retry?.ids === undefined
        ? []
        : [{ sql: 'id IN (SELECT value FROM json_each(?))', value: JSON.stringify(retry.ids) }]),
    ]
    const where = asked.length === 0 ? '' : `WHERE ${asked.map(({ sql }) => sql).join(' AND ')}`
    const given = asked.map(({ value }) => value)
    const order = retry === undefined ? 'id' : 'attempts, id'
    const { sqlite } = this.#committed()
    const total = sqlite
      .prepare(`SELECT count(*) AS total FROM lyceum_dead_letters ${where}`)
      .get(...given)?.total
    const rows = sqlite
      .prepare(`SELECT * FROM lyceum_dead_letters ${where} ORDER BY ${order} LIMIT ?`)
      .all(...given, limit)
    return { total: Number(total), letters: rows.map(deadLetterOf) }
  }

  /** What there is to export beside documents and files. */
  survey(): Survey {
    const { sqlite } = this.#committed()
    const indexes = sqlite.prepare('SELECT keys, is_unique FROM indexes WHERE collection = ? ORDER BY number')
    const collections = sqlite.prepare('SELECT number, name FROM collections ORDER BY name').all()
    return {
      collections: collections.map(({ number, name }) => ({
        name: String(name),
        indexes: indexes.all(number ?? 0).map(({ keys, is_unique }) => ({
          keys: JSON.parse(String(keys)),
          unique: is_unique === 1,
        })),
      })),
      cursors: sqlite
        .prepare('SELECT id, generation, version, epoch, log, seq FROM lyceum_cursors ORDER BY id')
        .all()
        .map((row) => ({
          id: String(row.id),
          generation: Number(row.generation),
          version: Number(row.version),
          epoch: Number(row.epoch),
          log: String(row.log),
          seq: Number(row.seq),
        })),
    }
  }

  /** The first dead letter of a handler among some events. */
  deadLettersAt(endpoint: string, ranges: readonly SeqRange[]): DeadLetter[] {
    return this.#committed()
      .sqlite.prepare(
        `SELECT letters.* FROM json_each(?) AS range JOIN lyceum_dead_letters AS letters
         ON letters.endpoint = ? AND letters.seq BETWEEN range.value ->> 0 AND range.value ->> 1 LIMIT 1`,
      )
      .all(JSON.stringify(ranges), endpoint)
      .map(deadLetterOf)
  }

  close(): void {
    for (const cursor of this.#cursors.keys()) this.closeCursor(cursor)
    if (this.#transaction !== undefined) this.abort(this.#transaction)
    this.#reader?.close()
    this.#writer.close()
  }

  /** An error inside the transaction rolls all of it back, at once and for good. */
  #guarded<Result>(transaction: bigint, run: () => Result): Result {
    try {
      return run()
    } catch (thrown) {
      const error = this.#quotaOrDisk(thrown)
      this.#transaction = undefined
      this.#failed = { transaction, error }
      this.#closeCursorsOf(transaction)
      this.#rollback()
      throw error
    }
  }

  /** SQLite says the same of a full disk and of a file that may not grow; only the disk's room tells which. */
  #quotaOrDisk(thrown: unknown): unknown {
    const error = thrown instanceof Error && 'errcode' in thrown ? asRefusal(thrown) : thrown
    if (!(error instanceof LyceumError) || error.code !== 'disk_full') return error
    const { bavail, bsize } = statfsSync(dirname(this.#path))
    if (bavail * bsize < LIMITS.diskLeastMb * MB) return error
    return new LyceumError(
      'database_full',
      'The database of the plugin has the size that its quota allows. Delete documents, or ask an admin to raise databaseMb.',
    )
  }

  #refuseFailed(transaction: bigint): void {
    if (transaction !== 0n && this.#failed?.transaction === transaction) throw this.#failed.error
  }

  #take(claim: Claim): void {
    const { sqlite } = this.#writer
    if ('deadLetter' in claim) {
      const { changes } = sqlite.prepare('DELETE FROM lyceum_dead_letters WHERE id = ?').run(claim.deadLetter)
      if (changes !== 1)
        throw new LyceumError('cursor_lost', 'The dead letter is gone: it was retried already.')
      return
    }
    const { move } = claim
    const { changes } = sqlite
      .prepare(
        `UPDATE lyceum_cursors SET seq = ?
         WHERE id = ? AND generation = ? AND version = ? AND epoch = ? AND log = ? AND seq = ?`,
      )
      .run(move.to, move.cursor, move.generation, move.version, move.epoch, move.log, move.from)
    if (changes !== 1)
      throw new LyceumError('cursor_lost', 'The cursor has another owner, or stands elsewhere.')
  }

  #addDeadLetter(letter: NewDeadLetter | DeadLetter): void {
    this.#writer.sqlite
      .prepare(
        `INSERT INTO lyceum_dead_letters (id, endpoint, version, seq, code, message, stack, attempts, at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        'id' in letter ? letter.id : null,
        letter.endpoint,
        letter.version,
        letter.seq,
        letter.code,
        letter.message,
        letter.stack ?? null,
        letter.attempts,
        letter.atMs,
      )
  }
}

/** Where a cursor stands, without opening its database for more; undefined where there is none. */
export function peekCursor(path: string, cursor: string): Peeked | undefined {
  if (!existsSync(path)) return undefined
  const sqlite = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  try {
    if (sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'lyceum_cursors'").get() === undefined)
      return undefined
    const row = sqlite.prepare('SELECT log, seq FROM lyceum_cursors WHERE id = ?').get(cursor)
    return row === undefined ? undefined : { log: String(row.log), seq: Number(row.seq) }
  } finally {
    sqlite.close()
  }
}

function deadLetterOf(row: Readonly<Record<string, unknown>>): DeadLetter {
  return {
    id: Number(row.id),
    endpoint: String(row.endpoint),
    version: String(row.version),
    seq: Number(row.seq),
    code: String(row.code),
    message: String(row.message),
    ...(typeof row.stack === 'string' && { stack: row.stack }),
    attempts: Number(row.attempts),
    atMs: Number(row.at_ms),
  }
}
