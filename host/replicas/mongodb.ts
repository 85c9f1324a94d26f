import { BSON, type Document, MongoClient, MongoServerError } from 'mongodb'
import { z } from 'zod'
import { Binary, Decimal128, encode, Long, ObjectId } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ReplicaConfig } from './config.ts'
import { checkPipeline, checkQuery } from './mongodb-query.ts'
import { outOfTime, type Source, saidNo, unreachable, writable } from './source.ts'

/** What the role `read` may do, and what tells of the server without changing it. */
// biome-ignore format: a list to read
const HARMLESS: ReadonlySet<string> = new Set([
  'changeStream', 'collStats', 'dbHash', 'dbStats', 'find', 'killCursors', 'listCollections', 'listIndexes',
  'listSearchIndexes', 'planCacheRead', 'indexStats', 'listDatabases', 'serverStatus', 'hostInfo',
])
const REMEDY = "db.createUser({ user: 'lyceum', pwd: …, roles: [{ role: 'read', db: 'lms' }] })"

const Whole = z.int().min(0)
const Request = z.union([
  z.strictObject({
    collection: z.string(),
    find: z.record(z.string(), z.unknown()),
    projection: z.record(z.string(), z.unknown()).optional(),
    sort: z.record(z.string(), z.literal([1, -1])).optional(),
    skip: Whole.optional(),
    limit: Whole.optional(),
  }),
  z.strictObject({ collection: z.string(), aggregate: z.array(z.record(z.string(), z.unknown())) }),
])

const Privileges = z.object({
  authInfo: z.object({
    authenticatedUsers: z.array(z.unknown()),
    authenticatedUserPrivileges: z.array(z.object({ actions: z.array(z.string()) })),
  }),
})

/** MongoDB, by the driver's cursors. */
export class MongodbSource implements Source {
  readonly #client: MongoClient
  readonly #collections: readonly string[] | undefined
  #looked: Promise<void> | undefined

  constructor({ url, tables }: Extract<ReplicaConfig, { kind: 'mongodb' }>) {
    this.#collections = tables
    this.#client = new MongoClient(url, {
      appName: 'lyceum',
      maxPoolSize: LIMITS.replicaConnections,
      maxIdleTimeMS: LIMITS.replicaIdleMs,
      serverSelectionTimeoutMS: LIMITS.replicaConnectMs,
      connectTimeoutMS: LIMITS.replicaConnectMs,
      retryWrites: false,
      ignoreUndefined: false,
    })
    // A new connection may be to another server, or to one whose accounts have changed.
    this.#client.on('connectionPoolCleared', () => {
      this.#looked = undefined
    })
  }

  check(): Promise<void> {
    this.#looked ??= this.#look().catch((error: unknown) => {
      this.#looked = undefined
      throw error
    })
    return this.#looked
  }

  async *rows(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void> {
    await this.check()
    yield* this.read(request, timeMs, signal)
  }

  /** The documents of a find or an aggregate. Only after {@link MongodbSource.check}. */
  async *read(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void> {
    const cursor = this.#cursor(request, Math.max(1, Math.ceil(timeMs)), signal)
    try {
      for await (const document of cursor) yield rowOf(document)
    } catch (error) {
      throw signal.aborted ? outOfTime() : refusalOf(error)
    } finally {
      await cursor.close().catch(() => {})
    }
  }

  #cursor(request: unknown, maxTimeMS: number, signal: AbortSignal) {
    const parsed = Request.safeParse(request)
    if (!parsed.success)
      throw new LyceumError(
        'op_malformed',
        "This replica is MongoDB: ask lms.collection('…').find(filter, { sort, limit }) or .aggregate([…]).",
      )
    const asked = parsed.data
    this.#checkName(asked.collection)
    const collection = this.#client.db().collection(asked.collection)
    const most = LIMITS.replicaRows + 1
    const options = {
      maxTimeMS,
      signal,
      batchSize: LIMITS.replicaPageRows,
      promoteBuffers: false,
      useBigInt64: false,
    }
    if ('aggregate' in asked) {
      const pipeline = checkPipeline(asked.aggregate, (name) => this.#checkName(name)).map(toBson)
      return collection.aggregate([...pipeline, { $limit: most }] as Document[], {
        ...options,
        promoteLongs: false,
      })
    }
    const { find, projection, sort, skip, limit } = asked
    return collection.find(toBson(checkQuery(find)) as Document, {
      ...options,
      promoteLongs: false,
      limit: Math.min(limit || most, most),
      ...(projection && { projection: toBson(checkQuery(projection)) as Document }),
      ...(sort && { sort }),
      ...(skip && { skip }),
    })
  }

  #checkName(name: string): void {
    if (!/^[^$\0]{1,120}$/.test(name) || name.startsWith('system.'))
      throw new LyceumError('query_invalid', `There is no collection "${name.slice(0, 64)}" to read.`)
    if (this.#collections !== undefined && !this.#collections.includes(name))
      throw new LyceumError(
        'statement_refused',
        `"${name}" is not among the collections that this replica offers: ${this.#collections.slice(0, 20).join(', ')}.`,
      )
  }

  async #look(): Promise<void> {
    let told: unknown
    try {
      told = await this.#client.db().command({ connectionStatus: 1, showPrivileges: true })
    } catch (error) {
      throw unreachable(error)
    }
    const parsed = Privileges.safeParse(told)
    if (!parsed.success || parsed.data.authInfo.authenticatedUsers.length === 0)
      throw writable('the server lets anybody in without an account', REMEDY)
    const actions = parsed.data.authInfo.authenticatedUserPrivileges.flatMap((privilege) => privilege.actions)
    const found = [...new Set(actions)].filter((action) => !HARMLESS.has(action))
    if (found.length > 0) throw writable(`it may ${found.slice(0, 8).join(', ')}`, REMEDY)
  }
}

