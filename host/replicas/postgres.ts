import pg from 'pg'
import { Binary, Long } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ReplicaConfig } from './config.ts'
import { cancelOnAbort, outOfTime, rowWriter, type Source, saidNo, unreachable, writable } from './source.ts'
import { compileStatement, templateOf } from './sql/compile.ts'

/** Rows of the first fetch; from then on as many as make a page. */
const FIRST_ROWS = 50

/** What plugins cannot set, since a SELECT sets nothing; and what a query that nobody reads must not keep. */
const SESSION = `
  SET default_transaction_read_only = on;
  SET standard_conforming_strings = on;
  SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex';
  SET cursor_tuple_fraction = 1;
  SET idle_in_transaction_session_timeout = '10min'`

/** Roles whose members can change data or run programs, whatever is granted on tables. */
const POWERFUL = `'pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'`
const OWN_SCHEMAS = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'`
/** Everything by which this account could change something, in words; of each kind the first. */
const MAY_WRITE = `
  (SELECT 'it is a superuser, or a member of one' FROM pg_roles r
    WHERE r.rolsuper AND pg_has_role(current_user, r.oid, 'MEMBER') LIMIT 1)
UNION ALL (SELECT 'it may create databases or roles' FROM pg_roles r
    WHERE (r.rolcreatedb OR r.rolcreaterole OR r.rolreplication) AND pg_has_role(current_user, r.oid, 'MEMBER') LIMIT 1)
UNION ALL (SELECT 'it is a member of ' || r.rolname FROM pg_roles r
    WHERE r.rolname IN (${POWERFUL}) AND pg_has_role(current_user, r.oid, 'MEMBER') LIMIT 1)
UNION ALL (SELECT 'it may write to ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN ${OWN_SCHEMAS}
      AND (pg_has_role(c.relowner, 'MEMBER')
        OR has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES')) END LIMIT 1)
UNION ALL (SELECT 'it may move the sequence ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE CASE WHEN c.relkind = 'S' THEN ${OWN_SCHEMAS} AND has_sequence_privilege(c.oid, 'USAGE, UPDATE') END LIMIT 1)
UNION ALL (SELECT 'it may create in the schema ' || n.nspname FROM pg_namespace n
    WHERE ${OWN_SCHEMAS} AND has_schema_privilege(n.oid, 'CREATE') LIMIT 1)
UNION ALL (SELECT 'it may create in the database' WHERE has_database_privilege(current_database(), 'CREATE'))
UNION ALL (SELECT 'it may make temporary tables' WHERE has_database_privilege(current_database(), 'TEMPORARY'))`

const REMEDY =
  'CREATE ROLE lyceum LOGIN PASSWORD …; GRANT SELECT ON … TO lyceum; REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE CREATE, TEMPORARY ON DATABASE … FROM PUBLIC'

/** PostgreSQL, by cursors in transactions that only read. */
export class PostgresSource implements Source {
  readonly #config: pg.ClientConfig
  readonly #tables: readonly string[] | undefined
  readonly #pool: pg.Pool
  /** Connections whose account was looked at: each one is, so that a server that changed is noticed. */
  readonly #checked = new WeakSet<pg.PoolClient>()

