import type { Command } from 'commander'
import { LyceumError } from '../host/errors.ts'
import { readPluginPackage } from '../workbench/bundle.ts'
import { parseHostSchema, SCHEMA_PATH } from '../workbench/host-schema.ts'
import { ownSchema } from '../workbench/own-schema.ts'
import { writeHostSamples } from '../workbench/stand-ins.ts'
import { writeClientTypes, writeHostTypes, writeTypes } from '../workbench/types-file.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { note, printable, printJson } from './terminal.ts'

const HELP = `
TypeScript cannot see what a handler destructures. With these files it knows what plugins: { … } may name,
what each query takes, and what those of the plugin itself resolve with. tsconfig.json includes
.lyceum/types.d.ts; dev, test and publish write it, too.

Other plugins are those of the host. Without one, a handler may name whatever it likes. What their queries
return, made up by their authors, is kept beside the types, so that dev, test and load() can do without them.

Examples:
  npx lyceum types                                   this folder, and the host of the last login
  npx lyceum types plugins/video --url https://lyceum.example.edu
  npx lyceum types --offline                         this folder alone
  npx lyceum types --client lyceum.d.ts              for programs that use @lyceum/sdk/client`

/** `lyceum types`: writes what TypeScript should know of a plugin's folder and of a host. */
export function registerTypes(program: Command): void {
  withConnection(program.command('types'))
    .description(
      'Write .lyceum/types.d.ts: what TypeScript should know of this plugin, and of those of a host.',
    )
    .argument('[folder]', 'the folder with plugin.ts and package.json', '.')
    .option('--offline', 'ask no host')
    .option('--client <file>', 'write instead what a program should know that asks the host from outside')
    .addHelpText('after', HELP)
    .action(async (folder: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { written, host } = await write(folder, options)
      if (options.json === true) printJson({ written, host })
      else if (written.length === 0) console.log('The types in .lyceum/ are up to date.')
      else for (const file of written) console.log(printable(file))
    })
}

interface Options extends ConnectionFlags {
  readonly offline?: boolean
  readonly client?: string
  readonly json?: boolean
}

/** Writes what was asked for, and tells whether a host was. */
async function write(folder: string, options: Options): Promise<{ written: string[]; host: boolean }> {
  if (options.client !== undefined)
    return { written: await writeClientTypes(options.client, await askedOf(options)), host: true }
  const host = options.offline === true ? undefined : await schemaOf(options)
  const written = await writeTypes(folder, await ownSchema(folder))
  if (host !== undefined) {
    const { name } = await readPluginPackage(folder)
    written.push(...(await writeHostTypes(folder, host)), ...(await writeHostSamples(folder, host, name)))
  }
  return { written: [...new Set(written)], host: host !== undefined }
}

async function askedOf(flags: ConnectionFlags): Promise<unknown> {
  const connection = await connectionOf(flags, 'admin')
  const schema = await connection.request('GET', SCHEMA_PATH)
  const { samplesLeftOut } = parseHostSchema(schema)
  if (samplesLeftOut.length > 0)
    note(
      `The samples of all plugins are too much at once: what the queries of ${samplesLeftOut.join(', ')} return is not known here.`,
    )
  return schema
}

/** What the host tells; undefined where there is none, unless somebody said which. */
async function schemaOf(flags: ConnectionFlags): Promise<unknown> {
  try {
    return await askedOf(flags)
  } catch (error) {
    const isSaid = [flags.url, flags.token, flags.data, process.env.LYCEUM_URL].some(
      (said) => said !== undefined,
    )
    const isNone =
      error instanceof LyceumError && ['config_invalid', 'server_unreachable'].includes(error.code)
    if (isSaid || !isNone) throw error
    note('No host was asked: handlers may name any plugin. Give --url to know those of a host.')
    return undefined
  }
}
