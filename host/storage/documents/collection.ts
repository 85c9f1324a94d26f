import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { decode, encode } from '../../../sdk/ejson.ts'
import { checkId } from './admit.ts'
import { type Index, indexExpression, UNSURE, uniqueKeys } from './indexes.ts'
import type { DocumentLimits } from './limits.ts'
import { meter } from './meter.ts'
import { candidates, indexOrder, namedKeys } from './pushdown.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import type { ScanQuery, ScanRow, Scans } from './scans.ts'
import type { SortKey } from './sort.ts'
import { canonicalKey, type Doc, isDoc, weigh } from './values.ts'

/** A document of a collection as it is held in memory. `row` is 0 until it is first written. */
export interface Entry {
  readonly key: string
  row: number
  doc: Doc
  /** An upper estimate of its text; exact after it is written. */
  bytes: number
}

/**
 * One collection: its table, and the documents of it that are held parsed. A document that is updated fifty times in
 * a transaction is read once and written once: whatever scans the table has to {@link flush} first.
 */
export class Collection {
  readonly name: string
  readonly number: number
  indexes: readonly Index[] = []
  /** Bytes of the documents that are held, as text. */
  heldBytes = 0
  readonly #sqlite: DatabaseSync
  readonly #limits: Readonly<DocumentLimits>
  readonly #scans: Scans
  readonly #entries = new Map<string, Entry>()
  readonly #dirty = new Set<Entry>()
  readonly #table: string
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #delete: StatementSync
  readonly #unique = new Map<number, { find: StatementSync; insert: StatementSync; remove: StatementSync }>()

  constructor(
    sqlite: DatabaseSync,
    scans: Scans,
    name: string,
    number: number,
    limits: Readonly<DocumentLimits>,
  ) {
    this.#sqlite = sqlite
    this.#scans = scans
    this.#limits = limits
    this.name = name
    this.number = number
    this.#table = `c${number}`
    this.#select = sqlite.prepare(`SELECT id, doc FROM ${this.#table} WHERE key=?`)
    this.#insert = sqlite.prepare(`INSERT INTO ${this.#table} (key, doc) VALUES (?, ?)`)
    this.#update = sqlite.prepare(`UPDATE ${this.#table} SET doc=? WHERE id=?`)
    this.#delete = sqlite.prepare(`DELETE FROM ${this.#table} WHERE id=?`)
  }

  static createTable(sqlite: DatabaseSync, number: number): void {
    sqlite.exec(
      `CREATE TABLE c${number} (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, doc TEXT NOT NULL) STRICT`,
    )
  }

  /** The document with a key, from memory or from the table. */
  find(key: string): Entry | undefined {
    const held = this.#entries.get(key)
    if (held) return held
    const row = this.#select.get(key)
    if (!row) return undefined
    return this.#hold(key, Number(row.id), String(row.doc))
  }