  constructor({ url, tables }: Extract<ReplicaConfig, { kind: 'postgres' }>) {
    this.#config = {
      connectionString: url,
      application_name: 'lyceum',
      connectionTimeoutMillis: LIMITS.replicaConnectMs,
      types: { getTypeParser: parserOf },
    }
    this.#tables = tables
    this.#pool = new pg.Pool({
      ...this.#config,
      max: LIMITS.replicaConnections,
      idleTimeoutMillis: LIMITS.replicaIdleMs,
    })
    // One that is idle and goes away is replaced when it is needed.
    this.#pool.on('error', () => {})
  }

  async check(): Promise<void> {
    const client = await this.#connect()
    client.release()
  }

  async *rows(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void> {
    const { sql, parameters } = compileStatement(templateOf(request), 'postgres', this.#tables)
    const client = await this.#connect()
    let isClean = false
    const hasEnded = cancelOnAbort(signal, () => this.#cancel(client))
    try {
      if (signal.aborted) throw outOfTime()
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${Math.max(1, Math.ceil(timeMs))}`)
      if (signal.aborted) throw outOfTime()
      await client.query(`DECLARE page NO SCROLL CURSOR FOR ${sql}`, [...parameters])
      for (let wanted = FIRST_ROWS; ; ) {
        if (signal.aborted) throw outOfTime()
        const { fields, rows } = await client.query({ text: `FETCH ${wanted} FROM page`, rowMode: 'array' })
        const write = rowWriter(fields.map(({ name }) => name))
        let bytes = 0
        for (const row of rows) {
          const text = write(row)
          bytes += text.length
          yield text
        }
        if (rows.length < wanted) break
        wanted = Math.max(
          1,
          Math.min(LIMITS.replicaPageRows, Math.floor((LIMITS.replicaPageBytes * rows.length) / bytes)),
        )
      }
      await client.query('COMMIT')
      isClean = true
    } catch (error) {
      throw signal.aborted ? outOfTime() : refusalOf(error)
    } finally {
      hasEnded()
      if (!isClean && !signal.aborted)
        isClean = await client.query('ROLLBACK').then(
          () => true,
          () => false,
        )
      // After a cancel that may still be on its way the connection serves nobody else.
      client.release(!isClean)
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw unreachable(error)
    }
    if (this.#checked.has(client)) return client
    // An idle connection may fail at any time.
    client.on('error', () => {})
    try {
      await client.query(SESSION)
      // A server before 14 does not look whether anybody still waits.
      await client.query("SET client_connection_check_interval = '1s'").catch(() => {})
      const { rows } = await client.query({ text: MAY_WRITE, rowMode: 'array' })
      if (rows.length > 0) throw writable(rows.map(([found]) => String(found)).join('; '), REMEDY)
      this.#checked.add(client)
      return client
    } catch (error) {
      client.release(true)
      throw error instanceof LyceumError ? error : unreachable(error)
    }
  }

  async #cancel(client: pg.PoolClient): Promise<void> {
    const pid: unknown = Reflect.get(client, 'processID')
    const control = new pg.Client(this.#config)
    control.on('error', () => {})
    try {
      await control.connect()
      await control.query('SELECT pg_cancel_backend($1)', [pid])
    } catch {
      // The statement's own time limit ends it, and the connection is not used again.
    } finally {
      await control.end().catch(() => {})
    }
  }
}

/** Classes of SQLSTATE that tell of the query or its data, and not of the server. */
const ABOUT_THE_QUERY = /^(?:0A|21|22|2201|42|44|54)/

function refusalOf(error: unknown): unknown {
  if (error instanceof LyceumError || !(error instanceof pg.DatabaseError)) {
    return error instanceof Error && !(error instanceof LyceumError) && 'code' in error
      ? unreachable(error)
      : error
  }
  if (error.code === '57014') return outOfTime()
  return ABOUT_THE_QUERY.test(error.code ?? '') ? saidNo(error.message) : unreachable(error)
}

const asText = (text: string) => text
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.BOOL, (text) => text === 't'],
  [pg.types.builtins.INT2, Number],
  [pg.types.builtins.INT4, Number],
  [pg.types.builtins.OID, Number],
  [pg.types.builtins.INT8, integerOf],
  [pg.types.builtins.FLOAT4, Number],
  [pg.types.builtins.FLOAT8, Number],
  [pg.types.builtins.DATE, (text) => dateOf(text, `${text}T00:00:00Z`)],
  [pg.types.builtins.TIMESTAMP, (text) => dateOf(text, `${text.replace(' ', 'T')}Z`)],
  [pg.types.builtins.TIMESTAMPTZ, (text) => dateOf(text, `${text.replace(' ', 'T').replace(/\+00$/, '')}Z`)],
  [pg.types.builtins.JSON, (text) => JSON.parse(text) as unknown],
  [pg.types.builtins.JSONB, (text) => JSON.parse(text) as unknown],
  [pg.types.builtins.BYTEA, (text) => new Binary(Buffer.from(text.slice(2), 'hex'))],
])
/** Arrays whose items are read as numbers and texts. */
const ARRAYS: ReadonlySet<number> = new Set([1000, 1005, 1007, 1009, 1015, 1021, 1022])

/** How a value is read that arrives as text. What is not listed stays text: numeric, uuid, interval and the like. */
function parserOf(oid: number): (text: string) => unknown {
  const parser = PARSERS.get(oid)
  if (parser !== undefined) return parser
  return ARRAYS.has(oid) ? pg.types.getTypeParser(oid) : asText
}

/** A whole number, as a Long where JavaScript's numbers do not hold it. */
function integerOf(text: string): number | Long {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : new Long(text)
}

/** `infinity` and years before Christ stay text. */
function dateOf(text: string, iso: string): Date | string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? text : date
}
