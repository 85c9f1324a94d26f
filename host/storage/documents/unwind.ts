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
  if (typeof path !== 'string')
    throw refusal('query_invalid', 9, `${stage} takes the path of a field as a string.`)
  const parts = path.split('.')
  if (parts.some((part) => part === '' || part.startsWith('$') || part === '__proto__'))
    throw refusal('query_invalid', 40353, `${stage} takes the path of a field.`)
  return parts
}

function checkNames(spec: Doc): void {
  for (const key of Object.keys(spec))
    if (key !== 'path' && key !== 'includeArrayIndex' && key !== 'preserveNullAndEmptyArrays')
      throw refusal('query_invalid', 28811, `$unwind has no '${key.slice(0, 60)}'.`)
}

/** Prepares `$unwind`: a document for each element of an array. */
export function compileUnwind(spec: unknown): (docs: Iterable<Doc>) => Iterable<Doc> {
  const options: Doc = isDoc(spec) ? spec : { path: spec }
  const { path, includeArrayIndex, preserveNullAndEmptyArrays } = options
  if (isDoc(spec)) checkNames(spec)
  if (typeof path !== 'string')
    throw refusal('query_invalid', isDoc(spec) ? 28808 : 15981, '$unwind takes a string as path.')
  if (path === '' || path === '$') throw refusal('query_invalid', 28812, '$unwind takes the path of a field.')
  if (!path.startsWith('$'))
    throw refusal('query_invalid', 28818, "$unwind takes the path of a field, which starts with '$'.")
  if (includeArrayIndex !== undefined && (typeof includeArrayIndex !== 'string' || includeArrayIndex === ''))
    throw refusal('query_invalid', 28810, '$unwind takes a string as includeArrayIndex.')
  if (typeof includeArrayIndex === 'string' && includeArrayIndex.startsWith('$'))
    throw refusal('query_invalid', 28822, "$unwind takes an includeArrayIndex that does not start with '$'.")
  if (preserveNullAndEmptyArrays !== undefined && typeof preserveNullAndEmptyArrays !== 'boolean')
    throw refusal('query_invalid', 28809, '$unwind takes true or false as preserveNullAndEmptyArrays.')
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
