import { encode } from '../../../sdk/ejson.ts'
import { LyceumError } from '../../errors.ts'
import { checkFilter } from '../documents/filter.ts'
import { DEFAULT_DOCUMENT_LIMITS as DOCUMENT } from '../documents/limits.ts'
import { meter } from '../documents/meter.ts'
import { checkCollectionName, parseRead, type ReadOp } from '../documents/operations.ts'
import { STAGES } from '../documents/operators.ts'
import { compilePipeline } from '../documents/pipeline.ts'
import { compileProjection } from '../documents/projection.ts'
import { MONGO, quote, refusal } from '../documents/refusal.ts'
import { newScope } from '../documents/scope.ts'
import { sortKeys } from '../documents/sort.ts'
import { isDoc, weigh } from '../documents/values.ts'
import { collectionsIn } from './collections-in.ts'
import type { AbstractCursor, ClientSession, Db, Document } from './driver.ts'
import { fromBson, toBson } from './values.ts'

/** A read that has been checked, with what the server is sent. */
export interface ServerRead {
  readonly op: ReadOp
  readonly filter: Document
  readonly pipeline: Document[]
}

/** In what a read runs, and how long it may. */
export interface Reading {
  readonly db: Db
  /** Of an open transaction. */
  readonly session: ClientSession | undefined
  readonly timeMs: number
  /** What a read outside of a transaction is to see, where the server knows such levels. */
  readonly level?: 'majority' | 'snapshot' | undefined
  /** A server that does not know how long a `distinct` may take. */
  readonly isFerretDb: boolean
}

/**
 * Checks a read as the embedded engine does.
 * @param only the collections that it may name; all of the plugin where nothing is said
 * @throws {LyceumError} what the embedded engine refuses
 */
export function checkRead(read: unknown, only: readonly string[] | undefined): ServerRead {
  meter.start(DOCUMENT, performance.now() + DOCUMENT.opMs)
  const op = parseRead(read, DOCUMENT)
  const filter = 'filter' in op ? checkFilter(op.filter ?? {}) : {}
  if (op.op === 'find') {
    if (op.sort !== undefined && op.sort !== null) sortKeys(op.sort)
    if (hasFields(op.projection)) compileProjection(op.projection, newScope(), false)
  }
  if (op.op === 'distinct' && op.field.split('.').some((part) => part === '' || part.startsWith('$')))
    throw refusal('query_invalid', MONGO.FailedToParse, 'distinct takes the path of a field.')
  const pipeline = op.op === 'aggregate' ? checkPipeline(op.pipeline) : []
  const named = [op.collection, ...(op.op === 'aggregate' ? collectionsIn(op.pipeline) : [])]
  for (const name of named) {
    checkCollectionName(name)
    if (only !== undefined && !only.includes(name))
      throw new LyceumError('op_denied', `The collection ${quote(name)} is not readable for other plugins.`)
  }
  return { op, filter: toBson(filter, 'query') as Document, pipeline }
}

function checkPipeline(pipeline: readonly unknown[]): Document[] {
  compilePipeline(pipeline, {
    scope: newScope(),
    collection: () => [],
    count: { stages: 0 },
    depth: 0,
    stages: STAGES,
  })
  return toBson(pipeline, 'query') as Document[]
}

function hasFields(projection: unknown): boolean {
  return isDoc(projection) ? Object.keys(projection).length > 0 : projection != null
}

/** Carries a read out. Returns EJSON of its rows; a count is one row. @throws {LyceumError} result_too_large */
export async function runRead(read: ServerRead, reading: Reading): Promise<string> {
  const { op, filter } = read
  const { db, session, timeMs, level } = reading
  const collection = db.collection(op.collection)
  const options = {
    maxTimeMS: Math.ceil(timeMs),
    ...(session && { session }),
    ...(level && !session && { readConcern: { level } }),
  }
  switch (op.op) {
    case 'find':
    case 'aggregate': {
      const cursor = openCursor(read, reading, undefined)
      try {
        return encode(await bounded(cursor))
      } finally {
        await cursor.close()
      }
    }
    case 'countDocuments': {
      const { skip, limit } = op
      return encode([
        await collection.countDocuments(filter, {
          ...options,
          ...(skip && { skip }),
          ...(limit && { limit }),
        }),
      ])
    }
    case 'estimatedDocumentCount':
      // A transaction takes no estimates.
      return encode([
        await (session ? collection.countDocuments({}, options) : collection.estimatedDocumentCount(options)),
      ])
    case 'distinct': {
      const { maxTimeMS: _, ...untimed } = options
      const found = await collection.distinct(op.field, filter, reading.isFerretDb ? untimed : options)
      return encode(boundedRows(found.map(fromBson)))
    }
  }
}

/** The rows of a `find` or an `aggregate`, with the first `batch` of them coming at once. */
export function openCursor(
  { op, filter, pipeline }: ServerRead,
  { db, session, timeMs, level }: Omit<Reading, 'isFerretDb'>,
  batch: number | undefined,
): AbstractCursor<Document> {
  const options = {
    maxTimeMS: Math.ceil(timeMs),
    ...(session && { session }),
    ...(level && !session && { readConcern: { level } }),
    ...(batch !== undefined && { batchSize: batch }),
  }
  const collection = db.collection(op.collection)
  if (op.op === 'aggregate') return collection.aggregate(pipeline, { ...options, allowDiskUse: false })
  if (op.op !== 'find') throw refusal('op_unknown', MONGO.FailedToParse, `${quote(op.op)} gives no rows.`)
  const { projection, sort, skip, limit } = op
  return collection.find(filter, {
    ...options,
    ...(hasFields(projection) && { projection: toBson(projection, 'query') as Document }),
    // As a map: an object would put keys that look like numbers first.
    ...(isDoc(sort) && { sort: new Map(sortKeys(sort).map(({ path, direction }) => [path, direction])) }),
    ...(skip && { skip }),
    ...(limit && { limit }),
  })
}

async function bounded(cursor: AbstractCursor<Document>): Promise<unknown[]> {
  const rows: unknown[] = []
  let bytes = 0
  for await (const document of cursor) {
    const row = fromBson(document)
    bytes += weigh(row, DOCUMENT.resultBytes)
    if (bytes > DOCUMENT.resultBytes) throw tooLarge()
    rows.push(row)
  }
  return rows
}

function boundedRows(rows: unknown[]): unknown[] {
  if (weigh(rows, DOCUMENT.resultBytes) > DOCUMENT.resultBytes) throw tooLarge()
  return rows
}

function tooLarge(): LyceumError {
  return refusal(
    'result_too_large',
    MONGO.BSONObjectTooLarge,
    `A result has at most ${DOCUMENT.resultBytes} bytes: use a limit or a projection, or read it with for await.`,
  )
}
