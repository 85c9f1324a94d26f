import { Query } from 'mingo/query'
import type { Collection } from './collection.ts'
import { checkFilter } from './filter.ts'
import type { DocumentLimits } from './limits.ts'
import { meter } from './meter.ts'
import type { ReadOp } from './operations.ts'
import { STAGES } from './operators.ts'
import { checkDepthAt, valuesAtPath } from './paths.ts'
import { compilePipeline, skipDocs, sorted, takeDocs } from './pipeline.ts'
import { compileProjection } from './projection.ts'
import { MONGO, refusal } from './refusal.ts'
import { newScope } from './scope.ts'
import { sortKeys } from './sort.ts'
import { canonicalKey, type Doc, isDoc, weigh } from './values.ts'

type FindCollection = (name: string) => Collection | undefined

/** Does one read. Throws `result_too_large`, `time_limit`, and what the filter or pipeline deserves. */
export function applyRead(op: ReadOp, find: FindCollection, limits: Readonly<DocumentLimits>): unknown[] {
  const collection = find(op.collection)
  switch (op.op) {
    case 'find':
    case 'aggregate':
      return bounded(openRead(op, find), limits)
    case 'countDocuments':
      return [count(windowed(matchingDocs(op.filter, collection), op.skip, op.limit))]
    case 'estimatedDocumentCount':
      return [collection?.count() ?? 0]
    case 'distinct':
      return bounded(distinct(op.field, matchingDocs(op.filter, collection)), limits)
  }
}

/** The rows of a `find` or an `aggregate`, computed as they are asked for. */
export function openRead(
  op: Extract<ReadOp, { op: 'find' | 'aggregate' }>,
  find: FindCollection,
): Iterable<Doc> {
  const collection = find(op.collection)
  return op.op === 'find' ? findDocs(op, collection) : aggregate(op.pipeline, collection, find)
}

function bounded(values: Iterable<unknown>, limits: Readonly<DocumentLimits>): unknown[] {
  const result: unknown[] = []
  let bytes = 0
  for (const value of values) {
    bytes += weigh(value, limits.resultBytes)
    if (bytes > limits.resultBytes)
      throw refusal(
        'result_too_large',
        MONGO.BSONObjectTooLarge,
        `A result has at most ${limits.resultBytes} bytes: use a limit or a projection, or read it with for await.`,
      )
    checkDepthAt([], value, limits)
    result.push(value)
  }
  meter.checkTime()
  return result
}

function count(docs: Iterable<Doc>): number {
  let n = 0
  for (const _ of docs) n++
  return n
}

function windowed(docs: Iterable<Doc>, skip: number | undefined, limit: number | undefined): Iterable<Doc> {
  const rest = skip ? skipDocs(docs, skip) : docs
  return limit ? takeDocs(rest, limit) : rest
}

function* tested(docs: Iterable<Doc>, query: Query): Generator<Doc> {
  for (const doc of docs) if (query.test(doc)) yield doc
}

function matchingDocs(filter: unknown, collection: Collection | undefined): Iterable<Doc> {
  const checked = checkFilter(filter ?? {})
  const query = new Query(checked, newScope())
  return collection ? tested(collection.scan(checked), query) : []
}

function* findDocs(op: ReadOp & { op: 'find' }, collection: Collection | undefined): Generator<Doc> {
  const filter = checkFilter(op.filter ?? {})
  const scope = newScope()
  const query = new Query(filter, scope)
  const keys = op.sort === undefined || op.sort === null ? [] : sortKeys(op.sort)
  const project =
    op.projection === undefined ||
    op.projection === null ||
    (isDoc(op.projection) && Object.keys(op.projection).length === 0)
      ? undefined
      : compileProjection(op.projection, scope, false, filter)
  if (!collection) return
  const inOrder = keys.length > 0 ? collection.scanSorted(filter, keys) : collection.scan(filter)
  const docs = tested(inOrder ?? collection.scan(filter), query)
  const keep = op.limit ? op.limit + (op.skip ?? 0) : undefined
  const ordered = inOrder ? docs : sorted(docs, op.sort, keep)
  for (const doc of windowed(ordered, op.skip, op.limit)) yield project ? project(doc) : doc
}

function aggregate(
  pipeline: readonly unknown[],
  collection: Collection | undefined,
  find: FindCollection,
): Iterable<Doc> {
  const run = compilePipeline(pipeline, {
    scope: newScope(),
    collection: (name) => find(name)?.scan({}) ?? [],
    count: { stages: 0 },
    depth: 0,
    stages: STAGES,
  })
  const first: unknown = pipeline[0]
  const filter = isDoc(first) && '$match' in first ? checkFilter(first.$match) : {}
  return run(collection?.scan(filter) ?? [])
}

function* distinct(field: string, docs: Iterable<Doc>): Generator<unknown> {
  if (field.split('.').some((part) => part === '' || part.startsWith('$')))
    throw refusal('query_invalid', MONGO.FailedToParse, 'distinct takes the path of a field.')
  const seen = new Set<string>()
  for (const doc of docs)
    for (const value of valuesAtPath(doc, field)) {
      if (value === undefined) continue
      const key = canonicalKey(value)
      if (seen.has(key)) continue
      meter.charge(key.length)
      seen.add(key)
      yield value
    }
}
