/**
 * BSON values as JSON text, the same on both sides of the bridge. It imports nothing: it also runs inside an
 * isolate that has no Node. Plain JSON takes the native path; only text or values with a special type are walked.
 */

/** How deep a value may be nested; deeper values are refused by both directions. */
export const MAX_DEPTH = 100

const HEX_ID = /^[0-9a-f]{24}$/i
const INT64 = /^-?\d{1,19}$/
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?$|^NaN$|^[+-]?Infinity$/i
const MAX_PATTERN_CHARS = 1_000

let processRandom = ''
let counter = Math.floor(Math.random() * 0x1000000)

function randomHex(bytes: number): string {
  let hex = ''
  for (let i = 0; i < bytes; i++)
    hex += Math.floor(Math.random() * 256)
      .toString(16)
      .padStart(2, '0')
  return hex
}

/** A document id: seconds, five random bytes of this isolate, a counter. */
export class ObjectId {
  readonly #hex: string

  /** Without an argument a new id; with 24 hexadecimal digits that one. Throws TypeError on anything else. */
  constructor(hex?: string) {
    if (hex === undefined) {
      processRandom ||= randomHex(5)
      counter = (counter + 1) % 0x1000000
      const seconds = Math.floor(Date.now() / 1000) % 0x100000000
      this.#hex =
        seconds.toString(16).padStart(8, '0') + processRandom + counter.toString(16).padStart(6, '0')
    } else {
      if (typeof hex !== 'string' || !HEX_ID.test(hex))
        throw new TypeError('An ObjectId is written as 24 hexadecimal digits.')
      this.#hex = hex.toLowerCase()
    }
  }

  static fromHex(hex: string): ObjectId {
    return new ObjectId(hex)
  }

  get _bsontype(): 'ObjectId' {
    return 'ObjectId'
  }

  toHexString(): string {
    return this.#hex
  }

  toString(): string {
    return this.#hex
  }

  toJSON(): string {
    return this.#hex
  }

  equals(other: unknown): boolean {
    return String(other).toLowerCase() === this.#hex
  }

