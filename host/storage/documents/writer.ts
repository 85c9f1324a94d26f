import { Query } from 'mingo/query'
import { ObjectId } from '../../../sdk/ejson.ts'
import { admitDocument, admitQuery } from './admit.ts'
import type { Collection, Entry } from './collection.ts'
import { checkFilter, isOperators } from './filter.ts'
import type { DocumentLimits } from './limits.ts'
import { matchedElement } from './matched-element.ts'
import { meter } from './meter.ts'
import type { ParsedWrite, WriteOutcome } from './operations.ts'
import { UPDATE_STAGES } from './operators.ts'
import { compilePipeline } from './pipeline.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { newScope } from './scope.ts'
import { applyUpdate, compileUpdate } from './update.ts'
import { upsertSeed } from './upsert.ts'
import { canonicalKey, cloneDoc, type Doc, isDoc, isUnchanged, typeRank } from './values.ts'

const NOTHING: WriteOutcome = { matchedCount: 0, modifiedCount: 0, deletedCount: 0 }
const MATCHED: WriteOutcome = { matchedCount: 1, modifiedCount: 0, deletedCount: 0 }
const MODIFIED: WriteOutcome = { matchedCount: 1, modifiedCount: 1, deletedCount: 0 }
const DELETED: WriteOutcome = { matchedCount: 0, modifiedCount: 0, deletedCount: 1 }

/**
 * Makes the new content of a document; undefined where nothing changes. `isInsert` for the seed of an upsert, `filter`
 * as checked is what the document was found by.
 */
type Change = (doc: Doc, isInsert: boolean, filter: Doc) => Doc | undefined

/** Does one write to one collection. Throws before it changes anything. */
export function applyWrite(
  op: ParsedWrite,
  collection: Collection,
  limits: Readonly<DocumentLimits>,
): WriteOutcome {
  switch (op.name) {
    case 'insertOne':
      return insertOne(op, collection, limits)
    case 'deleteOne':
    case 'deleteMany':
      return deleteDocs(op, collection, limits)
    case 'updateOne':
    case 'updateMany':
      return change(op, collection, limits, compileChange(op, limits))
    case 'replaceOne':
      return change(op, collection, limits, compileReplacement(op, limits))
  }
}

function insertOne(op: ParsedWrite, collection: Collection, limits: Readonly<DocumentLimits>): WriteOutcome {
  const doc = withId(admitDocument(op.first, limits), undefined)
  collection.insert(doc)
  return { ...NOTHING, insertedId: doc._id }
}

/** The document with its `_id` in front: its own, the one given, or a new one. */
export function withId(doc: Doc, id: unknown): Doc {
  const { _id: own = id ?? new ObjectId(), ...rest } = doc
  return { _id: own, ...rest }
}

/** The key of a filter that is nothing but `{_id: value}`: the commonest of all needs no query. */
function plainKey(filter: Doc): string | undefined {
  const id = filter._id
  const rank = typeRank(id)
  const isPlain = rank === 3 || rank === 2 || rank === 7 || rank === 8
  return isPlain && Object.hasOwn(filter, '_id') && Object.keys(filter).length === 1
    ? canonicalKey(id)
    : undefined
}

function deleteDocs(op: ParsedWrite, collection: Collection, limits: Readonly<DocumentLimits>): WriteOutcome {
  const key = plainKey(op.first)
  if (key !== undefined) {
    const entry = collection.find(key)
    if (!entry) return NOTHING
    collection.remove(entry)
    return DELETED
  }
  const found = matching(op, collection, checkFilter(admitQuery(op.first, limits)))
  for (const entry of found) collection.remove(entry)
  return { ...NOTHING, deletedCount: found.length }
}

/** The entries that a filter matches: the first, or for a `…Many` all of them, held before any is changed. */
function matching(op: ParsedWrite, collection: Collection, filter: Doc): Entry[] {
  const query = new Query(filter, newScope())
  const isMany = op.name === 'updateMany' || op.name === 'deleteMany'
  const found: Entry[] = []
  for (const entry of collection.entries(filter)) {
    if (!query.test(entry.doc)) continue
    found.push(entry)
    if (!isMany) break
    meter.charge(entry.bytes)
  }
  for (const entry of found) collection.adopt(entry)
  return found
}

