import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'

/** A row of a scan; `place` is where it stands in the order of the scan, before its id. */
export type ScanRow = Record<string, SQLOutputValue>

/** The SQL of a scan, from its start or behind a row. */
export type ScanQuery = (after: ScanRow | undefined) => {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
  /** True where rows have a place, which may be a whole number that JavaScript's own cannot hold. */
  readonly hasPlace: boolean
}

/**
 * The statements that scans of one database hold open. While one is open, SQLite keeps a snapshot for it and its
 * connection cannot roll back, so none may stay open between the pages of a cursor: {@link pause} closes them all, and
 * each scan goes on behind its last row when it is asked again.
 */
export class Scans {
  readonly #sqlite: DatabaseSync
  readonly #open = new Set<Iterator<ScanRow>>()

  constructor(sqlite: DatabaseSync) {
    this.#sqlite = sqlite
  }

  /** @param before called each time before rows are read: what is held in memory has to be in the table */
  *rows(query: ScanQuery, before: () => void): Generator<ScanRow> {
    let after: ScanRow | undefined
    for (;;) {
      before()
      const { sql, values, hasPlace } = query(after)
      // Not kept: a pipeline may scan one collection inside of a scan of it.
      const statement = this.#sqlite.prepare(sql)
      statement.setReadBigInts(hasPlace)
      const rows = statement.iterate(...values)
      this.#open.add(rows)
      try {
        while (this.#open.has(rows)) {
          const next = rows.next()
          if (next.done) return
          after = next.value
          yield next.value
        }
      } finally {
        if (this.#open.delete(rows)) rows.return?.()
      }
    }
  }

  pause(): void {
    for (const rows of this.#open) rows.return?.()
    this.#open.clear()
  }
}
