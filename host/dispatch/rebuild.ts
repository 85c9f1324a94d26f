import { setTimeout as sleep } from 'node:timers/promises'
import type { DiskRoom } from '../disk.ts'
import { type ErrorCode, isErrorCode, LyceumError } from '../errors.ts'
import type { EventLog } from '../events/log.ts'
import { LIMITS } from '../limits.ts'
import type { Conduct } from '../registry/conduct.ts'
import type { ActivePlugin, CronEndpoint } from '../registry/plugin.ts'
import type { CpuRates } from './cpu-rates.ts'
import type { CronJobs } from './cron-jobs.ts'
import { type FeedServices, HandlerFeed } from './handler-feed.ts'
import { awaitsOthers, type EndedFailure, isPassing, retryAfterMs } from './invoker.ts'
import { Rate } from './rate.ts'
import { RebuildPace } from './rebuild-pace.ts'

/** How far a rebuild is, or how it ended. */
export interface RebuildStatus {
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  /** Of the plugin's data: the one that is built. */
  readonly generation: number
  /** How far in the log its slowest handler is, and how far that goes. */
  readonly events: number
  readonly head: number
  readonly eventsPerSecond: number
  /** Null where nobody can tell yet. */
  readonly secondsLeft: number | null
  readonly startedMs: number
  readonly endedMs: number | null
  /** Of the new data: each an event that a handler failed on. */
  readonly deadLetters: number
  /** What keeps it from going on, as a sentence. */
  readonly waitsFor: string | null
  /** Why it ended without being done. */
  readonly problem: { readonly code: ErrorCode; readonly message: string } | null
}

/** What a rebuild needs of the host. */
export interface RebuildServices {
  /** As live handlers have it. */
  readonly feeding: FeedServices
  readonly cron: Pick<CronJobs, 'runFirst'>
  readonly log: Pick<EventLog, 'head' | 'onAppend'>
  readonly disk: Pick<DiskRoom, 'lowForRebuilds'>
  readonly cpuRates: Pick<CpuRates, 'usedMs'>
  readonly conduct: Pick<Conduct, 'of'>
  /** Why a plugin may not run, as a sentence. */
  readonly whyNot: (plugin: string) => string
  /** Whether live handlers have something to do. */
  readonly isBusy: () => boolean
  /** ms since the epoch; tests set it. */
  readonly nowMs: () => number
}

const LOOK_MS = 25
/** Who needs more than this share of the time that the last events took, for those since, gets no nearer to the head. */
const NEARER = 0.8
/** A job that lost its process or store, or waits for others, is tried again after this long. */
const JOB_RETRY_MS = 1_000
const MOST_JOB_RETRIES = 5

/**
 * Builds one generation of a plugin's data: all its handlers, from where each began in the log, with cursors of their
 * own in that generation. Nobody reads it meanwhile, and live handlers go on in the one before.
 */
export class Rebuild {
  /** The active version, over the generation that is built. */
  readonly plugin: ActivePlugin
  readonly startedMs: number
  readonly #services: RebuildServices
  readonly #pace: RebuildPace
  readonly #feeds: readonly HandlerFeed[]
  readonly #rate = new Rate()
  readonly #unsubscribe: () => void
  /** The cron job whose turn it is; where it has been tried and waits, with what for. */
  #job: { readonly name: string; readonly waitsFor: string | undefined } | undefined
  #ended: LyceumError | undefined
  #deadLetters: number | undefined
  #stopped: Promise<Map<string, number>> | undefined

