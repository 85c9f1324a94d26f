/** How many keys the events of a benchmark spread over. */
const KEYS = 1_000
/** Events in one request. */
const BODY_EVENTS = 500
/** The mean length of an event in the logs that the design's budget was made for. */
const EVENT_CHARS = 636
const FIRST_MS = Date.UTC(2026, 1, 2)

let lastEvent = 0

/** The next event of a browser, as an edX tracking log has it: no id, its payload a text. */
function nextLine(type: string): string {
  const n = ++lastEvent
  const course = 'course-v1:Lyceum+STAT101+2026'
  const event = {
    username: `learner${n % 5_000}`,
    event_type: type,
    event_source: 'browser',
    session: 'a14f8b3c2d9e47f6b0c1d2e3f4a5b6c7',
    time: new Date(FIRST_MS + n * 7).toISOString(),
    page: `https://courses.example.org/courses/${course}/courseware/week1/unit${n % 50}/`,
    host: 'courses.example.org',
    context: { course_id: course, org_id: 'Lyceum', user_id: n % 5_000, path: '/event' },
    event: JSON.stringify({ id: `video-${(n * 7919) % KEYS}`, code: 'mobile', currentTime: n % 600, n }),
    agent: '',
  }
  return JSON.stringify({ ...event, agent: 'M'.repeat(EVENT_CHARS - JSON.stringify(event).length) })
}

/** Requests of new events, as NDJSON. */
export function bodiesOf(type: string, events: number): Buffer[] {
  const bodies: Buffer[] = []
  for (let made = 0; made < events; made += BODY_EVENTS) {
    const lines = Array.from({ length: Math.min(BODY_EVENTS, events - made) }, () => nextLine(type))
    bodies.push(Buffer.from(lines.join('\n')))
  }
  return bodies
}

/** One new event. */
export function bodyOf(type: string): Buffer {
  return Buffer.from(nextLine(type))
}
