import { Cron } from 'croner'
import type { Logger } from 'pino'
import type { ActivePlugin, CronEndpoint } from '../registry/plugin.ts'
import { awaitsOthers, type EndedFailure, type Invoker, retryAfterMs } from './invoker.ts'
import { runWriting } from './run-writing.ts'

export interface CronServices {
  readonly logId: string
  readonly invoker: Invoker
  readonly logger: Logger
  readonly mayRun: (plugin: string, endpoint: string) => boolean
  /** ms since the epoch; tests set it. */
  readonly nowMs: () => number
  readonly onFailure: (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => void
}

/** A run that lost its process or store is tried again after this long. */
const RETRY_MS = 5_000
const MOST_RETRIES = 5
/**
 * A last run that lies further ahead was made by a clock that was wrong. One that is put back by less has the job
 * wait until it is where it was, so that no time comes twice.
 */
const CLOCK_PUT_BACK_MS = 24 * 3_600_000
const EMPTY = Buffer.alloc(0)
/** The last run of a job that has not run yet over data that are built. */
const NEVER = 0
/** Timers may fire a little early. */
const EARLY_MS = 500

interface Job {
  readonly endpoint: string
  readonly job: Cron
  /** Runs it if it is due. */
  readonly run: () => Promise<void>
}

/**
 * Runs cron jobs on their schedules (UTC). The time of the last run is a cursor like that of a handler,
 * moved in the transaction of the job's effects: a run happens once, whichever host or version starts it,
 * and one that was missed while the host was down is made up for once.
 */
export class CronJobs {
  readonly #services: CronServices
  readonly #jobs = new Map<string, readonly Job[]>()
  /** Jobs that wait for a plugin that they ask, until somebody lets it run again. */
  readonly #waiting = new WeakSet<Cron>()
  readonly #underWay = new Map<string, Set<Promise<void>>>()
  #closed = false

  constructor(services: CronServices) {
    this.#services = services
  }

