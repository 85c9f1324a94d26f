import { courseKey } from './course.ts'
import { isEdx, shapeEdx } from './edx.ts'
import { isObject, type JsonObject, nonBlank } from './json.ts'
import { isoTime } from './time.ts'

/** What the host itself understood of an event. */
export interface Facts {
  /** `play_video`, a verb's address, `NavigationEvent`; empty where nothing names one. */
  type: string
  /** When it happened, as its sender's clock had it, like `2014-05-02T16:44:35.901Z`. */
  time: string | undefined
  course: string | undefined
  user: string | undefined
}

/** What the host adds to every event, as `event.props`. */
export interface EventProps {
  id: string
  type: string
  time?: string
  /** When the host got it, by the host's clock. */
  received: string
  course?: string
  user?: string
  /** The event's own `props`, if it had any. */
  raw?: unknown
}

/** When an event happened, or undefined: with a time, its content is an identity. */
export function timeOf(event: JsonObject): string | undefined {
  return isoTime(event.time) ?? isoTime(event.timestamp) ?? isoTime(event.eventTime)
}

/**
 * Brings a parsed event, in place, to the shape that handlers get, and reads the facts of it. Raw keys
 * stay where they are. xAPI, Caliper and other objects are left as they came.
 *
 * @returns the facts, and whether the event differs from what was sent.
 */
export function normalise(event: JsonObject, time: string | undefined): { facts: Facts; changed: boolean } {
  const verb = isObject(event.verb) ? nonBlank(event.verb.id) : undefined
  if (verb !== undefined && isObject(event.actor))
    return { facts: { type: verb, time, course: undefined, user: agentName(event.actor) }, changed: false }
  if (isCaliper(event)) {
    const type = nonBlank(event.type) ?? nonBlank(event.action) ?? ''
    return { facts: { type, time, course: undefined, user: caliperActor(event.actor) }, changed: false }
  }
  const context = isObject(event.context) ? event.context : undefined
  const type = nonBlank(event.name) ?? nonBlank(event.event_type) ?? nonBlank(event.type) ?? ''
  const user = userOf(event, context)
  if (!isEdx(event)) {
    const course = courseKey(context?.course_id) ?? courseKey(event.course_id)
    return { facts: { type, time, course, user }, changed: false }
  }
  const { course, changed } = shapeEdx(event)
  return { facts: { type, time, course, user }, changed }
}

function isCaliper(event: JsonObject): boolean {
  const context = event['@context']
  const names = Array.isArray(context) ? context : [context]
  return names.some((name) => typeof name === 'string' && name.includes('/caliper/'))
}

function userOf(event: JsonObject, context: JsonObject | undefined): string | undefined {
  return (
    nonBlank(event.username) ??
    nonBlank(context?.username) ??
    userId(context?.user_id) ??
    userId(event.user_id)
  )
}

function userId(id: unknown): string | undefined {
  return typeof id === 'number' ? String(id) : nonBlank(id)
}

function agentName(actor: JsonObject): string | undefined {
  const account = isObject(actor.account) ? nonBlank(actor.account.name) : undefined
  return account ?? nonBlank(actor.mbox)?.replace(/^mailto:/i, '')
}

function caliperActor(actor: unknown): string | undefined {
  return isObject(actor) ? nonBlank(actor.id) : nonBlank(actor)
}

/**
 * The text that the log keeps and isolates get: the event with `props` as its last key.
 *
 * @param event is not to be used afterwards.
 * @param json the event as it was sent, if it was not changed since: then it is not serialised again.
 */
export function textWithProps(event: JsonObject, json: string | undefined, props: EventProps): string {
  if (event.props !== undefined) {
    const { props: raw, ...rest } = event
    return JSON.stringify({ ...rest, props: { ...props, raw } })
  }
  if (json === undefined) {
    event.props = props
    return JSON.stringify(event)
  }
  const body = json.slice(0, json.lastIndexOf('}'))
  const comma = isEmpty(event) ? '' : ','
  return `${body}${comma}"props":${JSON.stringify(props)}}`
}

function isEmpty(event: JsonObject): boolean {
  for (const _ in event) return false
  return true
}
