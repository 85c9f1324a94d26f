import type { LogRow } from '../../events/log.ts'
import { providingNeed } from '../../registry/derived-properties.ts'
import type { ActivePlugin } from '../../registry/plugin.ts'
import { derivedName } from '../../registry/property-names.ts'
import type { EndedFailure } from '../invoker.ts'
import { Property } from './property.ts'
import type { DerivingServices, Provided } from './provider.ts'
import { withDerived } from './splice.ts'

export interface PropertiesServices extends DerivingServices {
  /** Why a plugin may not run, as a sentence. */
  readonly whyNot: (plugin: string) => string
  /** Told when handlers that wait for a property may find it. */
  readonly onChange: () => void
}

/** Why events cannot be enriched now. */
export interface Held {
  readonly failure: EndedFailure
  /** Where nothing but a change of the plugins ends it: the {@link Properties.revision} at which that was found. */
  readonly revision: number | undefined
}

/**
 * The derived properties that approved plugins provide. What they come to is worked out once for all handlers that
 * ask, and kept with the rows of the log that are in memory.
 */
export class Properties {
  readonly #services: PropertiesServices
  /** What each plugin has to provide, approved or not. */
  readonly #plugins = new Map<string, ReadonlyMap<string, Provided>>()
  readonly #properties = new Map<string, Property>()
  readonly #complete = Promise.withResolvers<void>()
  #revision = 0

  constructor(services: PropertiesServices) {
    this.#services = services
  }

  /** Changes with everything that may let handlers go on that wait. */
  get revision(): number {
    return this.#revision
  }

  /** Takes in what a version provides that was activated. The version before must have been removed. */
  add(plugin: ActivePlugin): void {
    const provided = new Map<string, Provided>()
    for (const endpoint of plugin.endpoints.values())
      if (endpoint.kind === 'property')
        provided.set(derivedName(endpoint.options.namespace, endpoint.name), [plugin, endpoint])
    if (provided.size === 0) return
    this.#plugins.set(plugin.id, provided)
    this.#compose(provided.keys())
  }

  remove(plugin: string): void {
    const provided = this.#plugins.get(plugin)
    if (provided === undefined) return
    this.#plugins.delete(plugin)
    this.#compose(provided.keys())
  }

  /** Says that a plugin may run again, or that other things are approved for it. */
  wake(plugin: string): void {
    const provided = this.#plugins.get(plugin)
    if (provided !== undefined) this.#compose(provided.keys())
  }

  /** All properties by name, each with what provides it, in the order in which they are asked. */
  list(): { readonly name: string; readonly provided: readonly Provided[] }[] {
    return [...this.#properties.keys()].sort().map((name) => ({ name, provided: this.#providedAs(name) }))
  }

  /** Says that the plugins have been added that were there when the host stopped: until then some may be missing. */
  markComplete(): void {
    this.#complete.resolve()
  }

  /**
   * Puts derived properties into events. Which these are depends on the events and the plugins alone: where one
   * cannot be worked out just now, it is not left out.
   *
   * @param names which, sorted
   */
  async enrich(
    names: readonly string[],
    rows: readonly LogRow[],
  ): Promise<{ readonly rows: readonly LogRow[] } | Held> {
    await this.#complete.promise
    const revision = this.#revision
    const events = new Map<LogRow, unknown>()
    const parse = (row: LogRow) => {
      if (!events.has(row)) events.set(row, JSON.parse(row.text))
      return events.get(row)
    }
    const columns = await Promise.all(names.map((name) => this.#properties.get(name)?.valuesOf(rows, parse)))
    const values: (readonly (string | null)[])[] = []
    for (const [index, column] of columns.entries()) {
      const name = names[index]
      if (column === undefined) return held(`"${name}", which no plugin provides now.`, revision)
      if ('stopped' in column)
        return held(`"${name}" of ${column.stopped}: ${this.#services.whyNot(column.stopped)}`, revision)
      if ('failure' in column) {
        const message = `The property "${name}" of its events: ${column.failure.message}`
        return { failure: { ...column.failure, message, passing: true }, revision: undefined }
      }
      values.push(column.values)
    }
    const enriched = rows.map((row, at) => {
      const text = withDerived(
        row.text,
        names,
        values.map((column) => column[at] ?? null),
      )
      return { ...row, text }
    })
    return { rows: enriched }
  }

  #compose(names: Iterable<string>): void {
    for (const name of names) {
      const provided = this.#providedAs(name)
      if (provided.length === 0) this.#properties.delete(name)
      else this.#properties.set(name, new Property(provided, this.#services))
    }
    this.#revision += 1
    this.#services.onChange()
  }

  /** Several plugins may provide the same: those that are approved, in the order of their ids. */
  #providedAs(name: string): Provided[] {
    const need = providingNeed(name)
    const found = [...this.#plugins.values()].flatMap((provided) => {
      const one = provided.get(name)
      return one?.[0].granted.includes(need) ? [one] : []
    })
    return found.sort(([a], [b]) => (a.id < b.id ? -1 : 1))
  }
}

function held(what: string, revision: number): Held {
  return {
    failure: {
      code: 'property_unavailable',
      message: `It waits for the property ${what}`,
      stack: undefined,
      details: undefined,
      passing: true,
      struck: false,
    },
    revision,
  }
}
