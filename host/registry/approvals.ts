import { LyceumError } from '../errors.ts'
import type { Catalogue, StoredEndpoint, VersionRow } from './catalogue.ts'
import { didYouMean } from './manifest-names.ts'
import type { Plugins } from './plugins.ts'
import { collectionsOf, missingOf, needsOf } from './version.ts'

/** A version that waits for an admin, and how it differs from the one that runs meanwhile. */
export interface PendingVersion {
  readonly version: string
  /** What it asks for that is not approved. */
  readonly needs: readonly string[]
  /** What it asks for that is approved already. */
  readonly approved: readonly string[]
  readonly endpoints: EndpointChanges
  /** Why an admin denied it, where one did. */
  readonly denied?: string
}

/** What an admin approves. */
export interface Approval {
  /** All that is asked for where nothing is named. */
  readonly needs?: readonly string[] | undefined
  readonly version?: string | undefined
}

/** Endpoints by name. */
export interface EndpointChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** The newest version of a plugin, where it lacks an approval. */
export function pendingOf(catalogue: Catalogue, id: string): PendingVersion | undefined {
  const [newest] = catalogue.versions(id)
  const plugin = catalogue.plugin(id)
  if (newest === undefined || plugin === undefined) return undefined
  const needs = missingOf(newest, plugin)
  if (needs.length === 0) return undefined
  const active = plugin.activeVersion === undefined ? undefined : catalogue.version(id, plugin.activeVersion)
  return {
    version: newest.version,
    needs,
    approved: needsOf(newest).filter((need) => !needs.includes(need)),
    endpoints: changesBetween(active?.endpoints ?? [], newest.endpoints),
    ...(newest.denied !== undefined && { denied: newest.denied }),
  }
}

/** What differs between the endpoints of two versions. */
export function changesBetween(
  before: readonly StoredEndpoint[],
  after: readonly StoredEndpoint[],
): EndpointChanges {
  // What it asks for and says of itself; that code changes is what versions are for.
  const told = (endpoint: StoredEndpoint) => JSON.stringify({ ...endpoint, codeHash: '', at: undefined })
  const old = new Map(before.map((endpoint) => [endpoint.name, told(endpoint)]))
  const names = new Set(after.map(({ name }) => name))
  return {
    added: after.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: after
      .filter((endpoint) => old.has(endpoint.name) && old.get(endpoint.name) !== told(endpoint))
      .map(({ name }) => name),
  }
}

/** What admins allow plugins beyond their own rooms. */
export class Approvals {
  readonly #catalogue: Catalogue
  readonly #plugins: Plugins

  constructor(catalogue: Catalogue, plugins: Plugins) {
    this.#catalogue = catalogue
    this.#plugins = plugins
  }

  /**
   * Approves what the newest version asks for, and the one that runs: all of it or the named. A version that
   * waited is activated once nothing is missing.
   * @param asked.version the version that was looked at: refused where there is a newer one
   * @returns what the newest version still lacks
   */
  approve(id: string, asked: Approval): Promise<readonly string[]> {
    return this.#plugins.changing(id, async () => {
      const { plugin, newest, active } = this.#find(id)
      const { needs: named, version } = asked
      if (version !== undefined && version !== newest.version)
        throw new LyceumError(
          'version_newer',
          `Version ${newest.version} of ${id} was published meanwhile. Look at what that asks for, and approve it.`,
        )
      const needs = [...new Set([...needsOf(newest), ...(active === undefined ? [] : needsOf(active))])]
      for (const name of named ?? [])
        if (!needs.includes(name))
          throw new LyceumError(
            'bad_parameter',
            `Version ${newest.version} does not ask for "${name}".${didYouMean(name, needs)}`,
            { parameter: 'needs' },
          )
      const isWaiting = missingOf(newest, plugin).length > 0 && newest.version !== plugin.activeVersion
      const granted = [...new Set([...plugin.granted, ...(named ?? needs)])].sort()
      const missing = missingOf(newest, { granted })
      // Where nothing waited, a version that was rolled back is not brought back by this.
      const isReady = isWaiting && missing.length === 0
      if (isReady) await this.#plugins.storeOf(id).declare(collectionsOf(newest.endpoints))
      this.#catalogue.setGranted(id, granted)
      this.#catalogue.setDenied(id, newest.version, undefined)
      if (isReady) await this.#plugins.activate(id, newest.version)
      else this.#plugins.regrant(id)
      return missing
    })
  }

  /** Says why the newest version will not get what it still lacks. It stays pending, and what runs runs on. */
  deny(id: string, reason: string): Promise<void> {
    return this.#plugins.changing(id, async () => {
      const { plugin, newest } = this.#find(id)
      if (missingOf(newest, plugin).length === 0)
        throw new LyceumError(
          'nothing_pending',
          `No version of ${id} waits for an approval. To take one back, revoke it.`,
        )
      this.#catalogue.setDenied(id, newest.version, reason)
    })
  }

  /**
   * Takes approvals back, at once: calls under way are refused at their next op, handlers and jobs that need what
   * is gone wait, and their events with them.
   * @throws {LyceumError} bad_parameter where something named is not approved: nothing is changed then
   */
  revoke(id: string, named: readonly string[]): Promise<void> {
    return this.#plugins.changing(id, async () => {
      const plugin = this.#catalogue.plugin(id)
      if (plugin === undefined) throw this.#plugins.unknown(id)
      for (const name of named)
        if (!plugin.granted.includes(name))
          throw new LyceumError(
            'bad_parameter',
            `"${name}" is not approved for ${id}.${didYouMean(name, plugin.granted)}`,
            { parameter: 'needs' },
          )
      this.#catalogue.setGranted(
        id,
        plugin.granted.filter((need) => !named.includes(need)),
      )
      this.#plugins.regrant(id)
    })
  }

  #find(id: string) {
    const plugin = this.#catalogue.plugin(id)
    const [newest] = this.#catalogue.versions(id)
    if (plugin === undefined || newest === undefined) throw this.#plugins.unknown(id)
    const active: VersionRow | undefined =
      plugin.activeVersion === undefined ? undefined : this.#catalogue.version(id, plugin.activeVersion)
    return { plugin, newest, active }
  }
}
