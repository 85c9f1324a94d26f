import {
  Binary as SdkBinary,
  Decimal128 as SdkDecimal128,
  Long as SdkLong,
  ObjectId as SdkObjectId,
} from '../../../sdk/ejson.ts'
import { MONGO, quote, refusal } from '../documents/refusal.ts'
import { isDoc } from '../documents/values.ts'
import { Binary, BSONRegExp, Decimal128, Long, ObjectId } from './driver.ts'

/** What a value is going to be: in a query a regular expression is to match, in a document it is kept as it is. */
export type Use = 'document' | 'query'

/**
 * A value for the driver, from one that was admitted. Documents become fresh objects, and one with a key `_bsontype`
 * a map: the driver would take it for a value of its own.
 *
 * @throws {LyceumError} document_invalid, query_invalid where MongoDB has no such value
 */
export function toBson(value: unknown, use: Use): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => toBson(item, use))
  if (isDoc(value)) {
    if (use === 'query' && value.$regex instanceof RegExp) {
      // In the form that every server knows.
      const { $regex, ...rest } = value
      const { pattern: source, options } = pattern(value.$regex, use)
      return { ...Object(toBson(rest, use)), $regex: source, ...(options && { $options: options }) }
    }
    const entries = Object.keys(value).map((key): [string, unknown] => [key, toBson(value[key], use)])
    return Object.hasOwn(value, '_bsontype') ? new Map(entries) : Object.fromEntries(entries)
  }
  if (value instanceof SdkObjectId) return new ObjectId(value.toHexString())
  if (value instanceof SdkLong) return Long.fromBigInt(value.value)
  if (value instanceof SdkBinary) return new Binary(Buffer.from(value.bytes), value.subType)
  if (value instanceof SdkDecimal128) return decimal(value.text, use)
  if (value instanceof RegExp) return pattern(value, use)
  return value
}

function decimal(text: string, use: Use): Decimal128 {
  try {
    return Decimal128.fromString(text)
  } catch {
    throw refusal(
      use === 'document' ? 'document_invalid' : 'query_invalid',
      MONGO.BadValue,
      `A Decimal128 has at most 34 digits, which ${quote(text)} has not.`,
    )
  }
}

function pattern({ source, flags }: RegExp, use: Use): BSONRegExp {
  const options = [...flags].filter((flag) => 'imsu'.includes(flag)).join('')
  if (use === 'document') return new BSONRegExp(source, options)
  // What JavaScript writes in another way than MongoDB.
  const translated = source
    .replace(/\\(?:u([0-9a-fA-F]{4})|[^u])/g, (written, code?: string) => (code ? `\\x{${code}}` : written))
    .replaceAll('[^]', '[\\s\\S]')
  return new BSONRegExp(translated, options)
}

/**
 * A value as guests know it, from the driver. It has promoted numbers already: a 64-bit integer that a number holds
 * exactly comes as one, since MongoDB makes them of sums that outgrow 32 bits.
 *
 * @throws {LyceumError} document_invalid for types that no guest could have written
 */
export function fromBson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(fromBson)
  if (value instanceof ObjectId) return new SdkObjectId(value.toHexString())
  if (value instanceof Long) return new SdkLong(value.toBigInt())
  if (value instanceof Binary) return new SdkBinary(Uint8Array.from(value.value()), value.sub_type)
  if (value instanceof Decimal128) return new SdkDecimal128(value.toString())
  if (value instanceof BSONRegExp) return regExp(value)
  if (isDoc(value)) {
    const copy: Record<string, unknown> = {}
    for (const key of Object.keys(value))
      Object.defineProperty(copy, key, {
        value: fromBson(value[key]),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    return copy
  }
  throw refusal(
    'document_invalid',
    MONGO.TypeMismatch,
    `A document holds a value of the type ${quote(value.constructor.name)}, which no plugin can have written.`,
  )
}

function regExp({ pattern: source, options }: BSONRegExp): RegExp {
  try {
    return new RegExp(source, [...options].filter((flag) => 'imsu'.includes(flag)).join(''))
  } catch {
    throw refusal(
      'document_invalid',
      MONGO.BadValue,
      `A document holds the regular expression ${quote(source)}, which no plugin can have written.`,
    )
  }
}
