import { ownUser } from '../../process/confine.ts'
import { scriptIn } from '../../process/own-files.ts'
import { CODE_ONLY } from '../../process/permissions.ts'
import { Places } from '../../process/places.ts'
import { SerialProcess } from '../../process/serial-process.ts'
import { LyceumError, refusalOf } from '../errors.ts'
import { LIMITS } from '../limits.ts'

const SCRIPT = scriptIn(import.meta.dirname, 'csv-process')
const REQUEST_KIND = 20
/** The process goes after being idle for this long: few ask for CSV. */
const IDLE_MS = 30_000

export interface CsvConverterOptions {
  readonly onOutput: (text: string) => void
  /** CPU time that it has used for a plugin. */
  readonly onUsed: (plugin: string, cpuMs: number) => void
}

/**
 * The host's side of the process that writes CSV. How long that takes and how large it gets depends on what a plugin
 * returned, which is no work for a thread of the host. It is started when it is needed.
 */
export class CsvConverter {
  readonly #options: CsvConverterOptions
  /** One at a time: so whoever has to be killed takes nobody's answer along. */
  readonly #turn = new Places(1, LIMITS.csvWaiting)
  /** Of each plugin only one waits for its turn: so none takes those of the others. */
  readonly #turnsOf = new Map<string, Places>()
  #process: SerialProcess | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(options: CsvConverterOptions) {
    this.#options = options
  }

  /**
   * What a query of a plugin returned, as CSV.
   * @param json the result as it came from the plugin
   * @throws {LyceumError} over_output, over_concurrency
   */
  async convert(plugin: string, json: Buffer): Promise<Buffer> {
    const turns = this.#turnsOf.get(plugin) ?? new Places(1, LIMITS.csvWaitingOfPlugin)
    this.#turnsOf.set(plugin, turns)
    try {
      const csv = await turns.within(() => this.#turn.within(() => this.#convert(plugin, json)))
      if (csv !== undefined) return csv
    } finally {
      if (turns.idle) this.#turnsOf.delete(plugin)
    }
    throw new LyceumError('over_concurrency', 'Too many ask for CSV right now. Try again, or ask for JSON.')
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#process?.kill('closed')
  }

  async #convert(plugin: string, json: Buffer): Promise<Buffer> {
    clearTimeout(this.#idle)
    try {
      return await this.#running().request(plugin, { kind: REQUEST_KIND }, json)
    } finally {
      this.#idle = setTimeout(() => this.#process?.kill('idle'), IDLE_MS).unref()
    }
  }

  #running(): SerialProcess {
    if (this.#process?.alive) return this.#process
    const started = new SerialProcess({
      name: 'csv',
      script: SCRIPT,
      nodeFlags: [...CODE_ONLY, '--allow-worker', '--no-experimental-sqlite'],
      confinement: { uid: ownUser(), writesFiles: false },
      rssCapMb: LIMITS.csvRssMb,
      maxFrameBytes: LIMITS.frameBytes,
      requestMs: LIMITS.csvMs,
      slowMs: LIMITS.csvMs,
      onSlow: () => {},
      onOutput: this.#options.onOutput,
      onUsed: this.#options.onUsed,
      onGone: () => {
        if (this.#process === started) this.#process = undefined
      },
      refusal: refusalOf,
      lost: () =>
        new LyceumError(
          'over_output',
          'As CSV, the result takes more time or memory than there is. Ask for less, or for JSON.',
        ),
    })
    this.#process = started
    return started
  }
}