function rowOf(document: unknown): string {
  const text = encode(fromBson(document))
  if (text.length <= LIMITS.replicaRowBytes) return text
  throw new LyceumError(
    'result_too_large',
    `A document has more than ${LIMITS.replicaRowBytes} bytes. Project fewer fields.`,
  )
}

const MAX_TIME_EXPIRED = 50
/** The codes by which a server says that it is not one to ask, and not that the question was wrong. */
const ABOUT_THE_SERVER: ReadonlySet<number> = new Set([6, 7, 18, 89, 91, 189, 11600, 11602, 13435, 13436])

function refusalOf(error: unknown): unknown {
  if (error instanceof LyceumError) return error
  if (!(error instanceof MongoServerError)) return unreachable(error)
  const code = Number(error.code)
  if (code === MAX_TIME_EXPIRED) return outOfTime()
  return ABOUT_THE_SERVER.has(code) ? unreachable(error) : saidNo(error.message)
}

/** What a plugin sends, as the driver takes it. */
export function toBson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toBson)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof ObjectId) return new BSON.ObjectId(value.toHexString())
  if (value instanceof Long) return BSON.Long.fromBigInt(value.value)
  if (value instanceof Decimal128) return BSON.Decimal128.fromString(value.text)
  if (value instanceof Binary) return new BSON.Binary(value.bytes, value.subType)
  if (value instanceof Date || value instanceof RegExp) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toBson(item)]))
}

/** What the driver gives, as it crosses the bridge. What JSON and EJSON cannot say becomes text. */
export function fromBson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromBson)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof BSON.ObjectId) return new ObjectId(value.toHexString())
  if (value instanceof BSON.Long) {
    const number = value.toNumber()
    return Number.isSafeInteger(number) ? number : new Long(value.toBigInt())
  }
  if (value instanceof BSON.Decimal128) return new Decimal128(value.toString())
  if (value instanceof BSON.Binary) return new Binary(value.value(), value.sub_type)
  if (value instanceof BSON.Double || value instanceof BSON.Int32) return value.value
  if (value instanceof Date || value instanceof RegExp) return value
  if ('_bsontype' in value) return String(value)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromBson(item)]))
}
