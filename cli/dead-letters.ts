import type { Command } from 'commander'
import { z } from 'zod'
import { type Connection, pluginPath } from './connection.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import { wholeNumber } from './options.ts'
import { ProgressLine, shareOf } from './progress.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { columnsOf, note, onOneLine, paint, printable, printJson } from './terminal.ts'

/** As many as a host lists in one answer. */
const MOST_LETTERS = 1_000
/** Retried in one request, so that it ends in time and the progress moves. */
const RETRIED_AT_ONCE = 5

const Letter = z.object({
  id: z.number(),
  endpoint: z.string(),
  seq: z.number(),
  version: z.string(),
  atMs: z.number(),
  attempts: z.number(),
  code: z.string(),
  message: z.string(),
  stack: z.string().optional(),
  event: z.unknown(),
})
type Letter = z.infer<typeof Letter>
const Letters = z.object({ total: z.number(), letters: z.array(Letter) })

const Retried = z.object({
  id: z.number(),
  seq: z.number(),
  state: z.enum(['committed', 'failed']),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})
type Retried = z.infer<typeof Retried>

const HELP = `
A dead letter is an event that a handler failed on, kept with its error. When you have published a version
that can take it, retry it: its effects and its end are one transaction, so it counts once however often you try.

Examples:
  npx lyceum dead-letters video
  npx lyceum dead-letters video --endpoint count --json | jq '.letters[].event'
  npx lyceum dead-letters video --retry
  npx lyceum dead-letters video --retry --id 12 --id 14`

interface Options extends ConnectionFlags {
  readonly retry?: boolean
  readonly id?: readonly number[]
  readonly endpoint?: string
  readonly limit: number
  readonly json?: boolean
}

/** `lyceum dead-letters`: the events that handlers failed on; exit code 1 where one fails again. */
export function registerDeadLetters(program: Command): void {
  withConnection(program.command('dead-letters'))
    .description('Show the events that a plugin’s handlers failed on, or run the handlers again on them.')
    .argument('<plugin>', 'its id')
    .option('--retry', 'run the handlers again, and wait for what becomes of it')
    .option('--id <number>', 'only this one (repeatable)', (value, before: number[] = []) => [
      ...before,
      wholeNumber()(value),
    ])
    .option('--endpoint <name>', 'only those of this handler')
    .option('-n, --limit <letters>', `how many to show, up to ${MOST_LETTERS}`, wholeNumber(MOST_LETTERS), 20)
    .addHelpText('after', HELP)
    .action((plugin: string, _options: unknown, command: Command) =>
      deadLetters(plugin, command.optsWithGlobals<Options>()),
    )
}

async function deadLetters(plugin: string, options: Options): Promise<void> {
  const connection = await connectionOf(options, 'admin')
  const found = await lettersOf(connection, plugin, options)
  if (options.retry === true) await retry(connection, plugin, found, options)
  else if (options.json === true) printJson(found)
  else show(plugin, found)
}

/** @throws UsageError where one that is named is not there */
async function lettersOf(connection: Connection, plugin: string, { id, endpoint, limit, retry }: Options) {
  const asksAll = retry === true || id !== undefined
  const asked = new URLSearchParams({
    limit: String(asksAll ? MOST_LETTERS : limit),
    ...(endpoint !== undefined && { endpoint }),
  })
  const found = Letters.parse(await connection.request('GET', pluginPath(plugin, `/dead-letters?${asked}`)))
  if (id === undefined) return found
  const letters = found.letters.filter((letter) => id.includes(letter.id))
  const gone = id.filter((one) => !letters.some((letter) => letter.id === one))
  if (gone.length > 0)
    throw new UsageError(`There is no dead letter ${gone.join(', ')} of ${plugin}. It may have been retried.`)
  return { total: letters.length, letters }
}

function show(plugin: string, { total, letters }: z.infer<typeof Letters>): void {
  if (letters.length === 0) console.log(`${onOneLine(plugin)} has no dead letters.`)
  for (const letter of letters) console.log(`${shown(letter)}\n`)
  if (total > letters.length) note(`${total - letters.length} more. Show them with --limit, or --json.`)
  if (letters.length > 0) note(`Retry them with: npx lyceum dead-letters ${onOneLine(plugin)} --retry`)
}

function shown({ id, endpoint, seq, version, atMs, attempts, code, message, stack, event }: Letter): string {
  const when = new Date(atMs).toLocaleString('sv-SE')
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const width = columnsOf()
  const text = JSON.stringify(event)
  const head = `${endpoint}  event ${seq}  version ${version}  ${attempts} attempts  ${when}`
  return [
    `${paint('bold', `#${id}`)}  ${onOneLine(head)}`,
    `  ${paint('red', onOneLine(`${code}: ${message}`))}`,
    ...frames.map(printable),
    `  ${printable(width === undefined || text.length < width - 3 ? text : `${text.slice(0, width - 3)}…`)}`,
  ].join('\n')
}

async function retry(
  connection: Connection,
  plugin: string,
  { total, letters }: z.infer<typeof Letters>,
  { json }: Options,
): Promise<void> {
  const line = new ProgressLine(process.stderr, 'dead letters')
  const retried: Retried[] = []
  try {
    for (let start = 0; start < letters.length; start += RETRIED_AT_ONCE) {
      const ids = letters.slice(start, start + RETRIED_AT_ONCE).map(({ id }) => id)
      const answer = await connection.request('POST', pluginPath(plugin, '/dead-letters/retry'), { ids })
      retried.push(...z.object({ retried: z.array(Retried) }).parse(answer).retried)
      line.update({ done: retried.length, share: shareOf(start + ids.length, letters.length) })
    }
  } finally {
    line.stop()
  }
  const failed = retried.filter(({ state }) => state === 'failed')
  if (failed.length > 0) process.exitCode = EXIT.refused
  if (json === true) {
    printJson({ retried })
    return
  }
  for (const { id, error } of failed)
    console.log(onOneLine(`#${id} failed again: ${error?.code ?? 'unknown'}: ${error?.message ?? ''}`))
  console.log(`${retried.length - failed.length} of ${retried.length} dead letters are handled now.`)
  if (total > letters.length) note(`${total - letters.length} more are left. Run it again for them.`)
}
