import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import { LyceumError } from '../../host/errors.ts'
import { parseReplicas, type ReplicaConfig } from '../../host/replicas/config.ts'
import { Replicas } from '../../host/replicas/replicas.ts'
import type { SqlKind } from '../../host/replicas/sql/dialects.ts'
import { decode, encode } from '../../sdk/ejson.ts'
import { hasMariadb, hasPostgres, startMariadb, startPostgres } from '../support/databases.ts'

export const PASSWORD = 'p@ss/w:rd'
/** The account that plugins read by. */
export const READER = 'lyceum'

/** A database of an LMS that runs for a test. */
export interface Lms {
  readonly kind: SqlKind
  readonly config: unknown
  /** Runs statements as its administrator, and gives the rows of the last. */
  admin(...statements: readonly string[]): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
  /** Ends the server, as a crash would. */
  crash?(): Promise<void>
  restart?(): Promise<void>
}

/** Makes the account of a server that may read what is there, and nothing else. */
export const GRANTS = {
  postgres: [
    `CREATE ROLE ${READER} LOGIN PASSWORD '${PASSWORD}'`,
    `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${READER}`,
    'REVOKE CREATE, TEMPORARY ON DATABASE lms FROM PUBLIC',
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
  ],
  mysql: [
    `CREATE USER ${READER}@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
    `GRANT SELECT ON lms.* TO ${READER}@'127.0.0.1'`,
  ],
} as const

/** The databases that this machine can run. */
export const LMS_KINDS: readonly SqlKind[] = [
  'sqlite',
  ...(hasPostgres ? (['postgres'] as const) : []),
  ...(hasMariadb ? (['mysql'] as const) : []),
]

/** Starts a database, runs statements in it, and makes an account that can only read. */
export async function startLms(kind: SqlKind, statements: readonly string[]): Promise<Lms> {
  if (kind === 'sqlite') return startSqlite(statements)
  const server = kind === 'postgres' ? await startPostgres() : await startMariadb()
  await server.admin(...statements, ...GRANTS[kind])
  return {
    kind,
    config: { kind, url: server.url(READER, '${LMS_PASSWORD}') },
    admin: server.admin,
    stop: server.stop,
    crash: server.crash,
    restart: server.restart,
  }
}

async function startSqlite(statements: readonly string[]): Promise<Lms> {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-lms-'))
  const path = join(folder, 'lms.db')
  const sqlite = new DatabaseSync(path)
  sqlite.exec(`PRAGMA journal_mode = WAL; ${statements.join(';')}`)
  return {
    kind: 'sqlite',
    config: { kind: 'sqlite', path },
    admin: async (...more) => more.flatMap((statement) => sqlite.prepare(statement).all()),
    stop: async () => {
      sqlite.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Asking {
  readonly plugin?: string
  readonly name?: string
  readonly timeMs?: number
}

/** Replicas as a host has them, with a log that is kept. */
export class ReplicaBench {
  readonly replicas: Replicas
  readonly log: string[] = []
  readonly configs: ReadonlyMap<string, ReplicaConfig>

  constructor(configs: Readonly<Record<string, unknown>>) {
    this.configs = parseReplicas(JSON.stringify(configs), { LMS_PASSWORD: PASSWORD })
    this.replicas = new Replicas({
      configs: this.configs,
      logger: pino({ level: 'info' }, { write: (line: string) => this.log.push(line) }),
      onOutput: (text) => this.log.push(text),
      onUsed: () => {},
    })
    this.replicas.start()
  }

  /** Reads all rows of a query of one plugin. As a host does, it asks again where a process was killed from outside. */
  async rows(request: Buffer, options: Asking = {}): Promise<unknown[]> {
    for (let tries = 1; ; tries++)
      try {
        return await this.#rows(request, options)
      } catch (error) {
        const isLost = error instanceof LyceumError && error.code === 'replica_lost'
        if (!isLost || tries === 3) throw error
      }
  }

  async #rows(request: Buffer, { plugin = 'p', name = 'lms', timeMs = 20_000 }: Asking): Promise<unknown[]> {
    const query = await this.replicas.begin(plugin, name)
    const page = await query.ask(request, timeMs)
    const rows = decode(page.bytes.toString()) as unknown[]
    for (let last = page.last; !last; ) {
      const next = await query.next(timeMs)
      rows.push(...(decode(next.bytes.toString()) as unknown[]))
      last = next.last
    }
    return rows
  }

  /** The code with which a query is refused. */
  refusal(request: Buffer, options: Asking = {}): Promise<string> {
    return this.rows(request, options).then(
      (rows) => `${rows.length} rows`,
      (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
    )
  }

  close(): void {
    this.replicas.close()
  }
}

export function asked(sql: TemplateStringsArray, ...values: readonly unknown[]): Buffer {
  return Buffer.from(encode({ sql: [...sql], values }))
}

/** Waits for what comes about without telling. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}
