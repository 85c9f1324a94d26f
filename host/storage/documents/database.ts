import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LyceumError } from '../../errors.ts'
import { Collection } from './collection.ts'
import { checkIndexKeys, type Index } from './indexes.ts'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.ts'
import { meter } from './meter.ts'
import {
  checkCollectionName,
  type Declaration,
  parseDeclarations,
  parseRead,
  parseWrite,
  type WriteOutcome,
} from './operations.ts'
import { PagedRead } from './paged-read.ts'
import { applyRead, openRead } from './reader.ts'
import { asRefusal, MONGO, quote, refusal } from './refusal.ts'
import { Scans } from './scans.ts'
import { openFile } from './schema.ts'
import { applyWrite } from './writer.ts'

/**
 * One file of documents in MongoDB's language. It is synchronous and computes on what guests send, so it belongs
 * into a process that may be killed; a file has one such object that writes; others may read what it has
 * committed.
 *
 * Methods throw `LyceumError`, with MongoDB's number in `details.mongoCode` where it has one.
 */
export class DocumentDatabase {
  /** The file itself, for tables of others: their names start with `lyceum_`. */
  readonly sqlite: DatabaseSync
  readonly #limits: Readonly<DocumentLimits>
  #maxBytes = 0
  readonly #collections = new Map<string, Collection>()
  readonly #scans: Scans
  readonly #schemaStatement: StatementSync
  #knownSchema = -1
  #isInTransaction = false

  /** Opens or creates the file. Throws `data_newer` where a later version wrote it. */
  constructor(path: string, limits: Readonly<DocumentLimits> = DEFAULT_DOCUMENT_LIMITS) {
    this.#limits = limits
    this.sqlite = openFile(path)
    this.#scans = new Scans(this.sqlite)
    this.#schemaStatement = this.sqlite.prepare('PRAGMA schema_version')
    this.#readCatalogue()
  }

  /** Another connection to the file may have made collections or indexes. */
  #refreshCatalogue(): void {
    if (!this.#isInTransaction && this.#schemaVersion() !== this.#knownSchema) this.#readCatalogue()
  }

  #schemaVersion(): number {
    return Number(this.#schemaStatement.get()?.schema_version)
  }

  #readCatalogue(): void {
    this.#knownSchema = this.#schemaVersion()
    this.#collections.clear()
    for (const row of this.sqlite.prepare('SELECT number, name FROM collections').all()) {
      const name = String(row.name)
      const collection = new Collection(this.sqlite, this.#scans, name, Number(row.number), this.#limits)
      collection.useIndexes(this.#readIndexes(collection.number))
      this.#collections.set(name, collection)
    }
  }

  #readIndexes(collection: number): Index[] {
    const rows = this.sqlite
      .prepare('SELECT number, keys, is_unique FROM indexes WHERE collection=?')
      .all(collection)
    return rows.map((row) => ({
      number: Number(row.number),
      keys: JSON.parse(String(row.keys)),
      isUnique: row.is_unique === 1,
    }))
  }

