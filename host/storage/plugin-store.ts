import type { Payload } from '../../process/frame.ts'
import { Places } from '../../process/places.ts'
import type { RequestProcess } from '../../process/requests.ts'
import { LyceumError } from '../errors.ts'
import type { SeqRange } from '../events/log-protocol.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../limits.ts'
import { newCursor, type Page, pageOf } from './pages.ts'
import { ReadShare } from './read-share.ts'
import { storeLost } from './store.ts'
import {
  type Claim,
  type ClaimControl,
  type Claimed,
  type CollectionDeclaration,
  type DeadLetter,
  type DeadLetterList,
  type FileReadControl,
  type FileWriteControl,
  type NewDeadLetter,
  type Opened,
  type Peeked,
  type StorageUsage,
  StoreKind,
  type Survey,
  type Swept,
} from './store-protocol.ts'
import type { Stores } from './stores.ts'

const EMPTY = Buffer.alloc(0)
const MB = 1024 * 1024
/**
 * Requests of one plugin, or of one transaction, that a store has at the same time; the rest wait in the host.
 * A store works on one after the other, so whoever sent it many slow ones would keep all others waiting.
 */
const AT_ONCE = 2
/** The same of a store that only asks a server: reads of one plugin, for the sake of the server. */
const READS_AT_ONCE = 8
let lastTransaction = 0n

/** One plugin's database, wherever the process is that has it open. */
export class PluginStore {
  readonly plugin: string
  readonly generation: number
  maxBytes = QUOTA_DEFAULTS.databaseMb * MB
  maxFileBytes = QUOTA_DEFAULTS.fileMb * MB
  readonly #stores: Stores
  readonly #db: string
  readonly #path: string
  #collections: readonly CollectionDeclaration[] = []
  readonly #reads: Places
  #readsOfOthers: ReadShare | undefined
  #opened: RequestProcess | undefined
  #aside: boolean
  #isGone = false
  #holders = 0
  #exports = 0
  /** Settles when the transaction that holds the database has ended; the next one waits for it. */
  #lastHolder: Promise<void> = Promise.resolve()

  constructor(stores: Stores, plugin: string, db: string, path: string, generation: number) {
    this.#stores = stores
    this.plugin = plugin
    this.generation = generation
    this.#reads = new Places(stores.isSerial ? AT_ONCE : READS_AT_ONCE, Number.POSITIVE_INFINITY)
    // Where nobody waits for others, reads have the time of the slow from the start.
    this.#aside = !stores.isSerial
    this.#db = db
    this.#path = path
  }

