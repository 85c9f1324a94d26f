import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller } from '../host/auth/tokens.ts'
import { LyceumError } from '../host/errors.ts'
import { QUOTA_CEILINGS } from '../host/limits.ts'
import type { QueryEndpoint } from '../host/registry/plugin.ts'
import { ask, type Given } from './asking.ts'
import { authorError } from './author-error.ts'
import { countDeadLetters, firstFailure, handled } from './handled.ts'
import { type Bench, openBench } from './workbench.ts'

/** A part of a log, as lines. */
export interface EventBatch {
  readonly body: Uint8Array
  /** Names these lines, so that those without a time of their own count once each. */
  readonly key: string
}

/** How far a run is. */
export interface RunProgress {
  readonly step: 'reading' | 'handling'
  readonly events: number
  /** While handling: the events that the slowest handler is through with. */
  readonly handled: number
}

/** What became of the events. */
export interface RunSummary {
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  readonly deadLetters: number
  /** Why the first of those failed, with its place. */
  readonly failure: unknown
}

/** How a result is written. */
export type RunFormat = 'ndjson' | 'json' | 'csv'

/** There is time, and there are no neighbours: what a call may use is as much as an admin could give it. */
const QUOTAS = {
  wallMs: QUOTA_CEILINGS.wallMs,
  cpuMsPerCall: QUOTA_CEILINGS.cpuMsPerCall,
  outputBytes: QUOTA_CEILINGS.outputBytes,
  bytesPerCall: QUOTA_CEILINGS.bytesPerCall,
  memoryMb: QUOTA_CEILINGS.memoryMb,
  databaseMb: QUOTA_CEILINGS.databaseMb,
  fileMb: QUOTA_CEILINGS.fileMb,
}
const LOOK_MS = 50

/**
 * A plugin, and those that it asks, over events of files: on the same host as on-line, but one that nobody can reach.
 * Events are on the disk while they are handled, so that memory does not grow with them.
 */
export class OffLineRun {
  readonly #bench: Bench
  readonly #dirs: ReadonlyMap<string, string>
  /** Plugins that are asked and not there: of them there are only samples. */
  readonly standIns: readonly string[]

  private constructor(bench: Bench, dirs: ReadonlyMap<string, string>, standIns: readonly string[]) {
    this.#bench = bench
    this.#dirs = dirs
    this.standIns = standIns
  }

  /**
   * @param dir the plugin's folder
   * @param others folders of plugins that it asks
   * @throws what is wrong with a plugin, with its place
   */
  static async open(dir: string, others: readonly string[]): Promise<OffLineRun> {
    const bench = await openBench({ dir, quotas: QUOTAS })
    const dirs = new Map<string, string>()
    const missing: string[] = []
    for (const folder of [...others, dir]) {
      try {
        const { plugin, standIns } = await bench.publish(folder)
        dirs.set(plugin, folder)
        missing.push(...standIns)
      } catch (error) {
        const shown = await authorError(bench.host, error, () => folder)
        await bench.close()
        throw shown
      }
    }
    return new OffLineRun(bench, dirs, missing)
  }

  /** Sends events through the handlers; resolves when all are through. @throws {LyceumError} where one stands still */
  async feed(
    batches: AsyncIterable<EventBatch>,
    onProgress: (progress: RunProgress) => void,
  ): Promise<RunSummary> {
    const { host } = this.#bench
    const counts = { accepted: 0, duplicates: 0, rejected: 0 }
    // One after the other: handlers see events in the order in which they are appended.
    for await (const { body, key } of batches) {
      host.disk.admit(body.byteLength)
      const about = { contentType: 'application/x-ndjson', idempotencyKey: key, receivedMs: host.nowMs() }
      const { accepted, duplicates, rejected } = await host.log.append(body, about)
      counts.accepted += accepted
      counts.duplicates += duplicates
      counts.rejected += rejected.length
      onProgress({ step: 'reading', events: host.log.head(), handled: this.#handled() })
    }
    const through = handled(host)
    const isThrough = through.then(
      () => true,
      () => true,
    )
    while (!(await Promise.race([isThrough, sleep(LOOK_MS, false)])))
      onProgress({ step: 'handling', events: host.log.head(), handled: this.#handled() })
    await through
    return { ...counts, ...(await this.#failures()) }
  }

  /** The plugin's own queries. */
  get queries(): QueryEndpoint[] {
    const { endpoints } = this.#bench.host.plugins.get(this.#bench.plugin)
    return [...endpoints.values()].filter((endpoint) => endpoint.kind === 'query')
  }

  /**
   * What a query returns, as it is written to a file, in which nothing could say that it is made up.
   * @throws {LyceumError} plugin_unknown where it is made of samples; what the plugin did wrong, with its place
   */
  async result(query: string, given: Given, caller: Caller, format: RunFormat): Promise<Buffer> {
    const { host, plugin } = this.#bench
    try {
      const { result, isSample } = await ask(host, 'query', plugin, query, given, caller)
      if (isSample)
        throw new LyceumError(
          'plugin_unknown',
          `${query} is made of samples, not of data: ${this.standIns.join(', ')} is not here. Run it with --with FOLDER.`,
        )
      if (format === 'csv') return await host.csv.convert(plugin, result)
      return format === 'json' ? Buffer.concat([result, LINE_END]) : linesOf(result)
    } catch (error) {
      throw await this.#explained(error)
    }
  }

  close(): Promise<void> {
    return this.#bench.close()
  }

  #handled(): number {
    return Math.min(...[...this.#dirs.keys()].map((plugin) => this.#bench.host.logPosition(plugin)))
  }

  async #failures(): Promise<Pick<RunSummary, 'deadLetters' | 'failure'>> {
    const { host } = this.#bench
    let deadLetters = 0
    let failure: unknown
    for (const plugin of this.#dirs.keys()) {
      const failed = await countDeadLetters(host, plugin)
      if (failed > 0) failure ??= await this.#explained(await firstFailure(host, plugin, failed))
      deadLetters += failed
    }
    return { deadLetters, failure }
  }

  #explained(error: unknown): Promise<unknown> {
    const { host, plugin } = this.#bench
    return authorError(host, error, (id) => this.#dirs.get(id ?? plugin) ?? '')
  }
}

const LINE_END = Buffer.from('\n')

/** A list as a line for each item; anything else is one line. */
function linesOf(json: Buffer): Buffer {
  const result: unknown = JSON.parse(json.toString())
  const rows = Array.isArray(result) ? result : [result]
  return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}
