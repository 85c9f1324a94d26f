import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accept } from '../../host/events/accept.ts'
import { LogFile } from '../../host/events/log-file.ts'
import type { Rows } from '../../host/events/rows.ts'
import { LIMITS } from '../../host/limits.ts'
import { perSecond } from './harness.ts'

/** Rows in one transaction: as many as the log thread puts into one. */
const GROUP_ROWS = 2_000

/** The log's own file, without HTTP, threads and parsing: what appending, telling duplicates and fsync cost. */
export class RawLog {
  readonly #folder: string
  readonly #file: LogFile

  private constructor(folder: string) {
    this.#folder = folder
    this.#file = new LogFile(join(folder, 'events.db'))
  }

  static async open(): Promise<RawLog> {
    return new RawLog(await mkdtemp(join(tmpdir(), 'lyceum-raw-')))
  }

  /** Events a second. The bodies are read before the clock starts. */
  append(bodies: readonly Buffer[]): Promise<number> {
    const read = bodies.map((body) => accept(body, { receivedMs: Date.now() }, LIMITS).rows)
    const groups: Rows[][] = []
    for (const rows of read) {
      const group = groups.at(-1)
      if (group === undefined || total([...group, rows]) > GROUP_ROWS) groups.push([rows])
      else group.push(rows)
    }
    return perSecond(total(read), () => {
      for (const group of groups) this.#file.append(group)
    })
  }

  async close(): Promise<void> {
    this.#file.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Runs work with a raw log and removes it again. */
export async function withRawLog<Result>(work: (raw: RawLog) => Promise<Result>): Promise<Result> {
  const raw = await RawLog.open()
  try {
    return await work(raw)
  } finally {
    await raw.close()
  }
}

function total(requests: readonly Rows[]): number {
  return requests.reduce((sum, { count }) => sum + count, 0)
}
