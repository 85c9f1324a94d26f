import type { Command } from 'commander'
import { z } from 'zod'
import { bundlePlugin } from '../workbench/bundle.ts'
import type { Connection } from './connection.ts'
import { connectionOf, withConnection } from './target.ts'

const Answer = z.object({
  version: z.string(),
  needs: z.array(z.string()),
  approval: z.enum(['granted', 'pending']),
  pending: z
    .object({
      approved: z.array(z.string()),
      endpoints: z.object({
        added: z.array(z.string()),
        removed: z.array(z.string()),
        changed: z.array(z.string()),
      }),
      denied: z.string().optional(),
    })
    .optional(),
})
/** What the host says to a publish, with the plugin's id. */
export type PublishAnswer = z.infer<typeof Answer> & { readonly plugin: string }

const HELP = `
The folder holds plugin.ts, whose named exports are the endpoints, and package.json with
"name" (the plugin's id, such as myPlugin) and "version".

Examples:
  npx lyceum publish plugins/video
  npx lyceum publish . --url https://lyceum.example.edu --token "$TOKEN"`

/** `lyceum publish`: bundles a folder and sends it to a host. */
export function registerPublish(program: Command): void {
  withConnection(program.command('publish'))
    .description('Bundle the plugin in a folder and send it to a host, which checks and activates it.')
    .argument('<folder>', 'the folder with plugin.ts and package.json')
    .addHelpText('after', HELP)
    .action(async (folder: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals()
      const answer = await publish(folder, await connectionOf(options, 'admin'))
      console.log(options.json === true ? JSON.stringify(answer) : sentence(answer))
    })
}

/** Bundles the plugin in `folder` and publishes it. @throws {LyceumError} what the author has to change */
export async function publish(folder: string, connection: Connection): Promise<PublishAnswer> {
  const bundled = await bundlePlugin(folder)
  const plugin = bundled.package.name
  const answer = await connection.request(
    'POST',
    `/v1/plugins/${encodeURIComponent(plugin)}/versions`,
    bundled,
  )
  return { plugin, ...Answer.parse(answer) }
}

function sentence({ plugin, version, needs, approval, pending }: PublishAnswer): string {
  if (approval === 'granted') return `${plugin} ${version} is published and active.`
  const waits = `${plugin} ${version} is published and waits for an admin, because it asks for: ${needs.join(', ')}.`
  if (pending === undefined) return waits
  const { approved, endpoints, denied } = pending
  const told: readonly (readonly [string, readonly string[]])[] = [
    ['approved already', approved],
    ['new endpoints', endpoints.added],
    ['endpoints that go', endpoints.removed],
    ['endpoints that change', endpoints.changed],
    ['denied before, because', denied === undefined ? [] : [denied]],
  ]
  const lines = told
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `  ${what}: ${names.join(', ')}`)
  return [waits, ...lines].join('\n')
}
