import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical } from '../../../host/events/identity.ts'
import { intake, JSON_BODY, NDJSON } from './intake.ts'

const TIME = '2026-01-02T03:04:05.678901+00:00'

function ids(...events: unknown[]): string[] {
  return intake(JSON.stringify(events), JSON_BODY).ids
}

function distinct(values: readonly string[]): number {
  return new Set(values).size
}

describe('identity', () => {
  test('an id of its own counts, whatever else has changed', () => {
    for (const name of ['id', 'uuid', 'event_id'])
      expect(distinct(ids({ [name]: 'a', time: TIME }, { [name]: 'a', x: 1 }, { x: 2, [name]: 'a' }))).toBe(1)
    expect(distinct(ids({ id: 'a', time: TIME }, { id: 'b', time: TIME }))).toBe(2)
  })

  test('an id that is no text, empty or endless does not count', () => {
    for (const id of [7, '', null, {}, 'x'.repeat(513)])
      expect(
        distinct(ids({ id, time: TIME, n: 1 }, { id, time: TIME, n: 2 }, { id, time: TIME, n: 1 })),
      ).toBe(2)
  })

  test('content with a time counts, in any order of keys', () => {
    const same = ids({ time: TIME, a: { b: 1, c: [2] } }, { a: { c: [2], b: 1.0 }, time: TIME })
    expect(distinct(same)).toBe(1)
    expect(
      distinct(ids({ time: TIME, a: [1, 2] }, { time: TIME, a: [2, 1] }, { time: TIME, a: ['1', 2] })),
    ).toBe(3)
  })

  test('it begins with the time, so that the index of the log grows at its end', () => {
    const [early = '', late = ''] = ids({ time: '2020-01-01T00:00:00Z' }, { time: '2020-01-01T00:00:01Z' })
    expect(Number.parseInt(late.slice(0, 8), 16) - Number.parseInt(early.slice(0, 8), 16)).toBe(1)
  })

  test('what has neither id nor time counts each time it is delivered', () => {
    expect(distinct(ids({ a: 1 }, { a: 1 }))).toBe(2)
  })

  test('an Idempotency-Key makes the same delivery count once', () => {
    const body = '{"a":1}\n{"a":1}\n'
    const send = (idempotencyKey: string) => intake(body, { ...NDJSON, idempotencyKey }).ids
    const first = send('k')
    expect(distinct(first)).toBe(2)
    expect(send('k')).toEqual(first)
    expect(distinct([...first, ...send('l')])).toBe(4)
  })

  test('an id cannot be made to equal the content of another event', () => {
    const event = { time: TIME, a: 1 }
    expect(distinct(ids(event, { id: `c${canonical(event)}` }, { id: canonical(event) }))).toBe(3)
  })

  test('__proto__ is content like any other', () => {
    const body = `[{"time":"${TIME}","__proto__":{"a":1}},{"time":"${TIME}","__proto__":{"a":2}},{"time":"${TIME}"}]`
    expect(distinct(intake(body, JSON_BODY).ids)).toBe(3)
  })
})

describe('the canonical text', () => {
  test('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse())
        expect(canonical(reversed)).toBe(canonical(object))
      }),
    )
  })
  test('differs where the values differ', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
        expect(canonical(left) === canonical(right)).toBe(canonicalEqual(left, right))
      }),
    )
  })
})

function canonicalEqual(left: unknown, right: unknown): boolean {
  try {
    expect(JSON.parse(JSON.stringify(left))).toEqual(JSON.parse(JSON.stringify(right)))
    return true
  } catch {
    return false
  }
}
