import type { Logger } from 'pino'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import type { Plugins } from '../registry/plugins.ts'
import { dataFailure } from '../storage/data-failure.ts'
import type { Stores } from '../storage/stores.ts'
import type { CronJobs } from './cron-jobs.ts'
import type { Lane } from './lane.ts'
import { Rebuild, type RebuildServices, type RebuildStatus } from './rebuild.ts'

export interface RebuildsServices extends RebuildServices {
  readonly plugins: Plugins
  readonly catalogue: Catalogue
  readonly stores: Pick<Stores, 'plugin' | 'release' | 'drop'>
  readonly lane: Pick<Lane, 'hold' | 'remove' | 'add'>
  readonly cron: CronJobs
  /** Whether the disk has no room for another copy of a plugin's data. */
  readonly disk: RebuildServices['disk'] & { readonly low: boolean }
  readonly logger: Logger
  /** A rebuild has ended, for the plugin's author. */
  readonly onEnd: (plugin: ActivePlugin, status: RebuildStatus) => void
}

/** Whom plugins belong to that an admin published. */
const ADMIN = 'admin'

interface UnderWay {
  readonly rebuild: Rebuild
  /** Resolves when nothing of it is left to do, with how it ended; undefined where the host stopped. */
  readonly ended: Promise<RebuildStatus | undefined>
}

/**
 * Rebuilds of plugins, one of each at a time. A generation is built beside the one that is read; when it has reached
 * the head of the log, the live handlers stand still for a moment, it catches up, and one durable step has it read in
 * place of the other, which is deleted then. One that is interrupted by the end of the host, however that ends, goes
 * on at its next start: its cursors lie in what it builds. Any other end deletes what was built.
 */
export class Rebuilds {
  readonly #services: RebuildsServices
  readonly #underWay = new Map<string, UnderWay>()
  /** Those that are about to be under way. */
  readonly #starting = new Set<string>()
  readonly #outcomes = new Map<string, RebuildStatus>()
  /** Generations that are deleted once nobody reads them any more, by plugin. */
  readonly #timers = new Map<string, Set<NodeJS.Timeout>>()
  #closed = false

  constructor(services: RebuildsServices) {
    this.#services = services
  }

  /** Goes on with what was interrupted, and deletes what is not needed. After the plugins have started. */
  resume(): void {
    const { catalogue, plugins } = this.#services
    for (const { plugin, generation, state, activation, startedMs } of catalogue.generations.others()) {
      const active = plugins.active().get(plugin)
      if (state === 'building' && active?.activation === activation)
        this.#launch(plugin, generation, startedMs)
      else void this.#drop(plugin, generation)
    }
  }

  /** How far the rebuild of a plugin is, or how the last one since the start of the host ended. */
  status(id: string): RebuildStatus | undefined {
    return this.#underWay.get(id)?.rebuild.status ?? this.#outcomes.get(id)
  }

  /**
   * Starts to rebuild a plugin's data, or tells of the rebuild that is under way.
   * @throws {LyceumError} nothing_to_rebuild, over_concurrency, disk_full, and what keeps the plugin from running
   */
  async start(id: string): Promise<RebuildStatus> {
    const { plugins, catalogue, stores, disk, nowMs } = this.#services
    // Whoever has published another version asks for one of that. It may need its own turn to change the plugin to end.
    const before = this.#underWay.get(id)
    if (before?.rebuild.isEnding) await before.ended
    return plugins.changing(id, async () => {
      const underWay = this.#underWay.get(id)
      if (underWay !== undefined) return underWay.rebuild.status
      const { endpoints, activation } = plugins.get(id)
      if (![...endpoints.values()].some(({ kind }) => kind === 'onEvent'))
        throw new LyceumError(
          'nothing_to_rebuild',
          `${id} has no onEvent handler: nothing of its data comes from the log.`,
        )
      this.#refuseMany(id)
      if (disk.low)
        throw new LyceumError(
          'disk_full',
          'The disk of the host is nearly full: a rebuild keeps a second copy of the data until it is done. Start it once there is room.',
        )
      const startedMs = nowMs()
      const generation = catalogue.generations.begin(id, activation, startedMs)
      this.#starting.add(id)
      try {
        // Where the registry was deleted once, something of an earlier rebuild may be there.
        await stores.drop(id, generation)
      } catch (error) {
        catalogue.generations.abandon(id, generation)
        throw error
      } finally {
        this.#starting.delete(id)
      }
      return this.#launch(id, generation, startedMs).status
    })
  }

