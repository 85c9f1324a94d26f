import { isNumeric, toDouble } from './arithmetic.ts'
import { bind, type Env, type ExpressionOperator, evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { isInt, isNil, isTrue, mismatch, namesOf, onAny, onList, onNamed, onOne } from './operator-kit.ts'
import { checkVariable } from './operators-logic.ts'
import { sortDocs, sortKeys } from './sort.ts'
import { canonicalKey, compareValues, type Doc, equalValues, isDoc } from './values.ts'

export function list(operator: string, value: unknown, mongoCode: number): unknown[] {
  if (!Array.isArray(value)) throw mismatch(operator, 'arrays', mongoCode)
  return value
}

/** A whole number, of any type. */
function whole(operator: string, value: unknown, notNumeric: number, notWhole: number): number {
  if (!isNumeric(value)) throw mismatch(operator, 'numbers', notNumeric)
  const number = toDouble(value)
  if (!isInt(number)) throw mismatch(operator, 'whole numbers of 32 bits', notWhole)
  return number
}

const $range = onList('$range', 2, 3, (values) => {
  const from = whole('$range', values[0], 34443, 34444)
  const to = whole('$range', values[1], 34445, 34446)
  const by = values.length > 2 ? whole('$range', values[2], 34447, 34448) : 1
  if (by === 0) throw mismatch('$range', 'a step that is not 0', 34449)
  const length = Math.max(0, Math.ceil((to - from) / by))
  meter.charge(length * 8)
  const made = new Array<number>(length)
  for (let i = 0; i < length; i++) made[i] = from + i * by
  return made
})

const $concatArrays = onAny('$concatArrays', (values) => {
  let length = 0
  for (const value of values) if (!isNil(value)) length += list('$concatArrays', value, 28664).length
  if (values.some(isNil)) return null
  meter.charge(length * 8)
  return values.flat()
})

const ZIP = {
  required: ['inputs'],
  optional: ['useLongestLength', 'defaults'],
  codes: [34460, 34465, 34464] as const,
}

const $zip: ExpressionOperator = (operand, env) => {
  const { inputs, useLongestLength = false, defaults } = namesOf('$zip', operand, ZIP)
  if (!Array.isArray(inputs)) throw mismatch('$zip', 'a list of inputs', 34461)
  if (typeof useLongestLength !== 'boolean')
    throw mismatch('$zip', 'true or false as useLongestLength', 34463)
  if (defaults !== undefined && !Array.isArray(defaults)) throw mismatch('$zip', 'a list of defaults', 34462)
  if (inputs.length === 0) throw mismatch('$zip', 'at least one input', 34465)
  if (defaults && !useLongestLength) throw mismatch('$zip', 'defaults only with useLongestLength', 34466)
  if (defaults && defaults.length !== inputs.length)
    throw mismatch('$zip', 'as many defaults as inputs', 34467)
  const rows = inputs.map((input) => evaluate(input, env))
  for (const row of rows) if (!isNil(row)) list('$zip', row, 34468)
  const lists = rows.filter((row): row is unknown[] => Array.isArray(row))
  if (lists.length < rows.length) return null
  const fill = defaults?.map((value: unknown) => evaluate(value, env)) ?? []
  const lengths = lists.map((row) => row.length)
  const length = useLongestLength ? Math.max(...lengths) : Math.min(...lengths)
  meter.charge(length * lists.length * 8)
  return Array.from({ length }, (_, i) =>
    lists.map((row, column) => (i < row.length ? row[i] : fill[column]) ?? null),
  )
}

const SORT_ARRAY = { required: ['input', 'sortBy'], codes: [2942500, 2942502, 2942501] as const }

const $sortArray: ExpressionOperator = (operand, env) => {
  const named = namesOf('$sortArray', operand, SORT_ARRAY)
  const { sortBy } = named
  const input = evaluate(named.input, env)
  if (isNil(input)) return null
  const items = list('$sortArray', input, 2942504)
  meter.charge(items.length * 8)
  if (isDoc(sortBy)) return sortDocs(items, sortKeys(sortBy))
  if (sortBy !== 1 && sortBy !== -1) throw mismatch('$sortArray', 'a sortBy of 1, -1 or fields', 2942507)
  return [...items].sort((a, b) => compareValues(a, b) * sortBy)
}

const $indexOfArray = onList('$indexOfArray', 2, 4, (values) => {
  const [input, search, start, end] = values
  if (isNil(input)) return null
  const items = list('$indexOfArray', input, 40090)
  const from = values.length > 2 ? place('$indexOfArray', start) : 0
  const to = Math.min(values.length > 3 ? place('$indexOfArray', end) : items.length, items.length)
  for (let i = from; i < to; i++) if (equalValues(items[i], search)) return i
  return -1
})

function place(operator: string, value: unknown): number {
  const at = whole(operator, value, 40096, 40096)
  if (at < 0) throw mismatch(operator, 'positions that are not negative', 40097)
  return at
}

const $arrayElemAt = onList('$arrayElemAt', 2, 2, ([input, index]) => {
  if (isNil(input) || isNil(index)) return null
  const items = list('$arrayElemAt', input, 28689)
  return items.at(whole('$arrayElemAt', index, 28690, 28691))
})

const $slice = onList('$slice', 2, 3, (values) => {
  const [input, second, third] = values
  if (values.some(isNil)) return null
  const items = list('$slice', input, 28724)
  const n = whole('$slice', second, 28725, 28726)
  if (values.length === 2) return n < 0 ? items.slice(n) : items.slice(0, n)
  const count = whole('$slice', third, 28727, 28728)
  if (count <= 0) throw mismatch('$slice', 'a third operand that is positive', 28729)
  const from = n < 0 ? Math.max(0, items.length + n) : n
  return items.slice(from, from + count)
})

/** The elements of an input, each in a scope where it has a name. */
function* eachIn(items: readonly unknown[], name: unknown, env: Env): Generator<readonly [unknown, Env]> {
  const as = name ?? 'this'
  checkVariable(as)
  for (const item of items) {
    meter.tick()
    yield [item, bind(env, { [as]: item })]
  }
}

const FILTER = {
  required: ['input', 'cond'],
  optional: ['as', 'limit'],
  codes: [28646, 28648, 28647] as const,
}

const $filter: ExpressionOperator = (operand, env) => {
  const named = namesOf('$filter', operand, FILTER)
  const input = evaluate(named.input, env)
  if (isNil(input)) return null
  const items = list('$filter', input, 28651)
  const given = evaluate(named.limit, env)
  const limit = isNil(given) ? Number.POSITIVE_INFINITY : whole('$filter', given, 327391, 327391)
  if (limit < 1) throw mismatch('$filter', 'a limit of at least 1', 327392)
  const kept: unknown[] = []
  for (const [item, inner] of eachIn(items, named.as, env)) {
    if (isTrue(evaluate(named.cond, inner))) kept.push(item)
    if (kept.length >= limit) break
  }
  meter.charge(kept.length * 8)
  return kept
}

const MAP = { required: ['input', 'in'], optional: ['as'], codes: [16878, 16880, 16879] as const }

const $map: ExpressionOperator = (operand, env) => {
  const named = namesOf('$map', operand, MAP)
  const input = evaluate(named.input, env)
  if (isNil(input)) return null
  const made: unknown[] = []
  for (const [, inner] of eachIn(list('$map', input, 16883), named.as, env))
    made.push(evaluate(named.in, inner) ?? null)
  meter.charge(made.length * 8)
  return made
}

const REDUCE = { required: ['input', 'initialValue', 'in'], codes: [40075, 40077, 40076] as const }

const $reduce: ExpressionOperator = (operand, env) => {
  const named = namesOf('$reduce', operand, REDUCE)
  const input = evaluate(named.input, env)
  if (isNil(input)) return null
  let value = evaluate(named.initialValue, env)
  for (const item of list('$reduce', input, 40080)) {
    meter.tick()
    value = evaluate(named.in, bind(env, { this: item, value }))
  }
  return value
}

/** The first, last, smallest or largest elements of an array. */
function someOf(name: string, pick: (items: unknown[], n: number) => unknown[]): ExpressionOperator {
  return onNamed(name, { required: ['input', 'n'], codes: [5787801, 5787906, 5787901] }, ({ input, n }) =>
    pick(list(name, input, 5788200), countOf(name, n)),
  )
}

/** The `n` of an operator that gives so many. */
export function countOf(operator: string, n: unknown): number {
  if (!isNumeric(n) || !Number.isInteger(toDouble(n))) throw mismatch(operator, 'a whole n', 5787902)
  const count = toDouble(n)
  if (count < 1) throw mismatch(operator, 'an n of at least 1', 5787908)
  return count
}

function extremes(sign: 1 | -1): (items: unknown[], n: number) => unknown[] {
  return (items, n) =>
    items
      .filter((item) => !isNil(item))
      .sort((a, b) => compareValues(a, b) * sign)
      .slice(0, n)
}

function asSet(operator: string, value: unknown, mongoCode: number): Map<string, unknown> {
  const set = new Map<string, unknown>()
  for (const item of list(operator, value, mongoCode)) {
    const key = canonicalKey(item)
    if (!set.has(key)) set.set(key, item)
  }
  return set
}

type Sets = readonly [Map<string, unknown>, ...Map<string, unknown>[]]

/** An operator over sets; with `isNullable` one that is null or missing makes the result null. */
function onSets(
  name: string,
  least: number,
  most: number,
  isNullable: boolean,
  mongoCode: number,
  compute: (sets: Sets) => unknown,
): ExpressionOperator {
  return onList(name, least, most, (values) => {
    if (isNullable && values.some(isNil)) return null
    const [first = new Map<string, unknown>(), ...rest] = values.map((value) => asSet(name, value, mongoCode))
    return compute([first, ...rest])
  })
}

function isSubset(a: Map<string, unknown>, b: Map<string, unknown> | undefined): boolean {
  return [...a.keys()].every((key) => b?.has(key))
}

const MANY = Number.POSITIVE_INFINITY

/** `$first` and `$last`, where they are no accumulators. */
function end(name: string, at: 0 | -1): ExpressionOperator {
  return onOne(name, (value) => (isNil(value) ? null : list(name, value, 28689).at(at)))
}

const $objectToArray = onOne('$objectToArray', (value) => {
  if (isNil(value)) return null
  if (!isDoc(value)) throw mismatch('$objectToArray', 'a document', 40390)
  const pairs: Doc[] = Object.entries(value).map(([k, v]) => ({ k, v }))
  meter.charge(pairs.length * 32)
  return pairs
})

export const ARRAY_OPERATORS: Record<string, ExpressionOperator> = {
  $range,
  $concatArrays,
  $zip,
  $sortArray,
  $indexOfArray,
  $arrayElemAt,
  $slice,
  $filter,
  $map,
  $reduce,
  $objectToArray,
  $reverseArray: onOne('$reverseArray', (value) =>
    isNil(value) ? null : [...list('$reverseArray', value, 34435)].reverse(),
  ),
  $in: onList('$in', 2, 2, ([value, items]) =>
    list('$in', items, 40081).some((item) => equalValues(item, value)),
  ),
  $isArray: onOne('$isArray', Array.isArray),
  $size: onOne('$size', (value) => list('$size', value, 17124).length),
  $first: end('$first', 0),
  $last: end('$last', -1),
  $firstN: someOf('$firstN', (items, n) => items.slice(0, n)),
  $lastN: someOf('$lastN', (items, n) => items.slice(-n)),
  $minN: someOf('$minN', extremes(1)),
  $maxN: someOf('$maxN', extremes(-1)),
  $setUnion: onSets('$setUnion', 0, MANY, true, 17043, (sets) => [
    ...new Map(sets.flatMap((set) => [...set])).values(),
  ]),
  $setIntersection: onSets('$setIntersection', 0, MANY, true, 17047, ([first, ...rest]) =>
    [...first].filter(([key]) => rest.every((set) => set.has(key))).map(([, value]) => value),
  ),
  $setDifference: onSets('$setDifference', 2, 2, true, 17048, ([first, second]) =>
    [...first].filter(([key]) => !second?.has(key)).map(([, value]) => value),
  ),
  $setEquals: onSets('$setEquals', 2, MANY, false, 17044, ([first, ...rest]) =>
    rest.every((set) => set.size === first.size && isSubset(first, set)),
  ),
  $setIsSubset: onSets('$setIsSubset', 2, 2, false, 17046, ([first, second]) => isSubset(first, second)),
  $allElementsTrue: onOne('$allElementsTrue', (value) =>
    list('$allElementsTrue', value, 17040).every(isTrue),
  ),
  $anyElementTrue: onOne('$anyElementTrue', (value) => list('$anyElementTrue', value, 17041).some(isTrue)),
}
