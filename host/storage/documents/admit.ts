import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import type { DocumentLimits } from './limits.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

/** What a value is going to be: keys of documents may not look like operators, those of queries must be known ones. */
type Use = 'document' | 'query'

/**
 * Copies a value from outside into plain data that is safe to work on: no prototype tricks, no undefined, no depth
 * or size beyond the limits. Every value passes here once, before anything else looks at it.
 */
export class Admission {
  readonly #limits: Readonly<DocumentLimits>
  readonly #use: Use
  #nodes = 0

  constructor(limits: Readonly<DocumentLimits>, use: Use) {
    this.#limits = limits
    this.#use = use
  }

  #refuse(mongoCode: number, message: string): never {
    throw refusal(this.#use === 'document' ? 'document_invalid' : 'query_invalid', mongoCode, message)
  }

  /** A safe copy of `value`, found at `path`. */
  value(value: unknown, path: string, depth: number): unknown {
    if (this.#use === 'query' && ++this.#nodes > this.#limits.nodes)
      this.#refuse(
        MONGO.BadValue,
        `The query has more than ${this.#limits.nodes} keys and items. Ask in several parts.`,
      )
    switch (typeof value) {
      case 'string':
      case 'number':
      case 'boolean':
        return value
      case 'object':
        break
      default:
        this.#refuse(
          MONGO.BadValue,
          `The value at ${quote(path)} is ${typeof value}: use null, or leave it out.`,
        )
    }
    if (value === null) return null
    if (Array.isArray(value)) return this.#array(value, path, depth)
    if (isDoc(value)) return this.doc(value, path, depth)
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime()))
        this.#refuse(MONGO.BadValue, `The date at ${quote(path)} is invalid: look at what it was made of.`)
      return value
    }
    if (isScalarObject(value)) return value
    return this.#refuse(
      MONGO.BadValue,
      `The value at ${quote(path)} is not plain data: make it an object, a list, a text or a number.`,
    )
  }

  #array(items: readonly unknown[], path: string, depth: number): unknown[] {
    this.#checkDepth(path, depth)
    const copy: unknown[] = []
    for (const item of items) copy.push(item === undefined ? null : this.value(item, path, depth + 1))
    return copy
  }

  /** A safe copy of a document. `undefined` properties are dropped from documents and refused in queries. */
  doc(doc: Doc, path: string, depth: number): Doc {
    this.#checkDepth(path, depth)
    const copy: Doc = {}
    for (const key of Object.keys(doc)) {
      const item = doc[key]
      this.#checkKey(key, path)
      if (item === undefined && this.#use === 'document') continue
      copy[key] = this.value(item, key, depth + 1)
    }
    return copy
  }

  #checkDepth(path: string, depth: number): void {
    if (depth >= this.#limits.depth)
      this.#refuse(
        MONGO.Overflow,
        `The value at ${quote(path)} is nested more than ${this.#limits.depth} levels deep: keep it flatter, or as a file.`,
      )
  }

  #checkKey(key: string, path: string): void {
    if (key === '__proto__' || (this.#use === 'query' && key.includes('__proto__')))
      this.#refuse(MONGO.BadValue, `The key ${quote(key)} is not allowed.`)
    if (this.#use === 'query') return
    if (key.charCodeAt(0) === 36)
      this.#refuse(
        MONGO.DollarPrefixedFieldName,
        `The field ${quote(key)}${path === '' ? '' : ` in ${quote(path)}`} starts with '$', as operators do: give it another name.`,
      )
    if (key.includes('.'))
      this.#refuse(
        MONGO.DottedFieldName,
        `The field ${quote(key)} has a '.' in its name, which is how paths are written: give it another name.`,
      )
    if (key.includes('\0')) this.#refuse(MONGO.BadValue, `The field ${quote(key)} has a NUL in its name.`)
  }
}

function isScalarObject(value: unknown): boolean {
  return (
    value instanceof ObjectId ||
    value instanceof Long ||
    value instanceof Decimal128 ||
    value instanceof Binary ||
    value instanceof RegExp
  )
}

/** A safe copy of a document to store. Throws `document_invalid`. */
export function admitDocument(doc: unknown, limits: Readonly<DocumentLimits>): Doc {
  if (!isDoc(doc)) throw refusal('document_invalid', MONGO.TypeMismatch, 'A document is an object.')
  return new Admission(limits, 'document').doc(doc, '', 0)
}

/** A safe copy of a value that an update stores `depth` levels deep. Throws `document_invalid`. */
export function admitValue(
  value: unknown,
  path: string,
  depth: number,
  limits: Readonly<DocumentLimits>,
): unknown {
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value
  return new Admission(limits, 'document').value(value, path, depth)
}

/** A safe copy of a filter, projection, sort or pipeline, its operators not yet checked. Throws `query_invalid`. */
export function admitQuery(value: unknown, limits: Readonly<DocumentLimits>): unknown {
  return new Admission(limits, 'query').value(value, '', 0)
}

/** Refuses what MongoDB refuses as `_id`: arrays, regular expressions, undefined. */
export function checkId(id: unknown): void {
  if (id === undefined || Array.isArray(id) || id instanceof RegExp)
    throw refusal(
      'document_invalid',
      MONGO.InvalidIdField,
      "An '_id' is not an array, a regular expression or undefined.",
    )
}