  #hold(key: string, row: number, text: string): Entry {
    const held = this.#entries.get(key)
    if (held) return held
    const doc = decode(text)
    const entry: Entry = { key, row, doc: isDoc(doc) ? doc : {}, bytes: text.length }
    this.#entries.set(key, entry)
    this.heldBytes += entry.bytes
    return entry
  }

  /** Adds a document that no other part holds. Throws `duplicate_key`. */
  insert(doc: Doc): void {
    checkId(doc._id)
    const key = canonicalKey(doc._id)
    if (key.length > 2_000)
      throw refusal('document_invalid', MONGO.BadValue, "An '_id' has at most about 2000 characters.")
    if (this.#entries.has(key) || this.#select.get(key)) throw this.#duplicate('_id')
    const entry: Entry = { key, row: 0, doc, bytes: 0 }
    this.#reweigh(entry)
    this.#moveUnique(key, undefined, doc)
    this.#entries.set(key, entry)
    this.#dirty.add(entry)
  }

  /** Gives a document a new content that no other part holds. Throws `duplicate_key` and `document_too_large`. */
  replace(entry: Entry, doc: Doc): void {
    const old = entry.doc
    entry.doc = doc
    try {
      this.#reweigh(entry)
      this.#moveUnique(entry.key, old, doc)
    } catch (error) {
      entry.doc = old
      throw error
    }
    this.#dirty.add(entry)
  }

  remove(entry: Entry): void {
    this.#moveUnique(entry.key, entry.doc, undefined)
    if (entry.row > 0) this.#delete.run(entry.row)
    this.#dirty.delete(entry)
    if (this.#entries.delete(entry.key)) this.heldBytes -= entry.bytes
  }

  #reweigh(entry: Entry): void {
    const limit = this.#limits.documentBytes
    let bytes = weigh(entry.doc, limit * 2)
    // The estimate counts no escapes and no bytes beyond ASCII; near the limit only the text itself can tell.
    if (bytes * 6 > limit) {
      bytes = Buffer.byteLength(encode(entry.doc))
      if (bytes > limit)
        throw refusal(
          'document_too_large',
          MONGO.BSONObjectTooLarge,
          `A document has at most ${limit} bytes; this one has ${bytes}. Make several of it, or keep it as a file.`,
        )
    }
    this.heldBytes += bytes - entry.bytes
    entry.bytes = bytes
  }

  /** Moves the keys of a document in the unique indexes. */
  #moveUnique(key: string, old: Doc | undefined, doc: Doc | undefined): void {
    if (this.#unique.size === 0) return
    for (const index of this.indexes) {
      const statements = this.#unique.get(index.number)
      if (!statements) continue
      const before = new Set(old ? uniqueKeys(old, index) : [])
      const after = new Set(doc ? uniqueKeys(doc, index) : [])
      for (const value of after)
        if (!before.has(value) && statements.find.get(value))
          throw this.#duplicate(index.keys.map(([path]) => path).join(', '))
      for (const value of before) if (!after.has(value)) statements.remove.run(value)
      for (const value of after) if (!before.has(value)) statements.insert.run(value, key)
    }
  }

  #duplicate(field: string): Error {
    return refusal(
      'duplicate_key',
      MONGO.DuplicateKey,
      `Another document of ${quote(this.name)} has the same ${quote(field)}, which its index keeps unique. To change the one that is there, write updateOne(filter, change, { upsert: true }).`,
      { collection: this.name, field },
    )
  }

  /** Writes what has changed to the table, new documents in the order in which they came. */
  flush(): void {
    for (const entry of this.#dirty) {
      const text = encode(entry.doc)
      if (entry.row > 0) this.#update.run(text, entry.row)
      else entry.row = Number(this.#insert.run(entry.key, text).lastInsertRowid)
      this.heldBytes += text.length - entry.bytes
      entry.bytes = text.length
    }
    this.#dirty.clear()
  }

  /** Drops what is held. What has changed and was not flushed is lost: that is what a rollback wants. */
  forget(): void {
    this.#entries.clear()
    this.#dirty.clear()
    this.heldBytes = 0
  }

  count(): number {
    this.flush()
    return Number(this.#sqlite.prepare(`SELECT count(*) AS n FROM ${this.#table}`).get()?.n)
  }

  /**
   * The documents that may match a checked filter, in natural order, each a copy of its own. All of the collection
   * where no index helps.
   */
  scan(filter: Doc): Generator<Doc> {
    const { where, values } = candidates(filter, this.indexes)
    return this.#docs((after) => ({
      sql: `SELECT id, doc FROM ${this.#table} ${whereAll(where, after && 'id>?')} ORDER BY id`,
      values: after ? [...values, after.id ?? null] : values,
      hasPlace: false,
    }))
  }

  /** As {@link scan}, in the order of a sort where an index holds it exactly; undefined where none does. */
  scanSorted(filter: Doc, sort: readonly SortKey[]): Generator<Doc> | undefined {
    const order = namedKeys(filter) ? undefined : indexOrder(sort, this.indexes)
    if (!order) return undefined
    this.flush()
    const { expression, direction } = order
    const unsure = this.#sqlite.prepare(`SELECT 1 FROM ${this.#table} WHERE ${expression}=${UNSURE} LIMIT 1`)
    if (unsure.get()) return undefined
    const { where, values } = candidates(filter, this.indexes)
    return this.#docs((after) => {
      const rest = after && behind(after, expression, direction)
      return {
        sql:
          `SELECT id, doc, ${expression} AS place FROM ${this.#table} ${whereAll(where, rest?.where)}` +
          ` ORDER BY ${expression} ${direction}, id`,
        values: rest ? [...values, ...rest.values] : values,
        hasPlace: true,
      }
    })
  }

  *#docs(query: ScanQuery): Generator<Doc> {
    for (const row of this.#scans.rows(query, () => this.flush())) {
      meter.tick()
      const doc = decode(String(row.doc))
      if (isDoc(doc)) yield doc
    }
  }

  /** The entries that may match a checked filter, in natural order. */
  *entries(filter: Doc): Generator<Entry> {
    const keys = namedKeys(filter)
    if (keys?.length === 1) {
      const entry = this.find(keys[0] ?? '')
      if (entry) yield entry
      return
    }
    this.flush()
    const { where, values } = candidates(filter, this.indexes)
    const condition = where === '' ? '' : `WHERE ${where}`
    const statement = this.#sqlite.prepare(`SELECT id, key, doc FROM ${this.#table} ${condition} ORDER BY id`)
    for (const row of statement.iterate(...values)) {
      meter.tick()
      const held = this.#entries.get(String(row.key))
      const doc = held ? held.doc : decode(String(row.doc))
      if (isDoc(doc))
        yield held ?? {
          key: String(row.key),
          row: Number(row.id),
          doc,
          bytes: String(row.doc).length,
        }
    }
  }

  /** Keeps an entry that {@link entries} gave, before it is changed. */
  adopt(entry: Entry): void {
    if (this.#entries.has(entry.key)) return
    this.#entries.set(entry.key, entry)
    this.heldBytes += entry.bytes
  }

  /** Takes the list of indexes from the catalogue. */
  useIndexes(indexes: readonly Index[]): void {
    this.indexes = indexes
    this.#unique.clear()
    for (const { number, isUnique } of indexes) {
      if (!isUnique) continue
      this.#unique.set(number, {
        find: this.#sqlite.prepare(`SELECT 1 FROM u${number} WHERE key=?`),
        insert: this.#sqlite.prepare(`INSERT INTO u${number} (key, document) VALUES (?, ?)`),
        remove: this.#sqlite.prepare(`DELETE FROM u${number} WHERE key=?`),
      })
    }
  }

  /** Builds the SQL objects of an index and, for a unique one, its keys. Throws `duplicate_key`. */
  buildIndex(index: Index): void {
    const columns = index.keys.map(
      ([path, direction]) => `${indexExpression(path)} ${direction === 1 ? 'ASC' : 'DESC'}`,
    )
    this.#sqlite.exec(`CREATE INDEX i${index.number} ON ${this.#table} (${columns.join(', ')})`)
    if (!index.isUnique) return
    this.#sqlite.exec(
      `CREATE TABLE u${index.number} (key TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID`,
    )
    const insert = this.#sqlite.prepare(
      `INSERT OR IGNORE INTO u${index.number} (key, document) VALUES (?, ?)`,
    )
    for (const doc of this.scan({})) {
      for (const key of new Set(uniqueKeys(doc, index)))
        if (insert.run(key, canonicalKey(doc._id)).changes === 0)
          throw this.#duplicate(index.keys.map(([path]) => path).join(', '))
    }
  }
}

function whereAll(...conditions: readonly (string | undefined)[]): string {
  const given = conditions.filter((condition) => condition)
  return given.length === 0 ? '' : `WHERE ${given.map((condition) => `(${condition})`).join(' AND ')}`
}

/** The SQL for what follows a row in the order of an indexed expression, and of ids where that is equal. */
function behind(
  { id = null, place = null }: ScanRow,
  expression: string,
  direction: 'ASC' | 'DESC',
): { readonly where: string; readonly values: readonly SQLInputValue[] } {
  if (direction === 'ASC')
    return place === null
      ? { where: `${expression} IS NOT NULL OR id>?`, values: [id] }
      : { where: `${expression}>=? AND (${expression}>? OR id>?)`, values: [place, place, id] }
  return place === null
    ? { where: `${expression} IS NULL AND id>?`, values: [id] }
    : {
        where: `${expression} IS NULL OR (${expression}<=? AND (${expression}<? OR id>?))`,
        values: [place, place, id],
      }
}
