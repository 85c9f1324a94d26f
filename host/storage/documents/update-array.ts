import { Query } from 'mingo/query'
import { Admission, admitQuery } from './admit.ts'
import { checkFilter, isOperators } from './filter.ts'
import type { DocumentLimits } from './limits.ts'
import { meter } from './meter.ts'
import { PUSH_MODIFIERS } from './operators.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { newScope } from './scope.ts'
import { type SortKey, sortDocs, sortKeys } from './sort.ts'
import { canonicalKey, cloneValue, compareValues, type Doc, equalValues, isDoc, weigh } from './values.ts'

/** What an update does to one array. It answers the new array, or undefined where nothing changes. */
export interface ArrayEdit {
  readonly operator: string
  readonly path: string
  /** True where a missing array is made. */
  readonly creates: boolean
  readonly change: (items: readonly unknown[]) => unknown[] | undefined
}

function invalid(message: string, mongoCode: number = MONGO.BadValue): Error {
  return refusal('update_invalid', mongoCode, message)
}

/** Checks the operand of `$push`, `$addToSet`, `$pull`, `$pullAll` or `$pop`. */
export function compileArrayEdit(
  operator: string,
  path: string,
  depth: number,
  operand: unknown,
  limits: Readonly<DocumentLimits>,
): ArrayEdit {
  const creates = operator === '$push' || operator === '$addToSet'
  return { operator, path, creates, change: compileChange(operator, path, depth, operand, limits) }
}

/** The new value of the field; undefined where nothing changes. Throws `update_invalid` where it is no array. */
export function applyArrayOperator(edit: ArrayEdit, old: unknown): unknown[] | undefined {
  if (old === undefined) return edit.creates ? (edit.change([]) ?? []) : undefined
  if (!Array.isArray(old))
    throw invalid(
      `${edit.operator} meets a value at ${quote(edit.path)} that is no array.`,
      edit.operator === '$pop' ? MONGO.TypeMismatch : MONGO.BadValue,
    )
  return edit.change(old)
}

function compileChange(
  operator: string,
  path: string,
  depth: number,
  operand: unknown,
  limits: Readonly<DocumentLimits>,
): ArrayEdit['change'] {
  switch (operator) {
    case '$push':
      return compilePush(path, depth, operand, limits)
    case '$addToSet':
      return compileAddToSet(path, depth, operand, limits)
    case '$pop':
      if (operand !== 1 && operand !== -1)
        throw invalid(`$pop of ${quote(path)} takes 1 or -1.`, MONGO.FailedToParse)
      return (items) => (items.length === 0 ? undefined : operand === 1 ? items.slice(0, -1) : items.slice(1))
    case '$pullAll': {
      const values = admitQuery(operand, limits)
      if (!Array.isArray(values)) throw invalid(`$pullAll of ${quote(path)} takes a list.`)
      return without((item) => values.some((value) => equalValues(value, item)))
    }
    default:
      return without(compilePullTest(operand, limits))
  }
}

function without(test: (item: unknown) => boolean): ArrayEdit['change'] {
  return (items) => {
    const kept = items.filter((item) => !test(item))
    return kept.length === items.length ? undefined : kept
  }
}

function compilePullTest(operand: unknown, limits: Readonly<DocumentLimits>): (item: unknown) => boolean {
  const admitted = admitQuery(operand, limits)
  if (isDoc(admitted) && !isOperators(admitted)) {
    const query = new Query(checkFilter(admitted), newScope())
    return (item) => isDoc(item) && query.test(item)
  }
  const query = new Query(checkFilter({ element: admitted }), newScope())
  return (item) => query.test({ element: item })
}

function modifiers(path: string, operand: unknown, allowed: ReadonlySet<string>): Doc | undefined {
  if (!isDoc(operand) || !Object.keys(operand).some((key) => key.startsWith('$'))) return undefined
  for (const key of Object.keys(operand))
    if (!allowed.has(key))
      throw refusal(
        'operator_unknown',
        MONGO.BadValue,
        `The modifier ${quote(key)} of ${quote(path)} is not offered.`,
        {
          operator: key.slice(0, 60),
        },
      )
  if (!Array.isArray(operand.$each))
    throw invalid(`The modifiers of ${quote(path)} stand beside an $each with a list.`)
  return operand
}

function admitItems(
  path: string,
  depth: number,
  items: unknown,
  limits: Readonly<DocumentLimits>,
): unknown[] {
  const admitted = new Admission(limits, 'document').value(items, path, depth)
  return Array.isArray(admitted) ? admitted : []
}

function compilePush(
  path: string,
  depth: number,
  operand: unknown,
  limits: Readonly<DocumentLimits>,
): ArrayEdit['change'] {
  const spec = modifiers(path, operand, PUSH_MODIFIERS)
  const items = admitItems(path, depth, spec ? spec.$each : [operand], limits)
  const position = optionalWhole(path, '$position', spec?.$position)
  const slice = optionalWhole(path, '$slice', spec?.$slice)
  const sort = spec && spec.$sort !== undefined ? compileSort(path, spec.$sort) : undefined
  return (old) => {
    if (items.length === 0 && !sort && slice === undefined) return undefined
    const at = position ?? old.length
    let made: unknown[] = [...old.slice(0, at), ...items.map(cloneValue), ...old.slice(at)]
    meter.charge(made.length * 8)
    if (sort) made = sort(made)
    if (slice !== undefined) made = slice < 0 ? made.slice(slice) : made.slice(0, slice)
    return weigh(made, limits.documentBytes) > limits.documentBytes ? refuseSize(limits) : made
  }
}

function refuseSize(limits: Readonly<DocumentLimits>): never {
  throw refusal(
    'document_too_large',
    MONGO.BSONObjectTooLarge,
    `A document has at most ${limits.documentBytes} bytes. Make several of it, or keep fewer with $slice.`,
  )
}

function optionalWhole(path: string, name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw invalid(`${name} of ${quote(path)} takes a whole number.`)
  return value
}

function compileSort(path: string, sort: unknown): (items: unknown[]) => unknown[] {
  if (sort === 1 || sort === -1) return (items) => [...items].sort((a, b) => compareValues(a, b) * sort)
  if (!isDoc(sort)) throw invalid(`$sort of ${quote(path)} takes 1, -1 or an object of fields.`)
  const keys: SortKey[] = sortKeys(sort)
  return (items) => sortDocs(items, keys)
}

function compileAddToSet(
  path: string,
  depth: number,
  operand: unknown,
  limits: Readonly<DocumentLimits>,
): ArrayEdit['change'] {
  const spec = modifiers(path, operand, new Set(['$each']))
  const items = admitItems(path, depth, spec ? spec.$each : [operand], limits)
  return (old) => {
    const known = new Set(old.map(canonicalKey))
    const added = items.filter((item) => {
      const key = canonicalKey(item)
      const isNew = !known.has(key)
      known.add(key)
      return isNew
    })
    return added.length === 0 ? undefined : [...old, ...added.map(cloneValue)]
  }
}
