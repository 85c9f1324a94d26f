import { z } from 'zod'
import { LyceumError } from '../host/errors.ts'
import { DIMENSIONS, nameProblem } from '../host/registry/manifest-names.ts'
import { derivedNameProblem } from '../host/registry/property-names.ts'

/** A schema that is larger is not a host's; and what a tool writes from it would help nobody. */
const MOST = 10_000
const NAME_CHARS = 64

const Name = z.string().refine((name) => nameProblem(name, NAME_CHARS) === undefined)
const PropertyName = z.string().refine((name) => derivedNameProblem(name) === undefined)
const Text = z.string().max(10_000)

const Param = z.object({
  type: z.enum(['string', 'number', 'boolean', 'date', 'enum']),
  values: z.array(z.string().max(1_000)).max(1_000).optional(),
  required: z.boolean(),
})

const View = z.object({
  name: Name,
  description: Text,
  dimensions: z.array(z.enum(DIMENSIONS)),
  params: z.record(Name, Param),
  asksSelf: z.boolean(),
})
const Query = View.extend({
  names: z.array(Name),
  /** What it returns, made up or recorded; with `?samples=true`. */
  sample: z.unknown().optional(),
})
const Plugin = z.object({
  id: Name,
  version: z.string(),
  views: z.array(View).max(MOST),
  queries: z.array(Query).max(MOST),
})

/** Where a host tells what there is, with samples by which results have types. */
export const SCHEMA_PATH = '/v1/schema?samples=true'

/** What is there, as far as tools read it. */
export const HostSchema = z.object({
  plugins: z.array(Plugin).max(MOST),
  names: z.array(z.object({ name: Name, plugin: Name, query: Name })).max(MOST),
  properties: z
    .array(
      z.object({ name: PropertyName, providers: z.array(z.object({ plugin: Name, description: Text })) }),
    )
    .max(MOST),
  /** The plugins whose samples were too much for one answer. */
  samplesLeftOut: z.array(Name).max(MOST).default([]),
})
export type HostSchema = z.infer<typeof HostSchema>
/** A plugin of a {@link HostSchema}. */
export type PluginSchema = z.infer<typeof Plugin>
/** A view or a query of it; only queries have samples. */
export type EndpointSchema = z.infer<typeof View> & { readonly sample?: unknown }

/** @throws {LyceumError} server_unreachable where this is not what a host tells */
export function parseHostSchema(raw: unknown): HostSchema {
  const parsed = HostSchema.safeParse(raw)
  if (parsed.success) return parsed.data
  throw new LyceumError(
    'server_unreachable',
    'What is at /v1/schema is not the schema of a Lyceum host of this version. Check the address, and that the host is not older than this command.',
  )
}
