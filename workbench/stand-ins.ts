import { join } from 'node:path'
import { z } from 'zod'
import { LyceumError } from '../host/errors.ts'
import { DIMENSIONS, nameProblem } from '../host/registry/manifest-names.ts'
import type { PublishBody } from '../host/registry/publish.ts'
import { SAMPLE_VERSION, Sample } from '../host/registry/samples.ts'
import { textIfThere, writeOwn } from './text-file.ts'

const FILE = join('.lyceum', 'host-samples.json')

// Each becomes a part of a program.
const Name = z.string().refine((name) => nameProblem(name, 64) === undefined)
const SampledQuery = z.object({
  name: Name,
  title: z.string(),
  dimensions: z.array(z.enum(DIMENSIONS)),
  params: z.record(Name, z.looseObject({ required: z.boolean().optional() })),
  names: z.array(Name),
  sample: Sample.optional(),
})
const SampledPlugins = z.object({
  plugins: z.array(z.object({ id: Name, queries: z.array(SampledQuery) })),
})

/** A plugin as `GET /v1/schema?samples=true` tells of it, as far as it takes to stand for it. */
export type SampledPlugin = z.infer<typeof SampledPlugins>['plugins'][number]

/**
 * Keeps what a host's queries return, made up, so that a plugin that asks them can be tried out without them.
 * @param schema what `GET /v1/schema?samples=true` told
 * @param own the id of the plugin in the folder, which stands for itself
 * @returns the file, where it was written: one that would not change is left alone
 */
export async function writeHostSamples(dir: string, schema: unknown, own: string): Promise<string[]> {
  const file = join(dir, FILE)
  const { plugins } = parsed(schema)
  const sampled = plugins.flatMap(({ id, queries }) => {
    const having = queries.filter(({ sample }) => sample !== undefined)
    return id === own || having.length === 0 ? [] : [{ id, queries: having }]
  })
  const text = `${JSON.stringify({ plugins: sampled }, null, 2)}\n`
  if ((await textIfThere(file)) === text) return []
  await writeOwn(dir, FILE, text)
  return [file]
}

/** What was kept of a host's samples; nothing where nothing was. @throws {LyceumError} options_refused, file_unreadable */
export async function readHostSamples(dir: string): Promise<readonly SampledPlugin[]> {
  const text = await textIfThere(join(dir, FILE))
  return text === undefined ? [] : parsed(jsonOf(text)).plugins
}

/** A plugin that answers as another would, with its samples. All that is made of its answers is marked. */
export function standInFor({ id, queries }: SampledPlugin): PublishBody {
  const endpoints = queries.flatMap(({ name, title, dimensions, params, names, sample }) => {
    if (sample === undefined) return []
    const rules = Object.entries(params).map(([param, { required, ...rest }]) => [
      param,
      // Whether it has to be given is said by its default, or by this.
      required === false && !('default' in rest) ? { ...rest, required } : rest,
    ])
    const options = JSON.stringify({ title, names, params: Object.fromEntries(rules) })
    const asked = [...dimensions, ...(rules.length > 0 ? ['params'] : [])].join(', ')
    // Parsed, since in a program a key may mean more than in JSON.
    const json = JSON.stringify(JSON.stringify(sample))
    return [`export const ${name} = query(${options}, ({ ${asked} }) => JSON.parse(${json}))`]
  })
  return {
    bundle: ["import { query } from '@lyceum/sdk'", ...endpoints, ''].join('\n'),
    sourceMap: '',
    package: { name: id, version: SAMPLE_VERSION, title: `${id} (samples)` },
  }
}

function parsed(schema: unknown): z.infer<typeof SampledPlugins> {
  const result = SampledPlugins.safeParse(schema)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new LyceumError(
    'options_refused',
    `${FILE} is not what a host tells: ${issue?.path.join('.')}: ${issue?.message}. Delete it, and run lyceum types.`,
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
