import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { COMMANDS } from './commands.ts'
import { EXIT_ABOUT } from './exit-codes.ts'

const HELP = `
Examples:
  npx lyceum init plays                           the folder of a new plugin, which works
  npx lyceum publish plays                        put it on a host
  npx lyceum sign-in student --user 42            a link that signs a browser in as a student
  npx lyceum token ingest                         a token for what sends events
  npx lyceum help publish                         what a command is for, and what it takes

Data and keys are in ./.lyceum, or where --data or LYCEUM_DATA say.

Exit codes:
${EXIT_ABOUT.map(([code, about]) => `  ${String(code).padEnd(4)} ${about}`).join('\n')}`

/**
 * The parser, with all commands by name.
 *
 * @param isNeeded which of them to load, with what they take
 */
export async function programWith(isNeeded: (name: string) => boolean): Promise<Command> {
  const program = new Command('lyceum')
    .description(packageJson.description)
    .version(packageJson.version)
    .option('--json', 'print for programs: JSON on stdout, problem JSON on stderr')
    .addHelpText('after', HELP)
    .configureHelp({ showGlobalOptions: true })
    .commandsGroup('Help:')
    .helpCommand('help [command]', 'tell what a command is for, with examples')
    // Subcommands take both over: every error is thrown, and printed in one place, below.
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  for (const [group, entries] of COMMANDS)
    for (const { name, summary, hidden, load } of entries) {
      if (isNeeded(name)) (await load())(program)
      else program.command(name, { hidden: hidden === true })
      program.commands.at(-1)?.summary(summary).helpGroup(group)
    }
  return program
}
