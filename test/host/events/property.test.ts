import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../../host/events/json.ts'
import { intake, JSON_BODY, NDJSON } from './intake.ts'

/** Keys that the host reads, so that events are often almost right. */
const key = fc.oneof(
  fc.constantFrom(
    'event',
    'event_type',
    'name',
    'data',
    'context',
    'time',
    'timestamp',
    'props',
    'username',
    'page',
  ),
  fc.constantFrom(
    'id',
    'verb',
    'actor',
    '@context',
    'type',
    '__proto__',
    'constructor',
    'toJSON',
    'course_id',
  ),
  fc.string(),
)
const value = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('', '{"id":"v\\n"}', '[]', 'a=1&b=2', '2026-01-01T00:00:00Z', 'http://x/courses/a/b/c/'),
  fc.dictionary(key, fc.jsonValue(), { maxKeys: 4 }),
)
const item = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(key, value, { maxKeys: 8 }) },
  { weight: 1, arbitrary: fc.jsonValue() },
)

test('of any array of JSON values, each is accepted or rejected, and keeps its raw keys', () => {
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const sent: unknown[] = JSON.parse(JSON.stringify(items))
      const { events, rejected } = intake(JSON.stringify(sent), JSON_BODY)
      expect(events.length + rejected.length).toBe(sent.length)
      const refused = new Set(rejected.map(({ index }) => index))
      const kept = sent.filter((_, index) => !refused.has(index))
      for (const [at, event] of events.entries()) expectRaw(event, kept[at] as JsonObject)
    }),
    { numRuns: 1000 },
  )
})

test('lines and arrays of the same events come to the same', () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(key, value, { maxKeys: 8 }), { minLength: 1 }), (events) => {
      const dated = events.map((event) => ({ ...event, id: undefined, time: '2026-01-01T00:00:00Z' }))
      const lines = dated.map((event) => JSON.stringify(event)).join('\n')
      expect(intake(lines, NDJSON)).toEqual(intake(`[${lines.replaceAll('\n', ',')}]`, JSON_BODY))
    }),
  )
})

test('no bytes whatever do more than refuse', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array(), fc.string()),
      fc.constantFrom(JSON_BODY, NDJSON, {}),
      (body, about) => {
        try {
          intake(body, about)
        } catch (error) {
          expect(error).toMatchObject({ code: 'body_unreadable' })
        }
      },
    ),
    { numRuns: 1000 },
  )
})

/** Only what the normal form is made of may differ: a payload that was a text, an id's blanks, missing parts. */
function expectRaw(event: JsonObject, sent: JsonObject): void {
  const { props, ...rest } = event
  expect(props).toHaveProperty('id')
  for (const [name, value] of Object.entries(sent)) {
    const now = Object.getOwnPropertyDescriptor(rest, name)?.value
    if (name === 'props') expect((props as JsonObject).raw).toEqual(value)
    else if (name === 'context' && value === null) expect([null, {}]).toContainEqual(withoutCourse(now))
    else if (name === 'context' && isObject(value)) expect(now).toMatchObject({ ...withoutCourse(value) })
    else if (name === 'event' && isObject(value)) expect(withoutId(now)).toEqual(withoutId(value))
    else if (name === 'event' && (value === null || typeof value === 'string')) expect(now).toBeDefined()
    else expect(now).toEqual(value)
  }
}

function withoutCourse(value: unknown): object | null {
  if (value === null) return null
  const { course_id: _, ...rest } = { ...(value as JsonObject) }
  return rest
}

function withoutId(value: unknown): unknown {
  return isObject(value) ? { ...(value as JsonObject), id: undefined } : value
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
