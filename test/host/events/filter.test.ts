import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileFilter } from '../../../host/events/filter.ts'
import { type EventFilter, filterProblem } from '../../../host/registry/event-filter.ts'

const event = {
  event_type: 'seq_goto',
  name: 'edx.ui.lms.sequence.tab_selected',
  event: { id: 'v', n: 5, tags: ['a', 'b'], answers: [{ ok: true }, { ok: false, why: null }] },
  context: { course_id: 'c', user_id: null },
  props: { type: 'edx.ui.lms.sequence.tab_selected' },
}

describe('a filter', () => {
  const matching: EventFilter[] = [
    {},
    { event_type: 'edx.ui.lms.sequence.tab_selected' },
    { event_type: ['x', 'edx.ui.lms.sequence.tab_selected'] },
    { 'context.course_id': 'c', 'event.n': 5 },
    { 'event.n': { $gt: 4, $lte: 5 } },
    { 'event.tags': 'b' },
    { 'event.tags.1': 'b' },
    { 'event.answers.ok': false },
    { 'context.user_id': null, 'context.nothing': null },
    { 'context.user_id': { $exists: true }, 'context.nothing': { $exists: false } },
    { 'event.id': { $not: ['w', 'x'] }, 'event.n': { $not: { $gt: 5 } } },
    { $or: [{ 'event.id': 'w' }, { $and: [{ 'event.id': 'v' }, { 'event.n': { $ne: 6 } }] }] },
    { $not: { 'event.id': 'w' } },
    { 'event.n': { $ne: '5' } },
  ]
  const others: EventFilter[] = [
    { event_type: 'seq_goto' },
    { event_type: null },
    { 'event.n': '5' },
    { 'event.n': { $gt: '4' } },
    { 'event.id': { $gt: 1 } },
    { 'event.tags': { $ne: 'a' } },
    { 'event.tags.length': 2 },
    { 'context.constructor': { $exists: true } },
    { 'event.id.length': { $exists: true } },
    { $or: [{ 'event.id': 'w' }, { 'event.n': 6 }] },
  ]
  test.each(matching)('%j matches', (filter) => expect(compileFilter(filter).test(event)).toBe(true))
  test.each(others)('%j does not match', (filter) => expect(compileFilter(filter).test(event)).toBe(false))
})

test.each<EventFilter>([
  { event_type: { $exists: false } },
  { event_type: null },
  { event_type: ['play_video', null] },
  { event_type: '' },
])('%j matches an event of which nothing names a type, and no other', (filter) => {
  const { test: matches } = compileFilter(filter)
  expect(matches({ props: { type: '' } })).toBe(true)
  expect(matches({ props: { type: 'seq_goto' } })).toBe(false)
})

describe('the types of a filter', () => {
  const cases: [EventFilter, string[] | undefined, boolean][] = [
    [{}, undefined, true],
    [{ event_type: 'a' }, ['a'], true],
    [{ 'props.type': ['a', 'b'] }, ['a', 'b'], true],
    [{ event_type: { $in: ['a', 'b'], $ne: 'b' } }, ['a'], true],
    [{ event_type: ['a', 'b'], 'event.id': 'v' }, ['a', 'b'], false],
    [{ $and: [{ event_type: ['a', 'b'] }, { event_type: ['b', 'c'] }] }, ['b'], true],
    [{ $or: [{ event_type: 'a' }, { event_type: 'b', 'event.n': 1 }] }, ['a', 'b'], false],
    [{ $or: [{ event_type: 'a' }, { 'event.n': 1 }] }, undefined, false],
    [{ $not: { event_type: 'a' } }, undefined, true],
    [{ event_type: { $not: ['a'] } }, undefined, true],
    [{ event_type: { $gte: 'edx.', $lt: 'edx/' } }, undefined, true],
    [{ event_type: null }, [''], true],
    [{ event_type: ['a', null] }, ['a', ''], true],
    [{ event_type: { $exists: false } }, undefined, true],
  ]
  test.each(cases)('%j', (filter, types, typeOnly) => {
    const compiled = compileFilter(filter)
    expect(compiled.types && [...compiled.types]).toEqual(types)
    expect(compiled.typeOnly).toBe(typeOnly)
  })
})