  getTimestamp(): Date {
    return new Date(Number.parseInt(this.#hex.slice(0, 8), 16) * 1000)
  }
}

/** A 64-bit integer, for numbers beyond 2^53. Compares with numbers by value. */
export class Long {
  readonly value: bigint

  /** Throws RangeError outside of 64 bits. */
  constructor(value: bigint | number | string) {
    const big = BigInt(value)
    if (BigInt.asIntN(64, big) !== big) throw new RangeError('A Long holds 64 bits.')
    this.value = big
  }

  get _bsontype(): 'Long' {
    return 'Long'
  }

  toNumber(): number {
    return Number(this.value)
  }

  toString(): string {
    return this.value.toString()
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A decimal number kept as its text. It is stored and compared; arithmetic on it is refused. */
export class Decimal128 {
  readonly text: string

  /** Throws TypeError where the text is not a decimal number of at most 40 characters. */
  constructor(text: string) {
    if (typeof text !== 'string' || text.length > 40 || !DECIMAL.test(text))
      throw new TypeError('A Decimal128 is written as a decimal number.')
    this.text = text
  }

  get _bsontype(): 'Decimal128' {
    return 'Decimal128'
  }

  toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }
}

/** Bytes with MongoDB's subtype (0 is generic). */
export class Binary {
  readonly bytes: Uint8Array
  readonly subType: number

  constructor(bytes: Uint8Array, subType = 0) {
    this.bytes = bytes
    this.subType = subType & 0xff
  }

  get _bsontype(): 'Binary' {
    return 'Binary'
  }

  toString(): string {
    return `${this.subType}:${toBase64(this.bytes)}`
  }

  toJSON(): string {
    return toBase64(this.bytes)
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Base64 by hand: a guest has neither Buffer nor, in older engines, `Uint8Array.prototype.toBase64`. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const three = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text += ALPHABET.charAt(three >> 18) + ALPHABET.charAt((three >> 12) & 63)
    text += i + 1 < bytes.length ? ALPHABET.charAt((three >> 6) & 63) : '='
    text += i + 2 < bytes.length ? ALPHABET.charAt(three & 63) : '='
  }
  return text
}

/** The inverse of {@link toBase64}. Throws SyntaxError on text that is not base64. */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new SyntaxError('Not base64.')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  for (let i = 0, at = 0; i < text.length; i += 4) {
    let three = 0
    for (let j = 0; j < 4; j++) three = (three << 6) | Math.max(0, ALPHABET.indexOf(text.charAt(i + j)))
    for (let j = 16; j >= 0 && at < bytes.length; j -= 8) bytes[at++] = (three >> j) & 0xff
  }
  return bytes
}

type Undefined = 'dropped' | 'refused'

/**
 * JSON text of a document or a list of ops. `undefined` properties are dropped, as MongoDB's driver does by default.
 * Throws TypeError on functions, symbols, Maps and the like, RangeError below depth {@link MAX_DEPTH}.
 *
 * **Common mistake:** a filter. An undefined that is dropped there matches everything: use {@link encodeFilter}.
 */
export function encode(value: unknown): string {
  return isPlain(value, 0, 'dropped', '') ? JSON.stringify(value) : write(value, 0)
}

/** As {@link encode}, but an undefined anywhere is a TypeError that names its path. */
export function encodeFilter(value: unknown): string {
  return isPlain(value, 0, 'refused', '') ? JSON.stringify(value) : write(value, 0)
}

function isPlain(value: unknown, depth: number, undefinedIs: Undefined, path: string): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return value - value === 0 && (value !== 0 || 1 / value > 0)
    case 'undefined':
      if (undefinedIs === 'refused')
        throw new TypeError(`The value at '${path || '(top)'}' is undefined: leave it out or say null.`)
      return path !== ''
    case 'object':
      break
    case 'bigint':
      return false
    default:
      throw new TypeError(
        `The value at '${path || '(top)'}' is a ${typeof value}, which cannot be stored: ${typeof value === 'function' ? 'call it' : 'make it a text'}.`,
      )
  }
  if (value === null) return true
  if (depth >= MAX_DEPTH) throw new RangeError(`The value is nested more than ${MAX_DEPTH} levels deep.`)
  if (Array.isArray(value)) {
    let plain = true
    for (let i = 0; i < value.length; i++)
      if (!isPlain(value[i], depth + 1, undefinedIs, path || String(i))) plain = false
    return plain
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    if (isSpecial(value)) return false
    if (value instanceof Promise)
      throw new TypeError(`The value at '${path || '(top)'}' is a promise: await it first.`)
    if (value instanceof Map || value instanceof Set || value instanceof Error)
      throw new TypeError(`The value at '${path || '(top)'}' is not plain data: convert it to an object.`)
  }
  let plain = !('toJSON' in value)
  for (const key of Object.keys(value)) {
    const child: unknown = Reflect.get(value, key)
    const childPath = undefinedIs === 'refused' ? (path ? `${path}.${key}` : key) : path || key
    if (!isPlain(child, depth + 1, undefinedIs, childPath)) plain = false
  }
  return plain
}

