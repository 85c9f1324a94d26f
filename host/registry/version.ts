import { z } from 'zod'
import type { CollectionDeclaration } from '../storage/store-protocol.ts'
import { withoutControls } from '../text.ts'
import type { PluginRow, StoredEndpoint, VersionRow } from './catalogue.ts'
import { propertyNeeds } from './derived-properties.ts'
import { parseOptions } from './options.ts'
import type { Endpoint } from './plugin.ts'

/** The need of a job that asks about people though nobody asks it. */
export const IDENTITIES = 'identities'

const AsUsers = z.object({ asUsers: z.literal(true) })
const isJob = (kind: string) => kind === 'onEvent' || kind === 'cron'

/** What a version wants to reach beyond its own room, as its author writes it: `plugins.grades`. */
export function needsOf(version: Pick<VersionRow, 'plugin' | 'endpoints'>): string[] {
  const plugins = version.endpoints
    .flatMap((endpoint) => endpoint.plugins)
    .filter((name) => name !== 'self' && name !== version.plugin)
  const asUsers = version.endpoints.some(
    ({ kind, options }) => isJob(kind) && AsUsers.safeParse(options).success,
  )
  const needs = [
    ...plugins.map((name) => `plugins.${name}`),
    ...version.endpoints.flatMap(({ replicas }) => replicas.map((name) => `replica.${name}`)),
    ...propertyNeeds(version.endpoints),
    ...(asUsers ? [IDENTITIES] : []),
  ]
  return [...new Set(needs)].sort()
}

/** What a version asks for that no admin has approved: while there is any, it stays pending. */
export function missingOf(version: VersionRow, plugin: Pick<PluginRow, 'granted'> | undefined): string[] {
  return needsOf(version).filter((need) => !plugin?.granted.includes(need))
}

/** The endpoints of a version that need what is not approved. */
export function withheldFrom(version: VersionRow, plugin: Pick<PluginRow, 'granted'> | undefined): string[] {
  const missing = missingOf(version, plugin)
  if (missing.length === 0) return []
  return version.endpoints
    .filter((endpoint) =>
      needsOf({ ...version, endpoints: [endpoint] }).some((need) => missing.includes(need)),
    )
    .map(({ name }) => name)
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

/** The collections that a version lets others read, with the plugins that may. */
export function readableOf(endpoints: readonly StoredEndpoint[]): Map<string, readonly string[]> {
  const readable = new Map<string, readonly string[]>()
  for (const { kind, name, options } of endpoints) {
    if (kind !== 'collection') continue
    const { read } = parseOptions(kind, name, options)
    if (read.length > 0) readable.set(name, read)
  }
  return readable
}

/** The common names of a version's queries. */
export function commonNamesOf(endpoints: readonly StoredEndpoint[]): string[] {
  return endpoints.flatMap(({ kind, name, options }) =>
    kind === 'query' ? parseOptions(kind, name, options).names : [],
  )
}

/** The endpoints of a version as they run, their options parsed. */
export function endpointsOf(stored: readonly StoredEndpoint[]): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>()
  for (const { name, kind, facilities, dimensions, plugins, replicas, description, at, options } of stored) {
    if (kind === 'collection') continue
    const shape = { name, dimensions, plugins, replicas, facilities, at }
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
    } else if (kind === 'query') {
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
