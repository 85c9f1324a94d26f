import type { Logger } from 'pino'
import type { Supervisor } from '../../sandbox/supervisor.ts'
import { authorisePlugin } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS, type Quota } from '../limits.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import type { Stores } from '../storage/stores.ts'
import { withoutControls } from '../text.ts'
import type { Catalogue, PluginRow, VersionRow } from './catalogue.ts'
import type { Checker } from './checker.ts'
import type { Conduct } from './conduct.ts'
import { didYouMean } from './manifest-names.ts'
import type { ActivePlugin, PluginState } from './plugin.ts'
import { checkVersion, mayChange, ownerOf, type PublishBody } from './publish.ts'
import { StoredCode } from './stored-code.ts'
import { collectionsOf, endpointsOf, missingOf, needsOf } from './version.ts'

/** What runs a plugin's handlers and jobs: told when a version starts or stops. */
export interface Runner {
  add(plugin: ActivePlugin): void
  /** Resolves when what was under way has ended. */
  remove(plugin: string): Promise<void>
  wake(plugin: string): void
  /** The last event of the log. */
  head(): number
}

export interface PluginsServices {
  readonly catalogue: Catalogue
  readonly checker: Checker
  readonly conduct: Conduct
  readonly supervisor: Supervisor
  readonly stores: Stores
  readonly logger: Logger
}

/** The answer to a publish. */
export interface Published {
  readonly version: string
  readonly needs: readonly string[]
  readonly approval: 'granted' | 'pending'
}

/** Generations come with rebuilds; every plugin is in its first. */
const FIRST_GENERATION = 1
const STARTED_AT_ONCE = 4

/** The plugins of this host: publishes, activates, pauses and finds them. */
export class Plugins {
  readonly #services: PluginsServices
  readonly #active = new Map<string, ActivePlugin>()
  readonly #changes = new Map<string, Promise<unknown>>()
  /** Publishes under way, by whom. */
  readonly #publishing = new Map<string, number>()
  #runner: Runner | undefined

  constructor(services: PluginsServices) {
    this.#services = services
  }

