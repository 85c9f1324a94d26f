import { ObjectId } from '../../../sdk/ejson.ts'
import { booleanKey, dateKey, type Index, indexExpression, UNSURE } from './indexes.ts'
import { canonicalKey, type Doc, isDoc } from './values.ts'

type SqlValue = string | number | Uint8Array

/** A condition in SQL that every matching document fulfils, and others may. */
export interface Candidates {
  readonly where: string
  readonly values: readonly SqlValue[]
}

const ALL: Candidates = { where: '', values: [] }
const MAX_IN = 500

/** Conditions of a checked filter that hold for the whole document: its own and those of `$and`. */
function conditions(filter: Doc, found: Map<string, Doc[]> = new Map()): Map<string, Doc[]> {
  for (const key of Object.keys(filter)) {
    const condition = filter[key]
    if (key === '$and' && Array.isArray(condition)) {
      for (const clause of condition) if (isDoc(clause)) conditions(clause, found)
    } else if (!key.startsWith('$') && isDoc(condition))
      found.set(key, [...(found.get(key) ?? []), condition])
  }
  return found
}

/** The keys of the documents that a filter names by `_id`; undefined where it names none. */
export function namedKeys(filter: Doc): string[] | undefined {
  for (const condition of conditions(filter).get('_id') ?? []) {
    if (Object.hasOwn(condition, '$eq')) return [canonicalKey(condition.$eq)]
    const list = condition.$in
    if (Array.isArray(list) && list.length <= MAX_IN && !list.some((item) => item instanceof RegExp))
      return [...new Set(list.map(canonicalKey))]
  }
  return undefined
}

/** The SQL condition for a filter, by the index of which it uses the longest part; empty where none helps. */
export function candidates(filter: Doc, indexes: readonly Index[]): Candidates {
  const fields = conditions(filter)
  const keys = namedKeys(filter)
  if (keys) return { where: `key IN (${keys.map(() => '?').join(',') || 'NULL'})`, values: keys }
  let best = ALL
  let bestLength = 0
  for (const index of indexes) {
    const parts: Candidates[] = []
    for (const [path] of index.keys) {
      const usable = (fields.get(path) ?? []).map((condition) => fieldCandidates(path, condition))
      const found = usable.find((part) => part !== undefined)
      if (!found) break
      parts.push(found)
    }
    if (parts.length <= bestLength) continue
    bestLength = parts.length
    best = {
      where: parts.map((part) => `(${part.where})`).join(' AND '),
      values: parts.flatMap((part) => part.values),
    }
  }
  return best
}

function fieldCandidates(path: string, condition: Doc): Candidates | undefined {
  const expression = indexExpression(path)
  if (Object.hasOwn(condition, '$eq')) return isIn(expression, [condition.$eq])
  if (Array.isArray(condition.$in)) return isIn(expression, condition.$in)
  return inRange(expression, condition)
}

function isIn(expression: string, items: readonly unknown[]): Candidates | undefined {
  if (items.length > MAX_IN) return undefined
  const clauses: string[] = [`${expression}=${UNSURE}`]
  const exact: SqlValue[] = []
  const between: SqlValue[] = []
  for (const item of items) {
    if (item === null || item === undefined) clauses.push(`${expression} IS NULL`)
    else if (typeof item === 'number' && !Number.isInteger(item)) {
      const bounds = loose(item)
      if (!bounds) return undefined
      clauses.push(`${expression} BETWEEN ? AND ?`)
      between.push(...bounds)
    } else if (isUnsure(item)) continue
    else {
      const key = indexKey(item)
      if (key === undefined) return undefined
      exact.push(key)
    }
  }
  const [unsure = '', ...rest] = clauses
  const list = exact.length > 0 ? `${expression} IN (${UNSURE},${exact.map(() => '?').join(',')})` : unsure
  return { where: [list, ...rest].join(' OR '), values: [...exact, ...between] }
}

/** True for values that an index holds as unsure anyway. */
function isUnsure(value: unknown): boolean {
  return Array.isArray(value) || isDoc(value) || value instanceof ObjectId
}

/** A value as an index holds it; undefined where SQLite would not hold it exactly. */
function indexKey(value: unknown): SqlValue | undefined {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0') ? value : undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  if (typeof value === 'boolean') return booleanKey(value)
  return value instanceof Date ? dateKey(value) : undefined
}

/** Bounds around a number, wide enough for the last digits that SQLite may read from text in another way. */
function loose(value: number): [number, number] | undefined {
  if (!Number.isFinite(value) || Math.abs(value) >= Number.MAX_SAFE_INTEGER) return undefined
  const slack = Math.abs(value) * 1e-12 + Number.MIN_VALUE
  return [value - slack, value + slack]
}

/** The ends of a type in an index's order, as SQL. */
const NUMBERS = ['-9e999', "''"] as const
const TEXTS = ["''", UNSURE] as const
const DATES = ["x'30'", "x'3a'"] as const

function inRange(expression: string, condition: Doc): Candidates | undefined {
  const low = condition.$gt ?? condition.$gte
  const high = condition.$lt ?? condition.$lte
  if (low === undefined && high === undefined) return undefined
  const lowBound = bound(low, 0)
  const highBound = bound(high, 1)
  const ends = endsOf(low ?? high)
  if (
    !ends ||
    (low !== undefined && lowBound === undefined) ||
    (high !== undefined && highBound === undefined)
  )
    return undefined
  if (low !== undefined && high !== undefined && endsOf(high) !== ends) return undefined
  const from = lowBound === undefined ? `${expression}>=${ends[0]}` : `${expression}>=?`
  const to = highBound === undefined ? `${expression}<${ends[1]}` : `${expression}<=?`
  const values = [lowBound, highBound].filter((value) => value !== undefined)
  return { where: `(${from} AND ${to}) OR ${expression}=${UNSURE}`, values }
}

function endsOf(value: unknown): readonly [string, string] | undefined {
  if (typeof value === 'number') return NUMBERS
  if (typeof value === 'string') return TEXTS
  return value instanceof Date ? DATES : undefined
}

function bound(value: unknown, side: 0 | 1): SqlValue | undefined {
  return typeof value === 'number' ? loose(value)?.[side] : indexKey(value)
}

/** The SQL order of a sort by one indexed field; undefined where no index holds it. */
export function indexOrder(
  sort: readonly { readonly path: string; readonly direction: 1 | -1 }[],
  indexes: readonly Index[],
): { readonly expression: string; readonly direction: 'ASC' | 'DESC' } | undefined {
  const [key] = sort
  if (!key || sort.length !== 1 || !indexes.some((index) => index.keys[0]?.[0] === key.path)) return undefined
  return { expression: indexExpression(key.path), direction: key.direction === 1 ? 'ASC' : 'DESC' }
}
