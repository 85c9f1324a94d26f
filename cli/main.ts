import { inspect } from 'node:util'
import { CommanderError } from 'commander'
import { LyceumError } from '../host/errors.ts'
import packageJson from '../package.json' with { type: 'json' }
import { EXIT, exitCodeOf, UsageError } from './exit-codes.ts'
import { programWith } from './program.ts'
import { jsonLine, printable } from './terminal.ts'

/**
 * Runs one command line.
 *
 * @param argv as in `process.argv`: the words of the user start at the third
 * @returns the exit code, as {@link EXIT} lists them; the error was printed on stderr
 */
export async function main(argv: readonly string[]): Promise<number> {
  const isJson = argv.includes('--json')
  endOnDefect()
  endQuietly(isJson)
  const [first, second] = argv.slice(2).filter((word) => !word.startsWith('-'))
  const asksHelp = first === 'help' && second !== undefined
  try {
    const program = await programWith((name) => name === (asksHelp ? second : first))
    // The parser answers to help for a command that is not there with all of its help, and no word about it.
    const isKnown = program.commands.some((command) => command.name() === second)
    await program.parseAsync(asksHelp && !isKnown ? argv.filter((word) => word !== 'help') : argv)
    return Number(process.exitCode ?? EXIT.done)
  } catch (thrown) {
    if (thrown instanceof CommanderError && SHOWN.has(thrown.code))
      return thrown.exitCode === 0 ? EXIT.done : EXIT.usage
    const error = thrown instanceof CommanderError ? usage(thrown) : unknownShape(thrown)
    await report(error, isJson)
    return exitCodeOf(error)
  }
}

/** What commander throws after it has printed what was asked for. */
const SHOWN = new Set(['commander.helpDisplayed', 'commander.help', 'commander.version'])

/** What nobody caught is a defect of ours, too. */
function endOnDefect(): void {
  process.on('uncaughtException', (error) => {
    console.error(error)
    process.exit(EXIT.defect)
  })
}

/**
 * Ctrl-C ends every command at once that has nothing to say to it, and so does a reader that has read enough. A disk
 * that is full is told.
 */
function endQuietly(isJson: boolean): void {
  process.on('SIGINT', () => {
    if (process.listenerCount('SIGINT') > 1) return
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    process.exit(EXIT.interrupted)
  })
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.done)
      if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error
      const unwritten = new LyceumError(
        'disk_full',
        'The disk that this is written to is full, and what was written is not whole.',
      )
      void report(unwritten, isJson).finally(() => process.exit(EXIT.refused))
    })
}

async function report(error: unknown, asJson: boolean): Promise<void> {
  if (asJson) {
    const { toProblem } = await import('../host/problem.ts')
    console.error(jsonLine(toProblem(error instanceof LyceumError ? error : defect(error))))
  } else if (!(error instanceof LyceumError)) console.error(printable(inspect(error)))
  else
    console.error(
      printable([`error ${error.code}: ${error.message}`, ...frames(error.details?.stack)].join('\n')),
    )
}

/** Anything but a refusal is a defect of ours, and on the user's own machine its stack is what helps. */
function defect(error: unknown): LyceumError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return new LyceumError('internal', message, { stack })
}

/** What a host answers is parsed by schemas; where it does not fit, the host is of another version. */
function unknownShape(thrown: unknown): unknown {
  if (!(thrown instanceof Error && /^\$?ZodError$/.test(thrown.name))) return thrown
  return new LyceumError(
    'internal',
    `The host answers what this lyceum (${packageJson.version}) does not know. Use the one that it serves: npm install URL/sdk.tgz`,
    { issues: thrown.message },
  )
}

/** Where in the author's code it happened. The stack's first lines repeat the message. */
function frames(stack: unknown): string[] {
  return typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : []
}

function usage(error: CommanderError): LyceumError {
  const said = error.message.replace(/^error: |\.$/g, '').replaceAll('\n', ' ')
  return new UsageError(`${said}. See --help.`)
}
