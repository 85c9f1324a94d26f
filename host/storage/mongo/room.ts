import { LyceumError } from '../../errors.ts'
import type { Db } from './driver.ts'

/** A measure is taken anew when what was added since is more than this part of the room that was left. */
const PART = 1 / 8
const OLD_MS = 60_000
/** A full database is asked again at most so often: it may have been emptied. */
const FULL_MS = 1_000

/** Keeps a database within its quota, without asking the server for its size each time. */
export class Room {
  readonly #db: Db
  readonly #apart: () => Promise<number>
  #bytes = 0
  #added = 0
  #measuredMs = Number.NEGATIVE_INFINITY

  /** @param apart what is there and has a quota of its own, in bytes */
  constructor(db: Db, apart: () => Promise<number>) {
    this.#db = db
    this.#apart = apart
  }

  /** Size of the documents and indexes as the server tells it, in bytes. */
  async measure(): Promise<number> {
    const { dataSize = 0, indexSize = 0 } = await this.#db.command({ dbStats: 1 })
    this.#bytes = Math.max(0, Number(dataSize) + Number(indexSize) - (await this.#apart()))
    this.#added = 0
    this.#measuredMs = performance.now()
    return this.#bytes
  }

  /** @throws {LyceumError} database_full where so many bytes would take the database over its quota */
  async require(bytes: number, maxBytes: number): Promise<void> {
    if (bytes === 0) return
    const ageMs = performance.now() - this.#measuredMs
    const isOver = this.#bytes + this.#added + bytes > maxBytes
    const isStale = this.#added + bytes > (maxBytes - this.#bytes) * PART
    if (ageMs > OLD_MS || (isOver && ageMs > FULL_MS) || (isStale && !isOver)) await this.measure()
    if (this.#bytes + this.#added + bytes > maxBytes)
      throw new LyceumError(
        'database_full',
        'The database of the plugin has the size that its quota allows. Delete documents, or ask an admin to raise databaseMb.',
      )
    this.#added += bytes
  }
}
