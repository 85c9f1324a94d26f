import { Cron } from 'croner'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type EventFilter, filterProblem } from './event-filter.ts'
import { type Kind, nameProblem, nearest, printable } from './manifest-names.ts'
import { MAX_PLUGIN_ID } from './package.ts'
import { type Params, ParamsSchema } from './params.ts'
import { derivedNameProblem, keyOf, namespaceProblem } from './property-names.ts'
import { Sample } from './samples.ts'
import type { SourcePosition } from './source-map.ts'

const text = (characters: number) =>
  z.string({ error: 'write a text' }).max(characters, `at most ${characters} characters`)

const Described = { title: text(100).optional(), description: text(500).optional() }

/** Checked below, where it is known which derived properties it may ask for. */
const Where = z.custom<EventFilter>()
const When = Where.superRefine((filter, context) => {
  const problem = filterProblem(filter)
  if (problem) context.addIssue({ code: 'custom', path: [...problem.path], message: problem.message })
})

const DerivedName = z
  .string({ error: 'write the name of a property, such as "tincan.actor"' })
  .superRefine((name, context) => {
    const problem = derivedNameProblem(name)
    if (problem) context.addIssue({ code: 'custom', message: `\`${printable(name)}\` ${problem}` })
  })
const Props = z
  .array(DerivedName, { error: "write a list of properties: ['tincan.actor']" })
  .max(LIMITS.propertiesPerHandler, `at most ${LIMITS.propertiesPerHandler} properties`)
  .superRefine((names, context) => {
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice) context.addIssue({ code: 'custom', message: `\`${printable(twice)}\` is there twice` })
    const inside = names.find((name) => name.includes('.') && names.includes(keyOf(name)))
    if (inside)
      context.addIssue({
        code: 'custom',
        message: `\`${keyOf(inside)}\` and \`${inside}\` would stand at the same place; ask for one of them`,
      })
  })
  .default([])

const ReadingOptions = z.strictObject(
  { ...Described, params: ParamsSchema.optional() },
  { error: 'write an object: { title: "…" }' },
)
const withParams = <Options extends { readonly params?: Params | undefined }>({
  params,
  ...rest
}: Options) => ({
  ...rest,
  params: params ?? (new Map() satisfies Params),
})
const View = ReadingOptions.transform(withParams)

const PluginName = z.string({ error: 'write a name' }).superRefine((name, context) => {
  const problem = nameProblem(name, MAX_PLUGIN_ID)
  if (problem !== undefined)
    context.addIssue({ code: 'custom', message: `\`${printable(name)}\` ${problem}` })
})
const QueryOptions = ReadingOptions.extend({
  cacheSeconds: z
    .int({ error: 'write a whole number of seconds' })
    .min(1, 'at least 1 second')
    .max(LIMITS.cacheSeconds, `at most ${LIMITS.cacheSeconds} seconds`)
    .optional(),
  sample: Sample.optional(),
  names: z
    .array(PluginName, { error: 'write a list of names: ["courseGrades"]' })
    .max(8, 'a query has 8 common names at most')
    .default([]),
})
const Query = QueryOptions.transform(withParams)

/** Whether it may ask about people though nobody asks it. */
const asUsers = z.boolean({ error: 'write true or false' }).optional()

const OnEventOptions = z.strictObject(
  {
    ...Described,
    where: Where.optional(),
    props: Props,
    mode: z
      .enum(['realtime', 'soft', 'queued'], { error: 'write "realtime", "soft" or "queued"' })
      .default('soft'),
    from: z.enum(['start', 'now'], { error: 'write "start" or "now"' }).default('start'),
    asUsers,
  },
  { error: 'write a type of event, or an object: { where: { event_type: "play_video" } }' },
)
const OnEvent = OnEventOptions.superRefine(({ where, props }, context) => {
  const problem = where === undefined ? undefined : filterProblem(where, props)
  if (problem)
    context.addIssue({ code: 'custom', path: ['where', ...problem.path], message: problem.message })
})

const Property = z.strictObject(
  {
    ...Described,
    namespace: z
      .string({ error: 'write a name, such as "tincan"' })
      .superRefine((namespace, context) => {
        const problem = namespaceProblem(namespace)
        if (problem) context.addIssue({ code: 'custom', message: `\`${printable(namespace)}\` ${problem}` })
      })
      .optional(),
    when: When.optional(),
  },
  { error: 'write an object: { namespace: "tincan", when: { event_source: "server" } }' },
)

const Schedule = text(100).superRefine((schedule, context) => {
  const message = scheduleProblem(schedule)
  if (message) context.addIssue({ code: 'custom', message })
})

const CronJob = z.strictObject(
  { ...Described, schedule: Schedule, asUsers },
  { error: 'write a schedule, such as "0 4 * * *", or an object that has one: { schedule: "0 4 * * *" }' },
)

