import type { Binary, Decimal128, Long, ObjectId } from './ejson.ts'

/** A document whose fields are not known, its `_id` included. */
export interface Document {
  _id?: unknown
  [field: string]: unknown
}

/** The type of a document's `_id`: its own where it says so, else an ObjectId. */
export type IdOf<T> = T extends { readonly _id?: infer I } ? ('_id' extends keyof T ? I : ObjectId) : ObjectId

/** A document as the database returns it. */
export type WithId<T> = '_id' extends keyof T ? T : T & { readonly _id: ObjectId }

/** A document to insert: its `_id` may be left out, and is then made. */
export type ToInsert<T> = Document extends T
  ? T
  : '_id' extends keyof T
    ? Omit<T, '_id'> & Partial<Pick<T, '_id'>>
    : T

/** The type that a condition on a field compares with: for a list, one of its items too. */
type Comparable<V> = V extends readonly (infer Item)[] ? V | Item : V

/** Bits as a number, as bytes, or as a list of positions. */
type BitMask = number | Binary | readonly number[]

/** What a filter may ask of one field. */
export type Condition<V> =
  | Comparable<V>
  | null
  | (V extends string ? RegExp : never)
  | {
      readonly $eq?: Comparable<V> | null
      readonly $ne?: Comparable<V> | null
      readonly $gt?: Comparable<V>
      readonly $gte?: Comparable<V>
      readonly $lt?: Comparable<V>
      readonly $lte?: Comparable<V>
      readonly $in?: readonly (Comparable<V> | null)[]
      readonly $nin?: readonly (Comparable<V> | null)[]
      readonly $exists?: boolean
      readonly $type?: string | readonly string[]
      readonly $regex?: string | RegExp
      readonly $options?: string
      readonly $mod?: readonly [number, number]
      readonly $all?: readonly unknown[]
      readonly $size?: number
      readonly $elemMatch?: Document
      readonly $bitsAllSet?: BitMask
      readonly $bitsAllClear?: BitMask
      readonly $bitsAnySet?: BitMask
      readonly $bitsAnyClear?: BitMask
      readonly $not?: Condition<V>
    }

/** Fields inside other fields, as in `'answers.0.score'`. */
type Dotted<V> = { readonly [path: `${string}.${string}`]: V }

/** Which documents: fields by name, all of which must match. */
export type Filter<T> = { readonly [K in keyof WithId<T>]?: Condition<WithId<T>[K]> } & Dotted<unknown> & {
    readonly $and?: readonly Filter<T>[]
    readonly $or?: readonly Filter<T>[]
    readonly $nor?: readonly Filter<T>[]
    readonly $expr?: unknown
    readonly $comment?: string
    readonly $sampleRate?: number
  }

/** A number of any type. */
type Numeric = number | Long | Decimal128
type NumericFields<T> = { readonly [K in keyof T as T[K] extends Numeric | undefined ? K : never]?: Numeric }
type ListFields<T, V> = {
  readonly [K in keyof T as NonNullable<T[K]> extends readonly unknown[] ? K : never]?: V
}
type Numbers<T> = (Document extends T ? Readonly<Record<string, Numeric>> : NumericFields<T>) &
  Dotted<Numeric>
type Bits = { readonly and?: number | Long; readonly or?: number | Long; readonly xor?: number | Long }
type Lists<T, V> = (Document extends T ? Readonly<Record<string, V>> : ListFields<T, V>) & Dotted<V>

/** What changes in a document. */
export interface Update<T> {
  readonly $set?: Readonly<Partial<T>> & Dotted<unknown>
  readonly $setOnInsert?: Readonly<Partial<T>> & Dotted<unknown>
  readonly $unset?: { readonly [K in keyof T]?: unknown } & Dotted<unknown>
  readonly $inc?: Numbers<T>
  readonly $mul?: Numbers<T>
  readonly $min?: Readonly<Partial<T>> & Dotted<unknown>
  readonly $max?: Readonly<Partial<T>> & Dotted<unknown>
  readonly $rename?: { readonly [K in keyof T]?: string } & Dotted<string>
  readonly $currentDate?: { readonly [K in keyof T]?: true | { readonly $type: 'date' } } & Dotted<
    true | { readonly $type: 'date' }
  >
  readonly $bit?: { readonly [K in keyof T]?: Bits } & Dotted<Bits>
  /** Adds an item, or several with `{ $each: [...] }`. */
  readonly $push?: Lists<T, unknown>
  readonly $addToSet?: Lists<T, unknown>
  readonly $pull?: Lists<T, unknown>
  readonly $pullAll?: Lists<T, readonly unknown[]>
  readonly $pop?: Lists<T, 1 | -1>
}