function isSpecial(value: object): boolean {
  return (
    value instanceof Date ||
    value instanceof ObjectId ||
    value instanceof RegExp ||
    value instanceof Long ||
    value instanceof Decimal128 ||
    value instanceof Binary ||
    ArrayBuffer.isView(value)
  )
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return Object.is(value, -0) ? '{"$numberDouble":"-0"}' : String(value)
    return `{"$numberDouble":"${value}"}`
  }
  if (typeof value === 'bigint') return `{"$numberLong":"${new Long(value)}"}`
  if (value === undefined) return 'null'
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (depth >= MAX_DEPTH) throw new RangeError(`The value is nested more than ${MAX_DEPTH} levels deep.`)
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(',')}]`
  if (isSpecial(value)) return writeSpecial(value)
  const parts: string[] = []
  for (const key of Object.keys(value)) {
    const child: unknown = Reflect.get(value, key)
    if (child !== undefined) parts.push(`${JSON.stringify(key)}:${write(child, depth + 1)}`)
  }
  return `{${parts.join(',')}}`
}

function writeSpecial(value: object): string {
  if (value instanceof Date) {
    const ms = value.getTime()
    if (Number.isNaN(ms)) throw new TypeError('An invalid date cannot be stored.')
    return `{"$date":${ms}}`
  }
  if (value instanceof ObjectId) return `{"$oid":"${value.toHexString()}"}`
  if (value instanceof Long) return `{"$numberLong":"${value.value}"}`
  if (value instanceof Decimal128) return `{"$numberDecimal":"${value.text}"}`
  if (value instanceof RegExp) {
    const options = [...value.flags].filter((flag) => 'imsu'.includes(flag)).join('')
    return `{"$regularExpression":{"pattern":${JSON.stringify(value.source)},"options":"${options}"}}`
  }
  const bytes =
    value instanceof Binary
      ? value.bytes
      : ArrayBuffer.isView(value)
        ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
        : new Uint8Array(0)
  const subType = (value instanceof Binary ? value.subType : 0).toString(16).padStart(2, '0')
  return `{"$binary":{"base64":"${toBase64(bytes)}","subType":"${subType}"}}`
}

/**
 * The value of a JSON text written by {@link encode}. A `__proto__` in the text becomes an own property, never a
 * prototype. Markers with a wrong payload stay plain objects, so that whoever checks for `$` keys refuses them.
 * Throws SyntaxError on text that is not JSON, RangeError below depth {@link MAX_DEPTH}.
 */
export function decode(text: string): unknown {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) return value
  if (!text.includes('"$')) {
    checkDepth(value, 0)
    return value
  }
  return revive(value, 0)
}

function checkDepth(value: object, depth: number): void {
  if (depth >= MAX_DEPTH) throw new RangeError(`The value is nested more than ${MAX_DEPTH} levels deep.`)
  for (const child of Array.isArray(value) ? value : Object.values(value))
    if (typeof child === 'object' && child !== null) checkDepth(child, depth + 1)
}

function revive(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) throw new RangeError(`The value is nested more than ${MAX_DEPTH} levels deep.`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revive(value[i], depth + 1)
    return value
  }
  const keys = Object.keys(value)
  const [only] = keys
  if (only !== undefined && keys.length === 1 && only.charCodeAt(0) === 36) {
    const special = reviveSpecial(only, Reflect.get(value, only))
    if (special !== undefined) return special
  }
  for (const key of keys) {
    const child: unknown = Reflect.get(value, key)
    if (typeof child !== 'object' || child === null) continue
    const revived = revive(child, depth + 1)
    if (revived !== child) Object.defineProperty(value, key, { value: revived })
  }
  return value
}

function reviveSpecial(marker: string, payload: unknown): unknown {
  switch (marker) {
    case '$date': {
      const date = new Date(typeof payload === 'number' ? payload : Number.NaN)
      return Number.isNaN(date.getTime()) ? undefined : date
    }
    case '$oid':
      return typeof payload === 'string' && HEX_ID.test(payload) ? new ObjectId(payload) : undefined
    case '$numberLong':
      return typeof payload === 'string' && INT64.test(payload) && fitsInt64(payload)
        ? new Long(payload)
        : undefined
    case '$numberDecimal':
      return typeof payload === 'string' && payload.length <= 40 && DECIMAL.test(payload)
        ? new Decimal128(payload)
        : undefined
    case '$numberDouble':
      return payload === 'NaN' || payload === 'Infinity' || payload === '-Infinity' || payload === '-0'
        ? Number(payload)
        : undefined
    case '$binary':
      return reviveBinary(payload)
    case '$regularExpression':
      return reviveRegExp(payload)
    default:
      return undefined
  }
}

function fitsInt64(text: string): boolean {
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value
}

function reviveBinary(payload: unknown): Binary | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const base64: unknown = Reflect.get(payload, 'base64')
  const subType: unknown = Reflect.get(payload, 'subType')
  if (typeof base64 !== 'string' || typeof subType !== 'string' || !/^[0-9a-f]{2}$/i.test(subType))
    return undefined
  return new Binary(fromBase64(base64), Number.parseInt(subType, 16))
}

function reviveRegExp(payload: unknown): RegExp | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const pattern: unknown = Reflect.get(payload, 'pattern')
  const options: unknown = Reflect.get(payload, 'options')
  if (typeof pattern !== 'string' || typeof options !== 'string') return undefined
  if (pattern.length > MAX_PATTERN_CHARS)
    throw new RangeError(`A regular expression has at most ${MAX_PATTERN_CHARS} characters.`)
  return new RegExp(pattern, options)
}
