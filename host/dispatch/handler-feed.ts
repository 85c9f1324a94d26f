import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type ErrorCode, LyceumError } from '../errors.ts'
import type { CompiledFilter } from '../events/filter.ts'
import type { LogRow } from '../events/log.ts'
import { LIMITS } from '../limits.ts'
import type { Halts } from '../registry/halts.ts'
import type { ActivePlugin, EventEndpoint } from '../registry/plugin.ts'
import type { NewDeadLetter } from '../storage/store-protocol.ts'
import { BATCH_EVENTS, type Batch, inputOf, matches, nextBatch } from './batch.ts'
import { HandlerProperties, logFilterOf } from './enrich/handler-properties.ts'
import type { Held, Properties } from './enrich/properties.ts'
import { Failures, leavesCursor } from './failures.ts'
import { awaitsOthers, type EndedFailure, type Invoker, retryAfterMs } from './invoker.ts'
import type { LogWindow } from './log-window.ts'
import { runWriting } from './run-writing.ts'
import { Sleeper } from './sleeper.ts'

/** What a feed needs of the host. */
export interface FeedServices {
  readonly logId: string
  readonly window: LogWindow
  readonly invoker: Pick<Invoker, 'run'>
  readonly properties: Pick<Properties, 'enrich' | 'revision'>
  readonly halts: Pick<Halts, 'find' | 'set' | 'delete'>
  readonly logger: Logger
  /** Says that a handler has seen events which the log does not hold; returns the refusal of that. */
  readonly logIsBehind: (seq: number) => LyceumError
  /** False while a plugin may not run: it is paused or quarantined, or what the named handler needs not approved. */
  readonly mayRun: (plugin: string, endpoint?: string) => boolean
  /** An error that is laid to the plugin, for its author. */
  readonly onFailure: (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => void
  /** Where others go first: resolves when the next batch may run, with what says that it has ended. */
  readonly turn?: () => Promise<() => void>
}

/** Where a handler stands, for admins. */
export interface FeedStatus {
  readonly plugin: string
  readonly endpoint: string
  readonly mode: string
  readonly cursor: number
  /**
   * `throttled` and `full` wait for a quota: by themselves, or until an admin raises it. `waiting` waits for
   * another plugin that it asks, or that provides a derived property, until that may run.
   */
  readonly state:
    | 'starting'
    | 'idle'
    | 'running'
    | 'retrying'
    | 'throttled'
    | 'full'
    | 'waiting'
    | 'stopped'
    | 'halted'
  /** Where it is throttled: until when, in ms since the epoch. */
  readonly untilMs?: number
  readonly lastError: { readonly code: string; readonly message: string; readonly atMs: number } | undefined
}

/** Batches under way at once: one runs in the isolate while the one before is committed. */
const DEPTH = 2
/**
 * Rows passed without a match after which the cursor of a handler is moved all the same that looks into events:
 * a restart reads at most these again. One that asks for types alone leaps over them instead.
 */
export const IDLE_MOVE_ROWS = 20_000
const EMPTY = Buffer.alloc(0)
/** What keeps a handler waiting is told to its author at most this often. */
const TELL_WAIT_MS = 60_000
/** Failures that last until there is room again. */
const FULL: ReadonlySet<string> = new Set(['database_full', 'files_full'])

type BatchEnd = { readonly failure: EndedFailure | undefined }

/**
 * One handler's way through the log. It takes batches in order, runs them, and moves its cursor in the
 * transaction that holds their effects. A batch that fails is halved until the event that fails stands
 * alone; that one becomes a dead letter, and the rest goes on.
 */
export class HandlerFeed {
  readonly plugin: ActivePlugin
  readonly endpoint: EventEndpoint
  /** What the log tells of an event; derived properties may exclude more. */
  readonly filter: CompiledFilter
  /** Undefined where it asks for none. */
  readonly #properties: HandlerProperties | undefined
  readonly #services: FeedServices
  readonly #cursorName: string
  #waiters: (() => void)[] = []
  readonly #passed: number | undefined
  #epoch = 0
  /** Committed. */
  #cursor = 0
  /** Handed out in batches; never behind the cursor. */
  #position = 0
  /** Where it was idle last: nothing before that is left to do, though the cursor stands behind it. */
  #restedAt = 0
  readonly #failures = new Failures()
  readonly #sleeper = new Sleeper()
  #state: FeedStatus['state'] = 'starting'
  #lastError: FeedStatus['lastError']
  #untilMs: number | undefined
  #toldWaitMs = Number.NEGATIVE_INFINITY
  #stopping = false
  /** It failed on event after event, and stands still until somebody wants it to try again. */
  #halted = false
  /** Where it waits for a derived property: until the plugins are not what they were then. */
  #heldAt: number | undefined
  #running: Promise<void> | undefined
  #deadLetters = 0

