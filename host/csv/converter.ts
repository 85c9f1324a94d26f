import { scriptIn } from '../../process/own-files.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { SharedProcess, type SharedProcessOptions } from '../shared-process.ts'

const REQUEST_KIND = 20

/**
 * The host's side of the process that writes CSV. How long that takes and how large it gets depends on what a plugin
 * returned, which is no work for a thread of the host.
 */
export class CsvConverter {
  readonly #process: SharedProcess

  constructor(options: Required<Pick<SharedProcessOptions, 'onOutput' | 'onUsed'>>) {
    this.#process = new SharedProcess({
      ...options,
      name: 'csv',
      script: scriptIn(import.meta.dirname, 'csv-process'),
      rssCapMb: LIMITS.csvRssMb,
      requestMs: LIMITS.csvMs,
      mostWaiting: LIMITS.csvWaiting,
      mostWaitingOfPlugin: LIMITS.csvWaitingOfPlugin,
      lost: () =>
        new LyceumError(
          'over_output',
          'As CSV, the result takes more time or memory than there is. Ask for less, or for JSON.',
        ),
    })
  }

  /**
   * What a query of a plugin returned, as CSV.
   * @param json the result as it came from the plugin
   * @throws {LyceumError} over_output, over_concurrency
   */
  async convert(plugin: string, json: Buffer): Promise<Buffer> {
    const csv = await this.#process.inTurn(plugin, (process) =>
      process.request(plugin, { kind: REQUEST_KIND }, json),
    )
    if (csv !== undefined) return csv
    throw new LyceumError('over_concurrency', 'Too many ask for CSV right now. Try again, or ask for JSON.')
  }

  close(): void {
    this.#process.close()
  }
}
