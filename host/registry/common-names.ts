import { LyceumError } from '../errors.ts'
import type { Catalogue } from './catalogue.ts'
import { didYouMean, printable } from './manifest-names.ts'
import type { ActivePlugin, QueryEndpoint } from './plugin.ts'
import type { Plugins } from './plugins.ts'

/** A query that goes by a common name. */
export interface Implementer {
  readonly plugin: ActivePlugin
  readonly query: QueryEndpoint
}

/** A common name, who answers to it, and who could. */
export interface CommonName {
  readonly name: string
  /** The plugin that has it; undefined where that was uninstalled for good. */
  readonly plugin: string | undefined
  /** Its query; undefined where its active version has none of that name any more. */
  readonly query: string | undefined
  /** Whether an admin chose it; else it was the first. */
  readonly chosen: boolean
  readonly implementers: readonly { readonly plugin: string; readonly query: string }[]
}

/**
 * The names under which queries of several plugins can be asked: `query({ names: ['courseGrades'] }, …)`.
 *
 * A name belongs to the first plugin that answered to it, until an admin chooses another. Nothing else moves it:
 * who publishes a name that is in use redirects nobody, also where the plugin that has it goes.
 */
export class CommonNames {
  readonly #catalogue: Catalogue
  readonly #plugins: Pick<Plugins, 'active' | 'get'>

  constructor(catalogue: Catalogue, plugins: Pick<Plugins, 'active' | 'get'>) {
    this.#catalogue = catalogue
    this.#plugins = plugins
  }

  has(name: string): boolean {
    return this.#catalogue.names.get(name) !== undefined
  }

  /**
   * The query that answers to a name.
   * @throws {LyceumError} name_unknown, name_unresolved; plugin_paused and the like of the plugin that has it
   */
  resolve(name: string): Implementer {
    const row = this.#catalogue.names.get(name)
    if (row === undefined)
      throw new LyceumError(
        'name_unknown',
        this.#catalogue.plugin(name) !== undefined
          ? `"${name}" is a plugin. Name one of its queries, too: /v1/queries/${name}/NAME, or npx lyceum query ${name} NAME.`
          : `There is no common name "${name}".${didYouMean(
              name,
              this.#catalogue.names.all().map((known) => known.name),
            )}`,
      )
    if (row.plugin === undefined || this.#catalogue.plugin(row.plugin)?.removed !== undefined)
      throw unresolved(name)
    const plugin = this.#plugins.get(row.plugin)
    const query = queryNamed(plugin, name)
    if (query === undefined) throw unresolved(name)
    return { plugin, query }
  }

  list(): CommonName[] {
    return this.#catalogue.names.all().map(({ name, plugin, chosen }) => {
      const implementers = this.#implementers(name)
      return {
        name,
        plugin,
        query: implementers.find((other) => other.plugin === plugin)?.query,
        chosen,
        implementers,
      }
    })
  }

  /** Lets another plugin answer to a name. @throws {LyceumError} name_unknown, bad_parameter */
  choose(name: string, plugin: string): void {
    if (!this.has(name))
      throw new LyceumError(
        'name_unknown',
        `There is no common name "${name}".${didYouMean(
          name,
          this.list().map((known) => known.name),
        )} A query gets one by its option names: ['${printable(name)}'].`,
      )
    const implementers = this.#implementers(name).map((other) => other.plugin)
    if (!implementers.includes(plugin))
      throw new LyceumError(
        'bad_parameter',
        `The active version of "${plugin}" has no query with the name "${name}". These have: ${implementers.join(', ') || 'none'}.`,
        { parameter: 'plugin' },
      )
    this.#catalogue.names.choose(name, plugin)
  }

  #implementers(name: string): { plugin: string; query: string }[] {
    return [...this.#plugins.active().values()].flatMap((plugin) => {
      const query = queryNamed(plugin, name)
      return query === undefined ? [] : [{ plugin: plugin.id, query: query.name }]
    })
  }
}

function queryNamed(plugin: ActivePlugin, name: string): QueryEndpoint | undefined {
  for (const endpoint of plugin.endpoints.values())
    if (endpoint.kind === 'query' && endpoint.options.names.includes(name)) return endpoint
  return undefined
}

function unresolved(name: string): LyceumError {
  return new LyceumError(
    'name_unresolved',
    `The plugin that "${name}" belonged to does not answer to it any more. An admin chooses who does: PUT /v1/names/${name}.`,
  )
}
