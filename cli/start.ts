import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { signInLink } from '../host/auth/sign-in.ts'
import { issueToken } from '../host/auth/tokens.ts'
import { type Config, loadConfig } from '../host/config.ts'
import { type Host, openHost } from '../host/host.ts'
import { type PluginPackage, parsePackage } from '../host/registry/package.ts'
import { type Served, serveHost } from '../host/serve.ts'
import { keepStoreCompiled } from '../host/storage/store.ts'
import { course } from '../sdk/testing/index.ts'
import { type Connection, connect } from './connection.ts'
import { note, printJson } from './terminal.ts'

interface Options {
  readonly port?: string
  readonly bind?: string
  readonly data?: string
  readonly samples: boolean
  readonly plugins: boolean
  readonly quotas?: string
  readonly ceilings?: string
  readonly logLevel?: string
  readonly json?: boolean
}

type Say = (line: string) => void

const FIRST_PARTY = join(import.meta.dirname, '../plugins')
const OWN_TOKEN_SECONDS = 600
const SAMPLE_LINES = 1_000

const HELP = `
Examples:
  npm start                                 on http://127.0.0.1:4000, data in ./.lyceum
  npm start -- --port 0 --data /tmp/try     on a free port
  npm start -- --no-samples                 without the sample course

Plugins' documents are kept in files of the data folder; for production set LYCEUM_MONGODB_URI to the address
of a MongoDB replica set, as in docs/mongodb.md.

Plugins may read the LMS's databases that LYCEUM_REPLICAS names: the path of a JSON file, or JSON such as
{ "lms": { "kind": "postgres", "url": "postgres://lyceum:\${LMS_PASSWORD}@db.example/lms" } }, where
\${…} is read from the environment; as in docs/replicas.md.

Ctrl-C stops it: batches under way end, and everything that was accepted is kept.

Next: npx lyceum sign-in ROLE, npx lyceum token ROLE, npx lyceum load FILE`

/** `lyceum start`: runs the host until it is told to stop. */
export function registerStart(program: Command): void {
  program
    .command('start')
    .description('Run the host: HTTP, pages, plugins and their data, on embedded defaults.')
    .option('--port <port>', 'TCP port, 0 for a free one (default: LYCEUM_PORT or 4000)')
    .option('--bind <address>', 'IP address to listen on (default: 127.0.0.1)')
    .option('--data <folder>', 'where everything is kept (default: LYCEUM_DATA or ./.lyceum)')
    .option('--no-samples', 'do not load the sample course into an empty data folder')
    .option('--no-plugins', 'do not install the first-party plugins')
    .option('--quotas <json>', 'what a new plugin gets, such as {"memoryMb":128} (default: LYCEUM_QUOTAS)')
    .option('--ceilings <json>', 'what an admin may raise quotas to (default: LYCEUM_CEILINGS)')
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent')
    .addHelpText('after', HELP)
    .action((_options: unknown, command: Command) => start(command.optsWithGlobals()))
}

async function start(options: Options): Promise<void> {
  const config = loadConfig(process.env, options)
  const host = await openHost(config)
  const served = await listen(host)
  // For a program there is one document on stdout; what else there is to say is for people.
  const say: Say = options.json === true ? note : (line) => console.log(line)
  stopOnSignal(served, say)
  const token = await issueToken(host.keys, { role: 'admin' }, OWN_TOKEN_SECONDS)
  const connection = connect(served.url, token)
  const plugins = config.plugins ? await firstParty() : []
  await installNew(plugins, host, connection)
  host.markReady()
  const link = await signInLink(host.keys, served.url)
  if (options.json === true) printJson({ url: served.url, signInLink: link })
  say(`Lyceum is listening on ${served.url}`)
  say(`Sign in once, within 15 minutes: ${link}`)
  tellAuthors(config, served.url, say)
  keepStoreCompiled()
  if (config.samples) await loadSamplesOnce(host, connection, say)
  await tellChanged(plugins, host)
}

