import { gunzipSync } from 'node:zlib'
import { LyceumError } from '../errors.ts'
import { isObject } from './json.ts'

const LINE_FEED = 10
const QUOTE = 34
const COMMA = 44
const BACKSLASH = 92
const OPEN_ARRAY = 91
const CLOSE_ARRAY = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** How many lines are looked at to tell damaged lines from a damaged document. */
const PROBED_LINES = 20

/** A request's body is `lines` (NDJSON), the items of one `array`, or one JSON `document`. */
export type Shape = 'lines' | 'array' | 'document'

/** Where in the body one event is said to be. */
export interface Candidate {
  start: number
  end: number
  /** Counted from 1 where the body has lines. */
  line?: number
  /** Counted from 0 where the body is an array. */
  item?: number
}

/**
 * The bytes of a body after its content encoding. A gzip file is known by its first bytes, too.
 *
 * @throws LyceumError unsupported_encoding, body_unreadable (not the gzip it claims to be), body_too_large.
 */
export function decodeBody(body: Buffer, contentEncoding: string | undefined, bodyBytes: number): Buffer {
  const encoding = contentEncoding?.trim().toLowerCase() ?? ''
  if (!['', 'identity', 'gzip', 'x-gzip'].includes(encoding))
    throw new LyceumError(
      'unsupported_encoding',
      `The body has Content-Encoding ${encoding.slice(0, 40)}. Send gzip, or leave it out.`,
    )
  const claimsGzip = encoding.endsWith('gzip')
  if (claimsGzip && !isGzip(body))
    throw new LyceumError('body_unreadable', 'The body has Content-Encoding gzip but is no gzip data.')
  if (isGzip(body)) return gunzip(body, bodyBytes)
  if (body.length > bodyBytes) throw tooLarge(bodyBytes)
  return body
}

/** True for a body that begins like a gzip file. */
export function isGzip(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b
}

function gunzip(body: Buffer, bodyBytes: number): Buffer {
  try {
    return gunzipSync(body, { maxOutputLength: bodyBytes })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bodyBytes)
    throw new LyceumError(
      'body_unreadable',
      'The body is damaged gzip data: it was cut or changed on its way.',
    )
  }
}

function tooLarge(bodyBytes: number): LyceumError {
  const limit = bodyBytes.toLocaleString('en')
  return new LyceumError(
    'body_too_large',
    `The body is larger than ${limit} bytes. Send the events in parts.`,
  )
}

/**
 * Finds out in which of the three shapes a body is: by its type if that says so, else by looking. Nothing
 * longer than `eventBytes` is parsed: a small text of JSON can take a hundred times its size in memory.
 */
export function shapeOf(body: Buffer, contentType: string | undefined, eventBytes: number): Shape {
  if (/\b(?:x-)?(?:ndjson|jsonl|json-?lines|json-seq)\b/i.test(contentType ?? '')) return 'lines'
  const first = skipBlanks(body, 0)
  if (first === body.length)
    throw new LyceumError(
      'body_unreadable',
      'The body is empty. Send one event, an array, or a line for each event.',
    )
  if (body[first] === OPEN_ARRAY) return 'array'
  const end = lineEnd(body, first)
  const isOneLine = skipBlanks(body, end) === body.length
  if (isOneLine && body[first] === OPEN_OBJECT) return 'document'
  if (!isOneLine && holdsObject(body, first, end, eventBytes)) return 'lines'
  if (body.length - first <= eventBytes && parse(body.toString('utf8', first)) !== undefined)
    return 'document'
  return hasEventLine(body, first, eventBytes) ? 'lines' : 'document'
}

function hasEventLine(body: Buffer, first: number, eventBytes: number): boolean {
  let probed = 0
  for (const { start, end } of lines(body, first)) {
    if (holdsObject(body, start, end, eventBytes)) return true
    if (++probed === PROBED_LINES) return false
  }
  return false
}

function holdsObject(body: Buffer, start: number, end: number, eventBytes: number): boolean {
  if (end - start > eventBytes) return false
  const brace = body.subarray(start, end).indexOf(OPEN_OBJECT)
  return brace >= 0 && isObject(parse(body.toString('utf8', start + brace, end)))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The events of a body, in order, without what is blank.
 *
 * @throws LyceumError body_unreadable where an array does not end, or has no comma where it needs one.
 */
export function candidates(body: Buffer, shape: Shape): Iterable<Candidate> {
  if (shape === 'lines') return lines(body, 0)
  if (shape === 'array') return items(body)
  return [{ start: skipBlanks(body, 0), end: body.length }]
}

function* lines(body: Buffer, from: number): Generator<Candidate> {
  let line = 0
  for (let start = from; start < body.length; ) {
    line++
    const end = lineEnd(body, start)
    const first = skipBlanks(body, start, end)
    if (first < end) yield { start: first, end, line }
    start = end + 1
  }
}

function* items(body: Buffer): Generator<Candidate> {
  let start = skipBlanks(body, skipBlanks(body, 0) + 1)
  for (let item = 0; ; item++) {
    const end = itemEnd(body, start)
    if (end === body.length)
      throw new LyceumError(
        'body_unreadable',
        'The body is an array that does not end: it was cut, or a ] is missing.',
      )
    const isLast = body[end] === CLOSE_ARRAY
    if (skipBlanks(body, start, end) < end) yield { start, end, item }
    else if (!(item === 0 && isLast))
      throw new LyceumError('body_unreadable', `The body is an array with a comma too many, at byte ${end}.`)
    if (isLast) {
      if (skipBlanks(body, end + 1) < body.length)
        throw new LyceumError('body_unreadable', `The body goes on after its array, at byte ${end + 1}.`)
      return
    }
    start = skipBlanks(body, end + 1)
  }
}

/** The place of the comma or bracket that ends an item of the outermost array. */
function itemEnd(body: Buffer, from: number): number {
  let depth = 0
  for (let at = from; at < body.length; at++) {
    const byte = body[at] ?? 0
    if (byte === QUOTE) at = stringEnd(body, at)
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++
    else if (depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY)) return at
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
  }
  return body.length
}

function stringEnd(body: Buffer, quote: number): number {
  let at = quote + 1
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1
  return at
}

function lineEnd(body: Buffer, from: number): number {
  const end = body.indexOf(LINE_FEED, from)
  return end < 0 ? body.length : end
}

/** A byte-order mark counts as blank at the very start. */
function skipBlanks(body: Buffer, from: number, end = body.length): number {
  let at = from
  if (at === 0 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) at = 3
  for (; at < end; at++) {
    const byte = body[at]
    if (byte !== 32 && byte !== LINE_FEED && byte !== 13 && byte !== 9) break
  }
  return at
}
