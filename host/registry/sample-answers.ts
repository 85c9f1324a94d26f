import { authorisePlugin, mayEverOpen } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import type { Catalogue, StoredEndpoint, VersionRow } from './catalogue.ts'
import { didYouMean } from './manifest-names.ts'
import type { ReadingEndpoint } from './plugin.ts'
import type { Plugins } from './plugins.ts'
import type { Samples } from './samples.ts'

/** A sample in the place of a result. */
export interface SampleAnswer {
  readonly isSample: true
  /** JSON. */
  readonly result: Buffer
  readonly version: string
}

/**
 * Samples of queries, for those who build on them: what a query returns, made up by its author. They are never given
 * in the place of data that somebody asked for, but to the owner of a plugin that has none yet.
 */
export class SampleAnswers {
  readonly #catalogue: Catalogue
  readonly #plugins: Plugins

  constructor(catalogue: Catalogue, plugins: Plugins) {
    this.#catalogue = catalogue
    this.#plugins = plugins
  }

  /**
   * The sample of a query, for authors and whoever may see the query; its owner and admins also see that of a version
   * which does not run.
   * @throws {LyceumError} what keeps the caller from the query; no_sample
   */
  answer(id: string, query: string, caller: Caller): SampleAnswer {
    const [version, endpoint] = this.#find(id, query, caller)
    if (!maySee(caller, endpoint))
      throw new LyceumError('role_denied', `${id}.${query} is not for your role, and neither is its sample.`)
    const sample = this.#catalogue.samples(id, version.version).get(query)
    if (sample === undefined)
      throw new LyceumError(
        'no_sample',
        `${id}.${query} has no sample. Its author records one with lyceum test --update.`,
      )
    return { isSample: true, result: Buffer.from(JSON.stringify(sample)), version: version.version }
  }

  /** Of the samples of a version those of queries that the caller may see. */
  seenBy(caller: Caller, id: string, version: string, endpoints: readonly Shown[]): Samples {
    const seen = new Set(endpoints.filter((endpoint) => maySee(caller, endpoint)).map(({ name }) => name))
    return new Map([...this.#catalogue.samples(id, version)].filter(([query]) => seen.has(query)))
  }

  /** The sample for the owner of a version that waits: what they would get has never been there for anybody. */
  ofWaiting(id: string, query: string, caller: Caller): SampleAnswer | undefined {
    if (this.#plugins.active().get(id)?.endpoints.has(query)) return undefined
    try {
      return this.answer(id, query, caller)
    } catch {
      return undefined // what kept the caller from the query itself is told
    }
  }

  #find(id: string, query: string, caller: Caller): readonly [VersionRow, StoredEndpoint] {
    authorisePlugin(caller, id)
    const isOwn = this.#isOwn(id, caller)
    // For others it has to run.
    const activeVersion = isOwn ? this.#catalogue.plugin(id)?.activeVersion : this.#plugins.get(id).version
    const active = activeVersion === undefined ? undefined : this.#catalogue.version(id, activeVersion)
    const rows = [...(active ? [active] : []), ...(isOwn ? this.#catalogue.versions(id).slice(0, 1) : [])]
    for (const row of rows) {
      const endpoint = row.endpoints.find(({ name, kind }) => kind === 'query' && name === query)
      if (endpoint !== undefined) return [row, endpoint]
    }
    const names = rows.flatMap(({ endpoints }) =>
      endpoints.filter(({ kind }) => kind === 'query').map(({ name }) => name),
    )
    throw new LyceumError('endpoint_unknown', `${id} has no query "${query}".${didYouMean(query, names)}`)
  }

  #isOwn(id: string, caller: Caller): boolean {
    if (caller.role !== 'admin' && caller.role !== 'author') return false
    try {
      return this.#plugins.owned(id, caller) !== undefined
    } catch {
      return false
    }
  }
}

type Shown = Pick<ReadingEndpoint, 'name' | 'dimensions'>

/** Authors build on samples, which are nobody's data: whose courses their token lists has no say. */
function maySee(caller: Caller, { dimensions }: Shown): boolean {
  return caller.role === 'author' || mayEverOpen(caller, dimensions)
}
