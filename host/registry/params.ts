import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { DIMENSIONS, didYouMean, nameProblem, printable } from './manifest-names.ts'

/** Names in an address that the host keeps for itself. */
export const HOST_PARAMS = ['token', 'format', 'wait'] as const

const MAX_TEXT = 1_000
const MAX_PARAMS = 32

const Required = { required: z.literal(false).optional() }
const Word = z.string().min(1).max(100)
const Num = z.number({ error: 'write a number, without quotes' })
const Bool = z.boolean({ error: 'write true or false, without quotes' })
const Time = z.iso.datetime({ error: 'write a date: new Date("2026-09-01")' })

const Param = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('string'),
      default: z
        .string({ error: 'write a text, since the parameter is one' })
        .max(MAX_TEXT, `at most ${MAX_TEXT} characters`)
        .optional(),
      max: z
        .int({ error: 'write a whole number' })
        .min(1, 'at least 1')
        .max(10_000, 'at most 10000')
        .optional(),
      ...Required,
    }),
    z.strictObject({
      type: z.literal('number'),
      default: Num.optional(),
      min: Num.optional(),
      max: Num.optional(),
      integer: Bool.optional(),
      ...Required,
    }),
    z.strictObject({ type: z.literal('boolean'), default: Bool.optional(), ...Required }),
    z.strictObject({ type: z.literal('date'), default: Time.optional(), ...Required }),
    z
      .strictObject({
        type: z.literal('enum'),
        values: z
          .array(Word, { error: "write a list of texts: ['a', 'b']" })
          .min(1, 'write one value at least')
          .max(100, 'at most 100 values'),
        default: z.string({ error: 'write one of the values' }).optional(),
        ...Required,
      })
      .refine((param) => param.default === undefined || param.values.includes(param.default), {
        error: 'the default is none of the values',
      }),
  ],
  { error: 'write one of t.string() t.number() t.boolean() t.date() t.enum([…])' },
)

/** One parameter, as `t` of the SDK makes it. */
export type Param = z.infer<typeof Param>

/** The parameters of an endpoint, in the order of their declaration. A Map, since plugins choose the names. */
export type Params = ReadonlyMap<string, Param>

/** What an endpoint's option `params` may be. */
export const ParamsSchema = z
  .record(z.string(), Param, { error: 'write an object: { limit: t.number({ default: 10 }) }' })
  .transform((record, context): Params => {
    const params = new Map(Object.entries(record))
    for (const name of params.keys()) {
      const problem = reserved(name) ?? nameProblem(name, 40)
      if (problem)
        context.addIssue({ code: 'custom', path: [name.slice(0, 64)], message: `the name ${problem}` })
    }
    if (params.size > MAX_PARAMS)
      context.addIssue({ code: 'custom', message: `more than ${MAX_PARAMS} parameters` })
    return params
  })

function reserved(name: string): string | undefined {
  if (DIMENSIONS.some((dimension) => dimension === name))
    return 'is a dimension: let the handler ask for it directly instead'
  if (HOST_PARAMS.some((own) => own === name)) return 'is kept for the host; choose another name'
  return undefined
}

/**
 * Defaults that their own limits refuse, each as what to write. The schema takes them, since it reads versions, too,
 * that were published long ago; a new one is not to have them.
 */
export function defaultProblems(params: Params): { path: string; message: string }[] {
  return [...params].flatMap(([name, param]) =>
    param.default === undefined || fits(param, param.default)
      ? []
      : [{ path: `params.${name}.default`, message: `give ${expected(param)}` }],
  )
}

/** A parameter's value, as the handler gets it; undefined where an optional one was left out. */
export type ParamValue = string | number | boolean | Date | undefined

/**
 * Reads a request's parameters by an endpoint's schema. Dimensions and the host's own parameters are passed over.
 *
 * @param given names and values: a URLSearchParams, or the entries of what another plugin sent (where numbers,
 *   booleans and dates may come as themselves)
 * @returns each declared parameter's value
 * @throws LyceumError bad_parameter, with `{ parameter }` in its details
 */