  #collection(name: string): Collection {
    const known = this.#collections.get(name)
    if (known) return known
    checkCollectionName(name)
    if (this.#collections.size >= this.#limits.collections)
      throw refusal(
        'collection_limit',
        MONGO.BadValue,
        `A plugin has at most ${this.#limits.collections} collections. Keep what is alike in one, with a field that tells it apart.`,
      )
    const row = this.sqlite.prepare('INSERT INTO collections (name) VALUES (?)').run(name)
    const number = Number(row.lastInsertRowid)
    Collection.createTable(this.sqlite, number)
    const collection = new Collection(this.sqlite, this.#scans, name, number, this.#limits)
    this.#collections.set(name, collection)
    return collection
  }

  /** Starts a transaction. What follows is seen by nobody else, and undone by {@link rollback}. */
  begin(): void {
    if (this.#isInTransaction) throw new Error('A transaction is open already')
    this.sqlite.exec('BEGIN IMMEDIATE')
    this.#isInTransaction = true
  }

  /** Writes what is held in memory and ends the transaction. Where it throws, {@link rollback} is still due. */
  commit(): void {
    try {
      for (const collection of this.#collections.values()) collection.flush()
      this.sqlite.exec('COMMIT')
    } catch (error) {
      throw asRefusal(error)
    }
    this.#isInTransaction = false
    this.#knownSchema = this.#schemaVersion()
    this.#trim()
  }

  /** Undoes the transaction and forgets all that is held in memory. Without one open it does nothing. */
  rollback(): void {
    if (!this.#isInTransaction) return
    this.#isInTransaction = false
    for (const collection of this.#collections.values()) collection.forget()
    if (this.sqlite.isTransaction) this.sqlite.exec('ROLLBACK')
    this.#readCatalogue()
  }

  /** Runs in the open transaction, or in one of its own. */
  #inTransaction<T>(work: () => T): T {
    if (this.#isInTransaction) return work()
    this.begin()
    try {
      const result = work()
      this.commit()
      return result
    } catch (error) {
      this.rollback()
      throw error
    }
  }

  /** Forgets all documents once too many are held: simple, and a working set that fits is never touched. */
  #trim(): void {
    let held = 0
    for (const collection of this.#collections.values()) held += collection.heldBytes
    if (held <= this.#limits.cacheBytes) return
    for (const collection of this.#collections.values()) {
      collection.flush()
      collection.forget()
    }
  }

  /**
   * Does writes in order, in the open transaction or in one of their own. `ops` are lists as of
   * {@link import('./operations.ts').WriteOp}, decoded but not yet checked.
   *
   * Throws with `details.index`, the place of the write that failed; those before it have been done, so whoever
   * opened the transaction rolls it back or accepts them. Without one, none is.
   */
  write(ops: readonly unknown[]): WriteOutcome[] {
    meter.start(this.#limits, performance.now() + this.#limits.opMs)
    return this.#inTransaction(() => {
      const outcomes: WriteOutcome[] = []
      for (let index = 0; index < ops.length; index++) outcomes.push(this.#writeOne(ops[index], index))
      this.#trim()
      return outcomes
    })
  }

  #writeOne(op: unknown, index: number): WriteOutcome {
    try {
      meter.tick()
      const parsed = parseWrite(op)
      return applyWrite(parsed, this.#collection(parsed.collection), this.#limits)
    } catch (error) {
      const { code, message, details } = asRefusal(error)
      throw new LyceumError(code, message, { ...details, index })
    }
  }

  /**
   * Does one read, as of {@link import('./operations.ts').ReadOp}, decoded but not yet checked. It sees what the open
   * transaction has written. A count is `[n]`. The result shares nothing with what is held.
   *
   * `deadlineMs` is a time of `performance.now()`, checked while iterating, as is `opMs` of the limits. Throws
   * `time_limit` after that.
   *
   * Where `only` is given, no other collection is read, whichever part of the read names it: `op_denied`.
   *
   * **Common mistake:** a number of milliseconds as the deadline, which is long past.
   */
  read(op: unknown, deadlineMs: number, only?: ReadonlySet<string>): unknown[] {
    meter.start(this.#limits, Math.min(deadlineMs, performance.now() + this.#limits.opMs))
    try {
      this.#refreshCatalogue()
      const find = (name: string) => this.#collections.get(allowed(name, only))
      return applyRead(parseRead(op, this.#limits), find, this.#limits)
    } catch (error) {
      throw asRefusal(error)
    }
  }

  /**
   * Starts a `find` or an `aggregate` that is read in pages. Pages see what the open transaction has written; a read
   * that was started in a transaction must not be asked after its end.
   */
  openPaged(op: unknown): PagedRead {
    meter.start(this.#limits, performance.now() + this.#limits.opMs)
    try {
      this.#refreshCatalogue()
      const parsed = parseRead(op, this.#limits)
      if (parsed.op !== 'find' && parsed.op !== 'aggregate')
        throw refusal('op_malformed', MONGO.FailedToParse, 'Only a find or an aggregate is read in pages.')
      const rows = openRead(parsed, (name) => this.#collections.get(name))
      return new PagedRead(rows, this.#scans, this.#limits)
    } catch (error) {
      throw asRefusal(error)
    }
  }

  /**
   * Makes the indexes those that are declared: builds what is new, drops what is not named, makes collections that
   * are missing. All or nothing. Throws `duplicate_key` where documents break a new unique index.
   */
  declare(collections: readonly Declaration[]): void {
    meter.start(this.#limits, Number.POSITIVE_INFINITY)
    const declared = parseDeclarations(collections)
    this.#inTransaction(() => {
      try {
        const names = new Set(declared.map((declaration) => declaration.name))
        for (const { name, indexes } of declared) this.#declareIndexes(this.#collection(name), indexes)
        for (const collection of this.#collections.values())
          if (!names.has(collection.name)) this.#declareIndexes(collection, [])
      } catch (error) {
        throw asRefusal(error)
      }
    })
  }

  #declareIndexes(collection: Collection, declared: Declaration['indexes']): void {
    if (declared.length > this.#limits.indexesPerCollection)
      throw refusal(
        'op_malformed',
        MONGO.BadValue,
        `A collection has at most ${this.#limits.indexesPerCollection} indexes.`,
      )
    collection.flush()
    const wanted = new Map<string, { keys: string; isUnique: boolean }>()
    for (const { keys, unique } of declared) {
      checkIndexKeys(collection.name, keys)
      const text = JSON.stringify(Object.entries(keys))
      wanted.set(`${text}${unique === true}`, { keys: text, isUnique: unique === true })
    }
    for (const index of collection.indexes)
      if (!wanted.delete(`${JSON.stringify(index.keys)}${index.isUnique}`)) this.#dropIndex(index)
    const insert = this.sqlite.prepare('INSERT INTO indexes (collection, keys, is_unique) VALUES (?, ?, ?)')
    for (const { keys, isUnique } of wanted.values()) {
      const number = Number(insert.run(collection.number, keys, isUnique ? 1 : 0).lastInsertRowid)
      collection.buildIndex({ number, keys: JSON.parse(keys), isUnique })
    }
    collection.useIndexes(this.#readIndexes(collection.number))
  }

  #dropIndex(index: Index): void {
    this.sqlite.prepare('DELETE FROM indexes WHERE number=?').run(index.number)
    this.sqlite.exec(`DROP INDEX i${index.number}`)
    if (index.isUnique) this.sqlite.exec(`DROP TABLE u${index.number}`)
  }

  /**
   * Bounds the size of the file: what would make it grow beyond is refused as `database_full`, what fits into
   * the room that deleted documents left is not. A bound below the size that it has holds it at that size.
   */
  limitBytes(maxBytes: number): void {
    if (this.#maxBytes === maxBytes) return
    this.#maxBytes = maxBytes
    const pageBytes = Number(this.sqlite.prepare('PRAGMA page_size').get()?.page_size)
    this.sqlite.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`)
  }

  /** The size of the file, in bytes. What the open transaction still holds in memory is not counted. */
  bytes(): number {
    const pages = Number(this.sqlite.prepare('PRAGMA page_count').get()?.page_count)
    return pages * Number(this.sqlite.prepare('PRAGMA page_size').get()?.page_size)
  }

  /** Rolls back what is open and closes the file. */
  close(): void {
    this.rollback()
    this.sqlite.close()
  }
}

function allowed(name: string, only: ReadonlySet<string> | undefined): string {
  if (only === undefined || only.has(name)) return name
  throw new LyceumError('op_denied', `The collection ${quote(name)} is not readable to this plugin.`)
}