/** Which fields come back. */
export type Projection<T> = { readonly [K in keyof WithId<T>]?: 0 | 1 | boolean | object } & Dotted<unknown>

/** The order of the result, by field: `1` ascending, `-1` descending. */
export type Sort = Readonly<Record<string, 1 | -1>>

/**
 * Results that come as they are asked for, in pages: `for await (const play of plays.find()) …`. Breaking out of the
 * loop ends the cursor, as does the end of the call.
 */
export interface Cursor<T> extends AsyncIterable<T> {
  /** All that are left: up to 16 MB, in one round trip. */
  toArray(): Promise<T[]>
  /** The next one; null after the last. */
  next(): Promise<T | null>
  /** The same. */
  tryNext(): Promise<T | null>
  hasNext(): Promise<boolean>
  /** Calls `visit` on each in turn; `false` stops. */
  forEach(visit: (document: T) => unknown): Promise<void>
  /** Ends the cursor before all was read. */
  close(): Promise<void>
}

/** What `find` returns: a query that is sent when it is read. */
export interface FindCursor<T> extends Cursor<T> {
  sort(order: Sort): FindCursor<T>
  skip(documents: number): FindCursor<T>
  limit(documents: number): FindCursor<T>
  /** Chooses fields; say what is left: `.project<{ n: number }>({ n: 1 })`. */
  project<U = Document>(projection: Readonly<Record<string, unknown>>): FindCursor<U>
}

/** What `find` may be told in place of a call on its cursor. */
export interface FindOptions<T> {
  readonly sort?: Sort
  readonly skip?: number
  readonly limit?: number
  readonly projection?: Projection<T>
}

/** One stage of an aggregation: `{ $match: … }`. */
export type Stage = Readonly<Record<`$${string}`, unknown>>

/** A collection as views and queries have it. */
export interface ReadOnlyCollection<T> {
  find(filter?: Filter<T>, options?: FindOptions<T>): FindCursor<WithId<T>>
  findOne(filter?: Filter<T>, options?: Omit<FindOptions<T>, 'limit'>): Promise<WithId<T> | null>
  /** Say what comes out: `aggregate<{ _id: string, n: number }>([…])`. */
  aggregate<U = Document>(pipeline: readonly Stage[]): Cursor<U>
  countDocuments(filter?: Filter<T>): Promise<number>
  estimatedDocumentCount(): Promise<number>
  distinct<K extends keyof WithId<T>>(field: K, filter?: Filter<T>): Promise<WithId<T>[K][]>
  distinct<V = unknown>(field: `${string}.${string}`, filter?: Filter<T>): Promise<V[]>
}

/** Without this a write resolves once it is queued, and tells no counts. */
export interface Ack {
  readonly ack: true
}

interface NoAck {
  readonly ack?: false
}

interface Upsert {
  readonly upsert?: boolean
}

interface Updating extends Upsert {
  /** What `$[name]` in the paths of the update stands for: `[{ 'name.score': { $gte: 5 } }]`. */
  readonly arrayFilters?: readonly Document[]
}

/** The write is queued; the handler's commit makes it last. */
export interface Acknowledged {
  readonly acknowledged: true
}

/** What became of one document. */
export interface InsertOneResult<T> extends Acknowledged {
  readonly insertedId: IdOf<T>
}

/** What became of several documents. */
export interface InsertManyResult<T> extends Acknowledged {
  readonly insertedIds: Readonly<Record<number, IdOf<T>>>
}

/** The same with `{ ack: true }`, which waits for the database. */
export interface InsertManyCounts<T> extends InsertManyResult<T> {
  readonly insertedCount: number
}

