import type { LogRow } from '../../events/log.ts'
import { LIMITS } from '../../limits.ts'
import { matches } from '../batch.ts'
import type { EndedFailure } from '../invoker.ts'
import { type DerivingServices, type Provided, Provider, type Results } from './provider.ts'

/** What a property comes to for some events, in their order; or what kept it from that. */
export type Column =
  | { readonly values: readonly (string | null)[] }
  | { readonly failure: EndedFailure }
  /** A plugin that has to work it out may not run. */
  | { readonly stopped: string }

/** One derived property, by whichever plugins provide it: of those whose `when` matches an event the first. */
export class Property {
  readonly #services: DerivingServices
  readonly #providers: readonly Provider[]
  /** Those of rows that are in memory: with a row goes what is known of it. */
  #known = new WeakMap<LogRow, string | null>()
  #knownChars = 0

  /** @param provided by plugins in the order in which they are asked */
  constructor(provided: readonly Provided[], services: DerivingServices) {
    this.#services = services
    const results: Results = {
      get: (row) => this.#known.get(row),
      set: (row, value) => this.#keep(row, value),
    }
    this.#providers = provided.map(([plugin, endpoint]) => new Provider(plugin, endpoint, results, services))
  }

  /** @param parse the event of a row */
  async valuesOf(rows: readonly LogRow[], parse: (row: LogRow) => unknown): Promise<Column> {
    const values: (string | null | undefined)[] = []
    // More than once only where so much was learnt meanwhile that it had to be forgotten again.
    for (;;) {
      const wanted = new Map<Provider, LogRow[]>()
      for (const [index, row] of rows.entries()) {
        values[index] ??= this.#known.get(row)
        if (values[index] !== undefined) continue
        const provider = this.#providers.find(({ when }) => matches(when, row, () => parse(row)))
        if (provider === undefined) {
          values[index] = null
          this.#keep(row, null)
        } else if (!this.#services.mayRun(provider.plugin.id)) return { stopped: provider.plugin.id }
        else wanted.set(provider, [...(wanted.get(provider) ?? []), row])
      }
      if (wanted.size === 0) return { values: values.map((value) => value ?? null) }
      const failures = await Promise.all([...wanted].map(([provider, some]) => provider.derive(some)))
      const failure = failures.find((one) => one !== undefined)
      if (failure !== undefined) return { failure }
    }
  }

  #keep(row: LogRow, value: string | null): void {
    this.#knownChars += value?.length ?? 0
    if (this.#knownChars > LIMITS.propertyCacheChars) {
      this.#known = new WeakMap()
      this.#knownChars = value?.length ?? 0
    }
    this.#known.set(row, value)
  }
}