function change(
  op: ParsedWrite,
  collection: Collection,
  limits: Readonly<DocumentLimits>,
  apply: Change,
): WriteOutcome {
  const key = plainKey(op.first)
  if (key !== undefined) {
    const entry = collection.find(key)
    if (entry) return changeEntry(collection, entry, apply, {}) ? MODIFIED : MATCHED
    return op.upsert ? upsert(collection, { _id: op.first._id }, apply) : NOTHING
  }
  const filter = checkFilter(admitQuery(op.first, limits))
  const found = matching(op, collection, filter)
  if (found.length === 0 && op.upsert)
    return upsert(collection, admitDocument(upsertSeed(filter), limits), apply)
  let modifiedCount = 0
  for (const entry of found) if (changeEntry(collection, entry, apply, filter)) modifiedCount++
  return { matchedCount: found.length, modifiedCount, deletedCount: 0 }
}

function changeEntry(collection: Collection, entry: Entry, apply: Change, filter: Doc): boolean {
  meter.tick()
  const doc = apply(entry.doc, false, filter)
  if (doc === undefined) return false
  checkSameId(entry.doc, doc)
  collection.replace(entry, doc)
  return true
}

function checkSameId(old: Doc, doc: Doc): void {
  if (old._id !== doc._id && !isUnchanged(old._id, doc._id))
    throw refusal('update_invalid', MONGO.ImmutableField, "An update cannot change the '_id' of a document.")
}

/** `seed` is fit to be stored: a filter's values may hold what a document may not. */
function upsert(collection: Collection, seed: Doc, apply: Change): WriteOutcome {
  const made = apply(seed, true, {}) ?? seed
  if (seed._id !== undefined) checkSameId(seed, made)
  const doc = withId(made, undefined)
  collection.insert(doc)
  return { ...NOTHING, upsertedId: doc._id }
}

/** Checks what an `updateOne` or `updateMany` does, for who has it done by somebody else. Throws as the write would. */
export function checkChange(op: ParsedWrite, limits: Readonly<DocumentLimits>): void {
  compileChange(op, limits)
}

function compileChange(op: ParsedWrite, limits: Readonly<DocumentLimits>): Change {
  const spec = op.second
  if (Array.isArray(spec)) return compileStages(spec, limits)
  if (!isDoc(spec))
    throw refusal(
      'update_invalid',
      MONGO.FailedToParse,
      'An update is an object of operators, or a pipeline.',
    )
  if (Object.keys(spec).length === 0)
    throw refusal('update_invalid', MONGO.FailedToParse, 'An update names at least one operator.')
  const update = compileUpdate(spec, op.arrayFilters, limits)
  return (doc, isInsert, filter) => {
    const copy = cloneDoc(doc)
    const matchedAt = (array: string) => matchedElement(filter, doc, array)
    return applyUpdate(copy, update, isInsert, matchedAt) || isInsert ? copy : undefined
  }
}

function compileStages(spec: readonly unknown[], limits: Readonly<DocumentLimits>): Change {
  const run = compilePipeline(admitQuery(spec, limits), {
    scope: newScope(),
    collection: () => [],
    count: { stages: 0 },
    depth: 0,
    stages: UPDATE_STAGES,
  })
  return (doc) => {
    const [made] = [...run([doc])]
    const admitted = withId(admitDocument(made, limits), doc._id)
    return isUnchanged(doc, admitted) ? undefined : admitted
  }
}

/** The document of a `replaceOne`, admitted. @throws {LyceumError} update_invalid, document_invalid */
export function checkReplacement(op: ParsedWrite, limits: Readonly<DocumentLimits>): Doc {
  if (!isDoc(op.second) || isOperators(op.second))
    throw refusal(
      'update_invalid',
      MONGO.FailedToParse,
      `A replacement is a document, not operators: use updateOne for ${quote('$')}.`,
    )
  return admitDocument(op.second, limits)
}

function compileReplacement(op: ParsedWrite, limits: Readonly<DocumentLimits>): Change {
  const replacement = checkReplacement(op, limits)
  return (doc) => {
    const made = withId(cloneDoc(replacement), doc._id)
    return isUnchanged(doc, made) ? undefined : made
  }
}
