import type { PluginCode } from '../../sandbox/supervisor.ts'
import type { Quota } from '../limits.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import type { Dimension } from './manifest-names.ts'
import type { OptionsOf } from './options.ts'
import type { Position } from './source-map.ts'

interface EndpointShape {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly facilities: readonly string[]
  readonly dimensions: readonly Dimension[]
  /** The plugins whose queries the handler named; `self` among them. */
  readonly plugins: readonly string[]
  /** The replicas that it destructures. */
  readonly replicas: readonly string[]
  /** Where it stands in the bundle, for failures that have no line of their own. */
  readonly at?: Position | undefined
}

export interface ViewEndpoint extends EndpointShape {
  readonly kind: 'view'
  readonly options: OptionsOf<'view'>
}

export interface QueryEndpoint extends EndpointShape {
  readonly kind: 'query'
  readonly options: OptionsOf<'query'>
}

export type ReadingEndpoint = ViewEndpoint | QueryEndpoint

export interface EventEndpoint extends EndpointShape {
  readonly kind: 'onEvent'
  readonly options: OptionsOf<'onEvent'>
}

export interface CronEndpoint extends EndpointShape {
  readonly kind: 'cron'
  readonly options: OptionsOf<'cron'>
}

export interface PropertyEndpoint extends EndpointShape {
  readonly kind: 'property'
  readonly options: OptionsOf<'property'>
}

/** One endpoint of a version that runs. */
export type Endpoint = ReadingEndpoint | EventEndpoint | CronEndpoint | PropertyEndpoint

/** What keeps a plugin from running, if anything does. */
export type PluginState = 'active' | 'pending' | 'paused' | 'quarantined' | 'uninstalled'

/** What a plugin has used in some time. */
export interface Usage {
  calls: number
  failures: number
  /** In isolates. */
  cpuMs: number
  /** In the stores that worked for it. */
  storeCpuMs: number
  ops: number
  bytes: number
  events: number
}

export function noUsage(): Usage {
  return { calls: 0, failures: 0, cpuMs: 0, storeCpuMs: 0, ops: 0, bytes: 0, events: 0 }
}

/** A plugin whose active version can be called. It is replaced whole when another version is activated. */
export interface ActivePlugin {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly version: string
  /** Counts activations: cursors carry it, so that batches of an earlier version cannot commit. */
  readonly activation: number
  readonly code: PluginCode
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** The collections that others may read, with the plugins that may; `*` is any. */
  readonly readable: ReadonlyMap<string, readonly string[]>
  /** After which event of the log each handler begins its data. */
  readonly begins: ReadonlyMap<string, number>
  /** What it may reach beyond its own room, as approved: `plugins.grades`. */
  readonly granted: readonly string[]
  readonly store: PluginStore
  /** Its data are being built: nobody but its own handlers sees them. */
  readonly isBuilding: boolean
  /** Something that it wrote in these data may be made of a sample: whatever comes of it must say so. */
  readonly isOfSamples: boolean
  /** Has what comes of these data marked, until they are made anew. Before something made of a sample is written. */
  markOfSamples(): void
  readonly quota: Quota
  /** Since the host started. */
  readonly usage: Usage
}

/** The collections of a plugin that another may read. */
export function readableBy(owner: ActivePlugin, reader: string): string[] {
  return [...owner.readable].flatMap(([collection, readers]) =>
    readers.includes(reader) || readers.includes('*') ? [collection] : [],
  )
}
