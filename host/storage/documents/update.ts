import { admitValue } from './admit.ts'
import { type ArrayFilters, compileArrayFilters } from './array-filters.ts'
import type { DocumentLimits } from './limits.ts'
import { unknownOperator } from './nearest.ts'
import { UPDATE_OPERATORS } from './operators.ts'
import { checkDepthAt, findPlace, type Place, readPlace, updatePath, writePlace } from './paths.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type ArrayEdit, applyArrayOperator, compileArrayEdit } from './update-array.ts'
import { applyBits, applyNumberOperator, checkBits } from './update-number.ts'
import { cloneValue, compareValues, type Doc, isDoc, isUnchanged, own } from './values.ts'

/** One field that an update changes. */
interface Edit {
  readonly operator: string
  readonly path: string
  readonly parts: readonly string[]
  readonly operand: unknown
  readonly array: ArrayEdit | undefined
}

/** An update that has been checked, ready for any number of documents. */
export interface Update {
  readonly edits: readonly Edit[]
  /** Whether any path has the positional `$`. */
  readonly isPositional: boolean
  readonly arrayFilters: ArrayFilters
  readonly limits: Readonly<DocumentLimits>
}

function invalid(mongoCode: number, message: string): Error {
  return refusal('update_invalid', mongoCode, message)
}

/** Checks an update of operators. Throws `operator_unknown`, `update_invalid` and `document_invalid`. */
export function compileUpdate(update: Doc, arrayFilters: unknown, limits: Readonly<DocumentLimits>): Update {
  const edits: Edit[] = []
  const taken = new Set<string>()
  const placeholders = new Set<string>()
  for (const operator of Object.keys(update)) {
    if (!UPDATE_OPERATORS.has(operator)) throw notOffered(operator)
    const fields = update[operator]
    if (!isDoc(fields)) throw invalid(MONGO.FailedToParse, `${operator} takes an object of fields.`)
    for (const path of Object.keys(fields)) {
      const edit = compileEdit(operator, path, fields[path], limits)
      take(taken, path)
      if (operator === '$rename') take(taken, String(edit.operand))
      edits.push(edit)
      if (path.includes('$['))
        for (const part of edit.parts) if (/^\$\[.+\]$/.test(part)) placeholders.add(part)
    }
  }
  if (edits.length > limits.nodes)
    throw invalid(MONGO.BadValue, `An update names at most ${limits.nodes} fields.`)
  const isPositional = edits.some(({ parts }) => parts.includes('$'))
  return {
    edits,
    isPositional,
    arrayFilters: compileArrayFilters(arrayFilters, placeholders, limits),
    limits,
  }
}

function notOffered(operator: string): Error {
  if (!operator.startsWith('$'))
    return invalid(
      MONGO.FailedToParse,
      `An update is made of operators, which ${quote(operator)} is not: write { $set: { … } }, or use replaceOne.`,
    )
  return unknownOperator(operator, 'in updates', UPDATE_OPERATORS, MONGO.FailedToParse)
}

/** Refuses a path that is named twice, or that is a part of one that is. */
function take(taken: Set<string>, path: string): void {
  if (taken.size > 0) {
    let isTaken = taken.has(path)
    for (let dot = path.indexOf('.'); dot >= 0 && !isTaken; dot = path.indexOf('.', dot + 1))
      isTaken = taken.has(path.slice(0, dot))
    const prefix = `${path}.`
    if (!isTaken)
      for (const other of taken) if (other.length > prefix.length && other.startsWith(prefix)) isTaken = true
    if (isTaken)
      throw invalid(
        MONGO.ConflictingUpdateOperators,
        `Updating the path ${quote(path)} would create a conflict.`,
      )
  }
  taken.add(path)
}

function compileEdit(
  operator: string,
  path: string,
  operand: unknown,
  limits: Readonly<DocumentLimits>,
): Edit {
  const parts = updatePath(path, limits)
  switch (operator) {
    case '$set':
    case '$setOnInsert':
    case '$min':
    case '$max': {
      if (operand === undefined) throw invalid(MONGO.BadValue, `The value for ${quote(path)} is undefined.`)
      const value = admitValue(operand, path, parts.length, limits)
      return { operator, path, parts, operand: value, array: undefined }
    }
    case '$push':
    case '$addToSet':
    case '$pull':
    case '$pullAll':
    case '$pop': {
      const array = compileArrayEdit(operator, path, parts.length, operand, limits)
      return { operator, path, parts, operand: undefined, array }
    }
    case '$bit':
      return { operator, path, parts, operand: checkBits(path, operand), array: undefined }
    case '$rename':
      return { operator, path, parts, operand: renameTarget(path, operand, limits), array: undefined }
    case '$currentDate':
      if (operand !== true && !(isDoc(operand) && operand.$type === 'date'))
        throw invalid(MONGO.BadValue, `$currentDate of ${quote(path)} takes true or {$type: 'date'}.`)
      return { operator, path, parts, operand, array: undefined }
    default:
      return { operator, path, parts, operand, array: undefined }
  }
}

