import { createConnection, createPool, type Pool, type PoolConnection } from 'mysql2'
import { Binary, Long } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ReplicaConfig } from './config.ts'
import { cancelOnAbort, outOfTime, rowWriter, type Source, saidNo, unreachable, writable } from './source.ts'
import { compileStatement, templateOf } from './sql/compile.ts'

/** Rows that are read ahead of whoever asks for them. */
const ROWS_AHEAD = 32
const HARMLESS: ReadonlySet<string> = new Set(['USAGE', 'SELECT', 'SHOW VIEW', 'SHOW DATABASES'])
const REMEDY = "CREATE USER lyceum@'…' IDENTIFIED BY '…'; GRANT SELECT ON lms.* TO lyceum@'…'"

type Fields = readonly { readonly name: string; readonly columnType?: number | undefined }[]

/** MariaDB and MySQL, by prepared statements whose rows stream. */
export class MysqlSource implements Source {
  readonly #options: Parameters<typeof createPool>[0] & object
  readonly #tables: readonly string[] | undefined
  readonly #pool: Pool
  /** Connections whose account was looked at: each one is, so that a server that changed is noticed. */
  readonly #checked = new WeakSet<object>()

  constructor({ url, tables }: Extract<ReplicaConfig, { kind: 'mysql' }>) {
    this.#options = {
      uri: url.replace(/^mariadb:/, 'mysql:'),
      connectTimeout: LIMITS.replicaConnectMs,
      multipleStatements: false,
      flags: ['-LOCAL_FILES'],
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      jsonStrings: true,
      charset: 'utf8mb4',
      maxPreparedStatements: 16,
    }
    this.#tables = tables
    this.#pool = createPool({
      ...this.#options,
      connectionLimit: LIMITS.replicaConnections,
      maxIdle: LIMITS.replicaConnections,
      idleTimeout: LIMITS.replicaIdleMs,
    })
  }

  async check(): Promise<void> {
    const connection = await this.#connect()
    connection.release()
  }

  async *rows(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void> {
    const { sql, parameters } = compileStatement(templateOf(request), 'mysql', this.#tables)
    const connection = await this.#connect()
    let isClean = false
    const hasEnded = cancelOnAbort(signal, () => this.#kill(connection))
    try {
      if (signal.aborted) throw outOfTime()
      await limitTime(connection, timeMs)
      if (signal.aborted) throw outOfTime()
      let fields: Fields = []
      const command = connection.execute({ sql, values: [...parameters], rowsAsArray: true })
      command.on('fields', (found: Fields) => {
        fields = found
      })
      let write: ((values: readonly unknown[]) => string) | undefined
      for await (const row of command.stream({ highWaterMark: ROWS_AHEAD })) {
        write ??= rowWriter(fields.map(({ name }) => name))
        const values: readonly unknown[] = row
        yield write(values.map((value, index) => readValue(value, fields[index]?.columnType)))
      }
      isClean = true
    } catch (error) {
      throw signal.aborted ? outOfTime() : refusalOf(error)
    } finally {
      hasEnded()
      if (isClean) connection.release()
      else {
        // What was not read to its end is on its way still.
        if (!signal.aborted) void this.#kill(connection)
        connection.destroy()
      }
    }
  }

  async #connect(): Promise<PoolConnection> {
    const connection = await new Promise<PoolConnection>((resolve, reject) =>
      this.#pool.getConnection((error, found) => (error ? reject(unreachable(error)) : resolve(found))),
    )
    if (this.#checked.has(connection)) return connection
    try {
      await said(connection, "SET SESSION time_zone = '+00:00'")
      await said(connection, 'SET SESSION TRANSACTION READ ONLY')
      const grants = await said(connection, 'SHOW GRANTS')
      const found = mayWrite(grants.flatMap((row) => Object.values(row)).map(String))
      if (found !== undefined) throw writable(found, REMEDY)
      this.#checked.add(connection)
      return connection
    } catch (error) {
      connection.destroy()
      throw error instanceof LyceumError ? error : unreachable(error)
    }
  }

  /** Ends what a connection works on, from another connection: whoever has an account may end what is its own. */
  #kill(connection: PoolConnection): Promise<void> {
    return new Promise((resolve) => {
      const control = createConnection(this.#options)
      const end = () => {
        control.destroy()
        resolve()
      }
      control.on('error', end)
      control.query(`KILL QUERY ${Number(connection.threadId)}`, end)
    })
  }
}

/**
 * What is said by `SHOW GRANTS` that is more than reading; undefined where nothing is.
 * A role is not looked into: what it may can change without a trace here.
 */
export function mayWrite(grants: readonly string[]): string | undefined {
  for (const grant of grants) {
    const [, privileges, on] = /^GRANT (.+?) ON (.+?) TO /.exec(grant) ?? []
    if (privileges === undefined || on === undefined) {
      if (/^SET DEFAULT ROLE NONE\b/.test(grant)) continue
      return /^GRANT /.test(grant) ? 'it has a role, or may stand in for another account' : 'it has a role'
    }
    if (/ WITH GRANT OPTION$| WITH .*\bGRANT OPTION\b/.test(grant))
      return `it may pass on what it may do on ${on}`
    // Columns in parentheses hold commas too.
    const more = privileges
      .replaceAll(/\([^)]*\)/g, '')
      .split(',')
      .map((privilege) => privilege.trim())
      .find((privilege) => !HARMLESS.has(privilege))
    if (more !== undefined) return `it has ${more} on ${on}`
  }
  return grants.length === 0 ? 'it tells no grants' : undefined
}

/** MariaDB counts seconds and gives its error no code; MySQL counts milliseconds. */
async function limitTime(connection: PoolConnection, timeMs: number): Promise<void> {
  const ms = Math.max(1, Math.ceil(timeMs))
  await said(connection, `SET SESSION max_statement_time = ${ms / 1_000}`).catch(() =>
    said(connection, `SET SESSION max_execution_time = ${ms}`),
  )
}

function said(connection: PoolConnection, statement: string): Promise<object[]> {
  return new Promise((resolve, reject) =>
    connection.query(statement, (error, rows) =>
      error ? reject(error) : resolve(Array.isArray(rows) ? rows : []),
    ),
  )
}

/** Errors of the server about a statement and its data; all others are about the server and the way to it. */
const OUT_OF_TIME: ReadonlySet<number> = new Set([1969, 3024, 1317])
const ABOUT_THE_SERVER: ReadonlySet<number> = new Set([1040, 1045, 1049, 1053, 1129, 1130, 1203, 1226, 1927])

function refusalOf(error: unknown): unknown {
  if (error instanceof LyceumError || !(error instanceof Error)) return error
  const errno: unknown = Reflect.get(error, 'errno')
  if (typeof errno !== 'number' || errno < 1_000 || ABOUT_THE_SERVER.has(errno)) return unreachable(error)
  return OUT_OF_TIME.has(errno) ? outOfTime() : saidNo(error.message)
}

const LONGLONG = 8
const DATES: ReadonlySet<number> = new Set([7, 10, 12])

function readValue(value: unknown, columnType: number | undefined): unknown {
  if (Buffer.isBuffer(value)) return new Binary(value)
  if (typeof value !== 'string') return value
  if (columnType === LONGLONG) {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : new Long(value)
  }
  if (columnType !== undefined && DATES.has(columnType)) {
    // The zone of the session is UTC. `0000-00-00` is no date and stays text.
    const date = new Date(value.length === 10 ? `${value}T00:00:00Z` : `${value.replace(' ', 'T')}Z`)
    return Number.isNaN(date.getTime()) ? value : date
  }
  return value
}