  add(plugin: ActivePlugin): void {
    if (this.#closed) return
    const jobs: Job[] = []
    for (const endpoint of plugin.endpoints.values()) {
      if (endpoint.kind !== 'cron') continue
      const run = () => this.#track(plugin.id, this.#run(plugin, endpoint, job, MOST_RETRIES))
      const job: Cron = new Cron(
        endpoint.options.schedule,
        { mode: '5-part', timezone: 'UTC', protect: true, unref: true },
        run,
      )
      jobs.push({ endpoint: endpoint.name, job, run })
      void run()
    }
    this.#jobs.set(plugin.id, jobs)
  }

  /** Looks which jobs of a plugin are due, where the clock was set. While one runs that is left to the next look. */
  look(plugin: string): void {
    if ((this.#underWay.get(plugin)?.size ?? 0) > 0) return
    for (const { run } of this.#jobs.get(plugin) ?? []) void run()
  }

  /** Stops the jobs of a plugin and waits for those that run. */
  async remove(plugin: string): Promise<void> {
    for (const { job } of this.#jobs.get(plugin) ?? []) job.stop()
    this.#jobs.delete(plugin)
    await this.settled(plugin)
  }

  /** Waits for the jobs of a plugin that run just now. */
  async settled(plugin: string): Promise<void> {
    await Promise.allSettled(this.#underWay.get(plugin) ?? [])
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#jobs.keys()].map((plugin) => this.remove(plugin)))
  }

  /** When each job of a plugin runs next, in ms since the epoch. */
  next(plugin: string): { endpoint: string; atMs: number }[] {
    const found = []
    for (const { endpoint, job } of this.#jobs.get(plugin) ?? []) {
      const atMs = job.nextRun()?.getTime()
      if (atMs !== undefined) found.push({ endpoint, atMs })
    }
    return found
  }

  /**
   * Runs a job at once, whether it is due or not; a time of its schedule that has come is made up for by it.
   * @returns the failure, if there was one
   */
  async runNow(plugin: ActivePlugin, endpoint: CronEndpoint): Promise<EndedFailure | undefined> {
    const nowMs = this.#services.nowMs()
    const { epoch, seq } = await this.#claim(plugin, endpoint, nowMs)
    return this.#runOnce(plugin, endpoint, { epoch, from: seq, to: Math.max(nowMs, seq) })
  }

  /**
   * Runs a job over data in which it has never run, whether it is due or not; where it has, nothing is done. A time of
   * its schedule that has come is made up for by it.
   * @returns the failure, if there was one
   */
  async runFirst(plugin: ActivePlugin, endpoint: CronEndpoint): Promise<EndedFailure | undefined> {
    const { epoch, seq } = await this.#claim(plugin, endpoint, NEVER)
    if (seq !== NEVER) return undefined
    return this.#runOnce(plugin, endpoint, { epoch, from: NEVER, to: this.#services.nowMs() })
  }

  #track(plugin: string, run: Promise<void>): Promise<void> {
    const running = this.#underWay.get(plugin) ?? new Set()
    this.#underWay.set(plugin, running.add(run))
    return run.finally(() => running.delete(run))
  }

  /** Runs the job if a time has come since its last run. */
  async #run(plugin: ActivePlugin, endpoint: CronEndpoint, job: Cron, retries: number): Promise<void> {
    const { logId, logger, mayRun, onFailure } = this.#services
    // It comes due again while it waits: the one that waits already does it.
    if (this.#waiting.has(job) && retries === MOST_RETRIES) return
    const waited = this.#waiting.delete(job)
    if (!mayRun(plugin.id, endpoint.name)) return
    const nowMs = this.#services.nowMs()
    let failure: EndedFailure | undefined
    try {
      const { epoch, seq } = await this.#claim(plugin, endpoint, nowMs)
      if (seq > nowMs + CLOCK_PUT_BACK_MS) {
        logger.warn(
          { plugin: plugin.id, endpoint: endpoint.name },
          'the clock was put back: the job begins anew',
        )
        const { generation } = plugin.store
        const cursor = cursorOf(endpoint)
        const about = { cursor, generation, version: plugin.activation, epoch, log: logId }
        await plugin.store.begin({ move: { ...about, from: seq, to: nowMs } }).commit(EMPTY)
        return
      }
      const due = job.nextRun(new Date(seq))
      if (due === null || due.getTime() > nowMs + EARLY_MS) return
      const to = Math.max(nowMs, due.getTime())
      failure = await this.#runOnce(plugin, endpoint, { epoch, from: seq, to })
    } catch (error) {
      logger.warn({ err: error, plugin: plugin.id, endpoint: endpoint.name }, 'cron job could not run')
      failure = {
        code: 'store_lost',
        message: 'The store was lost.',
        stack: undefined,
        details: undefined,
        passing: true,
        struck: false,
      }
    }
    if (failure === undefined) return
    const throttledMs = retryAfterMs(failure)
    const waits = awaitsOthers(failure.code)
    if (waits && this.#waiting.has(job)) return
    if (waits) this.#waiting.add(job)
    const givesUp = !failure.passing || (retries === 0 && !waits)
    if (givesUp || (waits && !waited)) onFailure(plugin, endpoint.name, failure)
    if (givesUp) return
    setTimeout(() => {
      const current = this.#jobs.get(plugin.id)?.some((known) => known.job === job)
      // Whoever waits for CPU time or for another plugin has tried nothing yet.
      const left = waits ? MOST_RETRIES - 1 : throttledMs === undefined ? retries - 1 : retries
      if (current) void this.#track(plugin.id, this.#run(plugin, endpoint, job, left))
    }, throttledMs ?? RETRY_MS).unref()
  }

  #claim(plugin: ActivePlugin, endpoint: CronEndpoint, nowMs: number) {
    return plugin.store.claim({
      cursor: cursorOf(endpoint),
      version: plugin.activation,
      log: this.#services.logId,
      from: nowMs,
      passed: 0,
    })
  }

  #runOnce(
    plugin: ActivePlugin,
    endpoint: CronEndpoint,
    claimed: { readonly epoch: number; readonly from: number; readonly to: number },
  ): Promise<EndedFailure | undefined> {
    const { logId, invoker } = this.#services
    const { generation } = plugin.store
    const about = { cursor: cursorOf(endpoint), generation, version: plugin.activation, log: logId }
    return runWriting(invoker, {
      plugin,
      endpoint,
      transaction: plugin.store.begin({ move: { ...about, ...claimed } }),
      input: JSON.stringify({ named: '{}', plugins: endpoint.plugins }),
      traceWrites: true,
    })
  }
}

function cursorOf(endpoint: CronEndpoint): string {
  return `${endpoint.name}/cron`
}