function renameTarget(path: string, target: unknown, limits: Readonly<DocumentLimits>): string {
  if (typeof target !== 'string')
    throw invalid(MONGO.BadValue, `$rename of ${quote(path)} takes the new name.`)
  if (path.includes('$') || target.includes('$'))
    throw invalid(MONGO.BadValue, '$rename takes no placeholders of arrays.')
  updatePath(target, limits)
  return target
}

/**
 * Applies an update to a document in place; answers whether anything changed. `isInsert` lets `$setOnInsert` work;
 * `matchedAt` tells which element of an array the filter matched, for the positional `$`.
 * Throws `update_invalid`; the document may then be half changed and must be thrown away.
 */
export function applyUpdate(
  doc: Doc,
  update: Update,
  isInsert: boolean,
  matchedAt: (array: string) => number,
): boolean {
  let isChanged = false
  // Before anything is changed: the filter has matched the document as it was.
  const edits = update.isPositional ? update.edits.map((edit) => placed(edit, matchedAt)) : update.edits
  for (const edit of edits) {
    if (edit.operator === '$setOnInsert' && !isInsert) continue
    if (edit.path.includes('$[')) {
      for (const parts of expand(doc, edit.parts, 0, update))
        if (applyEdit(doc, edit, parts, update)) isChanged = true
    } else if (applyEdit(doc, edit, edit.parts, update)) isChanged = true
  }
  return isChanged
}

function placed(edit: Edit, matchedAt: (array: string) => number): Edit {
  const at = edit.parts.indexOf('$')
  if (at < 0) return edit
  const index = matchedAt(edit.parts.slice(0, at).join('.'))
  if (index < 0)
    throw invalid(
      MONGO.BadValue,
      `The positional '$' in ${quote(edit.path)} has no element: the filter does not match by that array.`,
    )
  return { ...edit, parts: edit.parts.map((part, i) => (i === at ? String(index) : part)) }
}

/** The paths that `$[]` and `$[name]` stand for in one document. */
function expand(value: unknown, parts: readonly string[], at: number, update: Update): string[][] {
  const part = parts[at]
  if (part === undefined) return [[]]
  if (!part.startsWith('$[')) {
    const next = isDoc(value) ? own(value, part) : Array.isArray(value) ? value[Number(part)] : undefined
    return expand(next, parts, at + 1, update).map((rest) => [part, ...rest])
  }
  if (!Array.isArray(value))
    throw invalid(
      MONGO.BadValue,
      `The path ${quote(parts.join('.'))} has ${quote(part)} where there is no array.`,
    )
  const test = update.arrayFilters.get(part.slice(2, -1))
  return value.flatMap((item, i) => {
    if (test && !test(item)) return []
    return expand(item, parts, at + 1, update).map((rest) => [String(i), ...rest])
  })
}

function applyEdit(doc: Doc, edit: Edit, parts: readonly string[], update: Update): boolean {
  const { operator, operand } = edit
  const { limits } = update
  const creates = operator !== '$unset' && operator !== '$rename' && !(edit.array && !edit.array.creates)
  const place: Place | undefined =
    parts.length === 1 ? { holder: doc, key: parts[0] ?? '' } : findPlace(doc, parts, creates, limits)
  if (!place) return false
  const old = readPlace(place)
  switch (operator) {
    case '$set':
    case '$setOnInsert':
      return write(place, old, cloneValue(operand), limits)
    case '$min':
    case '$max': {
      const order = old === undefined ? 1 : compareValues(operand, old) * (operator === '$min' ? -1 : 1)
      return order > 0 && write(place, old, cloneValue(operand), limits)
    }
    case '$inc':
    case '$mul':
      return write(place, old, applyNumberOperator(operator, edit.path, old, operand), limits)
    case '$bit':
      return write(place, old, applyBits(edit.path, old, Object(operand)), limits)
    case '$currentDate':
      return write(place, old, new Date(), limits)
    case '$unset':
      return remove(place, old)
    case '$rename':
      return rename(doc, place, old, String(operand), limits)
    default: {
      if (!edit.array) throw new Error(`${operator} is on the list but has no code`)
      const value = applyArrayOperator(edit.array, old)
      if (value === undefined) return false
      checkDepthAt(parts, value, limits)
      writePlace(place, value, limits)
      return true
    }
  }
}

function write(place: Place, old: unknown, value: unknown, limits: Readonly<DocumentLimits>): boolean {
  if (old !== undefined && isUnchanged(old, value)) return false
  writePlace(place, value, limits)
  return true
}

function remove(place: Place, old: unknown): boolean {
  if (old === undefined) return false
  if (Array.isArray(place.holder)) {
    place.holder[Number(place.key)] = null
    return old !== null
  }
  delete place.holder[place.key]
  return true
}

function rename(
  doc: Doc,
  place: Place,
  old: unknown,
  target: string,
  limits: Readonly<DocumentLimits>,
): boolean {
  if (old === undefined) return false
  if (Array.isArray(place.holder)) throw invalid(MONGO.BadValue, '$rename does not reach into arrays.')
  const parts = target.split('.')
  const to = findPlace(doc, parts, true, limits)
  if (!to || Array.isArray(to.holder)) throw invalid(MONGO.BadValue, '$rename does not reach into arrays.')
  checkDepthAt(parts, old, limits)
  delete place.holder[place.key]
  writePlace(to, old, limits)
  return true
}
