import { meter } from './meter.ts'
import { valuesAtPath } from './paths.ts'
import { MONGO, refusal } from './refusal.ts'
import { compareValues, isDoc, own } from './values.ts'

export interface SortKey {
  readonly path: string
  readonly direction: 1 | -1
}

/** The keys of a `sort`. Throws `query_invalid` where a direction is neither 1 nor -1. */
export function sortKeys(sort: unknown): SortKey[] {
  if (!isDoc(sort))
    throw refusal('query_invalid', MONGO.BadValue, 'A sort is an object of fields and 1 or -1.')
  const keys = Object.keys(sort).map((path): SortKey => {
    const direction = sort[path]
    if (path === '' || path.startsWith('$') || (direction !== 1 && direction !== -1))
      throw refusal(
        'query_invalid',
        typeof direction === 'number' ? 15975 : 15974,
        `A sort takes fields with 1 or -1, which '${path.slice(0, 60)}' has not.`,
      )
    return { path, direction }
  })
  if (keys.length > 32) throw refusal('query_invalid', MONGO.BadValue, 'A sort has at most 32 fields.')
  return keys
}

/** What a document sorts by: of an array the smallest element when ascending, the largest when descending. */
export function sortValue(doc: unknown, { path, direction }: SortKey): unknown {
  if (!isDoc(doc)) return null
  if (!path.includes('.')) {
    const value = own(doc, path)
    if (!Array.isArray(value)) return value ?? null
  }
  let best: unknown
  for (const value of valuesAtPath(doc, path))
    if (best === undefined || compareValues(value ?? null, best) * direction < 0) best = value ?? null
  return best ?? null
}

/** Sorts stably into a new array; with `keep` only the first so many come back. */
export function sortDocs(
  docs: Iterable<unknown>,
  keys: readonly SortKey[],
  keep = Number.POSITIVE_INFINITY,
): unknown[] {
  const compare = (a: Row, b: Row): number => {
    meter.tick()
    for (let i = 0; i < keys.length; i++) {
      const order = compareValues(a.by[i], b.by[i]) * (keys[i]?.direction ?? 1)
      if (order !== 0) return order
    }
    return a.at - b.at
  }
  let rows: Row[] = []
  let at = 0
  for (const doc of docs) {
    rows.push({ doc, at: at++, by: keys.map((key) => sortValue(doc, key)) })
    if (rows.length > keep * 2 + 1_000) rows = rows.sort(compare).slice(0, keep)
  }
  return rows
    .sort(compare)
    .slice(0, keep)
    .map((row) => row.doc)
}

interface Row {
  readonly doc: unknown
  readonly at: number
  readonly by: readonly unknown[]
}
