import { namesOf } from './connect.ts'
import { HostError } from './error.ts'
import type { Calls, PluginInfo } from './types.ts'

/** A plugin, or a common name, that several of the merged hosts have. */
export interface Conflict {
  readonly name: string
  readonly hosts: readonly string[]
}

/** What every merged client can. */
export interface MergedCalls {
  /** What is on several hosts, and so has to be asked by the host: `merged.north.grades.top(…)`. */
  readonly conflicts: readonly Conflict[]
  /** All plugins, each with the name of its host. */
  readonly plugins: () => Promise<readonly (PluginInfo & { readonly host: string })[]>
}

type Hosts = Readonly<Record<string, Calls>>
type Both<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer All) => void
  ? All
  : never
/** What a client has beside what all have. */
type PluginsOf<One> = One extends unknown ? Omit<One, keyof Calls> : never

/** Several hosts as one: each by its name, and the plugins of all. */
export type Merged<Clients extends Hosts> = MergedCalls & Clients & Both<PluginsOf<Clients[keyof Clients]>>

/**
 * Several hosts as one. Each is asked what it has; a plugin that only one has is asked there, and one that several
 * have is refused (`ambiguous_plugin`), unless it is asked by the host.
 *
 * @example
 * const all = await merge({ north: connect(…), south: connect(…) })
 * await all.grades.top({ course })          // only one of them has grades
 * await all.north.video.top({ course })     // both have video
 * @throws {HostError} bad_parameter where a host is named like a plugin, or like `plugins` or `conflicts`; what a host
 *   refuses
 */
export async function merge<const Clients extends Hosts>(clients: Clients): Promise<Merged<Clients>> {
  const hosts = new Map(Object.entries<Calls>(clients))
  const having = new Map<string, string[]>()
  const told = await Promise.all(
    [...hosts].map(async ([host, calls]) => [host, await calls.schema()] as const),
  )
  for (const [host, { plugins, names }] of told)
    for (const name of [...plugins.map(({ id }) => id), ...names.map(({ name }) => name)])
      having.set(name, [...(having.get(name) ?? []), host])
  for (const host of hosts.keys())
    if (having.has(host) || ['plugins', 'conflicts'].includes(host))
      throw new HostError(
        'bad_parameter',
        `A host cannot be called "${host}": that is a plugin. Give it another name.`,
      )
  const own: MergedCalls & Hosts = {
    ...clients,
    conflicts: [...having].filter(([, on]) => on.length > 1).map(([name, on]) => ({ name, hosts: on })),
    plugins: async () => {
      const all = await Promise.all(
        [...hosts].map(async ([host, calls]) =>
          (await calls.plugins()).map((plugin) => ({ ...plugin, host })),
        ),
      )
      return all.flat()
    },
  }
  return namesOf<Merged<Clients>>(
    own,
    () => [...having.keys()],
    (name) => {
      const [host, ...others] = having.get(name) ?? []
      if (host === undefined)
        throw new HostError(
          'plugin_unknown',
          `None of ${[...hosts.keys()].join(', ')} has a plugin "${name}".`,
        )
      if (others.length > 0)
        throw new HostError(
          'ambiguous_plugin',
          `"${name}" is on ${[host, ...others].join(' and ')}: ask it by the host, such as ${host}.${name}.`,
        )
      return Reflect.get(hosts.get(host) ?? {}, name)
    },
  )
}
