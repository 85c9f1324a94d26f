import { type ErrorCode, LyceumError } from '../errors.ts'
import { count } from '../text.ts'
import { type Candidate, candidates, decodeBody, shapeOf } from './body.ts'
import { identify } from './identity.ts'
import { isDeeperThan, isObject, type JsonObject } from './json.ts'
import { normalise, textWithProps, timeOf } from './normalise.ts'
import { type Row, RowPacker, type Rows } from './rows.ts'

/** What one request may hold; a part of the host's limits. */
export interface IntakeLimits {
  /** A body after gunzip: a small gzip that unpacks to gigabytes. */
  unpackedBodyBytes: number
  /** One event, as it was sent. */
  eventBytes: number
  /** Objects and arrays inside each other: what reads an event recurses. */
  eventDepth: number
  /** Also bounds the answer, which lists every rejected event. */
  eventsPerRequest: number
}

/** What came with a body. */
export interface About {
  contentType?: string | undefined
  contentEncoding?: string | undefined
  /** Names this delivery, so that sending it again counts nothing twice. */
  idempotencyKey?: string | undefined
  /** When it arrived, in ms since 1970. */
  receivedMs: number
}

/** Why one event of a body was left out. */
export interface Rejected {
  /** Its place among the events of the body, counted from 0; blank lines do not count. */
  index: number
  code: ErrorCode
  message: string
}

/**
 * Reads the events out of a request's body. A bad event costs only itself.
 *
 * @throws LyceumError unsupported_encoding, body_unreadable or body_too_large where no event can be told.
 */
export function accept(
  bytes: Uint8Array,
  about: About,
  limits: IntakeLimits,
): { rows: Rows; rejected: Rejected[] } {
  const sent = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const body = decodeBody(sent, about.contentEncoding, limits.unpackedBodyBytes)
  const shape = shapeOf(body, about.contentType, limits.eventBytes)
  const received = new Date(about.receivedMs).toISOString()
  // What the host adds to an event is often as long as a quarter of it.
  const rows = new RowPacker(about.receivedMs, body.length + (body.length >> 2))
  const rejected: Rejected[] = []
  let index = -1
  for (const candidate of candidates(body, shape)) {
    index++
    if (index === limits.eventsPerRequest)
      throw new LyceumError(
        'body_too_large',
        `The body has more than ${count(limits.eventsPerRequest)} events. Send them in parts.`,
      )
    const read = readEvent(body, candidate, limits)
    if ('refusal' in read) {
      // Lines fail one by one; a document or array that is not JSON was never well formed as a whole.
      if (shape !== 'lines' && read.code === 'event_not_json')
        throw new LyceumError('body_unreadable', `The body is not JSON: ${read.refusal}`)
      rejected.push({ index, code: read.code, message: read.refusal })
      continue
    }
    rows.add(toRow(read.event, read.json, received, index, about))
  }
  return { rows: rows.rows(), rejected }
}

function toRow(event: JsonObject, json: string, received: string, index: number, about: About): Row {
  const time = timeOf(event)
  const { idempotencyKey, receivedMs } = about
  const id = identify(event, time, { idempotencyKey, index, receivedMs })
  const { facts, changed } = normalise(event, time)
  // Half of a surrogate pair would come back from the database as another type.
  const type = facts.type.toWellFormed()
  // A text of the log is one line, and is not serialised again if it can be left as it is.
  const text = textWithProps(event, changed || json.includes('\n') ? undefined : json, {
    id,
    type,
    time: facts.time,
    received,
    course: facts.course,
    user: facts.user,
  })
  return { key: id, type, course: facts.course, text }
}

type Read = { event: JsonObject; json: string } | { code: ErrorCode; refusal: string }

function readEvent(body: Buffer, candidate: Candidate, limits: IntakeLimits): Read {
  const { start, end, line } = candidate
  if (end - start > limits.eventBytes)
    return {
      code: 'event_too_large',
      refusal: `${placeOf(candidate)} has ${count(end - start)} bytes; ${count(limits.eventBytes)} are allowed.`,
    }
  const text = body.toString('utf8', start, end).trim()
  if (line !== undefined && text.startsWith('#'))
    return { code: 'event_comment', refusal: `${placeOf(candidate)} is a comment, not an event.` }
  // A log that came through syslog has its time, host and logger before the event.
  const brace = line === undefined || text.startsWith('{') ? 0 : text.indexOf('{')
  const json = brace > 0 && !isJson(text) ? text.slice(brace) : text
  let event: unknown
  try {
    event = JSON.parse(json)
  } catch (error) {
    if (line !== undefined && json.startsWith('{') && !json.endsWith('}'))
      return {
        code: 'event_truncated',
        refusal: `${placeOf(candidate)} breaks off after ${count(text.length)} characters: whatever wrote it cuts long lines.`,
      }
    const reason = error instanceof SyntaxError ? error.message : 'it cannot be parsed'
    return { code: 'event_not_json', refusal: `${placeOf(candidate)} at byte ${start}: ${reason}.` }
  }
  if (!isObject(event))
    return {
      code: 'event_not_object',
      refusal: `${placeOf(candidate)} is ${nameOf(event)}; an event is an object, {…}.`,
    }
  if (isDeeperThan(event, limits.eventDepth))
    return {
      code: 'event_too_deep',
      refusal: `${placeOf(candidate)} is nested more than ${limits.eventDepth} levels deep.`,
    }
  return { event, json }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function placeOf({ line, item }: Candidate): string {
  if (line !== undefined) return `Line ${line}`
  return item === undefined ? 'The event' : `The event at index ${item}`
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
