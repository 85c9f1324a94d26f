import type { Device, Learner } from './learner.ts'
import type { Syllabus } from './syllabus.ts'

/** The site that the sample course is on. */
export const SITE = 'learn.example.org'

/** What an LMS writes about one event: edX's logged envelope. */
export interface TrackingEvent {
  username: string
  event_type: string
  /** Newer events have a name too; where both are there, it wins over `event_type`. */
  name?: string
  ip: string
  agent: string
  host: string
  session: string
  referer: string
  accept_language: string
  event: unknown
  event_source: 'browser' | 'mobile' | 'server'
  context: TrackingContext
  time: string
  page: string | null
}

/** The `context` of a tracking-log line. */
export interface TrackingContext {
  user_id: number
  org_id: string
  course_id: string
  path: string
  /** The block that a server event is about. */
  module?: { display_name: string; usage_key: string }
  /** Mobile events say which app sent them and when they arrived. */
  application?: { name: string; version: string }
  received_at?: string
}

/** An event with its place in the order of things, which the clock in the event may get wrong. */
export interface Happening {
  atMs: number
  learner: Learner
  event: TrackingEvent
}

/** A learner at a device, from sign-in to leaving; every event moves its clock on. */
export interface Visit {
  learner: Learner
  syllabus: Syllabus
  device: Device
  session: string
  /** The page that is open, as a path from the site's root. */
  path: string
  nowMs: number
}

/** Lets time go by. */
export function wait(visit: Visit, seconds: number): void {
  visit.nowMs += Math.max(0, Math.round(seconds * 1000))
}

/** An event that a script in the page sends. */
export function browser(visit: Visit, type: string, event: unknown, name?: string): Happening {
  return happening(visit, { type, name, event, source: 'browser', path: '/event', page: pageUrl(visit) })
}

/** An event of the video player: from the page, or from the app where that is a phone. */
export function player(visit: Visit, type: string, event: unknown): Happening {
  if (visit.device.kind === 'desktop') return browser(visit, type, event)
  const sent = happening(visit, { type, event, source: 'mobile', path: '/segmentio/event', page: null })
  sent.event.context.application = { name: 'org.example.learn.mobile', version: '5.2.1' }
  sent.event.context.received_at = isoTime(sent.atMs, 0)
  return sent
}

/** An event that the LMS writes of its own accord, about a block where there is one. */
export function server(
  visit: Visit,
  type: string,
  event: unknown,
  options: { path: string; block?: { title: string; usageKey: string } },
): Happening {
  const { path, block } = options
  const page = block === undefined ? null : 'x_module'
  const written = happening(visit, { type, event, source: 'server', path, page })
  if (block !== undefined) {
    written.event.context.module = { display_name: block.title, usage_key: block.usageKey }
  } else {
    written.event.name = type
  }
  return written
}

/** The implicit event that every request leaves: its path is the event's type. */
export function request(visit: Visit, path: string, post: Record<string, string[]> = {}): Happening {
  return happening(visit, {
    type: path,
    event: { POST: post, GET: {} },
    source: 'server',
    path,
    page: null,
  })
}

/** The time as edX writes it, in microseconds. */
export function isoTime(atMs: number, micros: number): string {
  const digits = new Date(atMs).toISOString().slice(0, 23)
  return `${digits}${String(micros).padStart(3, '0')}+00:00`
}

function happening(
  visit: Visit,
  facts: {
    type: string
    name?: string | undefined
    event: unknown
    source: TrackingEvent['event_source']
    path: string
    page: string | null
  },
): Happening {
  const { learner, syllabus } = visit
  const atMs = visit.nowMs
  // A millisecond apart at least: two events of a learner are never alike, so none can pass for a repeat.
  visit.nowMs += 1
  const inCourse = facts.path !== '/dashboard'
  const event: TrackingEvent = {
    username: learner.username,
    event_type: facts.type,
    ...(facts.name === undefined ? {} : { name: facts.name }),
    ip: learner.ip,
    agent: visit.device.agent,
    host: SITE,
    session: visit.session,
    referer: pageUrl(visit),
    accept_language: learner.language,
    event: facts.event,
    event_source: facts.source,
    context: {
      user_id: learner.userId,
      org_id: inCourse ? syllabus.org : '',
      course_id: inCourse ? syllabus.courseId : '',
      path: facts.path,
    },
    time: isoTime(atMs, learner.random.below(1000)),
    page: facts.page,
  }
  return { atMs, learner, event }
}

function pageUrl(visit: Visit): string {
  return `https://${SITE}${visit.path}`
}
