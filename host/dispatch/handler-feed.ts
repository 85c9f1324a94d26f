import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { LyceumError } from '../errors.ts'
import { type CompiledFilter, compileFilter } from '../events/filter.ts'
import type { LogRow } from '../events/log.ts'
import type { ActivePlugin, EventEndpoint } from '../registry/plugin.ts'
import type { NewDeadLetter } from '../storage/store-protocol.ts'
import { BATCH_EVENTS, type Batch, inputOf, matches, nextBatch } from './batch.ts'
import type { EndedFailure, Invoker } from './invoker.ts'
import type { LogWindow } from './log-window.ts'
import { runWriting } from './run-writing.ts'

/** What a feed needs of the host. */
export interface FeedServices {
  readonly logId: string
  readonly window: LogWindow
  readonly invoker: Pick<Invoker, 'run'>
  readonly logger: Logger
  /** Says that a handler has seen events which the log does not hold; returns the refusal of that. */
  readonly logIsBehind: (seq: number) => LyceumError
  /** False while the plugin may not run: paused, or quarantined. */
  readonly mayRun: (plugin: string) => boolean
  /** An error that is laid to the plugin, for its author. */
  readonly onFailure: (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => void
}

/** Where a handler stands, for admins. */
export interface FeedStatus {
  readonly plugin: string
  readonly endpoint: string
  readonly mode: string
  readonly cursor: number
  readonly state: 'starting' | 'idle' | 'running' | 'retrying' | 'stopped'
  readonly lastError: { readonly code: string; readonly message: string; readonly atMs: number } | undefined
}

/** Batches under way at once: one runs in the isolate while the one before is committed. */
const DEPTH = 2
/** Times that an event may fail alone before it becomes a dead letter. */
const MOST_ATTEMPTS = 3
/** A used-up budget is a strike: the event that does it is found in fewer steps than by halves. */
const BUDGET_PARTS = 8
/** Failures before anything was committed: the cursor is where it was. */
const STILL_CERTAIN: ReadonlySet<string> = new Set(['over_concurrency', 'over_wall', 'sandbox_lost'])
/** Between them; short, because a handler that fails on every event goes through the whole log like this. */
const ATTEMPT_PAUSE_MS = 10
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 5_000
/** Rows passed without a match after which the cursor is moved all the same: a restart reads at most these again. */
export const IDLE_MOVE_ROWS = 20_000
const EMPTY = Buffer.alloc(0)

type BatchEnd = { readonly failure: EndedFailure | undefined }

/**
 * One handler's way through the log. It takes batches in order, runs them, and moves its cursor in the
 * transaction that holds their effects. A batch that fails is halved until the event that fails stands
 * alone; that one becomes a dead letter, and the rest goes on.
 */
export class HandlerFeed {
  readonly plugin: ActivePlugin
  readonly endpoint: EventEndpoint
  readonly filter: CompiledFilter
  readonly #services: FeedServices
  readonly #cursorName: string
  readonly #waiters = new Set<() => void>()
  #epoch = 0
  /** Committed. */
  #cursor = 0
  /** Handed out in batches; never behind the cursor. */
  #position = 0
  #maxEvents = BATCH_EVENTS
  #attempts = 0
  #failuresInARow = 0
  #state: FeedStatus['state'] = 'starting'
  #lastError: FeedStatus['lastError']
  #wake: (() => void) | undefined
  #woken = false
  #stopping = false
  #running: Promise<void> | undefined

  constructor(plugin: ActivePlugin, endpoint: EventEndpoint, services: FeedServices) {
    this.plugin = plugin
    this.endpoint = endpoint
    this.filter = compileFilter(endpoint.options.where ?? {})
    this.#services = services
    this.#cursorName = `${endpoint.name}/0`
  }

  get status(): FeedStatus {
    return {
      plugin: this.plugin.id,
      endpoint: this.endpoint.name,
      mode: this.endpoint.options.mode,
      cursor: this.#cursor,
      state: this.#state,
      lastError: this.#lastError,
    }
  }

  get idle(): boolean {
    return this.#state === 'idle'
  }

  /** Starts working from the cursor on. */
  start(): void {
    this.#running = this.#run()
  }

