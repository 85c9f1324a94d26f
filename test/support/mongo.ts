import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A server that speaks MongoDB's wire protocol, for tests. */
export interface WireServer {
  /** As `lacks/` of the contracts knows it. */
  readonly server: 'mongodb' | 'ferretdb' | 'mongo-java-server'
  /** The address; starts the server where that is ours to do. */
  start(): Promise<string>
  stop(): Promise<void>
}

const LOCALHOST = '127.0.0.1'
/** In memory where the system has such a place: FerretDB syncs its disk for every document. */
const FOLDERS = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const START_MS = 30_000

/**
 * The servers that this machine offers: the one of `LYCEUM_TEST_MONGODB_URI`, else a `mongod` or `ferretdb` on the
 * path, and mongo-java-server beside it where `LYCEUM_TEST_MONGO_JAVA` holds its class path.
 */
export function wireServers(): WireServer[] {
  const { LYCEUM_TEST_MONGODB_URI: uri, LYCEUM_TEST_MONGO_JAVA: classPath } = process.env
  if (uri) return [{ server: 'mongodb', start: async () => uri, stop: async () => {} }]
  const found: WireServer[] = []
  const mongod = onPath('mongod')
  const ferretdb = onPath('ferretdb')
  if (mongod !== undefined) found.push(ours('mongodb', (port, folder) => mongodOf(mongod, port, folder)))
  else if (ferretdb !== undefined)
    found.push(ours('ferretdb', (port, folder) => ferretOf(ferretdb, port, folder)))
  if (classPath) found.push(ours('mongo-java-server', (port) => javaOf(classPath, port)))
  return found
}

/** A FerretDB that asks for passwords, whose first account is in the address; undefined where there is none here. */
export function serverWithAccounts(account: string): WireServer | undefined {
  const ferretdb = onPath('ferretdb')
  if (ferretdb === undefined) return undefined
  const [user = '', password = ''] = account.split(':')
  const server = ours('ferretdb', (port, folder) => {
    const { program, args } = ferretOf(ferretdb, port, folder)
    const accounts = [`--setup-username=${user}`, `--setup-password=${password}`, '--setup-database=admin']
    return { program, args: [...args, '--test-enable-new-auth', ...accounts] }
  })
  return {
    ...server,
    start: async () => (await server.start()).replace('mongodb://', `mongodb://${account}@`),
  }
}

interface Command {
  readonly program: string
  readonly args: readonly string[]
}

function mongodOf(program: string, port: number, folder: string): Command {
  return { program, args: ['--port', `${port}`, '--dbpath', folder, '--bind_ip', LOCALHOST, '--quiet'] }
}

/** FerretDB 1 with its SQLite backend. */
function ferretOf(program: string, port: number, folder: string): Command {
  return {
    program,
    args: [
      '--handler=sqlite',
      `--sqlite-url=file:${folder}/`,
      `--state-dir=${folder}`,
      `--listen-addr=${LOCALHOST}:${port}`,
      '--debug-addr=-',
      '--telemetry=disable',
      '--log-level=error',
    ],
  }
}

function javaOf(classPath: string, port: number): Command {
  const options = ['-Xshare:auto', '-XX:TieredStopAtLevel=1', '-Xmx256m', '-cp', classPath]
  const main = join(import.meta.dirname, 'MongoJavaServer.java')
  return { program: 'java', args: [...options, main, `${port}`] }
}

/** A server that a test starts and ends, in a folder of its own. */
function ours(
  server: WireServer['server'],
  commandOf: (port: number, folder: string) => Command,
): WireServer {
  let child: ChildProcess | undefined
  let folder = ''
  return {
    server,
    start: async () => {
      folder = await mkdtemp(join(FOLDERS, 'lyceum-mongo-'))
      const port = await freePort()
      const { program, args } = commandOf(port, folder)
      const started = spawn(program, args, { stdio: 'ignore', cwd: folder })
      child = started
      await listens(port, started)
      return `mongodb://${LOCALHOST}:${port}`
    },
    stop: async () => {
      const running = child
      child = undefined
      if (running !== undefined && running.exitCode === null) {
        const ended = new Promise((resolve) => running.once('exit', resolve))
        running.kill('SIGKILL')
        await ended
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function onPath(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, LOCALHOST, () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('the server has no port')),
      )
    })
  })
}

async function listens(port: number, child: ChildProcess): Promise<void> {
  const untilMs = performance.now() + START_MS
  while (!(await accepts(port))) {
    if (child.exitCode !== null)
      throw new Error(`The server ended with ${child.exitCode} before it listened.`)
    if (performance.now() > untilMs) throw new Error('The server did not listen in time.')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOCALHOST)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
