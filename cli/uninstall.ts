import type { Command } from 'commander'
import { pluginPath } from './connection.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { confirm, isInteractive, note, printJson } from './terminal.ts'

const HELP = `
Its data are kept for its owner: published again, it goes on where it was. With --delete-data they are
deleted for good, and you are asked first; without a terminal that takes --yes.
Export them before with: npx lyceum export PLUGIN

Examples:
  npx lyceum uninstall video
  npx lyceum uninstall video --delete-data`

interface Options extends ConnectionFlags {
  readonly deleteData?: boolean
  readonly force?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

/** `lyceum uninstall`: takes a plugin away. */
export function registerUninstall(program: Command): void {
  withConnection(program.command('uninstall'))
    .description('Stop a plugin and take its versions and approvals away.')
    .argument('<plugin>', 'its id')
    .option('--delete-data', 'delete documents, files, cursors and logs for good')
    .option('--force', 'also where other plugins are approved to ask it: they fail from then on')
    .option('--yes', 'delete without asking')
    .addHelpText('after', HELP)
    .action((plugin: string, _options: unknown, command: Command) =>
      uninstall(plugin, command.optsWithGlobals<Options>()),
    )
}

async function uninstall(plugin: string, options: Options): Promise<void> {
  const { deleteData = false, force = false, yes = false, json = false } = options
  const asks = deleteData && !yes
  if (asks && !isInteractive())
    throw new UsageError('To delete data for good without a terminal to ask on takes --yes.')
  const connection = await connectionOf(options, 'admin')
  if (asks && !(await confirm(`Delete all data of ${plugin} for good?`))) {
    note('Nothing was done.')
    process.exitCode = EXIT.refused
    return
  }
  const asked = new URLSearchParams({ data: deleteData ? 'delete' : 'keep', force: String(force) })
  const answer = await connection.request('DELETE', `${pluginPath(plugin)}?${asked}`)
  if (json) printJson(answer)
  else
    console.log(
      deleteData
        ? `${plugin} is uninstalled, and its data are deleted.`
        : `${plugin} is uninstalled. Its data are kept: publish it again, or delete them with --delete-data.`,
    )
}