const Field = z.string().regex(/^(?:[A-Za-z_][\w-]{0,63})(?:\.[\w-]{1,64}){0,7}$/, 'not the name of a field')
const Keys = z
  .record(Field, z.literal([1, -1], { error: 'write 1 (ascending) or -1 (descending)' }))
  .transform((keys) => Object.entries(keys))
  .refine((keys) => keys.length >= 1 && keys.length <= 8, 'an index has 1 to 8 fields')
const Index = z.union(
  [
    z.strictObject({ keys: Keys, unique: z.boolean().default(false) }),
    Keys.transform((keys) => ({ keys, unique: false })),
  ],
  { error: 'write { field: 1 } or { keys: { field: 1 }, unique: true }' },
)
const Collection = z.strictObject(
  {
    indexes: z
      .array(Index, { error: 'write a list of indexes: [{ course: 1, n: -1 }]' })
      .max(16, 'a collection has 16 indexes at most')
      .default([]),
    read: z
      .union([z.literal('*').transform(() => ['*']), z.array(PluginName).max(64, 'at most 64 plugins')], {
        error: 'write the plugins that may read it: ["report"], or "*" for any',
      })
      .default([]),
  },
  { error: 'write an object: { indexes: [{ course: 1 }] }' },
)

const SCHEMAS = {
  view: View,
  query: Query,
  onEvent: OnEvent,
  cron: CronJob,
  collection: Collection,
  property: Property,
} as const

/** The names of the options of each kind, for those who misspell them. */
const OPTION_NAMES: Record<Kind, readonly string[]> = {
  view: Object.keys(ReadingOptions.shape),
  query: Object.keys(QueryOptions.shape),
  onEvent: Object.keys(OnEventOptions.shape),
  cron: Object.keys(CronJob.shape),
  collection: Object.keys(Collection.shape),
  property: Object.keys(Property.shape),
}

/** The checked options of an endpoint of kind `K`, with every default filled in. */
export type OptionsOf<K extends Kind> = z.output<(typeof SCHEMAS)[K]>

/**
 * Checks the options that the scratch load reported for an endpoint.
 *
 * A string stands for the type of event (matched with `props.type`, which every LMS's events have) or for the
 * schedule; nothing stands for no options.
 *
 * @param raw the options as JSON
 * @param place where the endpoint is written, for the message, if it is known
 * @throws LyceumError options_refused, naming the endpoint, the path inside its options and what to write
 */
export function parseOptions<K extends Kind>(
  kind: K,
  endpoint: string,
  raw: unknown,
  place?: SourcePosition,
): OptionsOf<K>
export function parseOptions(
  kind: Kind,
  endpoint: string,
  raw: unknown,
  place?: SourcePosition,
): OptionsOf<Kind> {
  const parsed = SCHEMAS[kind].safeParse(longForm(kind, raw))
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.flatMap((issue) => sentences(kind, issue)).slice(0, 20)
  throw optionsRefused(kind, endpoint, problems, place)
}

/** What is wrong with the options of an endpoint, each problem with its path inside of them. */
export function optionsRefused(
  kind: Kind,
  endpoint: string,
  problems: readonly { readonly path: string; readonly message: string }[],
  place?: SourcePosition,
): LyceumError {
  const sentence = problems
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ')
  const where = place === undefined ? '' : `${place.source}:${place.line}:${place.column}: `
  return new LyceumError(
    'options_refused',
    `${where}The options of \`${endpoint}\` (${kind}) are wrong: ${sentence}.`,
    {
      endpoint,
      problems,
      ...(place && { place: { source: place.source, line: place.line, column: place.column } }),
    },
  )
}

function longForm(kind: Kind, raw: unknown): unknown {
  if (raw === undefined || raw === null) return kind === 'cron' ? raw : {}
  if (typeof raw !== 'string') return raw
  if (kind === 'cron') return { schedule: raw }
  return kind === 'onEvent' ? { where: { 'props.type': raw } } : raw
}

function sentences(kind: Kind, issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const path = printable(issue.path.map(String).join('.'), 200)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, 5).map((key) => ({
      path: printable([path, key].filter(Boolean).join('.'), 200),
      message: `there is no such option${issue.path.length === 0 ? offer(key, OPTION_NAMES[kind]) : ''}`,
    }))
  return [{ path, message: issue.message }]
}

function offer(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? ` (there is ${known.join(', ')})` : ` (did you mean \`${near}\`?)`
}

function scheduleProblem(schedule: string): string | undefined {
  if (schedule.trim().split(/\s+/).length !== 5)
    return 'a schedule has five fields: minute, hour, day of the month, month, day of the week, such as "0 4 * * *"'
  try {
    new Cron(schedule, { paused: true, mode: '5-part', timezone: 'UTC' })
    return undefined
  } catch {
    return `"${printable(schedule)}" is not a schedule; write such as "0 4 * * *", every day at 4:00 UTC`
  }
}