  /** Activates what was active when the host stopped. A plugin that cannot start is reported and left out. */
  async start(runner: Runner): Promise<void> {
    this.#runner = runner
    const active = this.#services.catalogue.plugins().filter((row) => row.activeVersion !== undefined)
    // A few at a time: what a thousand plugins need to start would otherwise be in memory at once.
    const next = active.values()
    const startSome = async () => {
      for (const { id } of next)
        await this.#changing(id, () => this.#run(id)).catch((error: unknown) =>
          this.#services.logger.error({ err: error, plugin: id }, 'plugin could not start'),
        )
    }
    await Promise.all(Array.from({ length: STARTED_AT_ONCE }, startSome))
  }

  /** All active plugins, by id. */
  active(): ReadonlyMap<string, ActivePlugin> {
    return this.#active
  }

  /** What keeps a plugin from running, or 'active'. */
  state(row: PluginRow): PluginState {
    if (this.#services.conduct.of(row.id).quarantined !== undefined) return 'quarantined'
    if (row.paused) return 'paused'
    return row.activeVersion === undefined ? 'pending' : 'active'
  }

  /** Whether handlers and jobs of a plugin may run. */
  mayRun(id: string): boolean {
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
      if (this.#services.catalogue.plugin(id) !== undefined)
        throw new LyceumError('plugin_pending', `${id} waits for an admin to approve it.`)
      throw this.#unknown(id)
    }
    if (this.#services.conduct.of(id).quarantined !== undefined)
      throw new LyceumError(
        'plugin_quarantined',
        `${id} broke its limits too often and was stopped. Its author and admins see why.`,
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
    if (row === undefined) throw this.#unknown(id)
    authorisePlugin(caller, id)
    if (!mayChange(row.owner, caller))
      throw new LyceumError('plugin_denied', `The plugin ${id} belongs to somebody else.`)
    return row
  }

  /** Checks and keeps a version, and activates it where it asks for nothing that is not approved. */
  async publish(id: string, body: PublishBody, caller: Caller): Promise<Published> {
    const owner = ownerOf(caller)
    const underWay = this.#publishing.get(owner) ?? 0
    if (underWay >= LIMITS.publishesAtOnce)
      throw new LyceumError(
        'over_concurrency',
        `You are publishing ${underWay} versions right now. Wait until one of them is done.`,
      )
    this.#publishing.set(owner, underWay + 1)
    try {
      return await this.#publish(id, body, caller)
    } finally {
      const left = (this.#publishing.get(owner) ?? 1) - 1
      if (left > 0) this.#publishing.set(owner, left)
      else this.#publishing.delete(owner)
    }
  }

  #publish(id: string, body: PublishBody, caller: Caller): Promise<Published> {
    return this.#changing(id, async () => {
      const { catalogue } = this.#services
      const { row, code, owner, needs } = await checkVersion(body, id, caller, this.#services)
      const { version } = row
      const same = catalogue.version(id, version)
      if (same !== undefined && same.hash !== row.hash)
        throw new LyceumError(
          'version_exists',
          `Version ${version} of ${id} exists with other content. Raise "version" in package.json.`,
        )
      const before = catalogue.plugin(id)
      if (before?.activeVersion === version) return { version, needs, approval: 'granted' }
      // What an admin publishes, an admin has approved.
      const granted = new Set([...(before?.granted ?? []), ...(caller.role === 'admin' ? needs : [])])
      const missing = missingOf(row, { granted: [...granted] })
      // The indexes are those of the version that runs, so one that has to wait must not change them.
      if (missing.length === 0) await this.storeOf(id).declare(collectionsOf(row.endpoints))
      if (same === undefined) catalogue.addVersion(owner, row, code)
      if (missing.length > 0) return { version, needs: missing, approval: 'pending' }
      catalogue.setGranted(id, [...granted])
      await this.#activate(id, version)
      return { version, needs, approval: 'granted' }
    })
  }

  /**
   * Approves what the newest version asks for, all or the named, and activates it once nothing is missing.
   * @returns what is still missing
   */
  approve(id: string, named: readonly string[] | undefined): Promise<readonly string[]> {
    return this.#changing(id, async () => {
      const { catalogue } = this.#services
      const plugin = catalogue.plugin(id)
      const newest = catalogue.versions(id)[0]
      if (plugin === undefined || newest === undefined) throw this.#unknown(id)
      const needs = needsOf(newest)
      for (const name of named ?? [])
        if (!needs.includes(name))
          throw new LyceumError(
            'bad_parameter',
            `Version ${newest.version} does not ask for "${name}".${didYouMean(name, needs)}`,
            { parameter: 'needs' },
          )
      // Nothing waits: a version that was rolled back is not brought back by this.
      if (missingOf(newest, plugin).length === 0) return []
      const granted = [...new Set([...plugin.granted, ...(named ?? needs)])]
      const missing = missingOf(newest, { granted })
      if (missing.length === 0) await this.storeOf(id).declare(collectionsOf(newest.endpoints))
      catalogue.setGranted(id, granted)
      if (missing.length === 0) await this.#activate(id, newest.version)
      return missing
    })
  }

  /** Goes back to an earlier version: the one before the active, or the named. Data are not rolled back. */
  rollback(id: string, version: string | undefined): Promise<VersionRow> {
    return this.#changing(id, async () => {
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
      await this.#activate(id, target.version)
      return target
    })
  }

  pause(id: string): Promise<void> {
    return this.#changing(id, async () => this.#services.catalogue.setPaused(id, true))
  }

  /** Lets a plugin run again: after a pause, and after a quarantine. */
  resume(id: string): Promise<void> {
    return this.#changing(id, async () => {
      this.#services.catalogue.setPaused(id, false)
      this.#services.conduct.forgive(id)
      this.#runner?.wake(id)
    })
  }

  /** Changes a quota; it holds from the next call on. */
  setQuota(id: string, quota: Quota): Promise<void> {
    return this.#changing(id, async () => {
      this.#services.catalogue.setQuota(id, quota)
      if (this.#active.has(id)) await this.#run(id)
    })
  }

  /** The documents, cursors and dead letters of a plugin. */
  storeOf(id: string): PluginStore {
    return this.#services.stores.plugin(id, FIRST_GENERATION)
  }

  #unknown(id: string): LyceumError {
    return new LyceumError(
      'plugin_unknown',
      `There is no plugin "${id}".${didYouMean(id, [...this.#active.keys()])}`,
    )
  }

  #paused(id: string): boolean {
    return this.#services.catalogue.plugin(id)?.paused === true
  }

  /** Another version gets a new chance: what the one before did is forgotten. */
  async #activate(id: string, version: string): Promise<void> {
    const { catalogue, conduct } = this.#services
    conduct.forgive(id)
    const endpoints = endpointsOf(catalogue.version(id, version)?.endpoints ?? [])
    const head = this.#runner?.head() ?? 0
    const begins = new Map<string, number>()
    for (const { name, kind, options } of endpoints.values())
      if (kind === 'onEvent') begins.set(name, options.from === 'now' ? head : 0)
    // Kept with the activation: a host that is killed now must not let them begin at another event.
    catalogue.activate(id, version, begins)
    await this.#run(id)
  }

  /** Starts the active version, in the place of what ran before. */
  async #run(id: string): Promise<void> {
    const { catalogue, supervisor } = this.#services
    const row = catalogue.plugin(id)
    const version = row?.activeVersion === undefined ? undefined : catalogue.version(id, row.activeVersion)
    if (row === undefined || version === undefined) return
    const store = this.storeOf(id)
    // Declared when it was activated: a store that is lost just now keeps no plugin from starting.
    store.expect(collectionsOf(version.endpoints), row.quota.databaseMb * 1024 * 1024)
    const before = this.#active.get(id)
    const plugin: ActivePlugin = {
      id,
      title: withoutControls(version.title),
      description: withoutControls(version.description),
      version: version.version,
      activation: row.activation,
      code: new StoredCode(catalogue, version, row.quota.memoryMb),
      endpoints: endpointsOf(version.endpoints),
      begins: catalogue.beginnings(id),
      granted: row.granted,
      store,
      quota: row.quota,
      usage: before?.usage ?? { calls: 0, failures: 0, cpuMs: 0, ops: 0, bytes: 0, events: 0 },
    }
    // What is under way for the version before runs into a cursor that it no longer owns, and is run again.
    if (before !== undefined) void this.#runner?.remove(id)
    this.#active.set(id, plugin)
    this.#runner?.add(plugin)
    supervisor.unload(id, plugin.code.hash)
  }

  /** One change at a time to a plugin. */
  async #changing<Result>(id: string, change: () => Promise<Result>): Promise<Result> {
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