  /** Says that there is something to look at after `seq`, which an idle feed has not looked at yet. */
  wake(seq?: number): void {
    if (this.idle) {
      if (seq !== undefined && seq > this.#position) this.#position = seq
      this.#state = 'running'
    }
    this.#woken = true
    this.#wake?.()
  }

  /** Takes no more batches, and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.wake()
    await this.#running
    this.#state = 'stopped'
    this.#tellWaiters()
  }

  /** The last of some rows that is for this handler: past that it has nothing to do with the others. */
  lastWanted(rows: readonly LogRow[]): number | undefined {
    let last: number | undefined
    for (const row of rows) if (matches(this.filter, row)) last = Math.max(last ?? 0, row.seq)
    return last
  }

  /** Resolves with true when the handler is past `seq`, with false where it stands still and will not get there. */
  async passed(seq: number): Promise<boolean> {
    for (;;) {
      if (this.#cursor >= seq || (this.idle && this.#position >= seq)) return true
      if (this.#state === 'stopped') return false
      await new Promise<void>((resolve) => this.#waiters.add(resolve))
    }
  }

  async #run(): Promise<void> {
    let claimed = false
    while (!this.#stopping) {
      try {
        if (!claimed) await this.#claim()
        claimed = true
        if (this.#mayRun) {
          claimed = await this.#work()
        } else {
          this.#state = 'stopped'
          this.#tellWaiters()
          await this.#sleep()
        }
      } catch (error) {
        claimed = false
        if (!(error instanceof LyceumError))
          this.#services.logger.error({ err: error, plugin: this.plugin.id }, 'the host failed at a batch')
        await this.#pause(error)
      }
    }
    await this.#saveIdlePosition(1)
  }

  get #mayRun(): boolean {
    return this.#services.mayRun(this.plugin.id)
  }

  async #claim(): Promise<void> {
    const { store, activation, begins } = this.plugin
    const { name, options } = this.endpoint
    const { epoch, seq } = await store.claim({
      cursor: this.#cursorName,
      version: activation,
      log: this.#services.logId,
      from: (options.from === 'now' ? begins.get(name) : undefined) ?? 0,
    })
    if (seq > this.#services.window.head) throw this.#services.logIsBehind(seq)
    this.#epoch = epoch
    this.#cursor = seq
    this.#position = seq
    this.#failuresInARow = 0
  }

  /**
   * Keeps batches under way until something fails or nothing is left.
   * @returns whether the cursor is still certain; if not it has to be claimed again
   */
  async #work(): Promise<boolean> {
    const underWay: { readonly batch: Batch; readonly end: Promise<BatchEnd> }[] = []
    const { window } = this.#services
    // Not idle any more: an idle feed lets itself be moved ahead of rows that it has not read.
    this.#state = 'running'
    for (;;) {
      const depth = this.#maxEvents < BATCH_EVENTS ? 1 : DEPTH
      while (underWay.length < depth && !this.#stopping && this.#mayRun) {
        const batch = nextBatch(window, this.#position, this.filter, this.#maxEvents)
        if (batch === undefined) break
        this.#position = batch.to
        if (batch.rows.length === 0) {
          await yieldTurn()
          continue
        }
        // From the cursor or the batch before, so that rows without a match between are passed with it.
        const from = underWay.at(-1)?.batch.to ?? this.#cursor
        const whole = { ...batch, from }
        underWay.push({ batch: whole, end: this.#perform(whole, underWay.at(-1)?.end ?? Promise.resolve()) })
      }
      const first = underWay.shift()
      if (first === undefined) break
      const { failure } = await first.end
      if (failure === undefined) {
        this.#committed(first.batch)
        continue
      }
      // What was built on it cannot commit: its cursor never got there.
      await Promise.all(underWay.map(({ end }) => end))
      this.#position = this.#cursor
      return this.#failed(first.batch, failure)
    }
    if (this.#stopping || !this.#mayRun) return true
    if (!(await this.#saveIdlePosition(IDLE_MOVE_ROWS))) return false
    this.#state = 'idle'
    this.#tellWaiters()
    await this.#sleep()
    return true
  }

  async #perform(batch: Batch, before: Promise<unknown>): Promise<BatchEnd> {
    const { plugin, endpoint } = this
    const failure = await runWriting(this.#services.invoker, {
      plugin,
      endpoint,
      transaction: plugin.store.begin({ move: this.#move(batch) }, before),
      input: inputOf(batch, endpoint.plugins),
      traceWrites: batch.rows.length === 1,
    })
    return { failure }
  }

  #move(batch: Batch) {
    const { store, activation } = this.plugin
    return {
      cursor: this.#cursorName,
      generation: store.generation,
      version: activation,
      epoch: this.#epoch,
      log: this.#services.logId,
      from: batch.from,
      to: batch.to,
    }
  }

  #committed(batch: Batch): void {
    this.#cursor = batch.to
    this.#attempts = 0
    this.#failuresInARow = 0
    this.#maxEvents = Math.min(BATCH_EVENTS, this.#maxEvents * 2)
    this.plugin.usage.events += batch.rows.length
    this.#tellWaiters()
  }

  /** Decides what to do about a batch that failed. Returns whether the cursor is still certain. */
  async #failed(batch: Batch, failure: EndedFailure): Promise<boolean> {
    if (this.#stopping) return false
    if (failure.passing) {
      // A lost process says nothing about the batch, but a smaller one may be what gets through.
      if (failure.code === 'sandbox_lost' || failure.code === 'store_lost')
        this.#maxEvents = Math.max(1, Math.ceil(batch.rows.length / 2))
      await this.#pause(failure)
      return STILL_CERTAIN.has(failure.code)
    }
    this.#note(failure)
    const [row] = batch.rows
    if (row === undefined || batch.rows.length > 1) {
      this.#maxEvents = Math.ceil(batch.rows.length / (failure.code.startsWith('over_') ? BUDGET_PARTS : 2))
      return true
    }
    this.#attempts += 1
    if (this.#attempts < MOST_ATTEMPTS) {
      await this.#sleep(ATTEMPT_PAUSE_MS * this.#attempts)
      return true
    }
    this.#services.onFailure(this.plugin, this.endpoint.name, failure)
    return this.#putAside(batch, row, failure)
  }

  /** Moves the cursor over an event that fails alone, and keeps the event in the same transaction. */
  async #putAside(batch: Batch, row: LogRow, failure: EndedFailure): Promise<boolean> {
    const letter: NewDeadLetter = {
      endpoint: this.endpoint.name,
      version: this.plugin.version,
      seq: row.seq,
      code: failure.code,
      message: failure.message,
      ...(failure.stack !== undefined && { stack: failure.stack }),
      attempts: this.#attempts,
      atMs: Date.now(),
    }
    try {
      await this.plugin.store.begin({ move: this.#move(batch) }).commit(EMPTY, letter)
    } catch (error) {
      await this.#pause(error)
      return false
    }
    this.#committed(batch)
    return true
  }

  /** Moves the cursor over rows that were not for this handler, once there are enough of them. */
  async #saveIdlePosition(rows: number): Promise<boolean> {
    if (this.#position - this.#cursor < rows || this.#epoch === 0) return true
    const batch: Batch = { from: this.#cursor, to: this.#position, rows: [] }
    try {
      await this.plugin.store.begin({ move: this.#move(batch) }).commit(EMPTY)
      this.#cursor = batch.to
      return true
    } catch {
      return false // claimed again, and read again: nothing but time is lost
    }
  }

  /** Waits before the next try, longer each time. */
  async #pause(error: unknown): Promise<void> {
    this.#note(error)
    this.#state = 'retrying'
    const waitMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failuresInARow)
    this.#failuresInARow += 1
    await this.#sleep(waitMs)
  }

  #note(error: unknown): void {
    const { code = 'internal', message = 'The host failed at this.' } = error as Partial<EndedFailure>
    this.#lastError = { code, message, atMs: Date.now() }
    this.#services.logger.debug(
      { plugin: this.plugin.id, endpoint: this.endpoint.name, code, message },
      'batch failed',
    )
  }

  /** Until woken, or for a time; a feed that stops does not wait. */
  #sleep(ms?: number): Promise<void> {
    if (this.#stopping || (ms === undefined && this.#woken)) {
      this.#woken = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(done, ms)
      const self = this
      function done() {
        clearTimeout(timer)
        self.#wake = undefined
        self.#woken = false
        resolve()
      }
      this.#wake = ms === undefined ? done : () => this.#stopping && done()
    })
  }

  #tellWaiters(): void {
    for (const tell of this.#waiters) tell()
    this.#waiters.clear()
  }
}
