import { changesBetween, type EndpointChanges } from './approvals.ts'
import type { Catalogue, VersionRow } from './catalogue.ts'
import { type RebuildOffer, rebuildOfferOf } from './rebuild-offer.ts'
import type { Samples } from './samples.ts'
import { commonNamesOf, missingOf, needsOf } from './version.ts'

/** What publishing a version would do. */
export interface PublishPlan {
  readonly version: string
  /** The version that runs now; null where none does. */
  readonly replaces: string | null
  /** True where this very version was published before. */
  readonly isKnown: boolean
  /** All that it asks for. */
  readonly needs: readonly string[]
  /** What of that the version that runs does not ask for. */
  readonly newNeeds: readonly string[]
  /** What of that would wait for an admin. */
  readonly missing: readonly string[]
  readonly approval: 'granted' | 'pending'
  readonly endpoints: EndpointChanges
  /** Where it was published before: the queries whose samples would be others, which a version may change. */
  readonly samples: readonly string[]
  /** Where its data would be those of other handlers, until it is rebuilt. */
  readonly rebuildOffered: RebuildOffer | null
  /** Sentences about what others would lose. */
  readonly warnings: readonly string[]
}

/**
 * @param samples those that came with it
 * @param granted what is approved once it is published
 */
export function planOf(
  catalogue: Catalogue,
  next: VersionRow,
  samples: Samples,
  granted: readonly string[],
): PublishPlan {
  const { plugin, version } = next
  const isKnown = catalogue.version(plugin, version) !== undefined
  const active = catalogue.plugin(plugin)?.activeVersion
  const running = active === undefined ? undefined : catalogue.version(plugin, active)
  const needs = needsOf(next)
  const missing = missingOf(next, { granted })
  const before = running === undefined ? [] : needsOf(running)
  return {
    version,
    replaces: running?.version ?? null,
    isKnown,
    needs,
    newNeeds: needs.filter((need) => !before.includes(need)),
    missing,
    approval: missing.length > 0 ? 'pending' : 'granted',
    endpoints: changesBetween(running?.endpoints ?? [], next.endpoints),
    samples: isKnown ? otherSamples(catalogue.samples(plugin, version), samples) : [],
    rebuildOffered: rebuildOfferOf(catalogue, plugin, next) ?? null,
    warnings: [
      ...uninstalledAmong(catalogue, needs),
      ...(running === undefined ? [] : lossesOf(catalogue, running, next)),
    ],
  }
}

function otherSamples(before: Samples, after: Samples): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (query) => JSON.stringify(before.get(query)) !== JSON.stringify(after.get(query)),
  )
}

/** What is asked for and was approved, and is there no more. */
function uninstalledAmong(catalogue: Catalogue, needs: readonly string[]): string[] {
  return needs
    .filter((need) => need.startsWith('plugins.'))
    .map((need) => need.slice('plugins.'.length))
    .filter((name) => catalogue.plugin(name)?.removed !== undefined)
    .map((name) => `${name}, which it asks, is uninstalled: its calls fail until ${name} is published again.`)
}

/** What others lose when one version takes the place of another. */
function lossesOf(catalogue: Catalogue, before: VersionRow, after: VersionRow): string[] {
  const { plugin } = before
  const warnings = []
  const names = new Set(after.endpoints.map(({ name }) => name))
  const gone = before.endpoints.filter(({ name }) => !names.has(name))
  const asked = gone.filter(({ kind }) => kind === 'query' || kind === 'view').map(({ name }) => name)
  const askers = catalogue
    .plugins()
    .filter(({ id, granted }) => id !== plugin && granted.includes(`plugins.${plugin}`))
    .map(({ id }) => id)
  if (asked.length > 0 && askers.length > 0)
    warnings.push(`${askers.join(', ')} may ask ${plugin} for ${asked.join(', ')}, which would go.`)
  const kept = commonNamesOf(after.endpoints)
  for (const name of commonNamesOf(before.endpoints))
    if (!kept.includes(name) && catalogue.names.get(name)?.plugin === plugin)
      warnings.push(`${plugin} answers to the common name "${name}", and would no more.`)
  const handlers = gone.filter(({ kind }) => kind === 'onEvent').map(({ name }) => name)
  if (handlers.length > 0)
    warnings.push(
      `What ${handlers.join(', ')} has written stays; published again under the same name, it goes on where it was.`,
    )
  return warnings
}
