import type { Dimension } from './manifest-names.ts'
import type { Param } from './params.ts'
import type { Endpoint, ReadingEndpoint } from './plugin.ts'
import type { Samples } from './samples.ts'

/** A view or query, as `GET /v1/schema` tells it to programs. */
export interface ShownEndpoint {
  readonly name: string
  readonly title: string
  readonly description: string
  /** What it is about. All are needed but `user`, which may be left out where there is only one that it can be. */
  readonly dimensions: readonly Dimension[]
  readonly params: Readonly<Record<string, ShownParam>>
  /** Whether it asks queries of its own plugin. */
  readonly asksSelf: boolean
  readonly href: string
}

/** A parameter, with its rules as `t` takes them. */
export type ShownParam = Param & { readonly required: boolean }

export interface ShownQuery extends ShownEndpoint {
  /** Its common names. */
  readonly names: readonly string[]
  readonly cacheSeconds: number | undefined
  /** What it returns, made up; where samples were asked for, and it has one. */
  readonly sample?: unknown
}

/** What a plugin offers to programs. */
export interface ShownPlugin {
  readonly id: string
  readonly version: string
  readonly views: readonly ShownEndpoint[]
  readonly queries: readonly ShownQuery[]
}

/** Whether whoever asks has to give a parameter. */
export function isRequired(param: Param): boolean {
  return param.default === undefined && param.required !== false
}

/**
 * What a plugin offers to programs.
 * @param endpoints all of it, or those that somebody reaches
 * @param samples those of its queries, where they are to be shown
 */
export function shownPlugin(
  id: string,
  version: string,
  endpoints: Iterable<Endpoint>,
  samples: Samples = new Map(),
): ShownPlugin {
  const views: ShownEndpoint[] = []
  const queries: ShownQuery[] = []
  for (const endpoint of endpoints) {
    if (endpoint.kind === 'view') views.push(shown(id, endpoint))
    else if (endpoint.kind === 'query') {
      const { names, cacheSeconds } = endpoint.options
      const sample = samples.get(endpoint.name)
      queries.push({ ...shown(id, endpoint), names, cacheSeconds, ...(sample !== undefined && { sample }) })
    }
  }
  return { id, version, views, queries }
}

function shown(id: string, endpoint: ReadingEndpoint): ShownEndpoint {
  const { kind, name, title, description, dimensions, plugins, options } = endpoint
  const params = [...options.params].map(
    ([param, rules]) => [param, { ...rules, required: isRequired(rules) }] as const,
  )
  return {
    name,
    title,
    description,
    dimensions,
    params: Object.fromEntries(params),
    asksSelf: plugins.includes('self') || plugins.includes(id),
    href: kind === 'view' ? `/views/${id}/${name}` : `/v1/queries/${id}/${name}`,
  }
}
