import path from 'node:path'
import { readPluginPackage } from './bundle.ts'
import { type PluginSchema, parseHostSchema } from './host-schema.ts'
import { readSamples } from './samples.ts'
import { textIfThere, writeOwn } from './text-file.ts'
import { clientTypesText, hostTypesText, NO_HOST_TEXT, ownTypesText } from './types-text.ts'

const OWN_FILE = path.join('.lyceum', 'types.d.ts')
const HOST_FILE = path.join('.lyceum', 'host.d.ts')

/**
 * Writes `.lyceum/types.d.ts`, by which TypeScript knows `self` and the properties that the plugin itself derives; and
 * beside it, where that is missing, the `host.d.ts` that it refers to, with nothing in it. The same schema gives the
 * same bytes, and a file that would not change is left alone.
 *
 * @param dir the plugin's folder
 * @param schema what `GET /v1/schema` of a host tells that has the plugin as it is in the folder, or `ownSchema`
 * @returns the files that were written
 * @throws {LyceumError} package_invalid; options_refused where samples.json cannot be read; server_unreachable where
 *   that is not a schema; file_unreadable
 */
export async function writeTypes(dir: string, schema: unknown): Promise<string[]> {
  const { name } = await readPluginPackage(dir)
  const parsed = parseHostSchema(schema)
  const told = parsed.plugins.find(({ id }) => id === name)
  const own = told && withSamples(told, (await readSamples(dir)) ?? {})
  const isHostMissing = (await textIfThere(path.join(dir, HOST_FILE))) === undefined
  return [
    ...(own === undefined ? [] : await write(dir, OWN_FILE, ownTypesText(parsed, own))),
    ...(isHostMissing ? await write(dir, HOST_FILE, NO_HOST_TEXT) : []),
  ]
}

/**
 * Writes `.lyceum/host.d.ts`, by which TypeScript knows the other plugins of a host, its common names, and the
 * properties that plugins derive there. Give the schema of the host for which the plugin is meant: one that runs for
 * this plugin alone has few others.
 *
 * @param schema what `GET /v1/schema` told
 * @returns the files that were written
 * @throws {LyceumError} package_invalid; server_unreachable where that is not a schema
 */
export async function writeHostTypes(dir: string, schema: unknown): Promise<string[]> {
  const { name } = await readPluginPackage(dir)
  return write(dir, HOST_FILE, hostTypesText(parseHostSchema(schema), name))
}

/**
 * Writes the declaration by which TypeScript knows a host's queries where a program asks them with
 * `@lyceum/sdk/client`.
 *
 * @param file where to, such as `lyceum.d.ts`
 * @param schema what `GET /v1/schema` told
 * @returns the file, where it was written
 * @throws {LyceumError} server_unreachable where that is not a schema
 */
export function writeClientTypes(file: string, schema: unknown): Promise<string[]> {
  return write(path.dirname(file), path.basename(file), clientTypesText(parseHostSchema(schema)))
}

/** What was recorded beside plugin.ts, whether a host knows it yet or not. */
function withSamples(own: PluginSchema, samples: Readonly<Record<string, unknown>>): PluginSchema {
  const queries = own.queries.map((query) => ({ ...query, sample: samples[query.name] ?? query.sample }))
  return { ...own, queries }
}

async function write(dir: string, file: string, text: string): Promise<string[]> {
  const target = path.join(dir, file)
  if ((await textIfThere(target)) === text) return []
  await writeOwn(dir, file, text)
  return [target]
}
