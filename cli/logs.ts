import { type Command, Option } from 'commander'
import { follow, type LogLine, newestLines } from './log-lines.ts'
import { wholeNumber } from './options.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { jsonLine, note, onOneLine, paint, printable } from './terminal.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const COLOURS = { debug: 'dim', info: 'reset', warn: 'yellow', error: 'red' } as const
const MOST_LINES = 1_000

const HELP = `
What the plugin logs, and what the host says about it: failures come with their stack, in the lines of the
author's own files. A host keeps the newest thousand lines of each plugin, in memory.
With --follow it goes on until Ctrl-C, also when the host was away for a while.

Examples:
  npx lyceum logs video
  npx lyceum logs video --follow --level warn
  npx lyceum logs video --follow --json | jq .line

Next: npx lyceum dead-letters PLUGIN shows the events that a handler failed on.`

interface Options extends ConnectionFlags {
  readonly follow?: boolean
  readonly limit: number
  readonly level: (typeof LEVELS)[number]
  readonly endpoint?: string
  readonly json?: boolean
}

/** `lyceum logs`: what a plugin logged, one line of JSON each with --json. */
export function registerLogs(program: Command): void {
  withConnection(program.command('logs'))
    .description('Show what a plugin logged, and what the host says about it.')
    .argument('<plugin>', 'its id')
    .option('-f, --follow', 'go on with the lines to come')
    .option(
      '-n, --limit <lines>',
      `how many of the newest lines, up to ${MOST_LINES}`,
      wholeNumber(MOST_LINES),
      100,
    )
    .addOption(new Option('--level <level>', 'this level and above').choices(LEVELS).default('debug'))
    .option('--endpoint <name>', 'only what this endpoint logged')
    .addHelpText('after', HELP)
    .action((plugin: string, _options: unknown, command: Command) =>
      logs(plugin, command.optsWithGlobals<Options>()),
    )
}

async function logs(plugin: string, options: Options): Promise<void> {
  const { level, endpoint, limit } = options
  const least = LEVELS.indexOf(level)
  const isAsked = (line: LogLine) =>
    LEVELS.indexOf(line.level) >= least && (endpoint === undefined || line.endpoint === endpoint)
  const print = (line: LogLine) => console.log(options.json === true ? jsonLine(line) : shown(line))
  // All that there are, since what is left out must not count as one of the newest.
  const newest = await newestLines(await connectionOf(options, 'admin'), plugin)
  const lines = newest.filter(isAsked)
  for (const line of lines.slice(-limit)) print(line)
  if (options.follow === true) {
    const connect = () => connectionOf(options, 'admin')
    const onChange = (state: 'lost' | 'back') =>
      note(state === 'lost' ? 'The host is away. Waiting for it …' : 'The host is back.')
    for await (const line of follow({ connect, plugin, after: newest, onChange }))
      if (isAsked(line)) print(line)
  } else if (lines.length === 0 && options.json !== true)
    note(
      `${onOneLine(plugin)} has logged nothing ${newest.length > 0 ? 'like that' : 'since its host started'}.`,
    )
}

/** The lines of a stack stand under the line that they belong to. */
function shown({ atMs, level, by, version, endpoint, line }: LogLine): string {
  const time = new Date(atMs).toLocaleTimeString('en-GB')
  const source = by === 'host' ? `${endpoint} (host)` : endpoint
  const head = `${paint('dim', time)} ${paint(COLOURS[level], level.padEnd(5))} ${paint('dim', onOneLine(`${version} ${source}`))}`
  return `${head}  ${printable(line).trimEnd().replaceAll('\n', '\n  ')}`
}
