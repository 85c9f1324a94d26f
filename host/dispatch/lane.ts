import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { EventLog, LogRow } from '../events/log.ts'
import type { SeqRange } from '../events/log-protocol.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import { matches } from './batch.ts'
import { type FeedServices, type FeedStatus, HandlerFeed, IDLE_MOVE_ROWS } from './handler-feed.ts'
import type { LogWindow } from './log-window.ts'

/** What a handler did with the events of a request that waited for it. */
export interface RealtimeResult {
  readonly plugin: string
  readonly endpoint: string
  readonly state: 'committed' | 'failed' | 'late'
  readonly error?: { readonly code: string; readonly message: string }
}

/** How long events for handlers of mode `queued` are collected, so that fewer and larger batches run. */
const QUEUED_MS = 1_000

/**
 * Owns the cursors of plugins and feeds their handlers from the log. A handler that has nothing to do costs
 * nothing: new events are looked at once, and wake only those that asked for their type.
 */
export class Lane {
  readonly #log: EventLog
  readonly #services: FeedServices
  readonly #window: LogWindow
  readonly #feeds = new Map<string, HandlerFeed[]>()
  readonly #byType = new Map<string, HandlerFeed[]>()
  readonly #anyType = new Set<HandlerFeed>()
  /** Those whose place has to be kept now and then, though nothing was for them. */
  readonly #placeKeepers = new Set<HandlerFeed>()
  /** How far handlers were that stopped, for those that take their place: another version may want other events. */
  readonly #passed = new Map<string, number>()
  readonly #queuedTimers = new Map<HandlerFeed, NodeJS.Timeout>()
  /** Plugins whose handlers stand still for a moment. */
  readonly #held = new Set<string>()
  readonly #unsubscribe: () => void
  /** Every row up to here has woken whom it concerns. */
  #seen: number
  /** Where places were kept last. */
  #kept: number
  #busy: HandlerFeed | undefined
  #looking = false
  #closed = false

  constructor(log: EventLog, window: LogWindow, services: FeedServices) {
    this.#log = log
    this.#window = window
    this.#services = services
    this.#seen = log.head()
    this.#kept = this.#seen
    this.#unsubscribe = log.onAppend(() => void this.#look())
  }