/** How many documents an update changed: with `{ ack: true }`. */
export interface UpdateCounts<T> extends Acknowledged {
  readonly matchedCount: number
  readonly modifiedCount: number
  readonly upsertedCount: number
  readonly upsertedId: IdOf<T> | null
}

/** How many documents were deleted: with `{ ack: true }`. */
export interface DeleteCounts extends Acknowledged {
  readonly deletedCount: number
}

/** How many documents a `bulkWrite` changed: with `{ ack: true }`. */
export interface BulkCounts extends Acknowledged {
  readonly insertedCount: number
  readonly matchedCount: number
  readonly modifiedCount: number
  readonly deletedCount: number
  readonly upsertedCount: number
}

/** One write of a {@link Collection.bulkWrite}. */
export type BulkWrite<T> =
  | { readonly insertOne: { readonly document: ToInsert<T> } }
  | {
      readonly updateOne: {
        readonly filter: Filter<T>
        readonly update: Update<T> | readonly Stage[]
      } & Updating
    }
  | {
      readonly updateMany: {
        readonly filter: Filter<T>
        readonly update: Update<T> | readonly Stage[]
      } & Updating
    }
  | { readonly replaceOne: { readonly filter: Filter<T>; readonly replacement: ToInsert<T> } & Upsert }
  | { readonly deleteOne: { readonly filter: Filter<T> } }
  | { readonly deleteMany: { readonly filter: Filter<T> } }

/**
 * A collection as handlers and cron jobs have it. Writes resolve once they are queued, so a loop of them costs
 * little; a read sees the writes before it.
 *
 * **Common mistake:** reading `modifiedCount` of a write that did not ask for it with `{ ack: true }`.
 */
export interface Collection<T> extends ReadOnlyCollection<T> {
  insertOne(document: ToInsert<T>, options?: NoAck | Ack): Promise<InsertOneResult<T>>
  insertMany(documents: readonly ToInsert<T>[], options: Ack): Promise<InsertManyCounts<T>>
  insertMany(documents: readonly ToInsert<T>[], options?: NoAck): Promise<InsertManyResult<T>>
  updateOne(
    filter: Filter<T>,
    update: Update<T> | readonly Stage[],
    options: Updating & Ack,
  ): Promise<UpdateCounts<T>>
  updateOne(
    filter: Filter<T>,
    update: Update<T> | readonly Stage[],
    options?: Updating & NoAck,
  ): Promise<Acknowledged>
  updateMany(
    filter: Filter<T>,
    update: Update<T> | readonly Stage[],
    options: Updating & Ack,
  ): Promise<UpdateCounts<T>>
  updateMany(
    filter: Filter<T>,
    update: Update<T> | readonly Stage[],
    options?: Updating & NoAck,
  ): Promise<Acknowledged>
  replaceOne(filter: Filter<T>, replacement: ToInsert<T>, options: Upsert & Ack): Promise<UpdateCounts<T>>
  replaceOne(filter: Filter<T>, replacement: ToInsert<T>, options?: Upsert & NoAck): Promise<Acknowledged>
  deleteOne(filter: Filter<T>, options: Ack): Promise<DeleteCounts>
  deleteOne(filter: Filter<T>, options?: NoAck): Promise<Acknowledged>
  deleteMany(filter: Filter<T>, options: Ack): Promise<DeleteCounts>
  deleteMany(filter: Filter<T>, options?: NoAck): Promise<Acknowledged>
  bulkWrite(writes: readonly BulkWrite<T>[], options: Ack): Promise<BulkCounts>
  bulkWrite(writes: readonly BulkWrite<T>[], options?: NoAck): Promise<Acknowledged>
}

/** The plugin's own documents, to read. */
export interface ReadOnlyDatabase {
  /** A collection by name, with the type of its documents: `db.collection<Play>('plays')`. */
  collection<T extends object = Document>(name: string): ReadOnlyCollection<T>
}

/** The plugin's own documents, to read and write. */
export interface Database {
  /** A collection by name, with the type of its documents: `db.collection<Play>('plays')`. */
  collection<T extends object = Document>(name: string): Collection<T>
}