/** Whole commands: authors work in other folders, where the defaults are those of another host. */
function tellAuthors({ dataDir }: Config, url: string, say: Say): void {
  say(`Begin a plugin, in any folder: npx --package ${url}/sdk.tgz lyceum init myPlugin`)
  const folder = /^[\w./-]+$/.test(dataDir) ? dataDir : `'${dataDir.replaceAll("'", "'\\''")}'`
  say(`Publish with: npx lyceum publish DIR --url ${url} --data ${folder}`)
}

async function listen(host: Host): Promise<Served> {
  try {
    return await serveHost(host)
  } catch (error) {
    await host.close()
    throw error
  }
}

/** The first signal stops in order; a second one ends at once, which loses nothing that was accepted either. */
function stopOnSignal(served: Served, say: Say): void {
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(130)
    stopping = true
    say('Stopping: batches under way end first. Press Ctrl-C again to stop at once.')
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

interface FirstParty {
  readonly folder: string
  readonly package: PluginPackage
}

/** The plugins that come with Lyceum. */
async function firstParty(): Promise<FirstParty[]> {
  const folders = (await readdir(FIRST_PARTY, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  return Promise.all(
    folders.map(async ({ name }) => {
      const folder = join(FIRST_PARTY, name)
      return {
        folder,
        package: parsePackage(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))),
      }
    }),
  )
}

/** Somebody took it away and kept its data: it comes back when somebody wants it. */
function isUninstalled(plugin: string, host: Host): boolean {
  return host.catalogue.plugin(plugin)?.removed !== undefined
}

/** Publishes those of which this host does not have the version, through the same door as everybody's. */
async function installNew(plugins: readonly FirstParty[], host: Host, connection: Connection): Promise<void> {
  await Promise.all(
    plugins
      .filter(({ package: { name, version } }) => host.catalogue.version(name, version) === undefined)
      .filter(({ package: { name } }) => !isUninstalled(name, host))
      .map(async ({ folder, package: { name } }) => {
        // The bundler is the slowest part of a start, so it is only loaded where it has work to do.
        const { bundlePlugin } = await import('../workbench/bundle.ts')
        await connection.request('POST', `/v1/plugins/${name}/versions`, await bundlePlugin(folder))
      }),
  )
}

/** Tells whoever works on them of plugins that changed and kept their version, which therefore stay as they were. */
async function tellChanged(plugins: readonly FirstParty[], host: Host): Promise<void> {
  const { bundlePlugin } = await import('../workbench/bundle.ts')
  for (const { folder, package: about } of plugins) {
    const { bundle } = await bundlePlugin(folder)
    const hash = createHash('sha256').update(bundle).digest('hex')
    if (
      !host.stopping() &&
      !isUninstalled(about.name, host) &&
      host.catalogue.version(about.name, about.version)?.hash !== hash
    )
      console.error(
        `${about.name} ${about.version} has changed since it was installed. Raise "version" in its package.json.`,
      )
  }
}

const Accepted = z.object({ accepted: z.int() })

/**
 * Loads the sample course into an empty log. A mark stays in the data folder until all of it is there, so that
 * the next start finishes what was interrupted; its events count once however often they are sent.
 */
async function loadSamplesOnce(host: Host, connection: Connection, say: Say): Promise<void> {
  const mark = join(host.config.dataDir, 'samples-loading')
  if (host.log.head() > 0 && !existsSync(mark)) return
  await writeFile(mark, '')
  try {
    await loadSamples(connection, say)
  } catch (error) {
    if (host.stopping()) return
    throw error
  }
  await rm(mark)
}

/** Sends the sample course in like an LMS would. */
async function loadSamples(connection: Connection, say: Say): Promise<void> {
  const sample = course()
  say(`Loading the sample course "${sample.title}" …`)
  let batch: string[] = []
  let events = 0
  const send = async () => {
    const answer = await connection.request('POST', '/v1/events', batch.join('\n'), 'application/x-ndjson')
    events += Accepted.parse(answer).accepted
    batch = []
  }
  for (const line of sample.lines()) if (batch.push(line) === SAMPLE_LINES) await send()
  if (batch.length > 0) await send()
  say(`Loaded ${events} events of ${sample.learners.length} learners, as ?course=${sample.id}`)
}
