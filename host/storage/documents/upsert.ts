import { isOperators } from './filter.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { cloneValue, type Doc, isDoc, own } from './values.ts'

function invalid(mongoCode: number, message: string): Error {
  return refusal('update_invalid', mongoCode, message)
}

/** The document that an upsert starts from: the fields that its filter says are equal to something. */
export function upsertSeed(filter: Doc): Doc {
  const seed: Doc = {}
  seedFrom(filter, seed)
  return seed
}

function seedFrom(filter: Doc, seed: Doc): void {
  for (const key of Object.keys(filter)) {
    const condition = filter[key]
    if (key === '$and' && Array.isArray(condition)) {
      for (const clause of condition) if (isDoc(clause)) seedFrom(clause, seed)
    } else if (!key.startsWith('$') && isOperators(condition) && Object.hasOwn(condition, '$eq')) {
      seedField(seed, key, condition.$eq)
    }
  }
}

function seedField(seed: Doc, path: string, value: unknown): void {
  const parts = path.split('.')
  let at = seed
  for (const [i, part] of parts.entries()) {
    if (part === '' || part.startsWith('$'))
      throw invalid(MONGO.BadValue, `The filter's path ${quote(path)} cannot be made into a document.`)
    const next = own(at, part)
    if (i === parts.length - 1) {
      if (next !== undefined)
        throw invalid(
          MONGO.NotSingleValueField,
          `The filter names ${quote(path)} twice, so the upsert has no one value.`,
        )
      at[part] = cloneValue(value)
    } else {
      const inner: unknown = next ?? {}
      if (!isDoc(inner))
        throw invalid(
          MONGO.NotSingleValueField,
          `The filter names ${quote(path)} twice, so the upsert has no one value.`,
        )
      at[part] = inner
      at = inner
    }
  }
}
