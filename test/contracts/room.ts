import type { Caller } from '../../host/auth/tokens.ts'
import type { OpContext } from '../../host/capabilities/capability.ts'
import { dbOps } from '../../host/capabilities/db.ts'
import { fsOps } from '../../host/capabilities/fs.ts'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { Endings } from '../../host/dispatch/endings.ts'
import { LyceumError } from '../../host/errors.ts'
import { QUOTA_DEFAULTS } from '../../host/limits.ts'
import type { ActivePlugin, CronEndpoint } from '../../host/registry/plugin.ts'
import type { PluginStore, Transaction } from '../../host/storage/plugin-store.ts'
import type { Claim, CollectionDeclaration, NewDeadLetter } from '../../host/storage/store-protocol.ts'
import type { Stores } from '../../host/storage/stores.ts'
import { type Bridge, OpError } from '../../sandbox/guest/bridge.ts'
import { openDb } from '../../sandbox/guest/db.ts'
import { openFs } from '../../sandbox/guest/fs.ts'
import { WriteQueue } from '../../sandbox/guest/write-queue.ts'

/** `db` as a handler gets it. */
export type Db = ReturnType<typeof openDb>

/** `fs` as a handler gets it. */
export type Fs = ReturnType<typeof openFs>

/** What a handler, view or query does. */
export type Work<Result> = (db: Db, fs: Fs) => Promise<Result>

/** The log that the cursors of a room belong to. */
export const LOG = 'contract-log'
const CALL_MS = 20_000
let rooms = 0

/** One plugin's database, and what a host does with it: batches of handlers, reads of views, declared indexes. */
export class Room {
  readonly store: PluginStore
  readonly isEmbedded: boolean
  readonly #stores: Stores
  /** The host's clock, which says what files have expired. */
  nowMs = Date.now()
  #claimed: Promise<number> | undefined
  #position = 0

  constructor(stores: Stores) {
    rooms += 1
    this.isEmbedded = stores.isSerial
    this.#stores = stores
    this.store = stores.plugin(`contract${process.pid}x${rooms}`, 1)
  }

  declare(collections: readonly CollectionDeclaration[]): Promise<void> {
    return this.store.declare(collections)
  }

  /**
   * Runs what a handler would do with one batch, and commits it with the move of its cursor. Rejects with what was
   * refused, and nothing of it has happened then.
   */
  async batch<Result>(work: Work<Result>, deadLetter?: NewDeadLetter): Promise<Result> {
    const from = this.#position
    this.#position += 1
    const move = { ...(await this.cursor()), from, to: from + 1 }
    try {
      return await this.run({ move }, work, deadLetter)
    } catch (error) {
      this.#position = from
      throw error
    }
  }

  /** The same for any claim, so also for those that have lost. */
  async run<Result>(claim: Claim, work: Work<Result>, deadLetter?: NewDeadLetter): Promise<Result> {
    const transaction = this.store.begin(claim)
    try {
      const { result, lastWrites } = await perform(this, transaction, work)
      await transaction.commit(Buffer.from(lastWrites), deadLetter)
      return result
    } catch (error) {
      await transaction.abort()
      throw asGuestSees(error)
    }
  }

  /** Runs what a query would do: it reads what is committed. */
  async view<Result>(work: Work<Result>): Promise<Result> {
    return (await perform(this, undefined, work)).result
  }

  /** The cursor of the room's handler as its owner knows it; claimed once. */
  async cursor() {
    const about = { cursor: 'handler/0', version: 1, log: LOG }
    this.#claimed ??= this.store.claim({ ...about, from: 0, passed: 0 }).then(({ epoch }) => epoch)
    return { ...about, generation: this.store.generation, epoch: await this.#claimed }
  }

  /** On a server that is somebody's own, nothing is left behind. */
  close(): Promise<void> {
    const isOthers = !this.isEmbedded && process.env.LYCEUM_TEST_MONGODB_URI !== undefined
    return isOthers ? this.#stores.drop(this.store.plugin, 1) : this.store.close()
  }
}

/** Runs guest code against the host's own ops, without an isolate between them. */
async function perform<Result>(
  { store, nowMs }: Room,
  transaction: Transaction | undefined,
  work: Work<Result>,
): Promise<{ result: Result; lastWrites: string }> {
  const endings = new Endings()
  const context = contextOf(store, transaction, endings)
  const files = fsOps({ nowMs: () => nowMs, addressOf: ({ path }) => `/files/${path}` })
  const ops = new Map(Object.entries({ ...dbOps, ...files }))
  const posted: Promise<unknown>[] = []
  let failure: { readonly error: unknown } | undefined
  const answer = async (op: string, payload: string) => {
    try {
      const reply = await ops.get(op)?.(Buffer.from(payload), context)
      return Array.isArray(reply) ? reply.join('\n') : String(reply)
    } catch (error) {
      throw asGuestSees(error)
    }
  }
  const bridge: Bridge = {
    call: answer,
    post: (op, payload) => {
      posted.push(answer(op, payload).catch((error) => bridge.fail(error)))
    },
    fail: (error) => {
      failure ??= { error }
    },
    flush: () => queue.flush(),
  }
  const queue = new WriteQueue(bridge, transaction !== undefined, false)
  try {
    const result = await work(openDb(bridge, queue), openFs(bridge))
    await Promise.all(posted)
    if (failure !== undefined) throw failure.error
    return { result, lastWrites: queue.last() }
  } finally {
    endings.end()
  }
}

function asGuestSees(error: unknown): unknown {
  if (!(error instanceof LyceumError)) return error
  const { code, message, details } = error
  return new OpError({ code, message, ...(details && { details }) })
}

const SOMEBODY: Caller = { role: 'researcher', user: 'ann', courses: [], plugins: 'all' }

const ENDPOINT: CronEndpoint = {
  name: 'handler',
  kind: 'cron',
  title: '',
  description: '',
  facilities: ['db', 'fs'],
  dimensions: [],
  plugins: [],
  replicas: [],
  options: { schedule: '0 0 * * *' },
}

function contextOf(store: PluginStore, transaction: Transaction | undefined, endings: Endings): OpContext {
  const plugin: ActivePlugin = {
    id: store.plugin,
    title: '',
    description: '',
    version: '1.0.0',
    activation: 1,
    code: {
      plugin: store.plugin,
      hash: '',
      bundle: Buffer.alloc(0),
      load: { memoryMb: 0, cpuMs: 0, wallMs: 0 },
    },
    endpoints: new Map([[ENDPOINT.name, ENDPOINT]]),
    begins: new Map(),
    granted: [],
    readable: new Map(),
    store,
    isBuilding: false,
    isOfSamples: false,
    markOfSamples: () => {},
    quota: QUOTA_DEFAULTS,
    usage: { calls: 0, failures: 0, cpuMs: 0, storeCpuMs: 0, ops: 0, bytes: 0, events: 0 },
  }
  return {
    plugin,
    endpoint: ENDPOINT,
    caller: transaction === undefined ? SOMEBODY : undefined,
    transaction,
    tree: new CallTree(QUOTA_DEFAULTS),
    depth: 0,
    deadlineMs: performance.now() + CALL_MS,
    onEnd: endings.add,
  }
}
