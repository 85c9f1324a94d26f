import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reader, Rows } from './reader.ts'

/** One query of a replica, from its question to its last page. */
export class ReplicaQuery {
  readonly #reader: Reader
  readonly #query: bigint
  readonly #onReplicaFailure: (error: LyceumError) => LyceumError
  #rows = 0

  /** @param onReplicaFailure told that the replica itself cannot be read; makes what the plugin is told */
  constructor(reader: Reader, onReplicaFailure: (error: LyceumError) => LyceumError) {
    this.#reader = reader
    this.#query = reader.begin()
    this.#onReplicaFailure = onReplicaFailure
  }

  /** Asks, and gives the first page. @throws {LyceumError} */
  ask(request: Buffer, timeMs: number): Promise<Rows> {
    return this.#counted(this.#reader.ask(this.#query, request, timeMs))
  }

  /** @throws {LyceumError} */
  next(timeMs: number): Promise<Rows> {
    return this.#counted(this.#reader.next(this.#query, timeMs))
  }

  /** Lets go of it, wherever it is: the database stops working on it. */
  end(): void {
    this.#reader.end(this.#query)
  }

  /** Rows are counted here too, and not only in the process. */
  async #counted(page: Promise<Rows>): Promise<Rows> {
    try {
      const given = await page
      this.#rows += given.rows
      if (this.#rows <= LIMITS.replicaRows) return given
      throw new LyceumError('result_too_large', `The query has more than ${LIMITS.replicaRows} rows.`)
    } catch (error) {
      this.end()
      throw error instanceof LyceumError && isAboutTheReplica(error) ? this.#onReplicaFailure(error) : error
    }
  }
}

function isAboutTheReplica({ code }: LyceumError): boolean {
  return code === 'replica_unavailable' || code === 'replica_writable'
}
