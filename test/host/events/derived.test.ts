import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withDerived } from '../../../host/dispatch/enrich/splice.ts'
import { readValues } from '../../../host/dispatch/enrich/values.ts'
import { compileFilter, compileLogFilter, mentionsDerived } from '../../../host/events/filter.ts'
import { textWithProps } from '../../../host/events/normalise.ts'
import { LIMITS } from '../../../host/limits.ts'
import type { EventFilter } from '../../../host/registry/event-filter.ts'

const hostProps = { id: 'i', type: 'play_video', received: '2026-01-01T00:00:00.000Z' }
const namesArb = fc.uniqueArray(fc.constantFrom('actor', 'tincan.actor', 'tincan.verb', 'b.a', 'b.c', 'z'), {
  minLength: 1,
})

describe('derived properties are put into an event', () => {
  test('whatever the event and the values are, nothing else of it changes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        namesArb,
        fc.array(fc.option(fc.jsonValue()), { minLength: 6, maxLength: 6 }),
        (event, names, values) => {
          const sorted = [...names].sort()
          const sent = JSON.stringify(event)
          const text = textWithProps(JSON.parse(sent), undefined, hostProps)
          const before = JSON.parse(text)
          const given = sorted.map((_, at) => (values[at] === null ? null : JSON.stringify(values[at])))
          const after = JSON.parse(withDerived(text, sorted, given))
          expect({ ...after, props: before.props }).toEqual(before)
          for (const key of Object.keys(before.props)) expect(after.props[key]).toEqual(before.props[key])
          for (const [at, name] of sorted.entries()) {
            const [first = '', own] = name.split('.')
            const found = own === undefined ? after.props[first] : after.props[first]?.[own]
            const value = given[at]
            expect(found).toEqual(typeof value === 'string' ? JSON.parse(value) : undefined)
          }
        },
      ),
    )
  })

  test('an event that was not serialised again, and one with props of its own, take them too', () => {
    const sent = '{"a": {"b": 1} }'
    for (const text of [
      textWithProps(JSON.parse(sent), sent, hostProps),
      textWithProps({ props: { tincan: 'forged' } }, undefined, hostProps),
      textWithProps({}, '{}', hostProps),
    ])
      expect(JSON.parse(withDerived(text, ['tincan.actor'], ['"ann"'])).props).toMatchObject({
        ...hostProps,
        tincan: { actor: 'ann' },
      })
  })
})

describe('what a property gave back', () => {
  const read = (...lines: string[]) => readValues(Buffer.from(lines.join('\n')), lines.length)

  test('is a value for each event, nothing, or an error', async () => {
    expect(await read('{"a":[1]}', '', '!{"code":"plugin_failed","message":"no"}', '!', 'null')).toEqual({
      values: ['{"a":[1]}', null, null, null, 'null'],
      failed: 2,
      error: { message: 'no' },
    })
  })

  test.each([
    ['text that would end the event', '1},"forged":true,"x":{"y":1'],
    ['no JSON at all', 'undefined'],
    ['a value and more', '1 2'],
    ['a value that is too long', JSON.stringify('x'.repeat(LIMITS.propertyChars))],
    ['a value that is nested too deeply', '['.repeat(9) + ']'.repeat(9)],
    ['a key that changes what an object is', '{"a":[{"__proto__":{"isAdmin":true}}]}'],
    ['an error that is none', '!{"message":1}'],
  ])('%s counts as an error of its event alone', async (_, line) => {
    expect(await read('1', line)).toMatchObject({ values: ['1', null], failed: 1 })
  })

  test('the largest and the deepest that are allowed pass', async () => {
    const lines = [JSON.stringify('x'.repeat(LIMITS.propertyChars - 2)), '['.repeat(8) + ']'.repeat(8)]
    expect((await read(...lines))?.values).toEqual(lines)
  })

  test('is no answer where it has fewer or more lines than there are events', async () => {
    expect(await readValues(Buffer.from('1\n2'), 3)).toBeUndefined()
    expect(await readValues(Buffer.from('1\n2\n3\n4'), 3)).toBeUndefined()
  })

  test('never makes anything of the host, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' })), async (lines) => {
        const found = await readValues(Buffer.from(lines.join('\n')), lines.length)
        for (const value of found?.values ?? []) if (value !== null) JSON.parse(value)
      }),
    )
  })
})

describe('a filter on derived properties', () => {
  const scalar = fc.constantFrom<string | number | null>('play_video', 'ann', 1, null)
  const field = fc.constantFrom('event_type', 'username', 'props.tincan.actor', 'props.weekday')
  const condition = fc.oneof(
    scalar,
    fc.array(scalar, { minLength: 1, maxLength: 2 }),
    fc.record({ $ne: scalar }),
    fc.record({ $exists: fc.boolean() }),
    fc.record({ $gt: fc.constantFrom<string | number>('a', 0) }),
    fc.record({ $not: scalar }),
  )
  const { filter } = fc.letrec<{ filter: EventFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      fc.tuple(field, condition).map(([name, asked]): EventFilter => ({ [name]: asked })),
      fc.record({ $not: tie('filter') }),
      fc.record({ $and: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
      fc.record({ $or: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
    ),
  }))
  const derived = fc.record(
    { tincan: fc.record({ actor: scalar }, { requiredKeys: [] }), weekday: scalar },
    { requiredKeys: [] },
  )

  test('what the log tells never excludes an event that the whole filter lets through', () => {
    fc.assert(
      fc.property(filter, scalar, scalar, derived, (where, type, username, added) => {
        const props = { ...hostProps, type: String(type ?? '') }
        const whole = compileFilter(where)
        const log = compileLogFilter(where)
        const matches = whole.test({ username, props: { ...props, ...added } })
        const mayMatch = log.test({ username, props })
        if (matches) expect(mayMatch).toBe(true)
        if (matches && log.types !== undefined) expect(log.types.has(props.type)).toBe(true)
        if (!mentionsDerived(where)) expect(mayMatch).toBe(matches)
      }),
      { numRuns: 2_000 },
    )
  })

  test('beside a type leaves the type alone to decide what is read of the log', () => {
    const log = compileLogFilter({ event_type: 'play_video', 'props.tincan.actor': 'ann' })
    expect(log.typeOnly).toBe(true)
    expect([...(log.types ?? [])]).toEqual(['play_video'])
    expect(compileLogFilter({ $not: { event_type: 'a', 'props.weekday': 1 } }).types).toBeUndefined()
  })
})
