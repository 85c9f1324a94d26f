import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, globSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'

/** A database server of this machine, started for a test, on the loopback, in a folder of its own. */
export interface Database {
  readonly port: number
  /** The address of the database `lms` for an account. */
  url(user: string, password?: string): string
  /** Runs statements as the administrator in `lms`, and gives the rows of the last. */
  admin(...statements: readonly string[]): Promise<Record<string, unknown>[]>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
  /** Kills it, as a crash would, and keeps its folder. */
  crash(): Promise<void>
  /** Starts it again after a crash, on the same port. */
  restart(): Promise<void>
}

/** Servers refuse to run as root: then they run as nobody. */
const NOBODY = 65_534
const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
const START_MS = 30_000

const postgresBin = globSync('/usr/lib/postgresql/*/bin').sort().at(-1) ?? whereIs('initdb')
const mariadbd = ['/usr/sbin/mariadbd', '/usr/sbin/mysqld', '/usr/libexec/mariadbd'].find((path) =>
  existsSync(path),
)

/** Whether the servers are installed on this machine. */
export const hasPostgres = postgresBin !== undefined && existsSync(join(postgresBin, 'postgres'))
export const hasMariadb = mariadbd !== undefined && existsSync('/usr/bin/mariadb-install-db')

/** What a run of the tests tells where a server is missing. */
export function tellMissing(name: string, isThere: boolean): void {
  if (!isThere) console.warn(`${name} is not installed: the tests that need it are skipped`)
}

export async function startPostgres(): Promise<Database> {
  if (postgresBin === undefined) throw new Error('PostgreSQL is not installed')
  const folder = await ownFolder()
  const data = join(folder, 'data')
  run(join(postgresBin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8'])
  const port = await freePort()
  const start = () =>
    spawn(
      join(postgresBin, 'postgres'),
      [...['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder], ...settings(POSTGRES_SETTINGS)],
      { stdio: 'ignore', ...asNobody },
    )
  const admin = async (statements: readonly string[], database = 'lms') => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database })
    client.on('error', () => {})
    await client.connect()
    try {
      let rows: Record<string, unknown>[] = []
      for (const statement of statements) ({ rows } = await client.query(statement))
      return rows
    } finally {
      await client.end().catch(() => {})
    }
  }
  return serverOf({
    folder,
    port,
    start,
    answers: () => admin(['SELECT 1'], 'postgres'),
    first: async () => {
      await admin(['CREATE DATABASE lms'], 'postgres')
    },
    admin: (statements) => admin(statements),
    url: (user, password) => `postgres://${user}${password ? `:${password}` : ''}@127.0.0.1:${port}/lms`,
  })
}

const POSTGRES_SETTINGS = ['fsync=off', 'shared_buffers=16MB', 'max_connections=40', 'autovacuum=off']
const settings = (list: readonly string[]) => list.flatMap((setting) => ['-c', setting])

export async function startMariadb(): Promise<Database> {
  if (mariadbd === undefined) throw new Error('MariaDB is not installed')
  const folder = await ownFolder()
  const data = join(folder, 'data')
  run('/usr/bin/mariadb-install-db', [
    ...['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
  ])
  const port = await freePort()
  const start = () =>
    spawn(
      mariadbd,
      [
        ...['--no-defaults', `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1'],
        ...[`--socket=${join(folder, 'socket')}`, `--pid-file=${join(folder, 'pid')}`, '--skip-log-bin'],
        ...[
          '--innodb-buffer-pool-size=16M',
          '--innodb-log-file-size=8M',
          '--innodb-flush-log-at-trx-commit=0',
        ],
        '--performance-schema=off',
      ],
      { stdio: 'ignore', ...asNobody },
    )
  const admin = async (statements: readonly string[], database?: string) => {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      ...(database && { database }),
    })
    connection.on('error', () => {})
    try {
      let rows: Record<string, unknown>[] = []
      for (const statement of statements) {
        const [found] = await connection.query<RowDataPacket[]>(statement)
        rows = Array.isArray(found) ? found : []
      }
      return rows
    } finally {
      connection.destroy()
    }
  }
  return serverOf({
    folder,
    port,
    start,
    answers: () => admin(['SELECT 1']),
    first: async () => {
      await admin(['CREATE DATABASE lms'])
    },
    admin: (statements) => admin(statements, 'lms'),
    url: (user, password) => `mysql://${user}${password ? `:${password}` : ''}@127.0.0.1:${port}/lms`,
  })
}

interface Server {
  readonly folder: string
  readonly port: number
  readonly start: () => ChildProcess
  readonly answers: () => Promise<unknown>
  readonly first: () => Promise<void>
  readonly admin: (statements: readonly string[]) => Promise<Record<string, unknown>[]>
  readonly url: (user: string, password?: string) => string
}

async function serverOf({ folder, port, start, answers, first, admin, url }: Server): Promise<Database> {
  let running = start()
  const ended = () => new Promise((resolve) => running.once('exit', resolve))
  const wait = async () => {
    const lastMs = performance.now() + START_MS
    for (;;) {
      try {
        await answers()
        return
      } catch (error) {
        if (running.exitCode !== null || performance.now() > lastMs) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
  const kill = async (signal: NodeJS.Signals) => {
    if (running.exitCode !== null || running.signalCode !== null) return
    const gone = ended()
    running.kill(signal)
    await gone
  }
  await wait()
  await first()
  return {
    port,
    url,
    admin: (...statements) => admin(statements),
    crash: () => kill('SIGKILL'),
    restart: async () => {
      running = start()
      await wait()
    },
    stop: async () => {
      // Of PostgreSQL the signal that waits for nobody, and takes its own children down.
      await kill('SIGQUIT')
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-database-'))
  mkdirSync(join(folder, 'data'))
  if (asNobody.uid !== undefined)
    for (const path of [folder, join(folder, 'data')]) chownSync(path, NOBODY, NOBODY)
  return folder
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', cwd: '/', ...asNobody })
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? stderr}`)
}

function whereIs(program: string): string | undefined {
  return process.env.PATH?.split(':').find((folder) => existsSync(join(folder, program)))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}
