import { meter } from './meter.ts'
import { refusal } from './refusal.ts'
import { type Doc, isDoc, own } from './values.ts'

/** The document with one field set or, for undefined, removed; the rest is shared. */
export function withField(doc: Doc, path: readonly string[], value: unknown): Doc {
  const [first = '', ...rest] = path
  const made: Doc = { ...doc }
  if (rest.length > 0) {
    const inner = own(doc, first)
    made[first] = withField(isDoc(inner) ? inner : {}, rest, value)
  } else if (value === undefined) delete made[first]
  else made[first] = value
  return made
}

/** The parts of a path that a stage names; the stage and the word for it go into the message. */
export function fieldPath(stage: string, path: unknown): string[] {
  const parts = typeof path === 'string' ? path.split('.') : ['']
  if (parts.some((part) => part === '' || part.startsWith('$') || part === '__proto__'))
    throw refusal('query_invalid', 28818, `${stage} takes the path of a field.`)
  return parts
}

/** Prepares `$unwind`: a document for each element of an array. */
export function compileUnwind(spec: unknown): (docs: Iterable<Doc>) => Iterable<Doc> {
  const options: Doc = isDoc(spec) ? spec : { path: spec }
  const { path, includeArrayIndex, preserveNullAndEmptyArrays } = options
  if (typeof path !== 'string' || !path.startsWith('$'))
    throw refusal('query_invalid', 28818, "$unwind takes the path of a field, which starts with '$'.")
  const parts = fieldPath('$unwind', path.slice(1))
  const indexParts = includeArrayIndex === undefined ? undefined : fieldPath('$unwind', includeArrayIndex)
  const isKept = preserveNullAndEmptyArrays === true
  const withIndex = (doc: Doc, index: number | null) => (indexParts ? withField(doc, indexParts, index) : doc)
  return function* (docs) {
    for (const doc of docs) {
      const value = parts.reduce((at: unknown, part) => (isDoc(at) ? own(at, part) : undefined), doc)
      if (Array.isArray(value) && value.length > 0) {
        for (let i = 0; i < value.length; i++) {
          meter.tick()
          yield withIndex(withField(doc, parts, value[i]), i)
        }
      } else if (value !== undefined && value !== null && !Array.isArray(value)) yield withIndex(doc, null)
      else if (isKept) yield withIndex(Array.isArray(value) ? withField(doc, parts, undefined) : doc, null)
    }
  }
}
