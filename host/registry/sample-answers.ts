import { authorisePlugin, mayEverOpen } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
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

  /**
   * The samples of versions, those of queries that the caller may see. Where all are too much at once the small ones
   * come first, so that whoever has large ones keeps nobody's out but their own.
   */
  seenBy(caller: Caller, versions: readonly ShownVersion[]): SeenSamples {
    const weighed = versions.map((one) => ({
      ...one,
      bytes: this.#catalogue.samplesBytes(one.plugin, one.version),
    }))
    const samples = new Map<string, Samples>()
    const leftOut: string[] = []
    let bytesLeft = LIMITS.schemaSamplesBytes
    for (const { plugin, version, endpoints, bytes } of weighed.sort(
      (one, other) => one.bytes - other.bytes,
    )) {
      bytesLeft -= bytes
      const seen = new Set(endpoints.filter((endpoint) => maySee(caller, endpoint)).map(({ name }) => name))
      if (bytesLeft < 0) leftOut.push(plugin)
      else
        samples.set(
          plugin,
          new Map([...this.#catalogue.samples(plugin, version)].filter(([query]) => seen.has(query))),
        )
    }
    return { samples, leftOut: leftOut.sort() }
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

/** A version that somebody is told of. */
interface ShownVersion {
  readonly plugin: string
  readonly version: string
  readonly endpoints: readonly Shown[]
}

/** Samples by the ids of their plugins, and the plugins whose samples were too much. */
interface SeenSamples {
  readonly samples: ReadonlyMap<string, Samples>
  readonly leftOut: readonly string[]
}

/** Authors build on samples, which are nobody's data: whose courses their token lists has no say. */
function maySee(caller: Caller, { dimensions }: Shown): boolean {
  return caller.role === 'author' || mayEverOpen(caller, dimensions)
}
