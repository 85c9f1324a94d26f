import { basename, relative, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { nameProblem, printable } from '../host/registry/manifest-names.ts'
import { MAX_PLUGIN_ID } from '../host/registry/package.ts'
import { init, TEMPLATES, type Template } from '../workbench/init.ts'
import { installedFrom } from '../workbench/installed-from.ts'
import { UsageError } from './exit-codes.ts'
import { readLogins } from './logins.ts'
import { urlOf, withUrl } from './target.ts'
import { printJson } from './terminal.ts'

const HELP = `
Templates:
${Object.entries(TEMPLATES)
  .map(([name, about]) => `  ${name.padEnd(18)}${about}`)
  .join('\n')}

Where Lyceum is not installed yet, the host has it:
  npx --package http://127.0.0.1:4000/sdk.tgz lyceum init plays

Examples:
  npx lyceum init plays
  npx lyceum init hardProblems --template instructor-chart

Next: npm install and npm run dev, in the new folder`

/** `lyceum init`: makes the folder of a new plugin. */
export function registerInit(program: Command): void {
  withUrl(program.command('init'))
    .description('Make the folder of a new plugin: code that works, its test, and how to go on.')
    .argument('<name>', 'the name of the folder and the plugin, such as plays or hardProblems')
    .addOption(
      new Option('--template <template>', 'what to begin with')
        .choices(Object.keys(TEMPLATES))
        .default('event-counter'),
    )
    .addHelpText('after', HELP)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<{ template: Template; url?: string; json?: boolean }>()
      const dir = resolve(name)
      const id = basename(dir)
      const problem = nameProblem(id, MAX_PLUGIN_ID)
      if (problem !== undefined) throw new UsageError(`The name \`${printable(id)}\` ${problem}.`)
      const hostUrl = await hostFor(options.url)
      await init({ dir, template: options.template, hostUrl })
      if (options.json === true) printJson({ plugin: id, dir, template: options.template, host: hostUrl })
      else console.log(nextSteps(id, dir, hostUrl))
    })
}

/** Whoever has Lyceum from a host writes for that one. */
async function hostFor(given: string | undefined): Promise<string> {
  return urlOf(given ?? installedFrom() ?? (await readLogins()).current)
}

function nextSteps(id: string, dir: string, hostUrl: string): string {
  const folder = relative('', dir)
  return `Made the plugin ${id}, for ${hostUrl}. Next:
${folder === '' ? '' : `  cd ${folder}\n`}  npm install
  npm run dev        shows it over a made-up course, and again whenever you save
README.md says the rest.`
}