  /**
   * @param passed where this takes the place of another: how far that had seen to everything
   */
  constructor(plugin: ActivePlugin, endpoint: EventEndpoint, services: FeedServices, passed?: number) {
    this.plugin = plugin
    this.endpoint = endpoint
    this.filter = logFilterOf(endpoint)
    if (endpoint.options.props.length > 0)
      this.#properties = new HandlerProperties(endpoint, services.properties)
    this.#services = services
    this.#passed = passed
    // Whoever reads just now is not told of less than what is there.
    this.#cursor = passed ?? 0
    this.#position = this.#cursor
    this.#cursorName = `${endpoint.name}/0`
    const halt = services.halts.find(plugin.id, endpoint.name, plugin.activation)
    if (halt !== undefined) {
      this.#halted = true
      this.#lastError = { code: 'handler_halted', ...halt }
    }
  }

  get status(): FeedStatus {
    return {
      plugin: this.plugin.id,
      endpoint: this.endpoint.name,
      mode: this.endpoint.options.mode,
      cursor: this.settled,
      state: this.#state,
      ...(this.#state === 'throttled' && this.#untilMs !== undefined && { untilMs: this.#untilMs }),
      lastError: this.#lastError,
    }
  }

  get idle(): boolean {
    return this.#state === 'idle'
  }

  /** How far it has read, batches that are under way included. */
  get position(): number {
    return this.#position
  }

  /** Events that it has put aside since it was made. */
  get deadLetters(): number {
    return this.#deadLetters
  }

  /** Whether it has nothing to do, or may not. */
  get rests(): boolean {
    return this.#state === 'idle' || this.#standsStill
  }

  get #standsStill(): boolean {
    return this.#state === 'stopped' || this.#state === 'halted' || this.#state === 'waiting'
  }

  /** Starts working from the cursor on. */
  start(): void {
    this.#running = this.#run()
  }

