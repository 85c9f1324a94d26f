import { encode } from '../../../sdk/ejson.ts'
import { LyceumError } from '../../errors.ts'
import { admitDocument, admitQuery, checkId } from '../documents/admit.ts'
import { checkFilter } from '../documents/filter.ts'
import { DEFAULT_DOCUMENT_LIMITS as DOCUMENT } from '../documents/limits.ts'
import { meter } from '../documents/meter.ts'
import { type ParsedWrite, parseWrite } from '../documents/operations.ts'
import { asRefusal, MONGO, refusal } from '../documents/refusal.ts'
import { canonicalKey, type Doc, isDoc, typeRank, weigh } from '../documents/values.ts'
import { checkChange, checkReplacement, withId } from '../documents/writer.ts'
import type { Document } from './driver.ts'
import { toBson } from './values.ts'

/** What the server is sent for one write, as an element of its `insert`, `update` or `delete` command. */
export interface ServerWrite {
  readonly command: 'insert' | 'update' | 'delete'
  readonly collection: string
  readonly statement: Document
  /** Only of an insert. */
  readonly insertedId?: unknown
  /** About how many bytes it adds. */
  readonly bytes: number
  /** Its place among all writes of its batch: failures are told by it. */
  readonly index: number
}

const MOST_ID_CHARS = 2_000
const EXACT_FROM = 1 / 6

/**
 * Checks writes as the embedded engine does, and makes of them what the server is sent.
 * @param first the place of the first among all writes of the batch
 * @throws {LyceumError} what the embedded engine refuses, with `details.index`
 */
export function checkWrites(ops: readonly unknown[], first: number): ServerWrite[] {
  meter.start(DOCUMENT, performance.now() + DOCUMENT.opMs)
  return ops.map((op, i) => {
    try {
      meter.tick()
      return serverWrite(parseWrite(op), first + i)
    } catch (error) {
      const { code, message, details } = asRefusal(error)
      throw new LyceumError(code, message, { ...details, index: first + i })
    }
  })
}

function serverWrite(op: ParsedWrite, index: number): ServerWrite {
  const { collection } = op
  switch (op.name) {
    case 'insertOne': {
      const doc = withId(admitDocument(op.first, DOCUMENT), undefined)
      const bytes = checkDocument(doc)
      return {
        command: 'insert',
        collection,
        statement: asDocument(doc),
        insertedId: doc._id,
        bytes,
        index,
      }
    }
    case 'deleteOne':
    case 'deleteMany': {
      const statement = { q: serverFilter(op.first), limit: op.name === 'deleteOne' ? 1 : 0 }
      return { command: 'delete', collection, statement, bytes: 0, index }
    }
    default: {
      const { u, bytes } = op.name === 'replaceOne' ? serverReplacement(op) : serverChange(op)
      const statement = {
        q: serverFilter(op.first),
        u,
        multi: op.name === 'updateMany',
        upsert: op.upsert,
        ...(op.arrayFilters !== undefined && { arrayFilters: toBson(op.arrayFilters, 'query') }),
      }
      return { command: 'update', collection, statement, bytes, index }
    }
  }
}

function asDocument(doc: Doc): Document {
  return toBson(doc, 'document') as Document
}

function serverReplacement(op: ParsedWrite): { u: unknown; bytes: number } {
  const doc = checkReplacement(op, DOCUMENT)
  return { u: toBson(doc, 'document'), bytes: checkDocument(doc) }
}

function serverChange(op: ParsedWrite): { u: unknown; bytes: number } {
  checkChange(op, DOCUMENT)
  const use = Array.isArray(op.second) || hasFilter(op.second) ? 'query' : 'document'
  return { u: toBson(op.second, use), bytes: weigh(op.second, DOCUMENT.documentBytes * 2) }
}

/** `$pull` takes a filter, all other operators values to keep. */
function hasFilter(update: unknown): boolean {
  return isDoc(update) && Object.hasOwn(update, '$pull')
}

/** The size of a document, which the embedded engine bounds in the same way. */
function checkDocument(doc: Doc): number {
  if (doc._id !== undefined) {
    checkId(doc._id)
    if (canonicalKey(doc._id).length > MOST_ID_CHARS)
      throw refusal('document_invalid', MONGO.BadValue, "An '_id' has at most about 2000 characters.")
  }
  const limit = DOCUMENT.documentBytes
  const estimate = weigh(doc, limit * 2)
  if (estimate <= limit * EXACT_FROM) return estimate
  const bytes = Buffer.byteLength(encode(doc))
  if (bytes <= limit) return bytes
  throw refusal(
    'document_too_large',
    MONGO.BSONObjectTooLarge,
    `A document has at most ${limit} bytes; this one has ${bytes}. Make several of it, or keep it as a file.`,
  )
}

/** A filter for the server. One that is nothing but an `_id`, as most are, needs no checks. */
function serverFilter(filter: Doc): Document {
  const id = filter._id
  const rank = typeRank(id)
  const isPlain = rank === 2 || rank === 3 || rank === 7 || rank === 8
  if (isPlain && Object.hasOwn(filter, '_id') && Object.keys(filter).length === 1)
    return { _id: toBson(id, 'query') }
  return toBson(checkFilter(admitQuery(filter, DOCUMENT)), 'query') as Document
}
