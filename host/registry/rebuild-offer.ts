import type { Catalogue, StoredEndpoint, VersionRow } from './catalogue.ts'
import type { MadeBy } from './generations.ts'
import { parseOptions } from './options.ts'

/** Why a plugin's data are not what its handlers would make of the log now, and which of them. */
export interface RebuildOffer {
  readonly reason: 'handlers_changed' | 'rolled_back'
  readonly endpoints: readonly string[]
}

/** The handlers of a version, as what its data are made by. */
export function makersOf(version: string, endpoints: readonly StoredEndpoint[]): MadeBy[] {
  return endpoints
    .filter(({ kind }) => kind === 'onEvent')
    .map(({ name, codeHash }) => ({ endpoint: name, codeHash, version }))
}

/** The handlers of a version that are to see the log from its first event on, and began later in another version. */
export function lateStarters(
  catalogue: Catalogue,
  { plugin, endpoints }: Pick<VersionRow, 'plugin' | 'endpoints'>,
): string[] {
  const begins = catalogue.beginnings(plugin)
  return endpoints
    .filter(
      ({ kind, name, options }) =>
        kind === 'onEvent' &&
        (begins.get(name) ?? 0) > 0 &&
        parseOptions(kind, name, options).from === 'start',
    )
    .map(({ name }) => name)
}

/**
 * Tells whether a rebuild would make something else of a plugin's data: some of them were made by handlers with other
 * code, or by handlers that are gone, or of less than all events.
 * @param version the one that would make them; the active one unless told
 */
export function rebuildOfferOf(
  catalogue: Catalogue,
  id: string,
  version: Pick<VersionRow, 'plugin' | 'endpoints' | 'version'> | undefined = activeOf(catalogue, id),
): RebuildOffer | undefined {
  const handlers = version?.endpoints.filter(({ kind }) => kind === 'onEvent') ?? []
  if (version === undefined || handlers.length === 0) return undefined
  const hashes = new Map(handlers.map(({ name, codeHash }) => [name, codeHash]))
  const others = catalogue.generations
    .madeBy(id)
    .filter(({ endpoint, codeHash }) => hashes.get(endpoint) !== codeHash)
  const late = lateStarters(catalogue, version)
  if (others.length === 0 && late.length === 0) return undefined
  const versions = catalogue.versions(id).map((row) => row.version)
  const newer = versions.slice(0, Math.max(0, versions.indexOf(version.version)))
  return {
    reason: others.some((other) => newer.includes(other.version)) ? 'rolled_back' : 'handlers_changed',
    endpoints: [...new Set([...others.map(({ endpoint }) => endpoint), ...late])].sort(),
  }
}

function activeOf(catalogue: Catalogue, id: string): VersionRow | undefined {
  const active = catalogue.plugin(id)?.activeVersion
  return active === undefined ? undefined : catalogue.version(id, active)
}
