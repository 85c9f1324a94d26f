import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { signInLink } from '../host/auth/sign-in.ts'
import { issueToken } from '../host/auth/tokens.ts'
import { loadConfig } from '../host/config.ts'
import { LyceumError } from '../host/errors.ts'
import { type Host, openHost } from '../host/host.ts'
import { type Served, serveHost } from '../host/serve.ts'
import { course } from '../sdk/testing/index.ts'
import { bundlePlugin } from './bundle.ts'
import { type Connection, connect } from './connection.ts'

interface Options {
  readonly port?: string
  readonly bind?: string
  readonly data?: string
  readonly samples: boolean
  readonly plugins: boolean
  readonly logLevel?: string
}

const FIRST_PARTY = join(import.meta.dirname, '../plugins')
const OWN_TOKEN_SECONDS = 600
const SAMPLE_LINES = 1_000

const HELP = `
Examples:
  npm start                                 on http://127.0.0.1:4000, data in ./.lyceum
  npm start -- --port 0 --data /tmp/try     on a free port
  npm start -- --no-samples                 without the sample course

Ctrl-C stops it: batches under way end, and everything that was accepted is kept.`

/** `lyceum start`: runs the host until it is told to stop. */
export function registerStart(program: Command): void {
  program
    .command('start')
    .summary('run the host')
    .description('Run the host: HTTP, pages, plugins and their data, on embedded defaults.')
    .option('--port <port>', 'TCP port, 0 for a free one (default: LYCEUM_PORT or 4000)')
    .option('--bind <address>', 'IP address to listen on (default: 127.0.0.1)')
    .option('--data <folder>', 'where everything is kept (default: LYCEUM_DATA or ./.lyceum)')
    .option('--no-samples', 'do not load the sample course into an empty data folder')
    .option('--no-plugins', 'do not install the first-party plugins')
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent')
    .addHelpText('after', HELP)
    .action((options: Options) => start(options))
}

async function start(options: Options): Promise<void> {
  const config = loadConfig(process.env, options)
  const host = await openHost(config)
  const served = await listen(host)
  stopOnSignal(served)
  const token = await issueToken(host.keys, { role: 'admin' }, OWN_TOKEN_SECONDS)
  const connection = connect(served.url, token)
  if (config.plugins) await installFirstParty(connection)
  host.markReady()
  console.log(`Lyceum is listening on ${served.url}`)
  console.log(`Sign in once, within 15 minutes: ${await signInLink(host.keys, served.url)}`)
  if (config.samples && host.log.head() === 0) await loadSamples(connection)
}

async function listen(host: Host): Promise<Served> {
  try {
    return await serveHost(host)
  } catch (error) {
    await host.close()
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new LyceumError(
        'port_taken',
        `Port ${host.config.port} is in use. Stop what listens there, or choose another: npm start -- --port 0.`,
      )
    throw error
  }
}

/** The first signal stops in order; a second one ends at once, which loses nothing that was accepted either. */
function stopOnSignal(served: Served): void {
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(130)
    stopping = true
    console.log('Stopping: batches under way end first. Press Ctrl-C again to stop at once.')
    served.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

/** Publishes the plugins that come with Lyceum, through the same door as everybody's, where a version is new. */
async function installFirstParty(connection: Connection): Promise<void> {
  const folders = (await readdir(FIRST_PARTY, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  await Promise.all(
    folders.map(async ({ name }) => {
      const bundled = await bundlePlugin(join(FIRST_PARTY, name))
      const path = `/v1/plugins/${bundled.package.name}`
      const hash = createHash('sha256').update(bundled.bundle).digest('hex')
      const known = await versionsOf(connection, path)
      const same = known.find(({ version }) => version === bundled.package.version)
      if (same === undefined) await connection.request('POST', `${path}/versions`, bundled)
      else if (same.hash !== hash)
        console.error(
          `${name} ${same.version} has changed since it was installed. Raise "version" in its package.json.`,
        )
    }),
  )
}

async function versionsOf(
  connection: Connection,
  path: string,
): Promise<{ version: string; hash: string }[]> {
  try {
    const { versions } = (await connection.request('GET', path)) as {
      versions: { version: string; hash: string }[]
    }
    return versions
  } catch (error) {
    if (error instanceof LyceumError && error.code === 'plugin_unknown') return []
    throw error
  }
}

/** Sends the sample course in like an LMS would. */
async function loadSamples(connection: Connection): Promise<void> {
  const sample = course()
  console.log(`Loading the sample course "${sample.title}" …`)
  let batch: string[] = []
  let events = 0
  const send = async () => {
    const answer = await fetch(`${connection.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${connection.token}`, 'content-type': 'application/x-ndjson' },
      body: batch.join('\n'),
    })
    const { accepted } = (await answer.json()) as { accepted?: number }
    events += accepted ?? 0
    batch = []
  }
  for (const line of sample.lines()) if (batch.push(line) === SAMPLE_LINES) await send()
  if (batch.length > 0) await send()
  console.log(`Loaded ${events} events of ${sample.learners.length} learners, as ?course=${sample.id}`)
}