  /** Says that there is something to look at after `seq`, which an idle feed has not looked at yet. */
  wake(seq?: number): void {
    if (this.idle) {
      if (seq !== undefined && seq > this.#position) this.#position = seq
      this.#restedAt = this.#position
      this.#state = 'running'
    }
    this.#sleeper.wake()
  }

  /** Lets it look again whether it may run; where it stood still, it tries again. */
  resume(): void {
    if (this.#halted) this.#keepHalt((halts) => halts.delete(this.plugin.id, this.endpoint.name))
    this.#halted = false
    this.#heldAt = undefined
    this.#failures.forget()
    this.wake()
  }

  /** Whether it has to keep how far it is even where nothing was for it: a restart cannot leap to there. */
  get keepsPlace(): boolean {
    return !this.filter.typeOnly || this.filter.types === undefined || this.#properties?.filters === true
  }

  /** How far everything has been seen to. */
  get settled(): number {
    return this.idle ? this.#position : Math.max(this.#cursor, this.#restedAt)
  }

  /** Says that an idle feed wanted none of the rows up to `seq`. */
  moveOn(seq: number): void {
    if (this.idle && seq > this.#position) this.#position = seq
  }

  /** Takes no more batches, and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.wake()
    this.#sleeper.stop()
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

  /** Whether one of some rows was for this handler, where the log alone cannot tell. */
  async wantedAny(rows: readonly LogRow[]): Promise<boolean> {
    if (this.#properties?.filters !== true) return true
    const found = rows.filter((row) => matches(this.filter, row))
    for (let at = 0; at < found.length; at += BATCH_EVENTS) {
      const some = found.slice(at, at + BATCH_EVENTS)
      const narrowed = await this.#properties.narrow({ from: 0, to: 0, rows: some })
      if ('failure' in narrowed || narrowed.rows.length > 0) return true
    }
    return false
  }

  /** Resolves with true when the handler is past `seq`, with false where it stands still and will not get there. */
  async passed(seq: number): Promise<boolean> {
    for (;;) {
      if (this.#cursor >= seq || (this.idle && this.#position >= seq)) return true
      if (this.#standsStill) return false
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  async #run(): Promise<void> {
    let claimed = false
    let mayPeek = this.#passed === undefined
    while (!this.#stopping) {
      try {
        if (!claimed) await (mayPeek ? this.#peek() : this.#claim())
        claimed = true
        mayPeek = false
        if (this.#mayRun) {
          claimed = await this.#work()
        } else {
          this.#state = this.#halted ? 'halted' : this.#held ? 'waiting' : 'stopped'
          this.#tellWaiters()
          await this.#sleeper.sleep()
        }
      } catch (error) {
        claimed = false
        if (!(error instanceof LyceumError))
          this.#services.logger.error({ err: error, plugin: this.plugin.id }, 'the host failed at a batch')
        await this.#pause(error)
      }
    }
    if (this.keepsPlace) await this.#saveIdlePosition()
  }

  get #mayRun(): boolean {
    return !this.#halted && !this.#held && this.#services.mayRun(this.plugin.id, this.endpoint.name)
  }

  get #held(): boolean {
    return this.#heldAt !== undefined && this.#heldAt === this.#services.properties.revision
  }

  /**
   * Finds where the cursor stands, and leaves it to whoever has it: nothing is written, and no database opened,
   * for a handler that has nothing to do. It is claimed once there is.
   */
  async #peek(): Promise<void> {
    const peeked = await this.plugin.store.peek(this.#cursorName)
    if (peeked !== undefined && peeked.log !== this.#services.logId) return this.#claim()
    this.#standAt(peeked?.seq ?? this.plugin.begins.get(this.endpoint.name) ?? 0)
  }

  #standAt(seq: number): void {
    if (seq > this.#services.window.head) throw this.#services.logIsBehind(seq)
    this.#cursor = seq
    this.#position = seq
    this.#failures.claimed()
  }

  async #claim(): Promise<void> {
    const { store, activation, begins } = this.plugin
    const { epoch, seq } = await store.claim({
      cursor: this.#cursorName,
      version: activation,
      log: this.#services.logId,
      from: begins.get(this.endpoint.name) ?? 0,
      passed: this.#passed ?? 0,
    })
    // Where it stands as it was peeked at, what was passed since is passed.
    const position = this.#epoch === 0 && seq === this.#cursor ? this.#position : seq
    this.#standAt(seq)
    this.#position = position
    this.#epoch = epoch
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
      const depth = this.#failures.searching ? 1 : DEPTH
      while (underWay.length < depth && !this.#stopping && this.#mayRun) {
        const found = nextBatch(window, this.#position, this.filter, this.#failures.maxEvents)
        if (found === undefined) break
        const batch = this.#properties === undefined ? found : await this.#properties.narrow(found)
        if ('failure' in batch) {
          // What is under way is settled first; then it is asked again.
          if (underWay.length > 0) break
          return this.#hold(batch)
        }
        if (this.#stopping) break
        if (this.#epoch === 0 && batch.rows.length > 0) {
          await this.#claim()
          continue
        }
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
        this.#failures.committed()
        this.#committed(first.batch)
        continue
      }
      // What was built on it cannot commit: its cursor never got there.
      await Promise.all(underWay.map(({ end }) => end))
      this.#position = this.#cursor
      return this.#failed(first.batch, failure)
    }
    if (this.#stopping || !this.#mayRun) return true
    if (this.keepsPlace && this.#position - this.#cursor >= IDLE_MOVE_ROWS) {
      const at = this.#position
      if (this.#epoch === 0) await this.#claim()
      if (!(await this.#saveIdlePosition())) return false
      if (this.#position !== at) return true
    }
    // Idle means that nothing behind it is left to do, so not where something may have come meanwhile.
    if (!this.#sleeper.woken) {
      this.#state = 'idle'
      this.#tellWaiters()
    }
    await this.#sleeper.sleep()
    return true
  }

  /** Waits for what keeps events from being enriched. The cursor stays where it is. */
  async #hold({ failure, revision }: Held): Promise<true> {
    if (revision === undefined) {
      await this.#pause(failure)
      return true
    }
    this.#heldAt = revision
    const isNews = this.#lastError?.message !== failure.message
    this.#note(failure)
    if (isNews) this.#services.onFailure(this.plugin, this.endpoint.name, failure)
    return true
  }

  async #perform(batch: Batch, before: Promise<unknown>): Promise<BatchEnd> {
    const { plugin, endpoint } = this
    const { turn, invoker } = this.#services
    // Waited for ahead of the call, whose time would run meanwhile.
    const ended = turn && (await turn())
    const failure = await runWriting(invoker, {
      plugin,
      endpoint,
      transaction: plugin.store.begin({ move: this.#move(batch) }, before),
      input: inputOf(batch, endpoint.plugins),
      traceWrites: batch.rows.length === 1,
    })
    ended?.()
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
    this.plugin.usage.events += batch.rows.length
    this.#tellWaiters()
  }

  /** Does something about a batch that failed. Returns whether the cursor is still certain. */
  async #failed(batch: Batch, failure: EndedFailure): Promise<boolean> {
    if (this.#stopping) return false
    if (failure.passing) {
      if (failure.code === 'sandbox_lost' || failure.code === 'store_lost')
        this.#failures.lost(batch.rows.length)
      await this.#pause(failure)
      return leavesCursor(failure.code)
    }
    this.#note(failure)
    const waitMs = this.#failures.failed(failure.code, batch.rows.length)
    const [row] = batch.rows
    if (waitMs === undefined && row !== undefined) return this.#putAside(batch, row, failure)
    if (waitMs !== undefined && waitMs > 0) await this.#sleeper.sleep(waitMs)
    return true
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
      attempts: this.#failures.attempts,
      atMs: Date.now(),
    }
    try {
      await this.plugin.store.begin({ move: this.#move(batch) }).commit(EMPTY, letter)
    } catch (error) {
      await this.#pause(error)
      return false
    }
    this.#deadLetters += 1
    this.#services.onFailure(this.plugin, this.endpoint.name, failure)
    this.#committed(batch)
    if (this.#failures.putAside()) this.#halt(failure)
    return true
  }

  /** Takes no more events: with each of them the handler would only lose its place in time. */
  #halt(last: EndedFailure): void {
    this.#halted = true
    const { name } = this.endpoint
    const why = `it failed on ${LIMITS.failuresInARow} events one after the other, the last time with ${last.code}: ${last.message}`
    const message = this.plugin.isBuilding
      ? `${name} ended the rebuild: ${why} The data are what they were. Publish a version that handles them, then start the rebuild again.`
      : `${name} stands still: ${why} Those are kept as dead letters; all that follow wait in the log. Publish a version that handles them, or resume the plugin; then retry the dead letters.`
    const halted = { ...last, code: 'handler_halted' as const, message, stack: undefined }
    const { atMs } = this.#note(halted)
    this.#keepHalt((halts) =>
      halts.set(this.plugin.id, this.endpoint.name, this.plugin.activation, { message, atMs }),
    )
    this.#services.onFailure(this.plugin, this.endpoint.name, halted)
    this.#services.logger.warn({ plugin: this.plugin.id, endpoint: this.endpoint.name }, 'handler halted')
  }

  #keepHalt(change: (halts: FeedServices['halts']) => void): void {
    try {
      change(this.#services.halts)
    } catch (error) {
      this.#services.logger.error({ err: error }, 'a halt could not be kept: it holds until the next start')
    }
  }

  /** Moves the cursor over rows that were not for this handler. */
  async #saveIdlePosition(): Promise<boolean> {
    if (this.#position <= this.#cursor || this.#epoch === 0) return true
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
    const { code, message } = this.#note(error)
    const throttledMs = retryAfterMs({ code, details: (error as Partial<EndedFailure>).details })
    this.#state = throttledMs !== undefined ? 'throttled' : waitsFor(code)
    if (this.#state !== 'retrying') this.#tellWait(code, message)
    if (this.#state === 'waiting') this.#tellWaiters()
    if (throttledMs !== undefined) this.#untilMs = Date.now() + throttledMs
    await this.#sleeper.sleep(throttledMs ?? this.#failures.passingMs())
  }

  #tellWait(code: ErrorCode, message: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#toldWaitMs < TELL_WAIT_MS) return
    this.#toldWaitMs = nowMs
    const told = { code, message, stack: undefined, details: undefined, passing: true, struck: false }
    this.#services.onFailure(this.plugin, this.endpoint.name, told)
  }

  #note(error: unknown): { readonly code: ErrorCode; readonly message: string; readonly atMs: number } {
    const { code = 'internal', message = 'The host failed at this.' } = error as Partial<EndedFailure>
    const atMs = Date.now()
    this.#lastError = { code, message, atMs }
    this.#services.logger.debug(
      { plugin: this.plugin.id, endpoint: this.endpoint.name, code, message },
      'batch failed',
    )
    return { code, message, atMs }
  }

  #tellWaiters(): void {
    const waiters = this.#waiters
    if (waiters.length === 0) return
    this.#waiters = []
    for (const tell of waiters) tell()
  }
}

function waitsFor(code: ErrorCode): 'full' | 'waiting' | 'retrying' {
  if (FULL.has(code)) return 'full'
  return awaitsOthers(code) ? 'waiting' : 'retrying'
}