  /**
   * Ends the rebuild of a plugin and deletes what it has built. Resolves with how it ended.
   * @throws {LyceumError} not_found
   */
  async cancel(id: string): Promise<RebuildStatus | undefined> {
    const underWay = this.#underWay.get(id)
    if (underWay === undefined) throw new LyceumError('not_found', `No rebuild of ${id} is under way.`)
    underWay.rebuild.end(
      new LyceumError('rebuild_ended', `The rebuild of ${id} was cancelled. Its data are what they were.`),
    )
    return underWay.ended
  }

  /** A version of a plugin was started: with other code, or other quotas. */
  changed({ id, version, activation, store }: ActivePlugin): void {
    const rebuild = this.#underWay.get(id)?.rebuild
    if (rebuild === undefined || rebuild.generation === store.generation) return
    if (rebuild.plugin.activation === activation) this.#services.plugins.inGeneration(id, rebuild.generation)
    else
      rebuild.end(
        new LyceumError(
          'rebuild_ended',
          `Version ${version} of ${id} was activated meanwhile. Its data are what they were; start the rebuild again to have them made by that version.`,
        ),
      )
  }

  /** Ends what is under way of a plugin that goes, and deletes all of its data that are not read. */
  async forget(id: string): Promise<void> {
    const rebuild = this.#underWay.get(id)?.rebuild
    rebuild?.end(new LyceumError('rebuild_ended', `${id} was uninstalled.`))
    await rebuild?.stop()
    for (const timer of this.#timers.get(id) ?? []) clearTimeout(timer)
    this.#timers.delete(id)
    for (const { plugin, generation } of this.#services.catalogue.generations.others())
      if (plugin === id) await this.#drop(id, generation)
    this.#outcomes.delete(id)
  }

  /** Stops all: what is being built stays, and is gone on with at the next start. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timers of this.#timers.values()) for (const timer of timers) clearTimeout(timer)
    await Promise.all(
      [...this.#underWay.values()].map(({ rebuild, ended }) => {
        rebuild.end(
          new LyceumError('shutting_down', 'The host stops. It goes on when the host starts again.'),
        )
        return ended
      }),
    )
  }

  /** An author has one of the few places: a rebuild takes as long as its handlers do, or waits while they may not run. */
  #refuseMany(id: string): void {
    const ownerOf = (plugin: string) => this.#services.catalogue.plugin(plugin)?.owner
    const others = [...this.#underWay.keys(), ...this.#starting]
    const owner = ownerOf(id)
    const own = others.find((other) => owner !== ADMIN && ownerOf(other) === owner)
    if (own !== undefined)
      throw new LyceumError(
        'over_concurrency',
        `${own}, which is of the same author, is rebuilt right now. Start this one when that is done, or cancel it.`,
      )
    if (others.length >= LIMITS.rebuildsAtOnce)
      throw new LyceumError(
        'over_concurrency',
        `${others.join(' and ')} are rebuilt right now, which is as much as the host does at once. Start this one when one of them is done.`,
      )
  }

  #launch(id: string, generation: number, startedMs: number): Rebuild {
    const plugin = this.#services.plugins.inGeneration(id, generation)
    // Live handlers' stores are not to wait for it.
    plugin.store.moveAside()
    const rebuild = new Rebuild(plugin, startedMs, this.#services)
    this.#underWay.set(id, { rebuild, ended: this.#run(rebuild) })
    return rebuild
  }

  async #run(rebuild: Rebuild): Promise<RebuildStatus | undefined> {
    const { plugin, generation } = rebuild
    const { catalogue, nowMs, onEnd } = this.#services
    let status: RebuildStatus
    try {
      await this.#build(rebuild)
      const endedMs = nowMs()
      const seconds = Math.max(0.001, (endedMs - rebuild.startedMs) / 1_000)
      const eventsPerSecond = Math.round(rebuild.status.events / seconds)
      status = { ...rebuild.status, state: 'done', eventsPerSecond, secondsLeft: 0, waitsFor: null, endedMs }
    } catch (error) {
      await rebuild.stop()
      if (this.#closed) return undefined
      await this.#drop(plugin.id, generation)
      const { code, message } = this.#reasonOf(error, plugin.id)
      const state = code === 'rebuild_ended' ? 'cancelled' : 'failed'
      const problem = { code, message }
      status = { ...rebuild.status, state, secondsLeft: null, waitsFor: null, endedMs: nowMs(), problem }
    }
    this.#underWay.delete(plugin.id)
    // Of one that was uninstalled nothing is known any more.
    if (catalogue.plugin(plugin.id) === undefined) return status
    this.#outcomes.set(plugin.id, status)
    onEnd(plugin, status)
    return status
  }

  async #build(rebuild: Rebuild): Promise<void> {
    await rebuild.reachHead()
    await rebuild.runJobs()
    do await rebuild.reachHead()
    while (!(await this.#flip(rebuild)))
  }

  /** Has the live handlers stand still, catches up, and has the new data read. Resolves with whether it got there. */
  #flip(rebuild: Rebuild): Promise<boolean> {
    const { plugins, catalogue, lane, cron, stores, log } = this.#services
    const { plugin, generation } = rebuild
    const { id, activation } = plugin
    return plugins.changing(id, async () => {
      const before = catalogue.plugin(id)?.generation
      let isDone = false
      try {
        // A job may run for long: handlers stand still only when none does.
        await cron.remove(id)
        await lane.hold(id)
        // Never less than what was read before: nobody sees time go back.
        if (!(await rebuild.reach(log.head(), LIMITS.rebuildHoldMs))) return false
        const passed = await rebuild.stop()
        await rebuild.countDeadLetters()
        await stores.release(id, generation)
        isDone = await plugins.flip(id, generation, activation, passed)
        if (!isDone || before === undefined)
          throw new LyceumError('rebuild_ended', `${id} was changed meanwhile.`)
        this.#dropLater(id, before, plugin.quota.wallMs)
        return true
      } finally {
        if (!isDone) this.#letGo(id)
      }
    })
  }

  /** Has the live handlers of a plugin go on that stood still. */
  #letGo(id: string): void {
    const { plugins, lane, cron } = this.#services
    void lane.remove(id)
    const active = plugins.active().get(id)
    if (active === undefined) return
    lane.add(active)
    cron.add(active)
  }

  /** Calls that began before may still read it; exports take longer, and are waited for while there is room. */
  #dropLater(id: string, generation: number, afterMs: number): void {
    const { disk, stores } = this.#services
    const untilMs = performance.now() + LIMITS.rebuildExportMs
    const timers = this.#timers.get(id) ?? new Set()
    this.#timers.set(id, timers)
    const wait = () => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        const { isExported } = stores.plugin(id, generation)
        if (isExported && !disk.lowForRebuilds && performance.now() < untilMs) return wait()
        if (timers.size === 0) this.#timers.delete(id)
        void this.#drop(id, generation)
      }, afterMs)
      timers.add(timer.unref())
    }
    wait()
  }

  /** What cannot be deleted now is at the next start of the host. */
  async #drop(id: string, generation: number): Promise<void> {
    const { stores, catalogue, logger } = this.#services
    if (catalogue.plugin(id)?.generation === generation) {
      logger.error({ plugin: id, generation }, 'data that are read were to be deleted: they stay')
      return
    }
    try {
      this.#abandon(id, generation)
      await stores.drop(id, generation)
      catalogue.generations.dropped(id, generation)
    } catch (error) {
      if (!this.#closed) logger.error({ err: error, plugin: id, generation }, 'old data could not be deleted')
    }
  }

  /** A full disk may have no room for the note: what is deleted then makes some. */
  #abandon(id: string, generation: number): void {
    try {
      this.#services.catalogue.generations.abandon(id, generation)
    } catch (error) {
      if (dataFailure(error) !== 'full') throw error
    }
  }

  #reasonOf(error: unknown, plugin: string): LyceumError {
    if (error instanceof LyceumError) return error
    if (dataFailure(error) === 'full')
      return new LyceumError(
        'disk_full',
        'The disk of the host is full. Start the rebuild again once there is room.',
      )
    this.#services.logger.error({ err: error, plugin }, 'a rebuild failed in the host')
    return new LyceumError('internal', 'The host failed at this. Its log has the reason.')
  }
}
