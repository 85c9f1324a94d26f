import { z } from 'zod'
import { Binary, Decimal128, encode, Long, ObjectId } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { collectionsIn } from '../storage/mongo/collections-in.ts'
import { BSON, BSONRegExp, MongoClient, MongoServerError } from '../storage/mongo/driver.ts'
import { checkRead, openCursor } from '../storage/mongo/reads.ts'
import type { ReplicaConfig } from './config.ts'
import { outOfTime, type Source, saidNo, unreachable, writable } from './source.ts'

/** What the role `read` may do, and what tells of the server without changing it. */
// biome-ignore format: a list to read
const HARMLESS: ReadonlySet<string> = new Set([
  'changeStream', 'collStats', 'dbHash', 'dbStats', 'find', 'killCursors', 'listCollections', 'listIndexes',
  'listSearchIndexes', 'planCacheRead', 'indexStats', 'listDatabases', 'serverStatus', 'hostInfo',
])
const REMEDY = "db.createUser({ user: 'lyceum', pwd: …, roles: [{ role: 'read', db: 'lms' }] })"
/** One more than may come, so that too many are noticed and not cut in silence. */
const MOST_ROWS = LIMITS.replicaRows + 1

const Kind = z.object({ op: z.enum(['find', 'aggregate']) })
const Status = z.object({
  authInfo: z.object({
    authenticatedUsers: z.array(z.unknown()),
    authenticatedUserPrivileges: z.array(z.object({ actions: z.array(z.string()) })),
  }),
})

/** MongoDB, by the driver's cursors. What may be asked is what the embedded engine offers too. */
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
      promoteBuffers: false,
      bsonRegExp: true,
    })
    // After a loss the next server may be another one, or the account may have changed.
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

  /** The documents of a find or an aggregate, once the account was looked at. */
  async *read(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void> {
    const cursor = this.#cursor(request, Math.max(1, timeMs))
    if (signal.aborted) throw outOfTime()
    // Closing it has the server stop too.
    const close = () => void cursor.close().catch(() => {})
    signal.addEventListener('abort', close)
    try {
      for await (const document of cursor) yield rowOf(document)
      if (signal.aborted) throw outOfTime()
    } catch (error) {
      throw signal.aborted ? outOfTime() : refusalOf(error)
    } finally {
      signal.removeEventListener('abort', close)
      close()
    }
  }

  #cursor(request: unknown, timeMs: number) {
    if (!Kind.safeParse(request).success)
      throw new LyceumError(
        'op_malformed',
        "This replica is MongoDB: ask lms.collection('…').find(filter, { sort, limit }) or .aggregate([…]).",
      )
    const { op, filter, pipeline } = checkRead(request, undefined)
    for (const name of [op.collection, ...(op.op === 'aggregate' ? collectionsIn(op.pipeline) : [])])
      this.#checkName(String(name))
    const limited = op.op === 'find' ? { ...op, limit: Math.min(op.limit || MOST_ROWS, MOST_ROWS) } : op
    const read = { op: limited, filter, pipeline: [...pipeline, { $limit: MOST_ROWS }] }
    return openCursor(read, { db: this.#client.db(), session: undefined, timeMs }, LIMITS.replicaPageRows)
  }

  #checkName(name: string): void {
    if (!name.startsWith('system.') && (this.#collections?.includes(name) ?? true)) return
    const offer = this.#collections === undefined ? '' : `: ${this.#collections.slice(0, 20).join(', ')}`
    throw new LyceumError(
      'statement_refused',
      `"${name.slice(0, 64)}" is not among the collections that this replica offers${offer}.`,
    )
  }

  async #look(): Promise<void> {
    let told: unknown
    try {
      told = await this.#client.db().command({ connectionStatus: 1, showPrivileges: true })
    } catch (error) {
      throw unreachable(error)
    }
    const found = mayWrite(told)
    if (found !== undefined) throw writable(found, REMEDY)
  }
}

/** What the answer to `connectionStatus` says that is more than reading; undefined where nothing is. */
export function mayWrite(told: unknown): string | undefined {
  const parsed = Status.safeParse(told)
  if (!parsed.success) return 'the server does not tell what it may'
  const { authenticatedUsers, authenticatedUserPrivileges } = parsed.data.authInfo
  if (authenticatedUsers.length === 0) return 'the server lets anybody in without an account'
  const actions = new Set(authenticatedUserPrivileges.flatMap((privilege) => privilege.actions))
  const more = [...actions].filter((action) => !HARMLESS.has(action))
  return more.length === 0 ? undefined : `it may ${more.slice(0, 8).join(', ')}`
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
/** By these a server says that it is not one to ask, and not that the question was wrong. */
const ABOUT_THE_SERVER: ReadonlySet<number> = new Set([6, 7, 13, 18, 89, 91, 189, 11600, 11602, 13435, 13436])

function refusalOf(error: unknown): unknown {
  if (error instanceof LyceumError) return error
  if (!(error instanceof MongoServerError)) return unreachable(error)
  const code = Number(error.code)
  if (code === MAX_TIME_EXPIRED) return outOfTime()
  return ABOUT_THE_SERVER.has(code) ? unreachable(error) : saidNo(error.message)
}

/** What the driver gives, as it crosses the bridge. Types that a plugin does not know come as text. */
function fromBson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(fromBson)
  if (value instanceof BSON.ObjectId) return new ObjectId(value.toHexString())
  if (value instanceof BSON.Long) return new Long(value.toBigInt())
  if (value instanceof BSON.Decimal128) return new Decimal128(value.toString())
  if (value instanceof BSON.Binary) return new Binary(value.value(), value.sub_type)
  if (value instanceof BSONRegExp) return `/${value.pattern}/${value.options}`
  if ('_bsontype' in value) return String(value)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromBson(item)]))
}
