import type { Command } from 'commander'
import { connectionOf, withConnection } from './target.ts'

const HELP = `
Its data are kept for its owner: published again, it goes on where it was. With --delete-data they are
deleted for good; export them first with: npx lyceum export PLUGIN

Examples:
  npx lyceum uninstall video
  npx lyceum uninstall video --delete-data`

/** `lyceum uninstall`: takes a plugin away. */
export function registerUninstall(program: Command): void {
  withConnection(program.command('uninstall'))
    .description('Stop a plugin and take its versions and approvals away.')
    .argument('<plugin>', 'its id')
    .option('--delete-data', 'delete documents, files, cursors and logs for good')
    .option('--force', 'also where other plugins are approved to ask it: they fail from then on')
    .addHelpText('after', HELP)
    .action(async (plugin: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals()
      const connection = await connectionOf(options, 'admin')
      const asked = new URLSearchParams({
        data: options.deleteData === true ? 'delete' : 'keep',
        force: String(options.force === true),
      })
      const answer = await connection.request('DELETE', `/v1/plugins/${encodeURIComponent(plugin)}?${asked}`)
      if (options.json === true) console.log(JSON.stringify(answer))
      else
        console.log(
          options.deleteData === true
            ? `${plugin} is uninstalled, and its data are deleted.`
            : `${plugin} is uninstalled. Its data are kept: publish it again, or delete them with --delete-data.`,
        )
    })
}
