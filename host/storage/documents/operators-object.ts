import { Binary, encode } from '../../../sdk/ejson.ts'
import type { ExpressionOperator } from './evaluate.ts'
import { evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { isNil, mismatch, namesOf, onAny, onOne } from './operator-kit.ts'
import { list } from './operators-array.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type Doc, isDoc, own } from './values.ts'

/** Sets a computed field name: one that plain data may not have is refused. */
function put(doc: Doc, key: string, value: unknown): void {
  if (key === '__proto__')
    throw refusal('query_invalid', MONGO.BadValue, `The field ${quote(key)} is not allowed.`)
  doc[key] = value
}

const $arrayToObject = onOne('$arrayToObject', (value) => {
  if (isNil(value)) return null
  const doc: Doc = {}
  const items = list('$arrayToObject', value, 40386)
  const isPairs = Array.isArray(items[0])
  for (const item of items) {
    meter.tick()
    if (Array.isArray(item)) {
      if (!isPairs) throw mismatch('$arrayToObject', 'pairs of one form', 40391)
      if (item.length !== 2) throw mismatch('$arrayToObject', 'pairs of two', 40397)
      if (typeof item[0] !== 'string') throw mismatch('$arrayToObject', 'strings as keys', 40395)
      put(doc, item[0], item[1])
    } else if (isDoc(item)) {
      if (isPairs) throw mismatch('$arrayToObject', 'pairs of one form', 40396)
      if (Object.keys(item).length !== 2) throw mismatch('$arrayToObject', '{k, v}', 40392)
      if (!Object.hasOwn(item, 'k') || !Object.hasOwn(item, 'v'))
        throw mismatch('$arrayToObject', '{k, v}', 40393)
      if (typeof item.k !== 'string') throw mismatch('$arrayToObject', 'strings as keys', 40394)
      put(doc, item.k, item.v)
    } else throw mismatch('$arrayToObject', 'pairs, [key, value] or {k, v}', 40398)
  }
  return doc
})

const $mergeObjects = onAny('$mergeObjects', (values) => {
  const [first] = values
  const docs: unknown[] = values.length === 1 && Array.isArray(first) ? first : values
  const merged: Doc = {}
  for (const doc of docs) {
    if (isNil(doc)) continue
    if (!isDoc(doc)) throw mismatch('$mergeObjects', 'documents', 40400)
    meter.tick()
    Object.assign(merged, doc)
  }
  return merged
})

/** The name of a field, which is a constant: `{$literal: '$price'}` is the field '$price'. */
function fieldName(operator: string, expression: unknown, mongoCode: number): string {
  const name = isDoc(expression) && '$literal' in expression ? expression.$literal : expression
  if (typeof name !== 'string' || (name === expression && name.startsWith('$')))
    throw mismatch(operator, 'a constant string as field', mongoCode)
  return name
}

const GET = { required: ['field'], optional: ['input'], codes: [3041701, 3041702, 3041701] as const }

const $getField: ExpressionOperator = (operand, env) => {
  meter.tick()
  const isNamed = isDoc(operand) && !Object.keys(operand)[0]?.startsWith('$')
  const named: Doc = isNamed ? namesOf('$getField', operand, GET) : { field: operand }
  const computed = evaluate(named.field, env)
  if (typeof computed !== 'string') throw mismatch('$getField', 'a string as field', 3041704)
  const input = Object.hasOwn(named, 'input') ? evaluate(named.input, env) : env.root
  if (isDoc(input)) return own(input, computed)
  return input === null ? null : undefined
}

function setField(
  name: string,
  value: (operand: Doc) => unknown,
  required: readonly string[],
): ExpressionOperator {
  return (operand, env) => {
    meter.tick()
    const named = namesOf(name, operand, { required, codes: [4161100, 4161102, 4161101] })
    const field = fieldName(name, named.field, 4161106)
    const input = evaluate(named.input, env)
    if (isNil(input)) return null
    if (!isDoc(input)) throw mismatch(name, 'a document as input', 4161105)
    const doc = { ...input }
    const made = evaluate(value(named), env)
    if (made === undefined) delete doc[field]
    else put(doc, field, made)
    return doc
  }
}

/** The size of a value in bytes as BSON counts them. */
function bsonSize(doc: Doc): number {
  let bytes = 5
  for (const key of Object.keys(doc)) bytes += Buffer.byteLength(key) + 2 + valueSize(doc[key])
  return bytes
}

function valueSize(value: unknown): number {
  meter.tick()
  if (typeof value === 'string') return Buffer.byteLength(value) + 5
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 4 : 8
  if (typeof value === 'boolean') return 1
  if (value === null || value === undefined) return 0
  if (Array.isArray(value)) return bsonSize({ ...value })
  if (isDoc(value)) return bsonSize(value)
  if (value instanceof Date) return 8
  if (value instanceof Binary) return value.bytes.length + 5
  if (value instanceof RegExp) return Buffer.byteLength(value.source) + value.flags.length + 2
  const [marker = ''] = Object.keys(Object(JSON.parse(encode(value))))
  return marker === '$oid' ? 12 : marker === '$numberDecimal' ? 16 : 8
}

export const OBJECT_OPERATORS: Record<string, ExpressionOperator> = {
  $arrayToObject,
  $mergeObjects,
  $getField,
  $setField: setField('$setField', ({ value }) => value, ['field', 'input', 'value']),
  $unsetField: setField('$unsetField', () => '$$REMOVE', ['field', 'input']),
  $bsonSize: onOne('$bsonSize', (value) => {
    if (isNil(value)) return null
    if (!isDoc(value)) throw mismatch('$bsonSize', 'a document', 31393)
    return bsonSize(value)
  }),
  $binarySize: onOne('$binarySize', (value) => {
    if (isNil(value)) return null
    if (typeof value === 'string') return Buffer.byteLength(value)
    if (value instanceof Binary) return value.bytes.length
    throw mismatch('$binarySize', 'a string or binary data', 51276)
  }),
}
