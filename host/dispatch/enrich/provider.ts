import { type CompiledFilter, compileFilter } from '../../events/filter.ts'
import type { LogRow } from '../../events/log.ts'
import { LIMITS } from '../../limits.ts'
import type { ActivePlugin, PropertyEndpoint } from '../../registry/plugin.ts'
import { BATCH_CHARS, BATCH_EVENTS } from '../batch.ts'
import { CallTree } from '../call-tree.ts'
import type { EndedFailure, Invoker } from '../invoker.ts'
import { readValues, type ValueError } from './values.ts'

/** What working out properties needs of the host. */
export interface DerivingServices {
  readonly invoker: Pick<Invoker, 'run'>
  /** False while the plugin may not run: paused, or quarantined. */
  readonly mayRun: (plugin: string) => boolean
  /** An error that is laid to the plugin, for its author. */
  readonly onFailure: (plugin: ActivePlugin, endpoint: string, failure: EndedFailure) => void
}

/** A property as one plugin provides it. */
export type Provided = readonly [plugin: ActivePlugin, endpoint: PropertyEndpoint]

/** What is known of events: a value as JSON, or null where an event has none. */
export interface Results {
  get(row: LogRow): string | null | undefined
  set(row: LogRow, value: string | null): void
}

interface Asked {
  readonly rows: readonly LogRow[]
  readonly settle: (failure: EndedFailure | undefined) => void
}

/** A used-up budget is a strike: the event that does it is found in fewer steps than by halves. */
const PARTS = 8

/**
 * One property of one plugin, worked out for all handlers that ask, in that plugin's isolate and on its quotas. One
 * batch at a time: handlers that ask for the same events have them worked out once.
 */
export class Provider {
  readonly plugin: ActivePlugin
  readonly when: CompiledFilter
  readonly #endpoint: PropertyEndpoint
  readonly #results: Results
  readonly #services: DerivingServices
  readonly #asked: Asked[] = []
  #working = false

  constructor(
    plugin: ActivePlugin,
    endpoint: PropertyEndpoint,
    results: Results,
    services: DerivingServices,
  ) {
    this.plugin = plugin
    this.when = compileFilter(endpoint.options.when ?? {})
    this.#endpoint = endpoint
    this.#results = results
    this.#services = services
  }

  /**
   * Sees to it that the results of some events are there. Resolves with what kept it from that; an error of the
   * property itself does not: the event then has none.
   */
  derive(rows: readonly LogRow[]): Promise<EndedFailure | undefined> {
    return new Promise((settle) => {
      this.#asked.push({ rows, settle })
      if (!this.#working) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#working = true
    for (let asked = this.#take(); asked.length > 0; asked = this.#take()) {
      const rows = new Set(asked.flatMap((one) => one.rows))
      const unknown = [...rows].filter((row) => this.#results.get(row) === undefined)
      const failure = await this.#deriveAll(unknown)
      for (const { settle } of asked) settle(failure)
    }
    this.#working = false
  }

  /** Those who have waited longest, as many as make a batch together. */
  #take(): Asked[] {
    let events = 0
    let chars = 0
    const full = this.#asked.findIndex(({ rows }, index) => {
      events += rows.length
      for (const row of rows) chars += row.text.length
      return index > 0 && (events > BATCH_EVENTS || chars > BATCH_CHARS)
    })
    return this.#asked.splice(0, full < 0 ? this.#asked.length : full)
  }

  async #deriveAll(rows: readonly LogRow[]): Promise<EndedFailure | undefined> {
    const [row] = rows
    if (row === undefined) return undefined
    const failure = await this.#run(rows)
    if (failure === undefined || isPassing(failure)) return failure
    if (rows.length === 1) {
      this.#results.set(row, null)
      this.#report(failure, `event ${row.seq}`)
      return undefined
    }
    const size = Math.ceil(rows.length / PARTS)
    for (let at = 0; at < rows.length; at += size) {
      const failed = await this.#deriveAll(rows.slice(at, at + size))
      if (failed !== undefined) return failed
    }
    return undefined
  }

  async #run(rows: readonly LogRow[]): Promise<EndedFailure | undefined> {
    const { plugin } = this
    if (!this.#services.mayRun(plugin.id)) return lost(`${plugin.id} may not run now.`)
    const { failure, result } = await this.#services.invoker.run({
      context: {
        plugin,
        endpoint: this.#endpoint,
        caller: undefined,
        transaction: undefined,
        tree: new CallTree(plugin.quota),
        depth: 0,
      },
      input: inputOf(rows),
      eachEvent: true,
      plainJson: true,
      traceWrites: false,
    })
    if (failure !== undefined) return failure
    const read = await readValues(result, rows.length)
    if (read === undefined)
      return {
        ...lost('The property gave back no answer for each event.'),
        code: 'plugin_failed',
        passing: false,
      }
    for (const [index, row] of rows.entries()) this.#results.set(row, read.values[index] ?? null)
    if (read.error !== undefined) this.#report(read.error, `${read.failed} of ${rows.length} events`)
    return undefined
  }

  #report({ message, stack }: ValueError, of: string): void {
    const said = `${message} (${of}; handlers get ${of.startsWith('event') ? 'it' : 'them'} without the property)`
    const about = { code: 'plugin_failed', details: undefined, passing: false, struck: false } as const
    this.#services.onFailure(this.plugin, this.#endpoint.name, { ...about, message: said, stack })
  }
}

function inputOf(rows: readonly LogRow[]): string {
  return `{"named":"{}","valueChars":${LIMITS.propertyChars},"events":[${rows.map((row) => row.text).join(',')}]}`
}

/** Whether it says nothing about the events: then they are tried again, for what they come to must not depend on it. */
function isPassing({ passing, code, struck }: EndedFailure): boolean {
  return passing || code === 'bundle_broken' || (code === 'over_wall' && !struck)
}

function lost(message: string): EndedFailure {
  return {
    code: 'property_unavailable',
    message,
    stack: undefined,
    details: undefined,
    passing: true,
    struck: false,
  }
}
