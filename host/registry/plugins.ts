import type { Logger } from 'pino'
import type { Supervisor } from '../../sandbox/supervisor.ts'
import { authorisePlugin } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import type { Stores } from '../storage/stores.ts'
import { withoutControls } from '../text.ts'
import type { Catalogue, PluginRow, VersionRow } from './catalogue.ts'
import type { Conduct } from './conduct.ts'
import { didYouMean } from './manifest-names.ts'
import type { ActivePlugin, PluginState } from './plugin.ts'
import { mayChange } from './publish.ts'
import type { StoredQuota } from './quota-rules.ts'
import { lateStarters, makersOf } from './rebuild-offer.ts'
import { StoredCode } from './stored-code.ts'
import type { UsageBook } from './usage-book.ts'
import { collectionsOf, commonNamesOf, endpointsOf, missingOf, readableOf, withheldFrom } from './version.ts'

/** What runs a plugin's handlers and jobs: told when a version starts or stops. */
export interface Runner {
  add(plugin: ActivePlugin): void
  /** Resolves when what was under way has ended. */
  remove(plugin: string): Promise<void>
  /** The same where the plugin ends, and what is built beside it with it. */
  end(plugin: string): Promise<void>
  /** Says how far the handlers have seen to everything that take the place of those before: they come from a rebuild. */
  takeOver(plugin: string, passed: ReadonlyMap<string, number>): void
  wake(plugin: string): void
  /** The last event of the log. */
  head(): number
}

export interface PluginsServices {
  readonly catalogue: Catalogue
  readonly usage: UsageBook
  readonly conduct: Conduct
  readonly supervisor: Supervisor
  readonly stores: Stores
  readonly logger: Logger
}

const STARTED_AT_ONCE = 4
const MB = 1024 * 1024

/** The plugins of this host: starts, pauses and finds them, and puts one version in the place of another. */
export class Plugins {
  readonly #services: PluginsServices
  readonly #active = new Map<string, ActivePlugin>()
  readonly #changes = new Map<string, Promise<unknown>>()
  /** Endpoints that may not run, since they need what an admin has taken back; of most plugins none. */
  readonly #withheld = new Map<string, ReadonlySet<string>>()
  #runner: Runner | undefined

  constructor(services: PluginsServices) {
    this.#services = services
  }

  /** Activates what was active when the host stopped. A plugin that cannot start is reported and left out. */
  async start(runner: Runner): Promise<void> {
    this.#runner = runner
    this.#adopt()
    const active = this.#services.catalogue.plugins().filter((row) => row.activeVersion !== undefined)
    // A few at a time: what a thousand plugins need to start would otherwise be in memory at once.
    const next = active.values()
    const startSome = async () => {
      for (const { id } of next)
        await this.changing(id, () => this.restart(id)).catch((error: unknown) =>
          this.#services.logger.error({ err: error, plugin: id }, 'plugin could not start'),
        )
    }
    await Promise.all(Array.from({ length: STARTED_AT_ONCE }, startSome))
  }

