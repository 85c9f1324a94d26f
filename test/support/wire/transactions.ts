import { isDeepStrictEqual } from 'node:util'
import { BSON } from 'mongodb'
import type { Doc } from './messages.ts'

/** A refusal as MongoDB tells of it, with the labels that drivers act upon. */
export class Refusal extends Error {
  readonly reply: Doc
  constructor(code: number, message: string, labels: readonly string[] = []) {
    super(message)
    this.reply = {
      ok: 0,
      code,
      codeName: message,
      errmsg: message,
      ...(labels.length > 0 && { errorLabels: [...labels] }),
    }
  }
}

type Collections = Map<string, Map<string, Doc>>

/** One transaction: what it saw at its first statement, and what it has written over that. */
interface Transaction {
  readonly seen: Collections
  readonly written: Map<
    string,
    { readonly collection: string; readonly id: string; readonly doc: Doc | undefined }
  >
}

/**
 * Documents with transactions as MongoDB has them, in their smallest form: each sees what was committed when it
 * began, and of two that change the same document the second is refused.
 */
export class Documents {
  readonly #committed: Collections = new Map()
  readonly #open = new Map<string, Transaction>()
  /** The transaction that has changed a document and is not over. */
  readonly #held = new Map<string, string>()
  /** Transactions that were committed: asking for it again says so. */
  readonly #done = new Set<string>()

  begin(transaction: string): void {
    const seen: Collections = new Map()
    for (const [name, docs] of this.#committed) seen.set(name, new Map(docs))
    this.#open.set(transaction, { seen, written: new Map() })
  }

  /** @throws Refusal where it is not open: it was rolled back, or never was */
  require(transaction: string): void {
    if (!this.#open.has(transaction))
      throw new Refusal(251, 'NoSuchTransaction', ['TransientTransactionError'])
  }

  commit(transaction: string): void {
    if (this.#done.has(transaction)) return
    this.require(transaction)
    for (const { collection, id, doc } of this.#open.get(transaction)?.written.values() ?? []) {
      const docs = this.#collection(collection)
      if (doc === undefined) docs.delete(id)
      else docs.set(id, doc)
    }
    this.#done.add(transaction)
    this.#end(transaction)
  }

  rollBack(transaction: string): void {
    this.#end(transaction)
  }

  /** Whether a transaction was begun here, and not rolled back. */
  knows(transaction: string): boolean {
    return this.#open.has(transaction) || this.#done.has(transaction)
  }

  get openTransactions(): number {
    return this.#open.size
  }

  /** What is committed, or what a transaction sees. */
  all(collection: string, transaction: string | undefined): Doc[] {
    const open = transaction === undefined ? undefined : this.#open.get(transaction)
    const docs = new Map((open?.seen ?? this.#committed).get(collection) ?? [])
    for (const change of open?.written.values() ?? [])
      if (change.collection === collection) {
        if (change.doc === undefined) docs.delete(change.id)
        else docs.set(change.id, change.doc)
      }
    return [...docs.values()]
  }

  /** As a server does with sessions whose client is gone. */
  rollBackAll(): void {
    for (const transaction of [...this.#open.keys()]) this.#end(transaction)
  }

  get names(): string[] {
    return [...this.#committed.keys()]
  }

  create(collection: string): void {
    this.#collection(collection)
  }

  dropAll(): void {
    this.#committed.clear()
  }

  /** Writes one document, or removes it. @throws Refusal of a write conflict */
  put(collection: string, key: unknown, doc: Doc | undefined, transaction: string | undefined): void {
    const id = idOf(key)
    const place = `${collection}\n${id}`
    const holder = this.#held.get(place)
    const open = transaction === undefined ? undefined : this.#open.get(transaction)
    const isStale =
      open !== undefined &&
      !isDeepStrictEqual(open.seen.get(collection)?.get(id), this.#committed.get(collection)?.get(id))
    if ((holder !== undefined && holder !== transaction) || isStale) {
      if (transaction !== undefined) this.#end(transaction)
      throw new Refusal(112, 'WriteConflict', transaction === undefined ? [] : ['TransientTransactionError'])
    }
    if (open === undefined || transaction === undefined) {
      const docs = this.#collection(collection)
      if (doc === undefined) docs.delete(id)
      else docs.set(id, doc)
      return
    }
    this.#held.set(place, transaction)
    open.written.set(place, { collection, id, doc })
  }

  #end(transaction: string): void {
    this.#open.delete(transaction)
    for (const [place, holder] of this.#held) if (holder === transaction) this.#held.delete(place)
  }

  #collection(name: string): Map<string, Doc> {
    const known = this.#committed.get(name)
    if (known !== undefined) return known
    const made = new Map<string, Doc>()
    this.#committed.set(name, made)
    return made
  }
}

function idOf(id: unknown): string {
  return BSON.EJSON.stringify({ id }, { relaxed: true })
}