  /** Brings the indexes up to what a version declares. @throws {LyceumError} duplicate_key where the data forbid it */
  async declare(collections: readonly CollectionDeclaration[]): Promise<void> {
    await this.exclusively(async () => {
      const control = { db: this.#db, path: this.#path, collections }
      const store = this.#stores.process(this.#aside)
      this.#wasOpened(await store.request(this.plugin, { kind: StoreKind.open }, JSON.stringify(control)))
      this.#opened = store
      this.#collections = collections
    })
  }

  /** Says what the active version declares, for when the database is opened next, and how much it may keep. */
  expect(collections: readonly CollectionDeclaration[], maxBytes: number, maxFileBytes: number): void {
    this.#collections = collections
    this.maxBytes = maxBytes
    this.maxFileBytes = maxFileBytes
  }

  /** Where a cursor stands, without taking it over and without opening the database; undefined where there is none. */
  async peek(cursor: string): Promise<Peeked | undefined> {
    const store = this.#stores.process(this.#aside)
    const control = JSON.stringify({ path: this.#path, cursor })
    const peeked: Peeked | null = JSON.parse(
      (await store.request(this.plugin, { kind: StoreKind.peek }, control)).toString(),
    )
    return peeked ?? undefined
  }

  /** Takes a cursor over; whoever held it before can commit no more. */
  async claim(cursor: Omit<ClaimControl, 'db' | 'generation'>): Promise<Claimed> {
    const control = this.control({ generation: this.generation, ...cursor })
    // Inside of somebody's transaction it would be undone with that.
    return this.exclusively(async () =>
      JSON.parse((await this.#request(StoreKind.claim, 0n, control)).toString()),
    )
  }

  /**
   * Runs a guest's read op on committed data. Returns EJSON.
   * @param deadlineMs when nobody waits for it any more, a time of `performance.now()`
   */
  async read(op: Buffer, deadlineMs: number): Promise<Buffer> {
    const rows = await this.#reads.within(() => this.#readIn(op, deadlineMs))
    return rows ?? EMPTY
  }

  /**
   * Starts to read committed data in pages, by a guest's `find` or `aggregate`.
   * @param deadlineMs when nobody waits for the first page any more, a time of `performance.now()`
   */
  async openCursor(op: Buffer, deadlineMs: number): Promise<Page> {
    const cursor = newCursor()
    const reply = await this.#reads.within(() => this.#readIn(op, deadlineMs, cursor))
    const store = this.#opened
    return pageOf(reply ?? EMPTY, async (kind, pageDeadlineMs) => {
      if (store === undefined) throw storeLost()
      const { mostReadMs } = this
      const timeMs = pageDeadlineMs === undefined ? undefined : timeLeft(pageDeadlineMs, mostReadMs)
      const ask = () => store.request(this.plugin, { kind }, this.control({ cursor, timeMs }))
      try {
        return (timeMs === undefined ? await ask() : await this.#reads.within(ask)) ?? EMPTY
      } catch (error) {
        throw this.#isTooSlowHere(error, mostReadMs) ? storeLost() : error
      }
    })
  }

  /**
   * Runs a read op of another plugin on committed data. It is laid and charged to the reader, whose turn and share
   * it takes; it never moves this database aside.
   * @param collections those that the reader may read
   * @param deadlineMs when nobody waits for it any more, a time of `performance.now()`
   */
  readBy(
    reader: PluginStore,
    op: Buffer,
    collections: readonly string[],
    deadlineMs: number,
  ): Promise<Buffer> {
    reader.#readsOfOthers ??= new ReadShare()
    return reader.#readsOfOthers.within(deadlineMs, async () => {
      const control = this.control({ collections, timeMs: timeLeft(deadlineMs, LIMITS.slowStoreOpMs) })
      try {
        return await this.connect().request(reader.plugin, { kind: StoreKind.read }, [control, op])
      } catch (error) {
        if (!isTimeLimit(error)) throw error
        throw new LyceumError(
          'time_limit',
          `A read of another plugin's collection may take ${LIMITS.slowStoreOpMs} ms. Ask for less, or let its author declare an index or offer a query.`,
        )
      }
    })
  }

  /** In the store of all it gets little time. Who needs more moves to the one for the slow. */
  async #readIn(op: Buffer, deadlineMs: number, cursor?: number): Promise<Buffer> {
    const { mostReadMs } = this
    try {
      return await this.#readFor(op, deadlineMs, mostReadMs, cursor)
    } catch (error) {
      if (!this.#isTooSlowHere(error, mostReadMs)) throw error
    }
    return this.#readFor(op, deadlineMs, LIMITS.storeReadMs, cursor)
  }

  /** Moves aside where a read ran out of the time that the store of all has for it. */
  #isTooSlowHere(error: unknown, mostReadMs: number): boolean {
    if (!isTimeLimit(error) || mostReadMs === LIMITS.storeReadMs) return false
    this.moveAside()
    return true
  }

  #readFor(op: Buffer, deadlineMs: number, mostMs: number, cursor: number | undefined): Promise<Buffer> {
    const control = this.control({ cursor, timeMs: timeLeft(deadlineMs, mostMs) })
    return this.#request(cursor === undefined ? StoreKind.read : StoreKind.readPage, 0n, [control, op])
  }

  /**
   * Starts a transaction that will move a cursor, or take a dead letter out.
   * @param after an earlier transaction of the same cursor; this one touches nothing before that has ended
   */
  begin(claim: Claim, after: Promise<unknown> = Promise.resolve()): Transaction {
    return new Transaction(this, claim, after)
  }

  async deadLetters(
    endpoint: string | undefined,
    limit: number,
    retry?: { readonly ids?: readonly number[] },
  ): Promise<DeadLetterList> {
    const control = this.control({ limit, retry, ...(endpoint !== undefined && { endpoint }) })
    return JSON.parse((await this.#request(StoreKind.deadLetters, 0n, control)).toString())
  }

  /** The first dead letter of a handler among some events; of none an empty list. */
  async deadLettersAt(endpoint: string, ranges: readonly SeqRange[]): Promise<readonly DeadLetter[]> {
    const control = this.control({ endpoint, ranges, limit: 1 })
    return JSON.parse((await this.#request(StoreKind.deadLetters, 0n, control)).toString())
  }

  /**
   * Reads committed files, as a guest asks. Resolves with what the guest gets.
   * @param deadlineMs when nobody waits for it any more, a time of `performance.now()`
   */
  async readFiles(
    control: Omit<FileReadControl, 'db'>,
    request: Buffer | string,
    deadlineMs: number,
  ): Promise<Buffer> {
    const reply = await this.#reads.within(async () => {
      timeLeft(deadlineMs, LIMITS.storeReadMs)
      return this.#request(StoreKind.fileRead, 0n, [this.control(control), request])
    })
    return reply ?? EMPTY
  }

  /** Writes a file that expires, for a view or query, while no handler has the database. */
  writeTransient(request: Buffer, nowMs: number, deadlineMs: number): Promise<Buffer> {
    return this.exclusively(async () => {
      timeLeft(deadlineMs, LIMITS.storeReadMs)
      const { maxBytes, maxFileBytes } = this
      const control = this.control({ nowMs, maxBytes, maxFileBytes })
      this.filesChanged()
      return this.#request(StoreKind.fileWriteTransient, 0n, [control, request])
    })
  }

  /** Has files swept when they expire, and what was in the place of others. */
  filesChanged(): void {
    this.#stores.sweeper.changed(this)
  }

  /** Deletes files that have expired and contents that nobody refers to: some of them, at a time. */
  sweepFiles(nowMs: number): Promise<Swept> {
    return this.exclusively(async () =>
      JSON.parse((await this.#request(StoreKind.sweepFiles, 0n, this.control({ nowMs }))).toString()),
    )
  }

  /** Whether somebody reads all of it, which takes as long as it does. */
  get isExported(): boolean {
    return this.#exports > 0
  }

  /** Says that somebody begins to; returns what says that it has ended. */
  beginExport(): () => void {
    this.#exports += 1
    return () => {
      this.#exports -= 1
    }
  }

  /** What there is to export beside documents and files. */
  async survey(): Promise<Survey> {
    return JSON.parse((await this.#request(StoreKind.survey, 0n, this.control({}))).toString())
  }

  /** What the plugin keeps. */
  async usage(): Promise<StorageUsage> {
    return JSON.parse((await this.#request(StoreKind.usage, 0n, this.control({}))).toString())
  }

  /** How long a read may keep waiting whoever shares its store, in ms. */
  get mostReadMs(): number {
    return this.#aside ? LIMITS.storeReadMs : LIMITS.slowStoreOpMs
  }

  /** From now or from its next transaction on, this database is served by the store for the slow. */
  moveAside(): void {
    if (this.#aside) return
    if (this.#holders === 0) this.#moveNow()
    else void this.exclusively(async () => this.#moveNow())
  }

  #moveNow(): void {
    this.#aside = true
    const opened = this.#opened
    this.#opened = undefined
    if (opened?.alive)
      opened.request(this.plugin, { kind: StoreKind.close }, JSON.stringify({ db: this.#db })).catch(() => {})
  }

  /** Closes it for good: what is asked of it from now on is refused. */
  async end(): Promise<void> {
    this.#isGone = true
    await this.exclusively(() => this.close()).catch(() => {}) // a store that is lost has closed it
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    if (opened?.alive)
      await opened.request(this.plugin, { kind: StoreKind.close }, JSON.stringify({ db: this.#db }))
  }

  /** Waits until nobody holds the database, and holds it until `work` has ended. */
  async exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const release = await this.hold()
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** The same for work that spans calls: resolves with the function that lets go. */
  async hold(): Promise<() => void> {
    const before = this.#lastHolder
    let release: () => void = () => {}
    this.#holders += 1
    this.#lastHolder = new Promise((resolve) => {
      release = () => {
        this.#holders -= 1
        resolve()
      }
    })
    await before
    return release
  }

  /** The process that has the database open; opens it there if need be, ahead of what is sent next. */
  connect(): RequestProcess {
    if (this.#isGone)
      throw new LyceumError(
        'plugin_unknown',
        `These data of ${this.plugin} are gone: it was uninstalled or rebuilt meanwhile. Ask again.`,
      )
    const store = this.#stores.process(this.#aside)
    if (this.#opened !== store) {
      this.#opened = store
      const control = { db: this.#db, path: this.#path, collections: this.#collections }
      store
        .request(this.plugin, { kind: StoreKind.open }, JSON.stringify(control))
        .then((reply) => this.#wasOpened(reply))
        .catch((error) => {
          if (this.#opened === store) this.#opened = undefined
          if (store.alive) this.#stores.couldNotOpen(this.plugin, error)
        })
    }
    return store
  }

  #wasOpened(reply: Buffer): void {
    if (reply.length === 0) return
    const { keepsFiles }: Opened = JSON.parse(reply.toString())
    if (keepsFiles) this.filesChanged()
  }

  /** The control line of an operation on this database. */
  control(fields: object): string {
    return JSON.stringify({ db: this.#db, ...fields })
  }

  #request(kind: number, scope: bigint, payload: Payload): Promise<Buffer> {
    return this.connect().request(this.plugin, { kind, scope }, payload)
  }
}

/**
 * The effects of one batch and the move of its cursor: all of it or nothing. It opens at its first
 * operation, holds the database from then on, and stays with the process in which it began.
 */
export class Transaction {
  readonly #store: PluginStore
  readonly #claim: Claim
  readonly #after: Promise<unknown>
  readonly #scope = ++lastTransaction
  #waitingSinceMs: number | undefined
  #waitedMs = 0
  #held: Promise<RequestProcess> | undefined
  #release: (() => void) | undefined
  readonly #turns = new Places(AT_ONCE, Number.POSITIVE_INFINITY)
  #changesFiles = false
  #aborted = false
  #ended = false
  #afterwards: (() => void)[] = []

  constructor(store: PluginStore, claim: Claim, after: Promise<unknown>) {
    this.#store = store
    this.#claim = claim
    this.#after = after
  }

  /** How long the database was held by others, or is: time that is not laid to who waits. */
  get waitedMs(): number {
    return this.#waitingSinceMs === undefined ? this.#waitedMs : performance.now() - this.#waitingSinceMs
  }

  /** Has something done when this has committed or was undone. */
  onEnd(work: () => void): void {
    if (this.#ended) work()
    else this.#afterwards.push(work)
  }

  /** Applies a guest's writes. With `counted` resolves with the outcome of each, as EJSON. */
  write(writes: Buffer, counted: boolean): Promise<Buffer> {
    return this.#inTurn((process) =>
      this.#send(process, StoreKind.write, [
        this.#store.control({ claim: this.#claim, maxBytes: this.#store.maxBytes, counted }),
        writes,
      ]),
    )
  }

  /**
   * Reads what is committed and what this transaction has written. Where that takes longer than the store of
   * all has for it, the transaction is over, and runs again in the one for the slow.
   * @param deadlineMs when nobody waits for it any more, a time of `performance.now()`
   */
  read(op: Buffer, deadlineMs: number): Promise<Buffer> {
    return this.#inTurn(async (process) => {
      const opened = this.#open(process)
      const read = this.#readIn(process, StoreKind.read, deadlineMs, (control) => [control, op])
      const [rows] = await Promise.all([read, opened])
      return rows
    })
  }

  /** The same in pages, by a guest's `find` or `aggregate`. The cursor ends with the transaction. */
  async openCursor(op: Buffer, deadlineMs: number): Promise<Page> {
    const cursor = newCursor()
    const reply = await this.#inTurn(async (process) => {
      const opened = this.#open(process)
      const read = this.#readIn(process, StoreKind.readPage, deadlineMs, (control) => [control, op], cursor)
      const [page] = await Promise.all([read, opened])
      return page
    })
    return pageOf(reply, (kind, pageDeadlineMs) =>
      this.#inTurn((process) =>
        pageDeadlineMs === undefined
          ? this.#send(process, kind, this.#store.control({ cursor }))
          : this.#readIn(process, kind, pageDeadlineMs, (control) => control, cursor),
      ),
    )
  }

  /** Opens it, so that nothing that is read can change before the commit. */
  #open(process: RequestProcess): Promise<Buffer> {
    return this.#send(process, StoreKind.write, [
      this.#store.control({ claim: this.#claim, maxBytes: this.#store.maxBytes, counted: false }),
      EMPTY,
    ])
  }

  async #readIn(
    process: RequestProcess,
    kind: number,
    deadlineMs: number,
    payload: (control: string) => Payload,
    cursor?: number,
  ): Promise<Buffer> {
    const { mostReadMs } = this.#store
    const timeMs = timeLeft(deadlineMs, mostReadMs)
    try {
      return await this.#send(process, kind, payload(this.#store.control({ cursor, timeMs })))
    } catch (error) {
      if (!isTimeLimit(error) || mostReadMs === LIMITS.storeReadMs) throw error
      this.#aborted = true
      this.#store.moveAside()
      throw storeLost()
    }
  }

  /** Reads files: what is committed and what this transaction has written. Resolves with what the guest gets. */
  readFiles(control: Omit<FileReadControl, 'db'>, request: Buffer, deadlineMs: number): Promise<Buffer> {
    return this.#inTurn(async (process) => {
      timeLeft(deadlineMs, LIMITS.storeReadMs)
      const opened = this.#open(process)
      const read = this.#send(process, StoreKind.fileRead, [this.#store.control(control), request])
      const [reply] = await Promise.all([read, opened])
      return reply
    })
  }

  /** Changes a file. Resolves with what the guest gets. */
  changeFile(op: FileWriteControl['op'], request: Buffer, nowMs: number): Promise<Buffer> {
    const { maxBytes, maxFileBytes } = this.#store
    const control = this.#store.control({ op, claim: this.#claim, nowMs, maxBytes, maxFileBytes })
    this.#changesFiles = true
    return this.#inTurn((process) => this.#send(process, StoreKind.fileWrite, [control, request]))
  }

  /** Applies the last writes and commits. What was sent before and failed makes this fail too. */
  async commit(lastWrites: Buffer, deadLetter?: NewDeadLetter | DeadLetter): Promise<void> {
    try {
      const control = this.#store.control({
        claim: this.#claim,
        maxBytes: this.#store.maxBytes,
        ...(deadLetter && { deadLetter }),
      })
      await this.#inTurn((process) => this.#send(process, StoreKind.commit, [control, lastWrites]))
      if (this.#changesFiles) this.#store.filesChanged()
    } catch (error) {
      await this.abort()
      throw error
    } finally {
      this.#end()
    }
  }

  /** Undoes everything. Safe to call at any time. */
  async abort(): Promise<void> {
    this.#aborted = true
    if (this.#ended || this.#held === undefined) {
      this.#end()
      return
    }
    try {
      const process = await this.#held
      if (!this.#ended) await this.#send(process, StoreKind.abort, this.#store.control({}))
    } catch {
      // A store that is gone has rolled back already.
    } finally {
      this.#end()
    }
  }

  /** In the order in which they were asked for: a read sees what was written before it, and a commit all of it. */
  async #inTurn(work: (process: RequestProcess) => Promise<Buffer>): Promise<Buffer> {
    const process = await this.#enter()
    const done = await this.#turns.within(async () => {
      if (this.#aborted) throw storeLost()
      return work(process)
    })
    return done ?? EMPTY
  }

  #enter(): Promise<RequestProcess> {
    if (this.#ended) return Promise.reject(storeLost())
    this.#held ??= this.#hold()
    return this.#held
  }

  async #hold(): Promise<RequestProcess> {
    this.#waitingSinceMs = performance.now()
    await this.#after
    this.#release = await this.#store.hold()
    this.#waitedMs = this.waitedMs
    this.#waitingSinceMs = undefined
    return this.#store.connect()
  }

  #send(process: RequestProcess, kind: number, payload: Payload): Promise<Buffer> {
    return process.request(this.#store.plugin, { kind, scope: this.#scope }, payload)
  }

  #end(): void {
    this.#ended = true
    this.#release?.()
    this.#release = undefined
    for (const work of this.#afterwards.splice(0)) work()
  }
}

function isTimeLimit(error: unknown): boolean {
  return error instanceof LyceumError && error.code === 'time_limit'
}

/** The time that a read may take. @throws {LyceumError} `time_limit` where nobody waits for it any more */
function timeLeft(deadlineMs: number, mostMs: number): number {
  const leftMs = deadlineMs - performance.now()
  if (leftMs > 0) return Math.min(leftMs, mostMs)
  throw new LyceumError('time_limit', 'There was no time left for this read.')
}