export function parseParams(
  params: Params,
  given: Iterable<readonly [string, unknown]>,
): Map<string, ParamValue> {
  const raw = new Map<string, unknown>()
  for (const [name, value] of given) {
    if (reserved(name) !== undefined) continue
    if (!params.has(name))
      throw bad(name, `does not exist.${didYouMean(name, [...params.keys()])}${offer(params)}`)
    if (raw.has(name)) throw bad(name, 'is given twice. Give it once.')
    if (value !== undefined) raw.set(name, value)
  }
  const values = new Map<string, ParamValue>()
  for (const [name, param] of params) values.set(name, parseParam(name, param, raw.get(name)))
  return values
}

function parseParam(name: string, param: Param, value: unknown): ParamValue {
  if (value === undefined || (value === '' && param.type !== 'string')) {
    if (param.default !== undefined) return param.type === 'date' ? new Date(param.default) : param.default
    if (param.required === false) return undefined
    throw bad(name, `is missing. Give ${expected(param)}.`)
  }
  const parsed = PARSERS[param.type](value)
  if (parsed === undefined || !fits(param, parsed))
    throw bad(name, `is ${shown(value)}. Give ${expected(param)}.`)
  return parsed
}

const PARSERS: Record<Param['type'], (value: unknown) => ParamValue> = {
  string: (value) => (typeof value === 'string' ? value : undefined),
  enum: (value) => (typeof value === 'string' ? value : undefined),
  number: (value) => {
    const number =
      typeof value === 'string' && /^[+-]?(?:\d|\.\d)[\d.eE+-]*$/.test(value) ? Number(value) : value
    return typeof number === 'number' && Number.isFinite(number) ? number : undefined
  },
  boolean: (value) => {
    if (value === 'true' || value === 'false') return value === 'true'
    return typeof value === 'boolean' ? value : undefined
  },
  date: (value) => {
    const date =
      value instanceof Date ? value : typeof value === 'string' && isIso(value) ? new Date(value) : undefined
    return date === undefined || Number.isNaN(date.getTime()) ? undefined : date
  },
}

function isIso(text: string): boolean {
  return z.union([z.iso.date(), z.iso.datetime({ offset: true })]).safeParse(text).success
}

function fits(param: Param, value: ParamValue): boolean {
  if (param.type === 'string') return typeof value === 'string' && value.length <= (param.max ?? MAX_TEXT)
  if (param.type === 'enum') return typeof value === 'string' && param.values.includes(value)
  if (param.type !== 'number' || typeof value !== 'number') return true
  if (param.integer && !Number.isInteger(value)) return false
  return value >= (param.min ?? -Infinity) && value <= (param.max ?? Infinity)
}

function expected(param: Param): string {
  switch (param.type) {
    case 'string':
      return `a text of at most ${param.max ?? MAX_TEXT} characters`
    case 'boolean':
      return 'true or false'
    case 'date':
      return 'a day such as 2026-09-01, or a time such as 2026-09-01T08:00:00Z'
    case 'enum':
      return `one of ${param.values.map(printable60).join(', ')}`
    case 'number': {
      const { min, max } = param
      const range =
        min !== undefined && max !== undefined
          ? ` from ${min} to ${max}`
          : min !== undefined
            ? ` of at least ${min}`
            : max !== undefined
              ? ` of at most ${max}`
              : ''
      return `${param.integer ? 'a whole number' : 'a number'}${range}`
    }
  }
}

function printable60(word: string): string {
  return printable(word, 60)
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60 ? `a text of ${value.length} characters` : `"${printable(value)}"`
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'not a plain value'
}

function offer(params: Params): string {
  return params.size === 0 ? ' There are no parameters here.' : ` There is ${[...params.keys()].join(', ')}.`
}

function bad(name: string, message: string): LyceumError {
  const parameter = printable(name)
  return new LyceumError('bad_parameter', `The parameter ${parameter} ${message}`, { parameter })
}
