import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Command } from 'commander'
import { type DevOptions, openDev } from '../workbench/dev/dev.ts'
import { DevTerminal } from './dev-terminal.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import { findSource, readBatches, type Source, tooLongIn } from './load-batches.ts'
import { collected } from './options.ts'
import { note, printJson } from './terminal.ts'

const HELP = `
It runs a host of its own with the plugin and the events of a sample course, and puts each save in the place of what
ran before. The page shows the views and queries as anybody would have them, the log, and what is wrong with the line
of your code. Everything is gone when it ends, unless --data says where to keep it.

Examples:
  npx lyceum dev                          the plugin in this folder
  npx lyceum dev my-plugin --events tracking.log.gz
  npx lyceum dev --json | jq              what happens as NDJSON, for programs`

interface Options {
  readonly port?: string
  readonly data?: string
  readonly events?: string
  readonly with?: readonly string[]
  readonly open: boolean
  readonly json?: boolean
}

/** `lyceum dev`: runs a plugin for its author, and reloads it after each save. */
export function registerDev(program: Command): void {
  program
    .command('dev')
    .description(
      'Run a plugin over a sample course, show it in the browser, and reload it whenever you save.',
    )
    .argument('[folder]', 'the folder with plugin.ts and package.json', '.')
    .option('--events <file>', 'events for it, plain or gzip, instead of the sample course')
    .option('--with <folder>', 'another plugin, which this one asks (repeatable)', collected)
    .option('--port <port>', 'TCP port of 127.0.0.1 (default: a free one)')
    .option('--data <folder>', 'where to keep its data (default: nowhere)')
    .option('--no-open', 'do not open a browser')
    .addHelpText('after', HELP)
    .action((folder: string, _options: unknown, command: Command) =>
      runDev(folder, command.optsWithGlobals()),
    )
}

async function runDev(folder: string, options: Options): Promise<void> {
  const asJson = options.json === true
  const terminal = new DevTerminal()
  const dev = await openDev({
    dir: folder,
    port: portOf(options.port),
    ...(options.data !== undefined && { dataDir: options.data }),
    with: options.with ?? [],
    ...(options.events !== undefined && { events: await eventsIn(options.events) }),
    onRecord: asJson ? printJson : terminal.show,
  })
  if (options.open && process.stdout.isTTY && !asJson) openBrowser(dev.url)
  await untilStopped()
  terminal.close()
  await dev.close()
}

/** Resolves at Ctrl-C, SIGTERM, or q at a terminal; a second Ctrl-C ends at once. */
async function untilStopped(): Promise<void> {
  const { stdin } = process
  const stop = new AbortController()
  const { signal } = stop
  const ends = [once(process, 'SIGINT', { signal }), once(process, 'SIGTERM', { signal })]
  if (stdin.isTTY) {
    stdin.setRawMode(true)
    ends.push(keys(signal))
  }
  await Promise.race(ends.map((end) => end.catch(() => {})))
  stop.abort()
  if (stdin.isTTY) {
    stdin.setRawMode(false)
    stdin.pause()
  }
  process.once('SIGINT', () => process.exit(EXIT.interrupted))
}

/** `q`, Ctrl-C, Ctrl-D. */
const ENDING_KEYS = new Set(['q', '\u0003', '\u0004'])

/** Resolves when somebody presses q, or Ctrl-C, which a terminal in raw mode does not turn into a signal. */
async function keys(signal: AbortSignal): Promise<unknown[]> {
  while (true) {
    const [pressed] = await once(process.stdin, 'data', { signal })
    if (ENDING_KEYS.has(String(pressed))) return []
  }
}

/** @throws {LyceumError} bad_parameter */
function portOf(port: string | undefined): number {
  const number = Number(port ?? 0)
  if (Number.isInteger(number) && number >= 0 && number < 65_536) return number
  throw new UsageError(`--port ${port} is not a port: give a number from 0 to 65535.`)
}

/** @throws {LyceumError} file_unreadable */
async function eventsIn(file: string): Promise<NonNullable<DevOptions['events']>> {
  const source = await findSource(file)
  return { name: source.name, lines: () => linesIn(source) }
}

async function* linesIn(source: Source): AsyncGenerator<string> {
  const onLineTooLong = (line: number) => note(tooLongIn(source, line))
  for await (const { body } of readBatches(source, { onLineTooLong })) yield* body.toString().split('\n')
}

/** Best effort: where there is no browser, the address is in the terminal. */
function openBrowser(url: string): void {
  const [command, ...words] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '']
        : ['xdg-open']
  spawn(command ?? 'xdg-open', [...words, url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}
