import type { Command } from 'commander'
import { z } from 'zod'
import { pluginPath } from './connection.ts'
import { quotaLines } from './quota-lines.ts'
import { table } from './table.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { columnsOf, onOneLine, paint, printable, printJson } from './terminal.ts'

const Numbers = z.record(z.string(), z.number())
const Summary = z.object({
  id: z.string(),
  owner: z.string().optional(),
  state: z.string(),
  pausedFor: z.string().nullish(),
  version: z.string().nullable(),
  quota: Numbers.optional(),
  quotaUse: Numbers,
})
const Details = Summary.extend({
  granted: z.array(z.string()).default([]),
  pending: z
    .object({
      version: z.string(),
      needs: z.array(z.string()),
      endpoints: z.record(z.enum(['added', 'removed', 'changed']), z.array(z.string())),
      denied: z.string().optional(),
    })
    .nullable(),
  versions: z.array(z.object({ version: z.string(), publishedMs: z.number(), publishedBy: z.string() })),
  cursors: z.array(z.object({ endpoint: z.string(), cursor: z.number(), lag: z.number() }).loose()),
  cron: z.array(z.object({ endpoint: z.string(), atMs: z.number() })),
  deadLetters: z.number().nullable(),
  conduct: z.object({ quarantined: z.string().nullable() }),
})
type Details = z.infer<typeof Details>

const HELP = `
Lag is how many events of the log its slowest handler has not read yet.

Examples:
  npx lyceum plugins
  npx lyceum plugins video
  npx lyceum plugins --json | jq '.[] | select(.state != "active")'

Next: npx lyceum logs PLUGIN, npx lyceum dead-letters PLUGIN`

/** `lyceum plugins`: the plugins of the bearer, or one of them in detail. */
export function registerPlugins(program: Command): void {
  withConnection(program.command('plugins'))
    .description('List the plugins that you own, as an admin all; or show one of them in detail.')
    .argument('[plugin]', 'its id')
    .addHelpText('after', HELP)
    .action(async (plugin: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ConnectionFlags & { json?: boolean }>()
      const connection = await connectionOf(options, 'admin')
      const answer = await connection.request(
        'GET',
        plugin === undefined ? '/v1/plugins' : pluginPath(plugin),
      )
      if (options.json === true) printJson(answer)
      else if (plugin === undefined) list(z.array(Summary).parse(answer))
      else console.log(detailed(Details.parse(answer)))
    })
}

function list(plugins: readonly z.infer<typeof Summary>[]): void {
  if (plugins.length === 0) {
    console.log('No plugin is yours here. Publish one with: npx lyceum publish FOLDER')
    return
  }
  const rows = plugins.map(({ id, state, version, owner = '', quota = {}, quotaUse }) => [
    id,
    version ?? '-',
    state,
    quotaUse.backlogEvents ?? 0,
    fullest(quotaUse, quota),
    owner,
  ])
  console.log(table(['plugin', 'version', 'state', 'lag', 'most used quota', 'owner'], rows, columnsOf()))
}

/** The quota of which most is used. */
function fullest(use: Readonly<Record<string, number>>, quota: Readonly<Record<string, number>>): string {
  const shares = Object.entries(use)
    .map(([name, used]) => ({ name, share: used / (quota[name] ?? Number.POSITIVE_INFINITY) }))
    .filter(({ share }) => share >= 0.005)
    .sort((a, b) => b.share - a.share)
  const [first] = shares
  return first === undefined ? '' : `${first.name} ${Math.round(first.share * 100)}%`
}

function detailed(plugin: Details): string {
  const { id, state, version, owner, pausedFor, conduct, pending, granted, deadLetters } = plugin
  const time = (atMs: number) => new Date(atMs).toLocaleString('sv-SE')
  const why = conduct.quarantined ?? pausedFor
  const facts: readonly (readonly [string, string])[] = [
    ['state', why ? `${state}: ${why}` : state],
    ['version', version ?? 'none'],
    ['owner', owner ?? ''],
    ['approved', granted.join(', ')],
    ['waits for an admin', pending === null ? '' : `${pending.version}: ${pending.needs.join(', ')}`],
    ['  would come', pending?.endpoints.added.join(', ') ?? ''],
    ['  would go', pending?.endpoints.removed.join(', ') ?? ''],
    ['  would change', pending?.endpoints.changed.join(', ') ?? ''],
    ['denied, because', pending?.denied ?? ''],
    ['dead letters', deadLetters ? `${deadLetters}` : ''],
  ]
  const parts = [
    [
      paint('bold', onOneLine(id)),
      ...facts
        .filter(([, told]) => told !== '')
        .map(([name, told]) => `${name.padEnd(18)}  ${onOneLine(told)}`),
    ].join('\n'),
    part(
      ['handler', 'cursor', 'lag'],
      plugin.cursors.map(({ endpoint, cursor, lag }) => [endpoint, cursor, lag]),
    ),
    part(
      ['job', 'next run'],
      plugin.cron.map(({ endpoint, atMs }) => [endpoint, time(atMs)]),
    ),
    part(
      ['version', 'published', 'by'],
      plugin.versions.slice(0, 5).map((known) => [known.version, time(known.publishedMs), known.publishedBy]),
    ),
    printable(quotaLines(plugin.quota ?? {}, plugin.quotaUse)),
  ]
  return parts.filter((text) => text !== '').join('\n\n')
}

function part(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return rows.length === 0 ? '' : table(head, rows, columnsOf())
}
