import { DatabaseSync } from 'node:sqlite'
import { Binary, Long } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import type { ReplicaConfig } from './config.ts'
import { rowWriter, type Source, saidNo, unreachable } from './source.ts'
import { compileStatement, templateOf } from './sql/compile.ts'

/**
 * A SQLite file. Its engine answers nothing else while it works and knows no way to stop: a query that takes too
 * long ends with its process.
 */
export class SqliteSource implements Source {
  readonly #path: string
  readonly #tables: readonly string[] | undefined
  #open: { readonly sqlite: DatabaseSync; readonly tables: readonly string[] } | undefined

  constructor({ path, tables }: Extract<ReplicaConfig, { kind: 'sqlite' }>) {
    this.#path = path
    this.#tables = tables
  }

  async check(): Promise<void> {
    this.#opened()
  }

  async *rows(request: unknown): AsyncGenerator<string, void> {
    const { sqlite, tables } = this.#opened()
    const { sql, parameters } = compileStatement(templateOf(request), 'sqlite', tables)
    try {
      const statement = sqlite.prepare(sql)
      statement.setReadBigInts(true)
      statement.setReturnArrays(true)
      const write = rowWriter(statement.columns().map(({ name }) => name))
      for (const row of statement.iterate(...parameters.map(parameterOf)))
        yield write(Object.values(row).map(readValue))
    } catch (error) {
      throw error instanceof LyceumError || !(error instanceof Error) ? error : saidNo(error.message)
    }
  }

  /** Names of tables and views; SQLite has others that look like tables and tell of the database. */
  #opened(): { readonly sqlite: DatabaseSync; readonly tables: readonly string[] } {
    if (this.#open !== undefined) return this.#open
    try {
      const sqlite = new DatabaseSync(this.#path, { readOnly: true, allowExtension: false })
      sqlite.exec(
        'PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 2000',
      )
      const found = sqlite
        .prepare(`SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')`)
        .all()
        .map(({ name }) => String(name))
      const tables = this.#tables?.filter((name) => found.includes(name)) ?? found
      this.#open = { sqlite, tables }
      return this.#open
    } catch (error) {
      throw unreachable(error)
    }
  }
}

function parameterOf(value: unknown): string | number | null | Buffer {
  if (typeof value === 'string' || typeof value === 'number' || value === null || Buffer.isBuffer(value))
    return value
  throw new TypeError(`a parameter of type ${typeof value}`)
}

function readValue(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : new Long(value)
  }
  return value instanceof Uint8Array ? new Binary(value) : value
}
