import { type Happening, isoTime, SITE, type TrackingEvent } from './envelope.ts'
import { Heap } from './heap.ts'
import type { Random } from './random.ts'

/**
 * How often real logs are odd, as shares of the lines that can be. Small, as in real logs, and large
 * enough that fifty learners meet each oddity.
 */
const RATES = {
  payloadAsObject: 0.15,
  emptyPayload: 0.3,
  busEnvelope: 0.03,
  noCourseId: 0.01,
  blankUserId: 0.006,
  textUserId: 0.01,
  newlineInUsername: 0.004,
  newlineInVideoId: 0.01,
  missingField: 0.01,
  syslogPrefix: 0.01,
  comment: 0.0005,
  cut: 0.01,
  repeated: 0.008,
}

/** Where the logging system cuts a line, and the LMS the text of a request. */
const LINE_LENGTH = 2043
const REQUEST_LENGTH = 512

type Wire = Record<string, unknown>

/** One line of the log, and what it is: a good event, one sent again, or nothing that can be read. */
export type Entry =
  | { kind: 'event'; event: TrackingEvent; wire: Wire; prefix: string }
  | { kind: 'repeat'; wire: Wire; prefix: string }
  | { kind: 'unreadable'; line: string }

/** The log as an LMS with a long history would have written it. */
export function* damage(happenings: Iterable<Happening>, random: Random): Generator<Entry> {
  const repeats = new Heap<Entry>()
  yield { kind: 'unreadable', line: '# tracking log of the sample course' }
  for (const { atMs, learner, event } of happenings) {
    while (repeats.smallest <= atMs) yield* next(repeats)
    if (random.chance(RATES.comment)) yield { kind: 'unreadable', line: `# rotated at ${isoTime(atMs, 0)}` }
    if (event.event_source === 'mobile' && learner.phoneSkewMs !== 0) {
      event.time = isoTime(atMs + learner.phoneSkewMs, random.below(1000))
    }
    const wire = disguise(event, random)
    const prefix = random.chance(RATES.syslogPrefix) ? syslogPrefix(atMs) : ''
    if (random.chance(RATES.cut)) {
      const line = prefix + JSON.stringify(wire)
      if (line.length > LINE_LENGTH) {
        yield { kind: 'unreadable', line: line.slice(0, LINE_LENGTH) }
        continue
      }
    }
    yield { kind: 'event', event, wire, prefix }
    if (random.chance(RATES.repeated)) {
      const laterMs = random.between(1000, 7_200_000)
      repeats.push(atMs + laterMs, { kind: 'repeat', wire: sentAgain(wire, laterMs, random), prefix })
    }
  }
  while (repeats.smallest < Number.POSITIVE_INFINITY) yield* next(repeats)
}

function* next(repeats: Heap<Entry>): Generator<Entry> {
  const entry = repeats.pop()
  if (entry !== undefined) yield entry
}

/** The event in one of the forms that it may have in a log; all mean the same. */
function disguise(event: TrackingEvent, random: Random): Wire {
  const wire: Wire = { ...event }
  const context: Wire = { ...event.context }
  wire.context = context
  if (event.event_source !== 'server' && isPlainObject(event.event)) {
    const payload = { ...event.event }
    if ('code' in payload && random.chance(RATES.newlineInVideoId)) payload.id = `${String(payload.id)}\n`
    wire.event = payload
    if (event.event_type === 'page_close' && random.chance(RATES.emptyPayload)) wire.event = ''
    else if (event.event_source === 'browser' && !random.chance(RATES.payloadAsObject)) {
      wire.event = JSON.stringify(payload)
    }
  }
  if (event.event_type.startsWith('/')) {
    wire.event = JSON.stringify(event.event).slice(0, REQUEST_LENGTH)
  }
  if (random.chance(RATES.newlineInUsername)) wire.username = `${event.username}\n`
  if (random.chance(RATES.blankUserId)) context.user_id = ''
  else if (random.chance(RATES.textUserId)) context.user_id = String(event.context.user_id)
  if (random.chance(RATES.noCourseId) && urlNamesCourse(event)) {
    context.course_id = ''
    context.org_id = ''
  }
  if (random.chance(RATES.missingField)) {
    delete wire[random.pick(['session', 'referer', 'accept_language', 'host', 'agent', 'ip'])]
  }
  if (random.chance(RATES.busEnvelope) && !event.event_type.startsWith('/')) return onTheBus(wire, random)
  return wire
}

/** The envelope of the event bus, half of the time mixed with the logged one. */
function onTheBus(wire: Wire, random: Random): Wire {
  const { event, event_type, time, name, username, context, ...rest } = wire
  const bus: Wire = { id: uuid(random), name: name ?? event_type, timestamp: time, data: event }
  if (random.chance(0.5)) return { ...rest, username, event_type, ...bus, context }
  return { ...bus, context: { ...(isPlainObject(context) ? context : {}), username, ...rest } }
}

/** The line again; where the event has an id, that says it is the same although its time is another. */
function sentAgain(wire: Wire, laterMs: number, random: Random): Wire {
  if (typeof wire.id !== 'string' || typeof wire.timestamp !== 'string' || random.chance(0.3)) return wire
  const later = isoTime(Date.parse(wire.timestamp) + laterMs, 0)
  // On the same day, so that a count by day does not depend on which of the two comes first.
  return later.slice(0, 10) === wire.timestamp.slice(0, 10) ? { ...wire, timestamp: later } : wire
}

function urlNamesCourse(event: TrackingEvent): boolean {
  const { course_id } = event.context
  if (course_id === '') return false
  const urls = [event.event_type, event.page ?? '']
  return urls.some((url) => url.includes(`/courses/${course_id}/`))
}

function syslogPrefix(atMs: number): string {
  const clock = new Date(atMs).toUTCString()
  return `${clock.slice(8, 11)} ${clock.slice(5, 7)} ${clock.slice(17, 25)} ${SITE} [tracking][14820] INFO [logger.py:79] - `
}

function uuid(random: Random): string {
  const hex = random.hex(32)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
