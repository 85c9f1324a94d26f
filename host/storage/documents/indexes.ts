import { arrayIndex, someAtPath } from './paths.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { canonicalKey, type Doc } from './values.ts'

/** A declared index. `number` names its SQL objects. */
export interface Index {
  readonly number: number
  readonly keys: readonly (readonly [path: string, direction: 1 | -1])[]
  readonly isUnique: boolean
}

/** Refuses an index that could not be kept. */
export function checkIndexKeys(collection: string, keys: Record<string, 1 | -1>): void {
  const paths = Object.keys(keys)
  if (paths.length === 0 || paths.length > 8)
    throw refusal('op_malformed', MONGO.BadValue, `An index of ${quote(collection)} has 1 to 8 fields.`)
  for (const path of paths) {
    const parts = path.split('.')
    const isWrong = (part: string) =>
      part === '' ||
      part.startsWith('$') ||
      part.includes('"') ||
      part.includes('\0') ||
      !part.isWellFormed() ||
      part === '__proto__' ||
      arrayIndex(part) >= 0
    if (parts.length > 20 || parts.some(isWrong))
      throw refusal(
        'op_malformed',
        MONGO.BadValue,
        `The path ${quote(path)} of ${quote(collection)} cannot be indexed.`,
      )
  }
}

/**
 * What an SQL index holds where JSON and SQLite cannot say exactly what MongoDB would compare: arrays, embedded
 * documents, Longs, NaN. Rows with it are candidates for every condition, and mingo decides about them.
 */
export const UNSURE = "x''"

const DATE_SHIFT_MS = 8_640_000_000_000_000

/** The form of a date in an index: a blob, which sorts after all else, as dates do. */
export function dateKey(date: Date): Uint8Array {
  return new TextEncoder().encode(String(date.getTime() + DATE_SHIFT_MS).padStart(17, '0'))
}

/** The form of a boolean in an index: between strings and dates. */
export function booleanKey(value: boolean): Uint8Array {
  return Uint8Array.of(value ? 0x29 : 0x28)
}

function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/**
 * The SQL expression of an indexed path over a row's text. It sorts as MongoDB does, apart from {@link UNSURE} rows:
 * NULL for null and missing, numbers, text, booleans, dates.
 */
export function indexExpression(path: string): string {
  const parts = path.split('.')
  const pathOf = (count: number) =>
    sqlText(
      `$${parts
        .slice(0, count)
        .map((part) => `."${part}"`)
        .join('')}`,
    )
  const full = pathOf(parts.length)
  const crosses = parts.slice(1).map((_, i) => `WHEN json_type(doc,${pathOf(i + 1)})='array' THEN ${UNSURE}`)
  const date = `json_extract(doc,${sqlText(`$${parts.map((part) => `."${part}"`).join('')}."$date"`)})`
  return (
    `CASE ${crosses.join(' ')} WHEN json_type(doc,${full}) IN ('integer','real','text') THEN json_extract(doc,${full})` +
    ` WHEN json_type(doc,${full})='true' THEN x'29' WHEN json_type(doc,${full})='false' THEN x'28'` +
    ` WHEN json_type(doc,${full})='array' THEN ${UNSURE} WHEN json_type(doc,${full})='object' THEN` +
    ` CASE WHEN ${date} IS NULL THEN ${UNSURE} ELSE CAST(printf('%017d',${date}+${DATE_SHIFT_MS}) AS BLOB) END END`
  )
}

/**
 * The keys that a document takes in a unique index: one, or one for each element of an array. Missing counts as
 * null. Throws where two fields of the index are arrays.
 */
export function uniqueKeys(doc: Doc, index: Index): string[] {
  let keys: string[][] = [[]]
  let arrays = 0
  for (const [path] of index.keys) {
    const values = new Set<string>()
    someAtPath(doc, path.split('.'), 0, (value) => {
      const items: unknown[] = Array.isArray(value) && value.length > 0 ? value : [value ?? null]
      for (const item of items) values.add(canonicalKey(item ?? null))
      return false
    })
    if (values.size === 0) values.add(canonicalKey(null))
    if (values.size > 1 && ++arrays > 1)
      throw refusal(
        'document_invalid',
        MONGO.CannotIndexParallelArrays,
        `The fields ${quote(index.keys.map(([field]) => field).join(', '))} of one unique index cannot both be arrays.`,
      )
    keys = keys.flatMap((key) => [...values].map((value) => [...key, value]))
  }
  return keys.map((key) => JSON.stringify(key))
}
