import type { Command } from 'commander'
import { z } from 'zod'
import { LyceumError } from '../host/errors.ts'
import type { PluginBundle } from '../workbench/bundle.ts'
import { type Connection, pluginPath } from './connection.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import { StepLine } from './progress.ts'
import { offerText, RebuildOffer } from './rebuild-offer.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { confirm, isInteractive, note, printable, printJson } from './terminal.ts'

const Names = z.array(z.string())

const Plan = z.object({
  version: z.string(),
  replaces: z.string().nullable(),
  isKnown: z.boolean(),
  needs: Names,
  newNeeds: Names,
  missing: Names,
  approval: z.enum(['granted', 'pending']),
  endpoints: z.object({ added: Names, removed: Names, changed: Names }),
  samples: Names,
  rebuildOffered: RebuildOffer,
  warnings: Names,
})
type Plan = z.infer<typeof Plan>

const Answer = z.object({
  version: z.string(),
  needs: Names,
  approval: z.enum(['granted', 'pending']),
  pending: z.object({ denied: z.string().optional() }).loose().optional(),
  rebuildOffered: RebuildOffer,
})

const HELP = `
The folder holds plugin.ts, whose named exports are the endpoints, and package.json with
"name" (the plugin's id, such as myPlugin) and "version".

The host checks the version first and tells what it would change: what it asks for that is new, which endpoints
come, go and change, and what others would lose. You are asked before it asks for more or before endpoints go;
without a terminal, asking for more takes --yes.

Examples:
  npx lyceum publish plugins/video
  npx lyceum publish . --dry-run                       only tell what it would change
  npx lyceum publish . --yes --url https://lyceum.example.edu

Next: npx lyceum logs PLUGIN --follow, npx lyceum query PLUGIN NAME`

