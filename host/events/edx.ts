import { courseKey, courseOfUrl } from './course.ts'
import { isDeeperThan, isObject, type JsonObject, nonBlank } from './json.ts'

/** Browsers' events reach a tracking log with `event` cut to this many characters. */
const CUT_CHARACTERS = 512

/** A text inside an event that nests deeper than this stays a text: its levels come on top of the event's. */
const PAYLOAD_DEPTH = 32

/** True for a line of an edX tracking log, in the logged or the bus envelope. */
export function isEdx(event: JsonObject): boolean {
  if (typeof event.event_type === 'string' || typeof event.event_source === 'string') return true
  return (
    typeof event.name === 'string' &&
    (event.event !== undefined || event.data !== undefined || event.context !== undefined)
  )
}

/**
 * Brings an edX event, in place, to the one shape that handlers rely on: `event_type`, `time`, `event`
 * and `context` at the top level beside its raw keys, `event` parsed where it is a text of JSON or of
 * form fields, `context.course_id` filled in where an address tells it.
 *
 * @returns the course, if any, and whether anything was changed.
 */
export function shapeEdx(event: JsonObject): { course: string | undefined; changed: boolean } {
  let changed = fillFromBus(event)

  const payload = event.event
  if (typeof payload === 'string' || payload === undefined || payload === null) {
    event.event = readPayload(payload, nonBlank(event.name) ?? nonBlank(event.event_type) ?? '')
    if (event.event !== payload) changed = true
  }
  const body = isObject(event.event) ? event.event : undefined
  if (typeof body?.id === 'string') {
    const id = body.id.trim()
    if (id !== body.id) {
      body.id = id
      changed = true
    }
  }

  if (event.context === undefined || event.context === null) {
    event.context = {}
    changed = true
  }
  const context = isObject(event.context) ? event.context : undefined
  const named = courseKey(context?.course_id)
  const course =
    named ??
    courseKey(body?.course_id) ??
    courseOfUrl(event.page) ??
    courseOfUrl(event.event_type) ??
    courseOfUrl(event.referer) ??
    courseOfUrl(context?.path)
  if (context && course !== undefined && named === undefined) {
    context.course_id = course
    changed = true
  }
  return { course, changed }
}

/** The bus calls `event_type` `name`, `time` `timestamp` and `event` `data`; mixtures of both occur. */
function fillFromBus(event: JsonObject): boolean {
  let changed = false
  for (const [logged, bus] of [
    ['event_type', 'name'],
    ['time', 'timestamp'],
    ['event', 'data'],
  ] as const) {
    if (event[logged] !== undefined || event[bus] === undefined) continue
    // A copy: trimming `event.id` must leave the raw `data` as it was sent.
    event[logged] = isObject(event[bus]) ? { ...event[bus] } : event[bus]
    changed = true
  }
  return changed
}

function readPayload(payload: string | undefined | null, type: string): unknown {
  if (payload === undefined || payload === null) return {}
  const text = payload.trim()
  if (text === '') return {}
  if (text.startsWith('{') || text.startsWith('[')) return parsePayload(text) ?? payload
  if (payload.length !== CUT_CHARACTERS && type.startsWith('problem_') && text.includes('='))
    return readForm(text)
  return payload
}

/** Undefined for a text that was cut or nests too deeply. */
function parsePayload(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isDeeperThan(value, PAYLOAD_DEPTH) ? undefined : value
  } catch {
    return undefined
  }
}

/** `a=1&b[]=2&b[]=3` → `{ a: '1', 'b[]': ['2', '3'] }`: a name with `[]`, or one that recurs, is a list. */
function readForm(text: string): JsonObject {
  const fields: JsonObject = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields[name]
    if (Array.isArray(before)) before.push(value)
    else if (before !== undefined) fields[name] = [before, value]
    else fields[name] = name.endsWith('[]') ? [value] : value
  }
  return fields
}
