import * as mingo from 'mingo/operators/expression'
import { meter } from './meter.ts'
import { type ExpressionOperator, isNil, metered, mismatch, onList, onNamed, onOne } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { sortDocs, sortKeys } from './sort.ts'
import { canonicalKey, compareValues, type Doc, equalValues, isDoc, own } from './values.ts'

function list(operator: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw mismatch(operator, 'arrays')
  return value
}

function whole(operator: string, value: unknown, ifNil: number): number {
  if (isNil(value)) return ifNil
  if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(operator, 'whole numbers')
  return value
}

const $range = onList(([start, end, step]) => {
  const from = whole('$range', start, 0)
  const to = whole('$range', end, 0)
  const by = whole('$range', step, 1)
  if (by === 0) throw refusal('query_invalid', MONGO.BadValue, '$range takes a step that is not 0.')
  const length = Math.max(0, Math.ceil((to - from) / by))
  meter.charge(length * 8)
  return Array.from({ length }, (_, i) => from + i * by)
})

const $concatArrays = onList((values) => {
  let length = 0
  for (const value of values) {
    if (isNil(value)) return null
    length += list('$concatArrays', value).length
  }
  meter.charge(length * 8)
  return values.flat()
})

const $zip = onNamed('$zip', ({ inputs, defaults, useLongestLength }) => {
  const rows = list('$zip', inputs)
  if (rows.some(isNil)) return null
  const lengths = rows.map((row) => list('$zip', row).length)
  const fill = isNil(defaults) ? [] : list('$zip', defaults)
  if (fill.length > 0 && !useLongestLength) throw mismatch('$zip', 'defaults only with useLongestLength')
  const length = lengths.reduce(
    (a, b) => (useLongestLength ? Math.max(a, b) : Math.min(a, b)),
    lengths[0] ?? 0,
  )
  meter.charge(length * rows.length * 8)
  return Array.from({ length }, (_, i) =>
    rows.map((row, column) => list('$zip', row)[i] ?? fill[column] ?? null),
  )
})

const $sortArray = onNamed('$sortArray', ({ input, sortBy }) => {
  if (isNil(input)) return null
  const items = list('$sortArray', input)
  if (isDoc(sortBy)) return sortDocs(items, sortKeys(sortBy))
  if (sortBy !== 1 && sortBy !== -1) throw mismatch('$sortArray', 'a sortBy of 1, -1 or fields')
  return [...items].sort((a, b) => compareValues(a, b) * sortBy)
})

const $indexOfArray = onList(([input, search, start, end]) => {
  if (isNil(input)) return null
  const items = list('$indexOfArray', input)
  const to = Math.min(whole('$indexOfArray', end, items.length), items.length)
  for (let i = Math.max(0, whole('$indexOfArray', start, 0)); i < to; i++)
    if (equalValues(items[i], search)) return i
  return -1
})

/** Sets a computed field name: one that plain data may not have is refused. */
function put(operator: string, doc: Doc, key: unknown, value: unknown): void {
  if (typeof key !== 'string') throw mismatch(operator, 'strings as field names')
  if (key === '__proto__')
    throw refusal('query_invalid', MONGO.BadValue, `The field ${quote(key)} is not allowed.`)
  doc[key] = value
}

const $arrayToObject = onOne((value) => {
  if (isNil(value)) return null
  const doc: Doc = {}
  for (const item of list('$arrayToObject', value)) {
    meter.tick()
    if (Array.isArray(item) && item.length === 2) put('$arrayToObject', doc, item[0], item[1])
    else if (isDoc(item) && Object.hasOwn(item, 'k')) put('$arrayToObject', doc, item.k, own(item, 'v'))
    else throw mismatch('$arrayToObject', 'pairs, [key, value] or {k, v}')
  }
  return doc
})

const $mergeObjects = onList((values) => {
  const [first] = values
  const docs: unknown[] = values.length === 1 && Array.isArray(first) ? first : values
  const merged: Doc = {}
  for (const doc of docs) {
    if (isNil(doc)) continue
    if (!isDoc(doc)) throw mismatch('$mergeObjects', 'documents')
    meter.tick()
    Object.assign(merged, doc)
  }
  return merged
})

