import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Why a handler stands still, and since when. */
export interface Halt {
  readonly message: string
  readonly atMs: number
}

/**
 * Handlers that stand still because they failed on event after event, kept in `registry.db`: after a restart they
 * must not fail on as many again. A version that is activated anew begins without.
 */
export class Halts {
  readonly #find: StatementSync
  readonly #set: StatementSync
  readonly #delete: StatementSync
  readonly #forget: StatementSync

  constructor(db: DatabaseSync) {
    this.#find = db.prepare(
      'SELECT message, at_ms FROM halts WHERE plugin = ? AND endpoint = ? AND activation = ?',
    )
    this.#set = db.prepare('INSERT OR REPLACE INTO halts VALUES (?, ?, ?, ?, ?)')
    this.#delete = db.prepare('DELETE FROM halts WHERE plugin = ? AND endpoint = ?')
    this.#forget = db.prepare('DELETE FROM halts WHERE plugin = ?')
  }

  find(plugin: string, endpoint: string, activation: number): Halt | undefined {
    const row = this.#find.get(plugin, endpoint, activation)
    return row === undefined ? undefined : { message: String(row.message), atMs: Number(row.at_ms) }
  }

  set(plugin: string, endpoint: string, activation: number, { message, atMs }: Halt): void {
    this.#set.run(plugin, endpoint, activation, message, atMs)
  }

  delete(plugin: string, endpoint: string): void {
    this.#delete.run(plugin, endpoint)
  }

  /** Forgets a plugin whose data were deleted. */
  forget(plugin: string): void {
    this.#forget.run(plugin)
  }
}
