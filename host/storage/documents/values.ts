import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import { compareNumbers, isNumeric, type Numeric, numberKey } from './arithmetic.ts'
import { meter } from './meter.ts'

/** A document or an embedded one. Its keys come from outside: read them with {@link own}. */
export type Doc = Record<string, unknown>

/** True for an object that is a document: not an array, a date, an id or the like. */
export function isDoc(value: unknown): value is Doc {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The own property of a document; never one of its prototype. */
export function own(doc: Doc, key: string): unknown {
  return Object.hasOwn(doc, key) ? doc[key] : undefined
}

/** The place of a value's type in MongoDB's order; 0 is missing. Types of one rank compare with each other. */
export function typeRank(value: unknown): number {
  switch (typeof value) {
    case 'undefined':
      return 0
    case 'number':
    case 'bigint':
      return 2
    case 'string':
      return 3
    case 'boolean':
      return 8
    default:
  }
  if (value === null) return 1
  if (Array.isArray(value)) return 5
  if (value instanceof Date) return 9
  if (value instanceof ObjectId) return 7
  if (value instanceof Long || value instanceof Decimal128) return 2
  if (value instanceof Binary) return 6
  if (value instanceof RegExp) return 11
  return 4
}

function isNumberLike(value: unknown): value is Numeric | bigint {
  return typeof value === 'bigint' || isNumeric(value)
}

function order<T extends number | bigint | string | boolean>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Where a UTF-16 unit stands in the order of code points: halves of pairs after all else, a lone half as itself. */
function unitRank(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  const isHigh = unit >= 0xd800 && unit <= 0xdbff
  const isLow = unit >= 0xdc00 && unit <= 0xdfff
  const other = isHigh ? text.charCodeAt(at + 1) : isLow ? text.charCodeAt(at - 1) : 0
  const isPaired = isHigh ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other <= 0xdbff
  return isPaired ? unit + 0x10000 : unit
}

/** By code point, as MongoDB and SQLite compare UTF-8; JavaScript's own order differs above U+D7FF. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (x >= 0xd800 && y >= 0xd800) return order(unitRank(a, i), unitRank(b, i))
    return order(x, y)
  }
  return order(a.length, b.length)
}

function compareBytes(a: Binary, b: Binary): number {
  const first = order(a.bytes.length, b.bytes.length) || order(a.subType, b.subType)
  if (first !== 0) return first
  for (let i = 0; i < a.bytes.length; i++) {
    const byte = order(a.bytes[i] ?? 0, b.bytes[i] ?? 0)
    if (byte !== 0) return byte
  }
  return 0
}

function compareDocs(a: Doc, b: Doc): number {
  const keysA = Object.keys(a)
  const keysB = Object.keys(b)
  const length = Math.min(keysA.length, keysB.length)
  for (let i = 0; i < length; i++) {
    const keyA = keysA[i] ?? ''
    const keyB = keysB[i] ?? ''
    const result =
      order(typeRank(a[keyA]), typeRank(b[keyB])) ||
      compareStrings(keyA, keyB) ||
      compareValues(a[keyA], b[keyB])
    if (result !== 0) return result
  }
  return order(keysA.length, keysB.length)
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const result = compareValues(a[i], b[i])
    if (result !== 0) return result
  }
  return order(a.length, b.length)
}

/** MongoDB's total order over all types. Each call counts as a step of the operation's time. */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b)
  meter.tick()
  const rank = typeRank(a)
  const byType = order(rank, typeRank(b))
  if (byType !== 0) return byType
  if (rank === 2 && isNumberLike(a) && isNumberLike(b)) return compareNumbers(a, b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return order(a, b)
  if (a instanceof Date && b instanceof Date) return order(a.getTime(), b.getTime())
  if (a instanceof ObjectId && b instanceof ObjectId) return order(a.toHexString(), b.toHexString())
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b)
  if (a instanceof Binary && b instanceof Binary) return compareBytes(a, b)
  if (a instanceof RegExp && b instanceof RegExp)
    return compareStrings(a.source, b.source) || compareStrings(a.flags, b.flags)
  if (isDoc(a) && isDoc(b)) return compareDocs(a, b)
  return 0
}

export function equalValues(a: unknown, b: unknown): boolean {
  if (a === b) return true
  const type = typeof a
  if (type === typeof b && (type === 'string' || type === 'boolean')) return false
  return compareValues(a, b) === 0
}

/** True where storing `b` for `a` would change nothing: as equal, and numbers of one type. */
export function isUnchanged(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null) return Object.is(a, b)
  if (typeof b !== 'object' || b === null) return false
  return Object.getPrototypeOf(a) === Object.getPrototypeOf(b) && canonicalKey(a) === canonicalKey(b)
}

/**
 * A text that two values share exactly where MongoDB holds them equal: the key of `_id`s, unique indexes, groups and
 * sets. It survives SQLite: no NUL, no lone surrogate.
 */
export function canonicalKey(value: unknown): string {
  if (typeof value === 'string')
    return value.isWellFormed() && !value.includes('\0') ? `s${value}` : `S${JSON.stringify(value)}`
  meter.tick()
  switch (typeRank(value)) {
    case 0:
      return 'u'
    case 1:
      return 'z'
    case 2:
      return `n${isNumberLike(value) ? numberKey(value) : ''}`
    case 8:
      return value ? 't' : 'f'
    default:
  }
  if (value instanceof Date) return `d${value.getTime()}`
  if (value instanceof ObjectId) return `o${value.toHexString()}`
  if (value instanceof Binary) return `b${value.toString()}`
  if (value instanceof RegExp) return `r${JSON.stringify([value.source, value.flags])}`
  const parts: string[] = []
  if (Array.isArray(value)) for (const item of value) addPart(parts, canonicalKey(item))
  else if (isDoc(value))
    for (const key of Object.keys(value)) {
      addPart(parts, canonicalKey(key))
      addPart(parts, canonicalKey(value[key]))
    }
  const key = parts.join('')
  meter.charge(key.length)
  return Array.isArray(value) ? `[${key}]` : `{${key}}`
}

function addPart(parts: string[], key: string): void {
  parts.push(`${key.length}:${key}`)
}

/** A deep copy: whoever changes it changes nothing else. */
export function cloneValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(cloneValue)
  if (value instanceof Date) return new Date(value)
  return isDoc(value) ? cloneDoc(value) : value
}

export function cloneDoc(doc: Doc): Doc {
  const copy: Doc = {}
  for (const key of Object.keys(doc)) copy[key] = cloneValue(doc[key])
  return copy
}

/**
 * About how many bytes a value takes as text, shared parts counted each time. It stops once over `limit`, so that a
 * small graph which unfolds into an enormous tree costs little to refuse.
 */
export function weigh(value: unknown, limit: number): number {
  if (typeof value === 'string') return value.length + 3
  if (typeof value !== 'object' || value === null) return 8
  let bytes = 2
  if (Array.isArray(value))
    for (const item of value) {
      bytes += weigh(item, limit - bytes)
      if (bytes > limit) break
    }
  else if (isDoc(value))
    for (const key of Object.keys(value)) {
      bytes += key.length + 4 + weigh(value[key], limit - bytes)
      if (bytes > limit) break
    }
  else if (value instanceof Binary) bytes += 40 + value.bytes.length * 1.34
  else bytes += 40
  return bytes
}
