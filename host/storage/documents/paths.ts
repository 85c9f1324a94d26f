import type { DocumentLimits } from './limits.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc, own } from './values.ts'

const INDEX = /^(0|[1-9]\d{0,9})$/

/** The number that a part of a path means as an array index; -1 for a name. */
export function arrayIndex(part: string): number {
  const first = part.charCodeAt(0)
  return first >= 48 && first <= 57 && INDEX.test(part) ? Number(part) : -1
}

/**
 * True where `test` holds for some value that a filter's path reaches: through documents by name, through arrays by
 * index and into each embedded document. A name that is missing is tested as undefined.
 */
export function someAtPath(
  value: unknown,
  parts: readonly string[],
  at: number,
  test: (value: unknown) => boolean,
): boolean {
  const part = parts[at]
  if (part === undefined) return test(value)
  if (Array.isArray(value)) {
    const index = arrayIndex(part)
    if (index >= 0 && index < value.length && someAtPath(value[index], parts, at + 1, test)) return true
    for (const item of value) if (isDoc(item) && someAtPath(own(item, part), parts, at + 1, test)) return true
    return false
  }
  return isDoc(value) ? someAtPath(own(value, part), parts, at + 1, test) : test(undefined)
}

/** The value that names and indexes lead to, each step one value; undefined where there is none. */
export function valueAtNames(doc: Doc, parts: readonly string[]): unknown {
  return parts.reduce((value: unknown, part) => {
    if (Array.isArray(value)) return value[arrayIndex(part)]
    return isDoc(value) ? own(value, part) : undefined
  }, doc)
}

/** All values that a path reaches, arrays at its end unfolded: what `distinct`, sorts and indexes look at. */
export function valuesAtPath(doc: Doc, path: string): unknown[] {
  const found: unknown[] = []
  someAtPath(doc, path.split('.'), 0, (value) => {
    if (Array.isArray(value)) for (const item of value) found.push(item)
    else found.push(value)
    return false
  })
  return found
}

/** The depth of a value, a scalar being 0. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return 1 + value.reduce((most: number, item) => Math.max(most, depthOf(item)), 0)
  if (!isDoc(value)) return 0
  let most = 0
  for (const key of Object.keys(value)) most = Math.max(most, depthOf(value[key]))
  return 1 + most
}

/** Splits and checks the path of an update. Throws `update_invalid`. */
export function updatePath(path: string, limits: Readonly<DocumentLimits>): string[] {
  if (path === '')
    throw refusal('update_invalid', MONGO.EmptyFieldName, 'An update names a field by an empty path.')
  const parts = path.split('.')
  if (parts.length > limits.depth)
    throw refusal(
      'update_invalid',
      MONGO.Overflow,
      `The path ${quote(path)} is more than ${limits.depth} levels deep.`,
    )
  for (const part of parts) {
    if (part === '')
      throw refusal('update_invalid', MONGO.EmptyFieldName, `The path ${quote(path)} has an empty part.`)
    if (part === '__proto__' || part.includes('\0'))
      throw refusal('update_invalid', MONGO.BadValue, `The path ${quote(path)} is not allowed.`)
    if (part.charCodeAt(0) === 36 && part !== '$' && !/^\$\[[a-z]?\w*\]$/.test(part))
      throw refusal(
        'update_invalid',
        MONGO.DollarPrefixedFieldName,
        `The path ${quote(path)} has a part that starts with '$'.`,
      )
  }
  if (parts[0] === '$' || parts.indexOf('$') !== parts.lastIndexOf('$'))
    throw refusal(
      'update_invalid',
      MONGO.BadValue,
      `The path ${quote(path)} may have one positional '$', behind the name of an array.`,
    )
  return parts
}

/** A place that an update writes: a document and a field, or an array and an index. */
export interface Place {
  readonly holder: Doc | unknown[]
  readonly key: string | number
}

export function readPlace(place: Place): unknown {
  if (Array.isArray(place.holder)) return place.holder[Number(place.key)]
  return own(place.holder, String(place.key))
}

/** Writes a value; an array is filled with null up to the index, as far as the limit allows. */
export function writePlace(place: Place, value: unknown, limits: Readonly<DocumentLimits>): void {
  const { holder, key } = place
  if (!Array.isArray(holder)) {
    holder[String(key)] = value
    return
  }
  const index = Number(key)
  if (index > holder.length + limits.arrayGap)
    throw refusal(
      'update_invalid',
      MONGO.BadValue,
      `The index ${index} is more than ${limits.arrayGap} past the end of its array.`,
    )
  while (holder.length < index) holder.push(null)
  holder[index] = value
}

/**
 * The place that a path without placeholders means. With `create`, missing documents on the way are made; without, a
 * missing one answers undefined. Throws `update_invalid` where the path crosses a value that is no container.
 */
export function findPlace(
  doc: Doc,
  parts: readonly string[],
  create: boolean,
  limits: Readonly<DocumentLimits>,
): Place | undefined {
  let holder: Doc | unknown[] = doc
  for (let at = 0; ; at++) {
    const part = parts[at] ?? ''
    let key: string | number = part
    if (Array.isArray(holder)) {
      key = arrayIndex(part)
      if (key < 0) {
        if (!create) return undefined
        throw notViable(parts, at, 'an array')
      }
    }
    if (at === parts.length - 1) return { holder, key }
    let next: unknown = readPlace({ holder, key })
    if (next === undefined) {
      if (!create) return undefined
      next = {}
      writePlace({ holder, key }, next, limits)
    }
    if (Array.isArray(next) || isDoc(next)) holder = next
    else if (create) throw notViable(parts, at + 1, 'a value that is no document')
    else return undefined
  }
}

function notViable(parts: readonly string[], at: number, what: string): Error {
  return refusal(
    'update_invalid',
    MONGO.PathNotViable,
    `The field ${quote(parts[at] ?? '')} of the path ${quote(parts.join('.'))} cannot be created in ${what}.`,
  )
}

/** Refuses a value that would make the document deeper than the limit. */
export function checkDepthAt(
  parts: readonly string[],
  value: unknown,
  limits: Readonly<DocumentLimits>,
): void {
  if (typeof value === 'object' && parts.length + depthOf(value) > limits.depth)
    throw refusal('document_invalid', MONGO.Overflow, `A document is at most ${limits.depth} levels deep.`)
}