const $getField: ExpressionOperator = (doc, operand, options) =>
  onOne((value) => {
    const isNamed = isDoc(operand) && !Object.keys(operand)[0]?.startsWith('$')
    const field = isNamed && isDoc(value) ? own(value, 'field') : value
    const input = isNamed && isDoc(value) && Object.hasOwn(operand, 'input') ? own(value, 'input') : doc
    if (typeof field !== 'string') throw mismatch('$getField', 'a string as field name')
    return isDoc(input) ? own(input, field) : isNil(input) ? null : undefined
  })(doc, operand, options)

const $setField = onNamed('$setField', (named) => {
  if (isNil(named.input)) return null
  if (!isDoc(named.input)) throw mismatch('$setField', 'a document as input')
  const doc = { ...named.input }
  const value = own(named, 'value')
  if (value === undefined && typeof named.field === 'string') delete doc[named.field]
  else put('$setField', doc, named.field, value)
  return doc
})

function asSet(operator: string, value: unknown): Map<string, unknown> {
  const set = new Map<string, unknown>()
  for (const item of list(operator, value)) {
    const key = canonicalKey(item)
    if (!set.has(key)) set.set(key, item)
  }
  return set
}

function onSets(
  operator: string,
  compute: (first: Map<string, unknown>, rest: Map<string, unknown>[]) => unknown,
) {
  return onList((values) => {
    const isPredicate = operator === '$setEquals' || operator === '$setIsSubset'
    if (!isPredicate && values.some(isNil)) return null
    const [first, ...rest] = values.map((value) => asSet(operator, value))
    return compute(first ?? new Map(), rest)
  })
}

const isSubset = (a: Map<string, unknown>, b: Map<string, unknown> | undefined) =>
  [...a.keys()].every((key) => b?.has(key))

function isTrue(value: unknown): boolean {
  return !isNil(value) && value !== false && value !== 0
}

export const ARRAY_OPERATORS: Record<string, ExpressionOperator> = {
  $range,
  $concatArrays,
  $zip,
  $sortArray,
  $indexOfArray,
  $arrayToObject,
  $mergeObjects,
  $getField,
  $setField,
  $in: onList(([value, items]) => list('$in', items).some((item) => equalValues(item, value))),
  $size: onOne((value) => list('$size', value).length),
  $first: onOne((value) => (isNil(value) ? null : list('$first', value)[0])),
  $last: onOne((value) => (isNil(value) ? null : list('$last', value).at(-1))),
  $setUnion: onSets('$setUnion', (first, rest) => [
    ...new Map([first, ...rest].flatMap((set) => [...set])).values(),
  ]),
  $setIntersection: onSets('$setIntersection', (first, rest) =>
    [...first].filter(([key]) => rest.every((set) => set.has(key))).map(([, value]) => value),
  ),
  $setDifference: onSets('$setDifference', (first, [second]) =>
    [...first].filter(([key]) => !second?.has(key)).map(([, value]) => value),
  ),
  $setEquals: onSets('$setEquals', (first, rest) =>
    rest.every((set) => set.size === first.size && isSubset(first, set)),
  ),
  $setIsSubset: onSets('$setIsSubset', (first, [second]) => isSubset(first, second)),
  $allElementsTrue: onOne((value) => list('$allElementsTrue', value).every(isTrue)),
  $anyElementTrue: onOne((value) => list('$anyElementTrue', value).some(isTrue)),
  $arrayElemAt: metered(mingo.$arrayElemAt),
  $filter: metered(mingo.$filter),
  $isArray: onOne(Array.isArray),
  $map: metered(mingo.$map),
  $objectToArray: metered(mingo.$objectToArray),
  $reduce: metered(mingo.$reduce),
  $reverseArray: metered(mingo.$reverseArray),
  $slice: metered(mingo.$slice),
}
