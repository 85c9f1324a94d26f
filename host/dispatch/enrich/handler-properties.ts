import { type CompiledFilter, compileFilter, compileLogFilter, mentionsDerived } from '../../events/filter.ts'
import type { LogRow } from '../../events/log.ts'
import type { EventEndpoint } from '../../registry/plugin.ts'
import { BATCH_CHARS, type Batch } from '../batch.ts'
import type { Held, Properties } from './properties.ts'

/** The derived properties that one handler asks for, and what its filter says about them. */
export class HandlerProperties {
  readonly #names: readonly string[]
  readonly #properties: Pick<Properties, 'enrich'>
  /** The whole filter, where it looks at derived properties. */
  readonly #filter: CompiledFilter | undefined

  constructor({ options }: EventEndpoint, properties: Pick<Properties, 'enrich'>) {
    this.#names = [...options.props].sort()
    this.#properties = properties
    this.#filter = mentionsDerived(options.where ?? {}) ? compileFilter(options.where ?? {}) : undefined
  }

  /** Whether what the log says of an event does not tell yet if the handler gets it. */
  get filters(): boolean {
    return this.#filter !== undefined
  }

  /** Events with what the handler asks for. */
  async enrich(rows: readonly LogRow[]): Promise<{ readonly rows: readonly LogRow[] } | Held> {
    return this.#names.length === 0 ? { rows } : this.#properties.enrich(this.#names, rows)
  }

  /**
   * A batch of what may be for the handler as what is: with its derived properties, and without the events that they
   * exclude. It ends earlier where they made it too large.
   */
  async narrow(batch: Batch): Promise<Batch | Held> {
    const enriched = await this.enrich(batch.rows)
    if ('failure' in enriched) return enriched
    const rows: LogRow[] = []
    let chars = 0
    for (const [index, row] of enriched.rows.entries()) {
      if (this.#filter !== undefined && !this.#filter.test(JSON.parse(row.text))) continue
      chars += row.text.length
      if (rows.length > 0 && chars > BATCH_CHARS) {
        const before = batch.rows[index - 1]
        return { ...batch, to: before?.seq ?? batch.from, rows }
      }
      rows.push(row)
    }
    return { ...batch, rows }
  }
}

/** What a handler asks of the log: its whole filter, but for what only derived properties can tell. */
export function logFilterOf({ options }: EventEndpoint): CompiledFilter {
  return options.props.length === 0
    ? compileFilter(options.where ?? {})
    : compileLogFilter(options.where ?? {})
}