interface Options extends ConnectionFlags {
  readonly yes?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `lyceum publish`: bundles a folder, tells what publishing it would change, and does it. */
export function registerPublish(program: Command): void {
  withConnection(program.command('publish'))
    .description(
      'Bundle the plugin in a folder and send it to a host, which checks and activates it. The types in .lyceum/ are written anew.',
    )
    .argument('[folder]', 'the folder with plugin.ts and package.json', '.')
    .option('--dry-run', 'have it checked, tell what it would change, and publish nothing')
    .option('--yes', 'publish without asking, also where it asks for more or endpoints go')
    .addHelpText('after', HELP)
    .action((folder: string, _options: unknown, command: Command) =>
      publish(folder, command.optsWithGlobals<Options>()),
    )
}

async function publish(folder: string, options: Options): Promise<void> {
  const connection = await connectionOf(options, 'admin')
  const steps = new StepLine(process.stderr)
  try {
    steps.say(`Bundling ${folder} …`)
    // The bundler takes long to load, and who asks for help has no need of it.
    const { bundlePlugin } = await import('../workbench/bundle.ts')
    const bundle = await bundlePlugin(folder)
    const plugin = bundle.package.name
    steps.say(`Having ${plugin} checked by ${connection.url} …`)
    const plan = Plan.parse(await send(connection, bundle, '?dry=true'))
    steps.stop()
    if (options.dryRun === true) {
      if (options.json === true) printJson({ plugin, ...plan })
      else console.log(printable(differences(plugin, plan, connection.url)))
      return
    }
    // On stderr a program finds nothing but problem JSON; it gets the plan with the answer.
    if (options.json !== true || isInteractive()) note(printable(differences(plugin, plan, connection.url)))
    if (options.yes !== true && !(await isAgreed(plugin, plan))) {
      note('Nothing was published.')
      process.exitCode = EXIT.refused
      return
    }
    steps.say(`Publishing ${plugin} …`)
    const answer = Answer.parse(await send(connection, bundle))
    steps.say('Writing the types of what it may call …')
    await writeTypesOf(folder, bundle, connection)
    steps.stop()
    if (options.json === true) printJson({ plugin, ...answer, plan })
    else console.log(printable(outcome(plugin, answer)))
  } catch (error) {
    // A program reads the places; a person wants to see the lines.
    throw options.json === true ? error : await withFrames(error, folder)
  } finally {
    steps.stop()
  }
}

/** A refusal with the author's lines that it is about, where it names some. */
async function withFrames(error: unknown, folder: string): Promise<unknown> {
  if (!(error instanceof LyceumError)) return error
  const { explainError, placesOf } = await import('../workbench/code-frame.ts')
  if (placesOf(error).length === 0) return error
  return new LyceumError(error.code, await explainError(error, folder), error.details)
}

function send(connection: Connection, bundle: PluginBundle, query = ''): Promise<unknown> {
  return connection.request('POST', `${pluginPath(bundle.package.name, '/versions')}${query}`, bundle)
}

/** A folder that cannot be written, or a token that may not read, makes no publish fail that was done. */
async function writeTypesOf(folder: string, bundle: PluginBundle, connection: Connection): Promise<void> {
  const { writeHostTypes, writeTypes } = await import('../workbench/types-file.ts')
  const { SCHEMA_PATH } = await import('../workbench/host-schema.ts')
  const { ownSchema } = await import('../workbench/own-schema.ts')
  try {
    // The host tells of the version that runs, and this one may have to wait.
    await writeTypes(folder, await ownSchema(bundle))
    await writeHostTypes(folder, await connection.request('GET', SCHEMA_PATH))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    note(printable(`The types in .lyceum/ could not be written: ${why}\nTry again with: npx lyceum types`))
  }
}

/** What publishing would change, for a person. */
function differences(plugin: string, plan: Plan, url: string): string {
  const { version, replaces, isKnown, newNeeds, missing, endpoints, samples, rebuildOffered, warnings } = plan
  const instead = replaces === null ? 'is new' : `takes the place of ${replaces}`
  const isSame = replaces === version
  const told: readonly (readonly [string, readonly string[]])[] = [
    ['asks for, which is new', newNeeds.filter((need) => !missing.includes(need))],
    ['asks for, and waits for an admin to approve', missing],
    ['endpoints that come', endpoints.added],
    ['endpoints that go', endpoints.removed],
    ['endpoints that change', endpoints.changed],
    ['queries whose samples change', samples],
    ['changed handlers, so a rebuild will be offered', rebuildOffered?.endpoints ?? []],
  ]
  return [
    `${plugin} ${version} ${isSame ? 'runs already, with the same code' : instead}, at ${url}${isKnown && !isSame ? ' (published before)' : ''}`,
    ...told.filter(([, names]) => names.length > 0).map(([what, names]) => `  ${what}: ${names.join(', ')}`),
    ...warnings.map((warning) => `  warning: ${warning}`),
  ].join('\n')
}

/** Asks, where it asks for more or others lose something. @throws UsageError where there is nobody to ask */
async function isAgreed(plugin: string, { newNeeds, endpoints, warnings }: Plan): Promise<boolean> {
  const asksForMore = newNeeds.length > 0
  if (!asksForMore && endpoints.removed.length === 0 && warnings.length === 0) return true
  if (isInteractive()) return confirm(`Publish ${plugin}?`)
  if (asksForMore)
    throw new UsageError(
      `${plugin} asks for what it did not ask for before: ${newNeeds.join(', ')}. Nothing was published. To publish it, add --yes.`,
    )
  return true
}

function outcome(
  plugin: string,
  { version, needs, approval, pending, rebuildOffered }: z.infer<typeof Answer>,
): string {
  if (approval === 'pending')
    return [
      `${plugin} ${version} is published and waits for an admin, because it asks for: ${needs.join(', ')}.`,
      ...(pending?.denied === undefined ? [] : [`  denied before, because: ${pending.denied}`]),
    ].join('\n')
  return `${plugin} ${version} is published and active.${offerText(plugin, rebuildOffered)}`
}
