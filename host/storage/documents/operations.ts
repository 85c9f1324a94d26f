import { z } from 'zod'
import { admitQuery } from './admit.ts'
import type { DocumentLimits } from './limits.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

export interface UpdateOptions {
  readonly upsert?: boolean
  readonly arrayFilters?: unknown
}

/** A write as it arrives from a guest, decoded. */
export type WriteOp =
  | readonly ['insertOne', collection: string, doc: Doc]
  | readonly [
      'updateOne' | 'updateMany',
      collection: string,
      filter: Doc,
      update: unknown,
      options?: UpdateOptions,
    ]
  | readonly [
      'replaceOne',
      collection: string,
      filter: Doc,
      doc: Doc,
      options?: { readonly upsert?: boolean },
    ]
  | readonly ['deleteOne' | 'deleteMany', collection: string, filter: Doc]

/** What a write did. Counts that do not belong to its kind are 0. */
export interface WriteOutcome {
  readonly matchedCount: number
  readonly modifiedCount: number
  readonly deletedCount: number
  readonly insertedId?: unknown
  readonly upsertedId?: unknown
}

export type WriteName = WriteOp[0]

/** A write whose shape is right; what its filter, update or document holds is not yet checked. */
export interface ParsedWrite {
  readonly name: WriteName
  readonly collection: string
  /** The document of an insert, else the filter. */
  readonly first: Doc
  /** The update or the replacement. */
  readonly second: unknown
  readonly upsert: boolean
  readonly arrayFilters: unknown
}

const WRITE_LENGTHS = new Map<unknown, readonly [least: number, most: number]>([
  ['insertOne', [3, 3]],
  ['updateOne', [4, 5]],
  ['updateMany', [4, 5]],
  ['replaceOne', [4, 5]],
  ['deleteOne', [3, 3]],
  ['deleteMany', [3, 3]],
])

const COLLECTION_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/

/** Refuses a collection name that could not be one. Names never reach SQL: tables are numbered. */
export function checkCollectionName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !COLLECTION_NAME.test(name) || name.includes('__proto__'))
    throw refusal(
      'op_malformed',
      MONGO.InvalidNamespace,
      `${quote(name)} cannot name a collection: use at most 100 letters, digits and '_.-', with a letter first.`,
    )
}

function malformed(message: string): Error {
  return refusal('op_malformed', MONGO.FailedToParse, message)
}

const options = z.strictObject({
  upsert: z.boolean().optional(),
  arrayFilters: z.array(z.unknown()).optional(),
})

/**
 * Checks the shape of one write. By hand, since the loop of upserts that every author writes comes through here:
 * only the options, which are mostly `{upsert: true}`, are left to a schema where they hold more.
 */
export function parseWrite(op: unknown): ParsedWrite {
  if (!Array.isArray(op)) throw malformed('A write is a list: its name, its collection and what it takes.')
  const name: unknown = op[0]
  const lengths = WRITE_LENGTHS.get(name)
  if (!lengths) throw refusal('op_unknown', MONGO.FailedToParse, `There is no write ${quote(name)}.`)
  if (op.length < lengths[0] || op.length > lengths[1])
    throw malformed(`${quote(name)} takes ${lengths[0] - 1} to ${lengths[1] - 1} values.`)
  const collection: unknown = op[1]
  checkCollectionName(collection)
  const first: unknown = op[2]
  if (!isDoc(first))
    throw malformed(
      `${quote(name)} takes ${name === 'insertOne' ? 'a document' : 'a filter'}, which is an object.`,
    )
  const { upsert, arrayFilters } = parseOptions(op[4])
  return { name: name as WriteName, collection, first, second: op[3], upsert, arrayFilters }
}

const NO_OPTIONS = { upsert: false, arrayFilters: undefined } as const
const UPSERT = { upsert: true, arrayFilters: undefined } as const

function parseOptions(value: unknown): { upsert: boolean; arrayFilters: unknown } {
  if (value === undefined || value === null) return NO_OPTIONS
  if (isDoc(value) && value.upsert === true && Object.keys(value).length === 1) return UPSERT
  const parsed = options.safeParse(value)
  if (!parsed.success) throw malformed('The options of a write are upsert and arrayFilters.')
  return { upsert: parsed.data.upsert === true, arrayFilters: parsed.data.arrayFilters }
}

const collection = z.string()
const whole = z
  .number({ error: 'write a whole number' })
  .int('write a whole number')
  .nonnegative('write a number that is not negative')
const readOp = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('find'),
    collection,
    filter: z.unknown().optional(),
    projection: z.unknown().optional(),
    sort: z.unknown().optional(),
    skip: whole.optional(),
    limit: whole.optional(),
  }),
  z.strictObject({
    op: z.literal('aggregate'),
    collection,
    pipeline: z.array(z.unknown(), { error: 'write a list of stages' }),
  }),
  z.strictObject({
    op: z.literal('countDocuments'),
    collection,
    filter: z.unknown().optional(),
    skip: whole.optional(),
    limit: whole.optional(),
  }),
  z.strictObject({ op: z.literal('estimatedDocumentCount'), collection }),
  z.strictObject({
    op: z.literal('distinct'),
    collection,
    field: z.string({ error: 'write the name of a field' }).max(1_000, 'at most 1000 characters'),
    filter: z.unknown().optional(),
  }),
])

/** A read as it arrives from a guest, decoded. A `limit` of 0 is none. */
export type ReadOp = z.output<typeof readOp>

/** Checks and copies one read; what its filter or pipeline holds is checked where it is compiled. */
export function parseRead(op: unknown, limits: Readonly<DocumentLimits>): ReadOp {
  const parsed = readOp.safeParse(admitQuery(op, limits))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const name = isDoc(op) && typeof op.op === 'string' ? op.op : ''
    if (issue?.code === 'invalid_union')
      throw refusal('op_unknown', MONGO.FailedToParse, `There is no read ${quote(name)}.`)
    const path = issue?.path.join('.') || 'value'
    throw malformed(
      `The read ${quote(name)} is not well formed at ${quote(path)}: ${issue?.message ?? 'look at its shape in docs/db.md'}.`,
    )
  }
  checkCollectionName(parsed.data.collection)
  return parsed.data
}

const declarations = z.array(
  z.strictObject({
    name: z.string(),
    indexes: z.array(
      z.strictObject({
        keys: z.record(z.string().max(1_000), z.union([z.literal(1), z.literal(-1)])),
        unique: z.boolean().optional(),
      }),
    ),
  }),
)

export type Declaration = z.output<typeof declarations>[number]

/** Checks the collections that a plugin declares. */
export function parseDeclarations(value: unknown): Declaration[] {
  const parsed = declarations.safeParse(value)
  if (!parsed.success)
    throw malformed(
      `The declared collections are not well formed at ${quote(parsed.error.issues[0]?.path.join('.') ?? '')}.`,
    )
  return parsed.data
}
