import { encode, encodeFilter, ObjectId } from '@lyceum/sdk/ejson'
import { type Bridge, OpError } from './bridge.ts'
import type { Source } from './cursor.ts'
import { ReadCollection } from './read-collection.ts'
import type { EncodedWrite, Outcome, WriteQueue } from './write-queue.ts'

export interface WriteOptions {
  readonly upsert?: boolean
  readonly arrayFilters?: readonly unknown[]
  readonly ack?: boolean
}

/** One element of `bulkWrite`: the operation's name and its arguments. */
type BulkOperation = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** `db`, in the shape of the MongoDB driver. */
export function openDb(bridge: Bridge, queue: WriteQueue) {
  // What is queued leaves first, so that a read sees it.
  const source: Source = {
    read: (request) => {
      bridge.flush()
      return bridge.call('dbRead', request)
    },
    open: (request) => {
      bridge.flush()
      return bridge.call('dbPage', request)
    },
    more: (cursor) => {
      bridge.flush()
      return bridge.call('dbMore', cursor)
    },
    close: (cursor) => bridge.post('dbClose', cursor),
  }
  return {
    collection: (name: unknown) => {
      if (typeof name !== 'string')
        throw new OpError({ code: 'op_malformed', message: 'db.collection(name): the name is a string.' })
      return new Collection(source, queue, name)
    },
  }
}

export class Collection extends ReadCollection {
  readonly #queue: WriteQueue

  constructor(source: Source, queue: WriteQueue, name: string) {
    super(source, name)
    this.#queue = queue
  }

  insertOne(document: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#queue.add(() => this.#insert(document), options?.ack === true, this.insertOne)
  }

  async insertMany(documents: readonly unknown[], options?: WriteOptions): Promise<object> {
    const ack = options?.ack === true
    const insertedIds: unknown[] = []
    const added: Promise<Outcome>[] = []
    for (const document of documents) {
      const one = this.#queue.add(() => this.#insert(document), ack, this.insertMany)
      added[added.length] = one
      // Those that are only queued are so at once: what is read next sees them, awaited or not.
      if (ack) await one
    }
    for (const { insertedId } of await Promise.all(added)) insertedIds[insertedIds.length] = insertedId
    return {
      acknowledged: true,
      insertedIds,
      ...(options?.ack === true && { insertedCount: insertedIds.length }),
    }
  }

  updateOne(filter: unknown, update: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#change('updateOne', filter, update, options, this.updateOne)
  }

  updateMany(filter: unknown, update: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#change('updateMany', filter, update, options, this.updateMany)
  }

  replaceOne(filter: unknown, document: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#change('replaceOne', filter, document, options, this.replaceOne)
  }

  deleteOne(filter: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#delete('deleteOne', filter, options, this.deleteOne)
  }

  deleteMany(filter: unknown, options?: WriteOptions): Promise<Outcome> {
    return this.#delete('deleteMany', filter, options, this.deleteMany)
  }

  async bulkWrite(operations: readonly BulkOperation[], options?: WriteOptions): Promise<object> {
    const totals = { insertedCount: 0, matchedCount: 0, modifiedCount: 0, deletedCount: 0, upsertedCount: 0 }
    const ack = options?.ack === true
    const outcomes: Promise<Outcome>[] = []
    for (const operation of operations) {
      const [kind = ''] = Object.keys(operation)
      const outcome = this.#bulkOne(kind, operation[kind] ?? {}, ack)
      outcomes[outcomes.length] = outcome
      if (ack) await outcome
      if (kind === 'insertOne') totals.insertedCount += 1
    }
    for (const outcome of await Promise.all(outcomes)) {
      totals.matchedCount += outcome.matchedCount ?? 0
      totals.modifiedCount += outcome.modifiedCount ?? 0
      totals.deletedCount += outcome.deletedCount ?? 0
      if (outcome.upsertedId !== undefined) totals.upsertedCount += 1
    }
    return options?.ack === true ? { acknowledged: true, ...totals } : { acknowledged: true }
  }

  #insert(document: unknown): EncodedWrite {
    if (typeof document !== 'object' || document === null || Array.isArray(document))
      throw new OpError({
        code: 'document_invalid',
        message: 'A document is an object, such as { course, n: 1 }.',
      })
    const given: unknown = Reflect.get(document, '_id')
    const insertedId = given === undefined ? new ObjectId() : given
    const stored = given === undefined ? { ...document, _id: insertedId } : document
    return { op: `["insertOne",${this.name},${encode(stored)}]`, insertedId }
  }

  #change(op: string, filter: unknown, change: unknown, options: WriteOptions | undefined, caller: Caller) {
    const encoded = () => {
      const { upsert, arrayFilters } = options ?? {}
      const more =
        upsert === true || arrayFilters !== undefined
          ? `,${encode({ upsert: upsert === true, ...(arrayFilters !== undefined && { arrayFilters }) })}`
          : ''
      return { op: `["${op}",${this.name},${encodeFilter(filter)},${encode(change)}${more}]` }
    }
    return this.#queue.add(encoded, options?.ack === true, caller)
  }

  #delete(op: string, filter: unknown, options: WriteOptions | undefined, caller: Caller) {
    const encoded = () => ({ op: `["${op}",${this.name},${encodeFilter(filter)}]` })
    return this.#queue.add(encoded, options?.ack === true, caller)
  }

  #bulkOne(kind: string, at: Readonly<Record<string, unknown>>, ack: boolean): Promise<Outcome> {
    const options: WriteOptions = {
      ack,
      upsert: at.upsert === true,
      ...(Array.isArray(at.arrayFilters) && { arrayFilters: at.arrayFilters }),
    }
    switch (kind) {
      case 'insertOne':
        return this.#queue.add(() => this.#insert(at.document), ack, this.bulkWrite)
      case 'updateOne':
      case 'updateMany':
        return this.#change(kind, at.filter, at.update, options, this.bulkWrite)
      case 'replaceOne':
        return this.#change(kind, at.filter, at.replacement, options, this.bulkWrite)
      case 'deleteOne':
      case 'deleteMany':
        return this.#delete(kind, at.filter, options, this.bulkWrite)
      default:
        throw new OpError({
          code: 'op_malformed',
          message: `bulkWrite: "${kind}" is not an operation. Write { insertOne: { document } }, { updateOne: { filter, update } }, { updateMany: … }, { replaceOne: { filter, replacement } }, { deleteOne: { filter } } or { deleteMany: … }.`,
        })
    }
  }
}

type Caller = (...args: never[]) => unknown
