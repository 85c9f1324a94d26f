import { Command, CommanderError } from 'commander'
import { LyceumError } from '../host/errors.ts'
import { toProblem } from '../host/problem.ts'
import packageJson from '../package.json' with { type: 'json' }
import { registerExport } from './export.ts'
import { registerLoad } from './load.ts'
import { registerPublish } from './publish.ts'
import { registerSignIn } from './sign-in.ts'
import { registerStart } from './start.ts'
import { registerToken } from './token.ts'
import { registerUninstall } from './uninstall.ts'

const HELP = `
Examples:
  npx lyceum token admin                          a token that may do everything, for an hour
  npx lyceum sign-in student --user 42            a link that signs a browser in as a student
  npx lyceum load --help                          what a command takes

Data and keys are in ./.lyceum, or where --data or LYCEUM_DATA say.`

/**
 * Runs one command line.
 *
 * @param argv as in `process.argv`: the words of the user start at the third
 * @returns the exit code: 0, or 1 after the error was printed on stderr
 */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('lyceum')
    .description(packageJson.description)
    .version(packageJson.version)
    .option('--json', 'print for programs: errors as problem JSON')
    .addHelpText('after', HELP)
    // Subcommands take both over: every error is thrown, and printed in one place, below.
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  registerStart(program)
  registerPublish(program)
  registerToken(program)
  registerSignIn(program)
  registerLoad(program)
  registerExport(program)
  registerUninstall(program)
  try {
    await program.parseAsync(argv)
    return 0
  } catch (error) {
    if (error instanceof CommanderError && SHOWN.has(error.code)) return error.exitCode
    report(error, program.opts<{ json?: boolean }>().json === true)
    return 1
  }
}

/** What commander throws after it has printed what was asked for. */
const SHOWN = new Set(['commander.helpDisplayed', 'commander.help', 'commander.version'])

function report(thrown: unknown, asJson: boolean): void {
  const error = thrown instanceof CommanderError ? usage(thrown) : thrown
  // Anything else is a defect of ours, and on the user's own terminal its stack is what helps.
  if (!(error instanceof LyceumError)) console.error(error)
  else if (asJson) console.error(JSON.stringify(toProblem(error)))
  else console.error([`error ${error.code}: ${error.message}`, ...frames(error.details?.stack)].join('\n'))
}

/** Where in the author's code it happened. The stack's first lines repeat the message. */
function frames(stack: unknown): string[] {
  return typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : []
}

function usage(error: CommanderError): LyceumError {
  const said = error.message.replace(/^error: |\.$/g, '').replaceAll('\n', ' ')
  return new LyceumError('bad_parameter', `${said}. See --help.`)
}