const scalar = fc.constantFrom<string | number | boolean | null>(
  'a',
  'b',
  'c',
  '',
  0,
  1,
  2,
  -1.5,
  true,
  false,
  null,
)
const field = fc.constantFrom('event_type', 'props.type', 'x', 'x.y', 'x.0', 'x.y.z', 'constructor.name')
const bound = fc.constantFrom<string | number>('a', 'b', 0, 1)
const operators = fc
  .record(
    {
      $eq: scalar,
      $ne: scalar,
      $in: fc.array(scalar, { minLength: 1, maxLength: 3 }),
      $exists: fc.boolean(),
      $gt: bound,
      $gte: bound,
      $lt: bound,
      $lte: bound,
      $not: fc.oneof(
        scalar,
        fc.record({ $gt: bound }),
        fc.record({ $in: fc.array(scalar, { minLength: 1 }) }),
      ),
    },
    { requiredKeys: [] },
  )
  .filter((asked) => Object.keys(asked).length > 0)
const { filter } = fc.letrec<{ filter: EventFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.dictionary(field, fc.oneof(scalar, fc.array(scalar, { minLength: 1, maxLength: 3 }), operators), {
      maxKeys: 2,
    }),
    fc.record({ $and: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ $or: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ $not: tie('filter') }),
  ) as fc.Arbitrary<EventFilter>,
}))
const leaf = fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }))
const nested = fc.oneof(
  leaf,
  fc.record({ y: leaf }, { requiredKeys: [] }),
  fc.array(fc.record({ y: leaf }), { maxLength: 2 }),
  fc.record({ y: fc.record({ z: leaf }) }),
)
const anyEvent = fc.record(
  { props: fc.record({ type: fc.constantFrom('a', 'b', 'c', '') }), x: nested },
  { requiredKeys: ['props'] },
)

describe('every filter', () => {
  test('answers as its plain reading does', () => {
    fc.assert(
      fc.property(filter, anyEvent, (asked, given) => {
        fc.pre(filterProblem(asked) === undefined)
        expect(compileFilter(asked).test(given)).toBe(plainly(asked, given))
      }),
      { numRuns: 3000 },
    )
  })

  test('keeps its promise about types', () => {
    fc.assert(
      fc.property(filter, anyEvent, (asked, given) => {
        const { types, typeOnly, test: matches } = compileFilter(asked)
        const { type } = given.props
        if (types && matches(given)) expect(types.has(type)).toBe(true)
        if (typeOnly) expect(matches(given)).toBe(types ? types.has(type) : matches({ props: { type } }))
      }),
      { numRuns: 3000 },
    )
  })
})

/** The rules read literally: collect what a field holds, then ask each operator about all of it. */
function plainly(asked: EventFilter, given: unknown): boolean {
  return Object.entries(asked).every(([key, value]) => {
    const inner = value as never
    if (key === '$and') return (inner as EventFilter[]).every((each) => plainly(each, given))
    if (key === '$or') return (inner as EventFilter[]).some((each) => plainly(each, given))
    if (key === '$not') return !plainly(inner, given)
    const field = key === 'event_type' ? 'props.type' : key
    const values = valuesAt(given, field.split('.'))
    return field === 'props.type' ? asks(values.filter(Boolean), emptyAsNull(value)) : asks(values, value)
  })
}

/** The type of an event that has none is kept as an empty text. */
function emptyAsNull(asked: unknown): unknown {
  const text = JSON.stringify(asked)
  return JSON.parse(text, (_, value) => (value === '' ? null : value))
}

function asks(values: unknown[], asked: unknown): boolean {
  if (Array.isArray(asked)) return asks(values, { $in: asked })
  if (typeof asked !== 'object' || asked === null) return asks(values, { $eq: asked })
  return Object.entries(asked).every(([name, operand]) => {
    const holds = (test: (value: never) => boolean) =>
      values.some((value) => typeof value === typeof operand && test(value as never))
    switch (name) {
      case '$not':
        return !asks(values, operand)
      case '$ne':
        return !asks(values, { $eq: operand })
      case '$eq':
        return values.includes(operand) || (operand === null && values.length === 0)
      case '$in':
        return operand.some((each: unknown) => asks(values, { $eq: each }))
      case '$exists':
        return values.length > 0 === operand
      case '$gt':
        return holds((value) => value > operand)
      case '$gte':
        return holds((value) => value >= operand)
      case '$lt':
        return holds((value) => value < operand)
      default:
        return holds((value) => value <= operand)
    }
  })
}

function valuesAt(given: unknown, path: string[]): unknown[] {
  const [step, ...rest] = path
  if (step === undefined) return Array.isArray(given) ? [given, ...given] : [given]
  if (Array.isArray(given)) {
    const item = Object.hasOwn(given, step) && /^\d+$/.test(step) ? valuesAt(given[Number(step)], rest) : []
    return [...item, ...given.flatMap((each) => (Array.isArray(each) ? [] : valuesAt(each, path)))]
  }
  if (typeof given !== 'object' || given === null || !Object.hasOwn(given, step)) return []
  return valuesAt((given as Record<string, unknown>)[step], rest)
}