  /** A registry that was restored alone may be older than a rebuild: what that has made is read, not begun anew. */
  #adopt(): void {
    const { catalogue, stores, logger } = this.#services
    const kept = stores.kept()
    const others = new Set(
      catalogue.generations.others().map(({ plugin, generation }) => `${plugin}.${generation}`),
    )
    for (const { id, generation } of catalogue.plugins()) {
      const found = kept.get(id) ?? []
      const oldest = found.find((other) => !others.has(`${id}.${other}`))
      if (found.includes(generation) || oldest === undefined) continue
      catalogue.adopt(id, oldest)
      logger.warn(
        { plugin: id, noted: generation, read: oldest },
        'the registry is older than the data that are there',
      )
    }
  }

  /** All active plugins, by id. */
  active(): ReadonlyMap<string, ActivePlugin> {
    return this.#active
  }

  /** What keeps a plugin from running, or 'active'. */
  state(row: PluginRow): PluginState {
    if (row.removed !== undefined) return 'uninstalled'
    if (this.#services.conduct.of(row.id).quarantined !== undefined) return 'quarantined'
    if (row.paused) return 'paused'
    return row.activeVersion === undefined ? 'pending' : 'active'
  }

  /** Whether a plugin may run, and of its handlers and jobs the one that is named. */
  mayRun(id: string, endpoint?: string): boolean {
    if (endpoint !== undefined && this.#withheld.get(id)?.has(endpoint) === true) return false
    return (
      this.#active.has(id) && !this.#paused(id) && this.#services.conduct.of(id).quarantined === undefined
    )
  }

  /**
   * The plugin behind a view or query.
   * @throws {LyceumError} plugin_unknown, plugin_pending, plugin_paused, plugin_quarantined
   */
  get(id: string): ActivePlugin {
    const plugin = this.#active.get(id)
    if (plugin === undefined) {
      const row = this.#services.catalogue.plugin(id)
      if (row !== undefined && row.removed === undefined)
        throw new LyceumError('plugin_pending', `${id} waits for an admin to approve it, at /plugins/${id}.`)
      throw this.unknown(id)
    }
    if (this.#services.conduct.of(id).quarantined !== undefined)
      throw new LyceumError(
        'plugin_quarantined',
        `${id} broke its limits too often and was stopped. Its author and admins see why: GET /v1/plugins/${id}. A version that stays within them lets it run again.`,
      )
    if (this.#paused(id))
      throw new LyceumError('plugin_paused', `${id} is paused. Its owner or an admin can resume it.`)
    return plugin
  }

  /** Why a plugin may not run, as a sentence. */
  whyNot(id: string): string {
    try {
      this.get(id)
      return `${id} may run again.`
    } catch (error) {
      return error instanceof LyceumError ? error.message : `${id} may not run.`
    }
  }

  /** @throws {LyceumError} plugin_unknown, or plugin_denied where the caller neither owns nor administers it */
  owned(id: string, caller: Caller): PluginRow {
    const row = this.#services.catalogue.plugin(id)
    if (row === undefined) throw this.unknown(id)
    authorisePlugin(caller, id)
    if (!mayChange(row.owner, caller))
      throw new LyceumError(
        'plugin_denied',
        `The plugin ${id} belongs to somebody else. Its owner and admins may do this.`,
      )
    return row
  }

  /** The plugins of a caller: of an admin all. */
  ownedBy(caller: Caller): PluginRow[] {
    return this.#services.catalogue.plugins().filter((row) => {
      try {
        return this.owned(row.id, caller) !== undefined
      } catch {
        return false // somebody else's
      }
    })
  }

  /** Goes back to an earlier version: the one before the active, or the named. Data are not rolled back. */
  rollback(id: string, version: string | undefined): Promise<VersionRow> {
    return this.changing(id, async () => {
      const { catalogue } = this.#services
      const plugin = catalogue.plugin(id)
      const versions = catalogue.versions(id)
      const activeAt = versions.findIndex((row) => row.version === plugin?.activeVersion)
      const earlier = activeAt < 0 ? [] : versions.slice(activeAt + 1)
      const target =
        version === undefined
          ? earlier.find((row) => missingOf(row, plugin).length === 0)
          : versions.find((row) => row.version === version)
      if (target === undefined)
        throw new LyceumError(
          'version_unknown',
          version === undefined
            ? `${id} has no version before the active one.`
            : `There is no version ${version} of ${id}.`,
        )
      const missing = missingOf(target, plugin)
      if (missing.length > 0)
        throw new LyceumError(
          'plugin_pending',
          `Version ${target.version} asks for what no admin has approved: ${missing.join(', ')}.`,
        )
      await this.storeOf(id).declare(collectionsOf(target.endpoints))
      await this.activate(id, target.version)
      return target
    })
  }

  /** @param reason why, where the host does it and not a person */
  pause(id: string, reason?: string): Promise<void> {
    return this.#changingKnown(id, async () => this.#services.catalogue.setPaused(id, true, reason))
  }

  /** Lets a plugin run again: after a pause, and after a quarantine. */
  resume(id: string): Promise<void> {
    return this.#changingKnown(id, async () => {
      this.#services.catalogue.setPaused(id, false)
      this.#services.conduct.forgive(id)
      this.#runner?.wake(id)
    })
  }

  /** Changes some limits of a quota, which hold from the next call on. */
  setQuota(id: string, changes: StoredQuota): Promise<void> {
    return this.#changingKnown(id, async () => {
      const { catalogue } = this.#services
      catalogue.setQuota(id, { ...catalogue.plugin(id)?.quotaSet, ...changes })
      if (this.#active.has(id)) await this.restart(id)
    })
  }

  /** The documents, cursors and dead letters of a plugin, as they are read. */
  storeOf(id: string): PluginStore {
    return this.#services.stores.plugin(id, this.generationOf(id))
  }

  /** The generation of a plugin's data that is read, or that a new one begins with. */
  generationOf(id: string): number {
    const { catalogue, stores } = this.#services
    return catalogue.plugin(id)?.generation ?? stores.firstGeneration(id)
  }

  /** The active version over another generation of its data. Inside of {@link Plugins.changing} only. */
  inGeneration(id: string, generation: number): ActivePlugin {
    const plugin = this.#planned(id, this.#services.stores.plugin(id, generation))
    if (plugin === undefined) throw this.unknown(id)
    return plugin
  }

  /**
   * Has another generation of a plugin's data read, and the active version go on with it.
   * Inside of {@link Plugins.changing} only.
   * @param passed how far its handlers have seen to everything there, by name
   * @returns false where it was not the plugin that it was begun with: then nothing is changed
   */
  async flip(
    id: string,
    to: number,
    activation: number,
    passed: ReadonlyMap<string, number>,
  ): Promise<boolean> {
    const { catalogue } = this.#services
    const row = catalogue.plugin(id)
    const version = row?.activeVersion === undefined ? undefined : catalogue.version(id, row.activeVersion)
    if (row === undefined || version === undefined) return false
    const madeBy = makersOf(version.version, version.endpoints)
    const fromStart = lateStarters(catalogue, version)
    if (!catalogue.flip({ plugin: id, from: row.generation, to, activation, madeBy, fromStart })) return false
    this.#runner?.takeOver(id, passed)
    await this.restart(id)
    return true
  }

  /** @throws {LyceumError} plugin_unknown */
  installationOf(id: string): string {
    const row = this.#services.catalogue.plugin(id)
    if (row === undefined) throw this.unknown(id)
    return row.installation
  }

  unknown(id: string): LyceumError {
    return new LyceumError(
      'plugin_unknown',
      `There is no plugin "${id}".${didYouMean(id, [...this.#active.keys()])}`,
    )
  }

  #paused(id: string): boolean {
    return this.#services.catalogue.plugin(id)?.paused === true
  }

  /**
   * Puts a version in the place of what ran before. It gets a new chance: what the one before did is forgotten.
   * Inside of {@link Plugins.changing} only.
   */
  async activate(id: string, version: string): Promise<void> {
    const { catalogue, conduct } = this.#services
    const stored = catalogue.version(id, version)?.endpoints ?? []
    const endpoints = endpointsOf(stored)
    const head = this.#runner?.head() ?? 0
    const begins = new Map<string, number>()
    for (const { name, kind, options } of endpoints.values())
      if (kind === 'onEvent') begins.set(name, options.from === 'now' ? head : 0)
    // Where there are no events, no data were made of any.
    if (head === 0) catalogue.generations.forgetMakers(id)
    // Kept with the activation: a host that is killed now must not let them begin at another event.
    catalogue.activate(id, version, begins, commonNamesOf(stored), makersOf(version, stored))
    conduct.forgive(id)
    await this.restart(id)
  }

  /** Starts the active version anew, with what holds for it now. Inside of {@link Plugins.changing} only. */
  async restart(id: string): Promise<void> {
    const plugin = this.#planned(id, this.storeOf(id))
    if (plugin === undefined) return
    // What is under way for the version before runs into a cursor that it no longer owns, and is run again.
    if (this.#active.has(id)) void this.#runner?.remove(id)
    this.#active.set(id, plugin)
    this.#withhold(id)
    this.#runner?.add(plugin)
    this.#services.supervisor.unload(id, plugin.code.hash)
  }

  /** The active version of a plugin, with what holds for it now, over its data; undefined where none is active. */
  #planned(id: string, store: PluginStore): ActivePlugin | undefined {
    const { catalogue, usage } = this.#services
    const row = catalogue.plugin(id)
    const version = row?.activeVersion === undefined ? undefined : catalogue.version(id, row.activeVersion)
    if (row === undefined || version === undefined) return undefined
    // Declared when it was activated: a store that is lost just now keeps no plugin from starting.
    store.expect(collectionsOf(version.endpoints), row.quota.databaseMb * MB, row.quota.fileMb * MB)
    // One that is changed holds for what is built beside the data, too.
    const quotaNow = () => catalogue.plugin(id)?.quota ?? row.quota
    const isBuilding = store.generation !== row.generation
    const begins = catalogue.beginnings(id)
    if (isBuilding) for (const name of lateStarters(catalogue, version)) begins.set(name, 0)
    let code = new StoredCode(catalogue, version, row.quota.memoryMb)
    return {
      id,
      title: withoutControls(version.title),
      description: withoutControls(version.description),
      version: version.version,
      activation: row.activation,
      get code() {
        const { memoryMb } = quotaNow()
        if (memoryMb !== code.load.memoryMb) code = new StoredCode(catalogue, version, memoryMb)
        return code
      },
      endpoints: endpointsOf(version.endpoints),
      readable: readableOf(version.endpoints),
      begins,
      // Asked for every time: what is taken back is gone for calls under way, too.
      get granted() {
        return catalogue.plugin(id)?.granted ?? []
      },
      store,
      isBuilding,
      get isOfSamples() {
        return catalogue.generations.isOfSamples(id, store.generation)
      },
      markOfSamples: () => catalogue.generations.markOfSamples(id, store.generation),
      get quota() {
        return quotaNow()
      },
      usage: usage.of(id),
    }
  }

  /** Has what is approved hold from now on: endpoints that need what is not wait. */
  regrant(id: string): void {
    this.#withhold(id)
    this.#runner?.wake(id)
  }

  #withhold(id: string): void {
    const { catalogue } = this.#services
    const row = catalogue.plugin(id)
    const version = row?.activeVersion === undefined ? undefined : catalogue.version(id, row.activeVersion)
    const withheld = version === undefined ? [] : withheldFrom(version, row)
    if (withheld.length > 0) this.#withheld.set(id, new Set(withheld))
    else this.#withheld.delete(id)
  }

  /** Stops a plugin at once: calls under way end, batches are undone. Inside of {@link Plugins.changing} only. */
  async stop(id: string): Promise<void> {
    this.#active.delete(id)
    this.#withheld.delete(id)
    this.#services.supervisor.cancel(id)
    await this.#runner?.end(id)
  }

  /** A change to a plugin that may be deleted before its turn comes. @throws {LyceumError} plugin_unknown */
  #changingKnown(id: string, change: () => Promise<void>): Promise<void> {
    return this.changing(id, () => {
      if (this.#services.catalogue.plugin(id) === undefined) throw this.unknown(id)
      return change()
    })
  }

  /** One change at a time to a plugin. */
  async changing<Result>(id: string, change: () => Promise<Result>): Promise<Result> {
    const before = this.#changes.get(id) ?? Promise.resolve()
    const running = before.then(change, change)
    this.#changes.set(id, running)
    try {
      return await running
    } finally {
      if (this.#changes.get(id) === running) this.#changes.delete(id)
    }
  }
}
