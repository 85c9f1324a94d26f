import type { DatabaseSync, StatementSync } from 'node:sqlite'

/**
 * Rows of one block. Larger, and a handler reads more that is not for it; smaller, and an event costs more to
 * append: each block has a row for each type in it.
 */
const BLOCK_ROWS = 1_024

/** The migration that makes the table, filled from the events that are there. */
export const TYPE_BLOCKS_TABLE = `
  CREATE TABLE type_blocks (
    type TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (type, block)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO type_blocks SELECT DISTINCT type, seq / ${BLOCK_ROWS} FROM events;`

/**
 * Notes which types occur in which stretch of the log. So a handler leaps over what cannot be for it, and one
 * that waits for what never comes is at the head in one step: it needs to remember nothing of what passed it.
 * An index of every event would do the same for ten times the work.
 */
export class TypeBlocks {
  #insert: StatementSync
  #block = -1
  readonly #noted = new Set<string>()

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare('INSERT INTO type_blocks VALUES (?, ?) ON CONFLICT DO NOTHING')
  }

  /** Notes the type of an event, within the transaction that appends it. */
  add(seq: number, type: string): void {
    const block = Math.floor(seq / BLOCK_ROWS)
    if (block !== this.#block) {
      this.forget()
      this.#block = block
    }
    if (this.#noted.has(type)) return
    this.#insert.run(type, block)
    this.#noted.add(type)
  }

  /** To be called when a transaction was rolled back: what it noted is not there. */
  forget(): void {
    this.#noted.clear()
  }
}

/** Finds types by their blocks, on a connection that reads. */
export class TypeBlocksReader {
  readonly #find: StatementSync

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT min(block) AS block FROM type_blocks WHERE type = ? AND block >= ?')
  }

  /** The seq after which the next event of some types may stand; undefined where there is none any more. */
  before(types: Iterable<string>, after: number): number | undefined {
    const here = Math.floor((after + 1) / BLOCK_ROWS)
    let next: number | undefined
    for (const type of types) {
      const block = this.#find.get(type, here)?.block
      if (block === here) return after
      if (typeof block === 'number' && (next === undefined || block < next)) next = block
    }
    return next === undefined ? undefined : next * BLOCK_ROWS - 1
  }
}
