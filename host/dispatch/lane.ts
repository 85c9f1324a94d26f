import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { EventLog } from '../events/log.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import { matches } from './batch.ts'
import { type FeedServices, type FeedStatus, HandlerFeed } from './handler-feed.ts'
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
  readonly #byType = new Map<string, Set<HandlerFeed>>()
  readonly #anyType = new Set<HandlerFeed>()
  readonly #queuedTimers = new Map<HandlerFeed, NodeJS.Timeout>()
  readonly #unsubscribe: () => void
  /** Every row up to here has woken whom it concerns. */
  #seen: number
  #looking = false

  constructor(log: EventLog, window: LogWindow, services: FeedServices) {
    this.#log = log
    this.#window = window
    this.#services = services
    this.#seen = log.head()
    this.#unsubscribe = log.onAppend(() => void this.#look())
  }

  /** Starts the handlers of a version that was activated. Those of the version before must have stopped. */
  add(plugin: ActivePlugin): void {
    const feeds: HandlerFeed[] = []
    for (const endpoint of plugin.endpoints.values()) {
      if (endpoint.kind !== 'onEvent') continue
      const feed = new HandlerFeed(plugin, endpoint, this.#services)
      feeds.push(feed)
      if (feed.filter.types === undefined) this.#anyType.add(feed)
      for (const type of feed.filter.types ?? []) {
        const interested = this.#byType.get(type) ?? new Set()
        this.#byType.set(type, interested.add(feed))
      }
      feed.start(this.#log.head())
    }
    this.#feeds.set(plugin.id, feeds)
  }

  /** Stops the handlers of a plugin, waiting for the batches under way. */
  async remove(plugin: string): Promise<void> {
    const feeds = this.#feeds.get(plugin) ?? []
    this.#feeds.delete(plugin)
    for (const feed of feeds) {
      clearTimeout(this.#queuedTimers.get(feed))
      this.#queuedTimers.delete(feed)
      this.#anyType.delete(feed)
      for (const type of feed.filter.types ?? []) {
        const interested = this.#byType.get(type)
        interested?.delete(feed)
        if (interested?.size === 0) this.#byType.delete(type)
      }
    }
    await Promise.all(feeds.map((feed) => feed.stop()))
  }

  /** Lets the handlers of a plugin look again whether they may run. */
  wake(plugin: string): void {
    for (const feed of this.#feeds.get(plugin) ?? []) feed.wake()
  }

  status(plugin: string): FeedStatus[] {
    return (this.#feeds.get(plugin) ?? []).map((feed) => feed.status)
  }

  /** Whether every event of the log has been handled, put aside, or waits for a plugin that may not run. */
  get quiet(): boolean {
    if (this.#seen < this.#log.head() || this.#queuedTimers.size > 0) return false
    return [...this.#feeds.values()]
      .flat()
      .every(({ status: { state } }) => state === 'idle' || state === 'stopped')
  }

  /**
   * Waits until the realtime handlers are past some events: those that wanted one of them are listed.
   * @param from the first of the events
   * @param through the last of them
   */
  async waitForRealtime(from: number, through: number, timeoutMs: number): Promise<RealtimeResult[]> {
    const rows = this.#rowsBetween(from, through)
    const waits: Promise<RealtimeResult>[] = []
    for (const feeds of this.#feeds.values())
      for (const feed of feeds)
        if (feed.endpoint.options.mode === 'realtime' && feed.wants(rows))
          waits.push(realtimeResult(feed, from, through, timeoutMs))
    return Promise.all(waits)
  }

  /** Stops everything, waiting for the batches under way. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all([...this.#feeds.keys()].map((plugin) => this.remove(plugin)))
  }

  #rowsBetween(from: number, through: number) {
    const found = []
    for (let at = from - 1; at < through; ) {
      const rows = this.#window.after(at)
      const last = rows.at(-1)
      if (last === undefined) break
      found.push(...rows.filter((row) => row.seq <= through))
      at = last.seq
    }
    return found
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      for (;;) {
        const rows = this.#window.after(this.#seen)
        if (rows.length === 0) return
        for (const row of rows) {
          for (const feed of this.#byType.get(row.type) ?? []) this.#wakeFor(feed, row)
          for (const feed of this.#anyType) this.#wakeFor(feed, row)
          this.#seen = row.seq
        }
        await yieldTurn()
      }
    } finally {
      this.#looking = false
    }
  }

  /** One row at a time, since only the first that a handler wants tells it where to begin. */
  #wakeFor(feed: HandlerFeed, row: Parameters<typeof matches>[1]): void {
    if (!feed.idle) feed.wake()
    else if (this.#queuedTimers.has(feed) || !matches(feed.filter, row)) return
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

async function realtimeResult(
  feed: HandlerFeed,
  from: number,
  through: number,
  timeoutMs: number,
): Promise<RealtimeResult> {
  const about = { plugin: feed.plugin.id, endpoint: feed.endpoint.name }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  try {
    const passed = await Promise.race([feed.passed(from, through), late])
    if (passed === 'late') return { ...about, state: 'late' }
    const [failure] = passed
    if (failure === undefined) return { ...about, state: 'committed' }
    return { ...about, state: 'failed', error: { code: failure.code, message: failure.message } }
  } catch {
    return { ...about, state: 'late' } // stopped meanwhile: it is handled later
  } finally {
    clearTimeout(timer)
  }
}
