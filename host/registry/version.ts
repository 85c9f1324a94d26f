import type { CollectionDeclaration } from '../storage/store-protocol.ts'
import { withoutControls } from '../text.ts'
import type { PluginRow, StoredEndpoint, VersionRow } from './catalogue.ts'
import { propertyNeeds } from './derived-properties.ts'
import { parseOptions } from './options.ts'
import type { Endpoint } from './plugin.ts'

/** What a version wants to reach beyond its own room, as its author writes it: `plugins.grades`. */
export function needsOf(version: Pick<VersionRow, 'plugin' | 'endpoints'>): string[] {
  const plugins = version.endpoints
    .flatMap((endpoint) => endpoint.plugins)
    .filter((name) => name !== 'self' && name !== version.plugin)
  const needs = [...plugins.map((name) => `plugins.${name}`), ...propertyNeeds(version.endpoints)]
  return [...new Set(needs)].sort()
}

/** What a version asks for that no admin has approved: while there is any, it stays pending. */
export function missingOf(version: VersionRow, plugin: Pick<PluginRow, 'granted'> | undefined): string[] {
  return needsOf(version).filter((need) => !plugin?.granted.includes(need))
}

/** The collections that a version declares, with their indexes. */
export function collectionsOf(endpoints: readonly StoredEndpoint[]): CollectionDeclaration[] {
  return endpoints
    .filter((endpoint) => endpoint.kind === 'collection')
    .map(({ name, options }) => ({
      name,
      indexes: parseOptions('collection', name, options).indexes.map(({ keys, unique }) => ({
        keys: Object.fromEntries(keys),
        unique,
      })),
    }))
}

/** The endpoints of a version as they run, their options parsed. */
export function endpointsOf(stored: readonly StoredEndpoint[]): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>()
  for (const { name, kind, facilities, dimensions, plugins, description, options } of stored) {
    if (kind === 'collection') continue
    const shape = { name, dimensions, plugins, facilities }
    const told = (said: { title?: string | undefined; description?: string | undefined }) => ({
      title: withoutControls(said.title ?? titleFrom(name)),
      description: withoutControls(said.description ?? description),
    })
    if (kind === 'onEvent') {
      const parsed = parseOptions(kind, name, options)
      endpoints.set(name, { ...shape, ...told(parsed), kind, options: parsed })
    } else if (kind === 'cron') {
      const parsed = parseOptions(kind, name, options)
      endpoints.set(name, { ...shape, ...told(parsed), kind, options: parsed })
    } else if (kind === 'property') {
      const parsed = parseOptions(kind, name, options)
      endpoints.set(name, { ...shape, ...told(parsed), kind, options: parsed })
    } else {
      const parsed = parseOptions(kind, name, options)
      endpoints.set(name, { ...shape, ...told(parsed), kind, options: parsed })
    }
  }
  return endpoints
}

/** `mostPlayed` → "Most played". */
function titleFrom(name: string): string {
  const words = name.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