  /** Starts the handlers of a version that was activated. Those of the version before must have stopped. */
  add(plugin: ActivePlugin): void {
    // What was about to start a version just now must not have it run on while all the rest closes.
    if (this.#closed) return
    const feeds: HandlerFeed[] = []
    for (const endpoint of plugin.endpoints.values()) {
      if (endpoint.kind !== 'onEvent') continue
      const name = `${plugin.id}/${endpoint.name}`
      const feed = new HandlerFeed(plugin, endpoint, this.#services, this.#passed.get(name))
      this.#passed.delete(name)
      feeds.push(feed)
      if (feed.keepsPlace) this.#placeKeepers.add(feed)
      if (feed.filter.types === undefined) this.#anyType.add(feed)
      for (const type of feed.filter.types ?? []) {
        const interested = this.#byType.get(type)
        if (interested === undefined) this.#byType.set(type, [feed])
        else interested.push(feed)
      }
      feed.start()
    }
    this.#feeds.set(plugin.id, feeds)
  }

  /** Stops the handlers of a plugin, waiting for the batches under way. */
  async remove(plugin: string): Promise<void> {
    const feeds = this.#feeds.get(plugin) ?? []
    this.#feeds.delete(plugin)
    if (!this.#held.delete(plugin)) await this.#stop(plugin, feeds)
  }

  /**
   * Stops the handlers of a plugin until it is removed, or removed and added again. Until then they are listed with
   * how far they got. Resolves when what was under way has ended.
   */
  async hold(plugin: string): Promise<void> {
    this.#held.add(plugin)
    await this.#stop(plugin, this.#feeds.get(plugin) ?? [])
  }

  /**
   * Says how far the handlers have seen to everything, by name, that take the place of those of a plugin: they come
   * from a rebuild, and what those before have passed says nothing of them.
   */
  takeOver(plugin: string, passed: ReadonlyMap<string, number>): void {
    this.forget(plugin)
    for (const [endpoint, seq] of passed) this.#passed.set(`${plugin}/${endpoint}`, seq)
  }

  /** Forgets how far the handlers of a plugin were, whose data are gone: those that take their place begin anew. */
  forget(plugin: string): void {
    for (const name of this.#passed.keys()) if (name.startsWith(`${plugin}/`)) this.#passed.delete(name)
  }

  async #stop(plugin: string, feeds: readonly HandlerFeed[]): Promise<void> {
    for (const feed of feeds) {
      this.#moveOn(feed)
      this.#passed.set(`${plugin}/${feed.endpoint.name}`, feed.settled)
      this.#placeKeepers.delete(feed)
      clearTimeout(this.#queuedTimers.get(feed))
      this.#queuedTimers.delete(feed)
      this.#anyType.delete(feed)
      for (const type of feed.filter.types ?? []) {
        const others = this.#byType.get(type)?.filter((one) => one !== feed) ?? []
        if (others.length > 0) this.#byType.set(type, others)
        else this.#byType.delete(type)
      }
    }
    await Promise.all(feeds.map((feed) => feed.stop()))
  }

  /** Lets the handlers of a plugin look again whether they may run; those that stand still try again. */
  wake(plugin: string): void {
    for (const feed of this.#feeds.get(plugin) ?? []) feed.resume()
  }

  /** Lets handlers look again that wait for a derived property. */
  wakeWaiting(): void {
    for (const feeds of this.#feeds.values())
      for (const feed of feeds) if (feed.status.state === 'waiting') feed.wake()
  }

  status(plugin: string): FeedStatus[] {
    return (this.#feeds.get(plugin) ?? []).map((feed) => {
      this.#moveOn(feed)
      return feed.status
    })
  }

  /** Whether every event of the log has been handled, put aside, or waits for a plugin that may not run. */
  get quiet(): boolean {
    if (this.#seen < this.#log.head() || this.#queuedTimers.size > 0 || this.#held.size > 0) return false
    // Whoever was busy is most likely busy still: among a thousand others it need not be looked for again.
    if (this.#busy?.rests === false) return false
    this.#busy = [...this.#feeds.values()].flat().find((feed) => !feed.rests)
    return this.#busy === undefined
  }

  /**
   * Waits until the realtime handlers are past some events: those that wanted one of them are listed.
   * @param ranges where the events stand in the log
   */
  async waitForRealtime(ranges: readonly SeqRange[], timeoutMs: number): Promise<RealtimeResult[]> {
    const feeds = [...this.#feeds.values()].flat().filter((feed) => feed.endpoint.options.mode === 'realtime')
    if (feeds.length === 0) return []
    const rows = ranges.flatMap(([first, last]) => this.#rowsBetween(first, last))
    const waits = feeds.flatMap((feed) => {
      const through = feed.lastWanted(rows)
      return through === undefined ? [] : [realtimeResult(feed, rows, through, ranges, timeoutMs)]
    })
    return (await Promise.all(waits)).filter((result) => result !== undefined)
  }

  /** Stops everything, waiting for the batches under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    // They stay listed: whoever asks meanwhile is told how far they got.
    await Promise.all([...this.#feeds].map(([plugin, feeds]) => this.#stop(plugin, feeds)))
  }

  #rowsBetween(from: number, through: number) {
    const found = []
    for (let at = from - 1; at < through; ) {
      const rows = this.#window.after(at, through - at)
      const last = rows.at(-1)
      if (last === undefined) break
      found.push(...rows)
      at = last.seq
    }
    return found
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      while (!this.#closed) {
        const rows = this.#window.after(this.#seen)
        if (rows.length === 0) return
        for (const row of rows) {
          let event: unknown
          const parse = () => (event ??= JSON.parse(row.text))
          for (const feed of this.#byType.get(row.type) ?? []) this.#wakeFor(feed, row, parse)
          for (const feed of this.#anyType) this.#wakeFor(feed, row, parse)
          this.#seen = row.seq
        }
        if (this.#seen - this.#kept >= IDLE_MOVE_ROWS) {
          this.#kept = this.#seen
          for (const feed of this.#placeKeepers) if (this.#moveOn(feed)) feed.wake()
        }
        await yieldTurn()
      }
    } catch (error) {
      // What cannot be read is looked at again when more comes; handlers that need it tell so themselves.
      this.#services.logger.error({ err: error }, 'the event log cannot be read')
    } finally {
      this.#looking = false
    }
  }

  /** An idle feed wanted none of the rows since it stands where it stands, unless a timer is to wake it. */
  #moveOn(feed: HandlerFeed): boolean {
    if (!feed.idle || this.#queuedTimers.has(feed)) return false
    feed.moveOn(this.#seen)
    return true
  }

  /** One row at a time, since only the first that a handler wants tells it where to begin. */
  #wakeFor(feed: HandlerFeed, row: LogRow, parse: () => unknown): void {
    if (!feed.idle) feed.wake()
    else if (this.#queuedTimers.has(feed) || !matches(feed.filter, row, parse)) return
    else if (feed.endpoint.options.mode !== 'queued') feed.wake(row.seq - 1)
    else {
      const timer = setTimeout(() => {
        this.#queuedTimers.delete(feed)
        feed.wake(row.seq - 1)
      }, QUEUED_MS)
      this.#queuedTimers.set(feed, timer)
    }
  }
}

/** @returns undefined where none of the rows was for the handler after all, which only derived properties told */
async function realtimeResult(
  feed: HandlerFeed,
  rows: readonly LogRow[],
  through: number,
  ranges: readonly SeqRange[],
  timeoutMs: number,
): Promise<RealtimeResult | undefined> {
  const about = { plugin: feed.plugin.id, endpoint: feed.endpoint.name }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  try {
    const outcome = await Promise.race([passedAndWanted(feed, rows, through), late])
    if (outcome === 'unwanted') return undefined
    if (outcome !== 'wanted') return { ...about, state: 'late' }
    // Asked of the store, because what failed may have failed long ago, or have been retried since.
    const [letter] = await feed.plugin.store.deadLettersAt(feed.endpoint.name, ranges)
    if (letter === undefined) return { ...about, state: 'committed' }
    return { ...about, state: 'failed', error: { code: letter.code, message: letter.message } }
  } catch {
    return { ...about, state: 'late' } // the store was lost just now: whoever asks again is told
  } finally {
    clearTimeout(timer)
  }
}

async function passedAndWanted(feed: HandlerFeed, rows: readonly LogRow[], through: number) {
  if (!(await feed.passed(through))) return 'late'
  return (await feed.wantedAny(rows)) ? 'wanted' : 'unwanted'
}