  constructor(plugin: ActivePlugin, startedMs: number, services: RebuildServices) {
    const { feeding, cpuRates, isBusy, log } = services
    this.plugin = plugin
    this.startedMs = startedMs
    this.#services = services
    const isNear = () => log.head() - this.#reached < LIMITS.rebuildNearEvents
    this.#pace = new RebuildPace(plugin, cpuRates, isBusy, isNear)
    const building: FeedServices = {
      ...feeding,
      turn: () => this.#pace.turn(),
      // A live handler that stands still does so for its own data; one that does so here ends the rebuild.
      halts: {
        find: () => undefined,
        set: (_plugin, _endpoint, _activation, { message }) =>
          this.end(new LyceumError('handler_halted', message)),
        delete: () => {},
      },
      onFailure: (_plugin, endpoint, failure) =>
        feeding.onFailure(plugin, endpoint, {
          ...failure,
          message: `While it was rebuilt: ${failure.message}`,
        }),
    }
    this.#feeds = [...plugin.endpoints.values()].flatMap((endpoint) =>
      endpoint.kind === 'onEvent' ? [new HandlerFeed(plugin, endpoint, building)] : [],
    )
    this.#unsubscribe = log.onAppend(() => {
      for (const feed of this.#feeds) feed.wake()
    })
    for (const feed of this.#feeds) feed.start()
  }

  get generation(): number {
    return this.plugin.store.generation
  }

  get status(): RebuildStatus {
    const head = this.#services.log.head()
    const events = this.#reached
    const perSecond = this.#rate.perSecond
    return {
      state: 'running',
      generation: this.generation,
      events,
      head,
      eventsPerSecond: Math.round(perSecond),
      secondsLeft: perSecond > 0 ? Math.ceil((head - events) / perSecond) : null,
      startedMs: this.startedMs,
      endedMs: null,
      deadLetters: this.#deadLetters ?? this.#feeds.reduce((sum, feed) => sum + feed.deadLetters, 0),
      waitsFor: this.#waitsFor ?? null,
      problem: null,
    }
  }

  /** Whether it has been ended, though something of it may still be under way. */
  get isEnding(): boolean {
    return this.#ended !== undefined
  }

  /** Has it end with a reason, the first of several: whoever waits for it is told. */
  end(reason: LyceumError): void {
    this.#ended ??= reason
  }

  /**
   * Resolves when its handlers have seen the events of the log but for those that came just now.
   * @throws {LyceumError} why it ended before
   */
  async reachHead(): Promise<void> {
    for (let tookMs = Number.POSITIVE_INFINITY; tookMs > LIMITS.rebuildCatchUpMs; ) {
      const beforeMs = tookMs
      const startedMs = performance.now()
      await this.reach(this.#services.log.head())
      tookMs = performance.now() - startedMs
      // Slow handlers never get nearer where events keep coming. They can be waited for all the same.
      if (tookMs < LIMITS.rebuildHoldMs / 2 && tookMs > beforeMs * NEARER) return
    }
  }

  /**
   * Waits until its handlers have seen an event and all before it, for a time.
   * @returns whether they have
   * @throws {LyceumError} why it ended before
   */
  async reach(seq: number, withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const deadlineMs = performance.now() + withinMs
    const behind = new Set(this.#feeds)
    for (const feed of this.#feeds) void this.#passed(feed, seq).then(() => behind.delete(feed))
    await this.#until(() => behind.size === 0 || performance.now() > deadlineMs)
    return behind.size === 0
  }

  /**
   * Runs each cron job once, also where the host is started anew in between, as if its time had come just now: what it
   * makes of the data is there when they are read.
   * @throws {LyceumError} the failure of one, or why the rebuild ended before
   */
  async runJobs(): Promise<void> {
    for (const endpoint of this.plugin.endpoints.values())
      if (endpoint.kind === 'cron') await this.#runJob(endpoint)
  }

  /** Stops its handlers, for good. Resolves with how far each has seen to everything, by name. */
  stop(): Promise<Map<string, number>> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Counts its dead letters once it is stopped: a host that was started anew meanwhile has seen some of them only. */
  async countDeadLetters(): Promise<void> {
    const counted = await this.plugin.store.deadLetters(undefined, 0).catch(() => undefined)
    this.#deadLetters = counted?.total
  }

  async #stop(): Promise<Map<string, number>> {
    this.#unsubscribe()
    this.#pace.stop()
    await Promise.all(this.#feeds.map((feed) => feed.stop()))
    return new Map(this.#feeds.map((feed) => [feed.endpoint.name, feed.settled]))
  }

  async #runJob(endpoint: CronEndpoint): Promise<void> {
    const { feeding, cron } = this.#services
    const { name } = endpoint
    this.#job = { name, waitsFor: undefined }
    for (let retries = MOST_JOB_RETRIES; ; ) {
      await this.#until(() => feeding.mayRun(this.plugin.id, name))
      const failure = await cron.runFirst(this.plugin, endpoint).catch(passingFailure)
      if (failure === undefined) break
      const throttledMs = retryAfterMs(failure)
      // Whoever waits for CPU time or for another plugin has tried nothing yet.
      const waits = throttledMs !== undefined || awaitsOthers(failure.code)
      if (!waits) retries -= 1
      if (!failure.passing || retries < 0)
        throw new LyceumError(failure.code, `The job ${name} failed: ${failure.message}`)
      this.#job = { name, waitsFor: failure.message }
      const againMs = performance.now() + (throttledMs ?? JOB_RETRY_MS)
      await this.#until(() => performance.now() >= againMs)
    }
    this.#job = undefined
  }

  /** Asked again where the handler stands still: that may end. */
  async #passed(feed: HandlerFeed, seq: number): Promise<void> {
    while (!(await feed.passed(seq)) && this.#stopped === undefined) await sleep(LOOK_MS)
  }

  get #reached(): number {
    return Math.min(this.#services.log.head(), ...this.#feeds.map(({ position }) => position))
  }

  async #until(isSo: () => boolean): Promise<void> {
    this.#check()
    while (!isSo()) {
      await sleep(LOOK_MS)
      this.#rate.note(this.#reached, performance.now())
      // Whoever stands still looks again whether that is over.
      for (const feed of this.#feeds) if (feed.rests && !feed.idle) feed.wake()
      this.#check()
    }
  }

  #check(): void {
    const { disk, conduct } = this.#services
    if (this.#ended !== undefined) throw this.#ended
    const { quarantined } = conduct.of(this.plugin.id)
    if (quarantined !== undefined) throw new LyceumError('plugin_quarantined', quarantined)
    if (disk.lowForRebuilds)
      throw new LyceumError(
        'disk_full',
        'The disk of the host is nearly full: what is left is for what plugins write now. Start the rebuild again once there is room.',
      )
    for (const { status } of this.#feeds)
      if (status.state === 'full' && status.lastError !== undefined)
        throw new LyceumError(
          isErrorCode(status.lastError.code) ? status.lastError.code : 'database_full',
          status.lastError.message,
        )
  }

  get #waitsFor(): string | undefined {
    if (this.#job !== undefined) return this.#whyNot(this.#job.name) ?? this.#job.waitsFor
    for (const { status } of this.#feeds) {
      if (status.state === 'stopped') return this.#whyNot(status.endpoint)
      if (status.state === 'waiting' || status.state === 'throttled' || status.state === 'retrying')
        return status.lastError?.message
    }
    return undefined
  }

  #whyNot(endpoint: string): string | undefined {
    const { id } = this.plugin
    const { feeding, whyNot } = this.#services
    if (feeding.mayRun(id, endpoint)) return undefined
    const reason = feeding.mayRun(id)
      ? `It needs what is not approved any more. An admin can approve it, at /plugins/${id}.`
      : whyNot(id)
    return `${endpoint} may not run. ${reason}`
  }
}

/** A store that was lost just now, before the job began. @throws whatever else it was */
function passingFailure(error: unknown): Pick<EndedFailure, 'code' | 'message' | 'details' | 'passing'> {
  if (!(error instanceof LyceumError) || !isPassing(error.code)) throw error
  const { code, message, details } = error
  return { code, message, details, passing: true }
}
