import { t } from '@lyceum/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { filterProblem } from '../../../host/registry/event-filter.ts'
import { parseOptions } from '../../../host/registry/options.ts'

/** Options as the scratch load reports them. */
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('options', () => {
  test('a view without options has no parameters', () => {
    expect(parseOptions('view', 'a', undefined)).toEqual({ params: new Map() })
  })

  test('parameters are those that t makes', () => {
    const params = {
      from: t.date().optional(),
      limit: t.number({ default: 10, max: 50 }),
      by: t.enum(['a', 'b']),
    }
    expect(parseOptions('query', 'a', json({ title: 'A', params }))).toEqual({
      title: 'A',
      params: new Map<string, unknown>([
        ['from', { type: 'date', required: false }],
        ['limit', { type: 'number', default: 10, max: 50 }],
        ['by', { type: 'enum', values: ['a', 'b'] }],
      ]),
      names: [],
    })
  })

  const defaults = { mode: 'soft', from: 'start', props: [] }

  test('a query says for how long its answers are kept', () => {
    expect(parseOptions('query', 'a', { cacheSeconds: 240 })).toMatchObject({ cacheSeconds: 240 })
    expect(parseOptions('query', 'a', {})).not.toHaveProperty('cacheSeconds')
  })

  test('a text stands for the type of event, whichever LMS sent it', () => {
    expect(parseOptions('onEvent', 'a', 'play_video')).toEqual({
      where: { 'props.type': 'play_video' },
      ...defaults,
    })
  })

  test('a handler without options gets every event', () => {
    expect(parseOptions('onEvent', 'a', undefined)).toEqual(defaults)
  })

  test('a text stands for the schedule', () => {
    expect(parseOptions('cron', 'a', '0 4 * * *')).toEqual({ schedule: '0 4 * * *' })
  })

  test('indexes keep the order of their fields', () => {
    const indexes = [
      { b: 1, a: -1 },
      { keys: { 'c.d': 1 }, unique: true },
    ]
    expect(parseOptions('collection', 'a', { indexes })).toEqual({
      indexes: [
        {
          keys: [
            ['b', 1],
            ['a', -1],
          ],
          unique: false,
        },
        { keys: [['c.d', 1]], unique: true },
      ],
      read: [],
    })
  })

  test.each<[Parameters<typeof parseOptions>[0], unknown, string]>([
    ['query', { cacheSeconds: 0 }, 'cacheSeconds: at least 1 second'],
    ['query', { cacheSeconds: 1.5 }, 'cacheSeconds: write a whole number of seconds'],
    ['query', { cacheSeconds: 1e9 }, 'cacheSeconds: at most 2592000 seconds'],
    ['view', { cacheSeconds: 60 }, 'cacheSeconds: there is no such option'],
    ['view', { titel: 'x' }, 'titel: there is no such option (did you mean `title`?)'],
    ['query', { param: {} }, 'param: there is no such option (did you mean `params`?)'],
    ['view', { cache: 1 }, 'cache: there is no such option (there is title, description, params)'],
    ['view', { title: 1 }, 'title: write a text'],
    ['view', 'x', 'write an object: { title: "…" }'],
    ['view', { title: 'x'.repeat(101) }, 'title: at most 100 characters'],
    ['query', { params: { course: { type: 'string' } } }, 'params.course: the name is a dimension'],
    ['query', { params: { token: { type: 'string' } } }, 'params.token: the name is kept for the host'],
    ['query', { params: { 'a-b': { type: 'string' } } }, 'params.a-b: the name is not a camelCase name'],
    ['query', { params: { a: { type: 'text' } } }, 'params.a.type: write one of t.string()'],
    [
      'query',
      { params: { a: { type: 'enum', values: ['x'], default: 'y' } } },
      'params.a: the default is none of the values',
    ],
    ['onEvent', 1, 'write a type of event, or an object'],
    ['onEvent', { mode: 'fast' }, 'mode: write "realtime", "soft" or "queued"'],
    ['onEvent', { from: 'then' }, 'from: write "start" or "now"'],
    ['onEvent', { where: 'x' }, 'where: write an object, such as { event_type: "play_video" }'],
    ['onEvent', { where: { name: { $regex: 'x' } } }, 'where.name.$regex: filters of events offer $eq $ne'],
    ['onEvent', { where: { $nor: [] } }, 'where.$nor: a filter combines with $and, $or and $not only'],
    ['onEvent', { where: { $and: {} } }, 'where.$and: write a list of filters'],
    ['onEvent', { where: { 'a.b.c.d.e.f': 1 } }, 'where.a.b.c.d.e.f: a field reaches 5 levels deep at most'],
    ['onEvent', { where: { 'a.__proto__': 1 } }, 'where.a.__proto__: a field is made of names'],
    ['onEvent', { where: { 'props.typ': 'x' } }, 'where.props.typ: `props` has id, type, time'],
    ['onEvent', { where: { a: { $gt: true } } }, 'where.a.$gt: compare with a text or a number'],
    ['onEvent', { where: { a: { $exists: 1 } } }, 'where.a.$exists: write true or false'],
    ['onEvent', { where: { a: [] } }, 'where.a: write a list of 1 to 256 values'],
    ['onEvent', { where: { a: {} } }, 'where.a: write a value or one of $eq'],
    ['onEvent', { where: { a: 'x'.repeat(513) } }, 'where.a: a text has 512 characters at most'],
    ['cron', undefined, 'write a schedule, such as "0 4 * * *"'],
    ['cron', 'hourly', 'schedule: a schedule has five fields'],
    ['cron', { schedul: '0 4 * * *' }, 'schedule: write a text; schedul: there is no such option (did you'],
    ['cron', '61 * * * *', 'schedule: "61 * * * *" is not a schedule'],
    ['collection', { indexes: { a: 1 } }, 'indexes: write a list of indexes'],
    ['collection', { indexes: [{ a: 2 }] }, 'indexes.0: write { field: 1 }'],
    ['collection', { indexes: [{ $a: 1 }] }, 'indexes.0: write { field: 1 }'],
    [
      'collection',
      { read: 'report' },
      'read: write the plugins that may read it: ["report"], or "*" for any',
    ],
    ['collection', { read: ['a b'] }, 'read.0: `a b` is not a camelCase name'],
    ['query', { names: 'grades' }, 'names: write a list of names: ["courseGrades"]'],
    ['query', { names: ['course grades'] }, 'names.0: `course grades` is not a camelCase name'],
    ['query', { names: ['self'] }, 'names.0: `self` is reserved'],
    ['view', { names: ['grades'] }, 'names: there is no such option'],
    ['cron', { schedule: '0 4 * * *', asUsers: 'yes' }, 'asUsers: write true or false'],
  ])('%s(%j) is refused: %s', (kind, raw, message) => {
    expect(() => parseOptions(kind, 'mine', raw)).toThrow(
      expect.objectContaining({
        code: 'options_refused',
        message: expect.stringContaining(`The options of \`mine\` (${kind}) are wrong: ${message}`),
      }),
    )
  })
})

test('wrong options are told with the line of their endpoint, where it is known', () => {
  const place = { source: 'plugin.ts', line: 7, column: 1 }
  expect(() => parseOptions('cron', 'mine', 'hourly', place)).toThrow(
    /^plugin\.ts:7:1: The options of `mine` \(cron\) are wrong: schedule: /,
  )
})

describe('filters of events', () => {
  test.each([
    [{}],
    [{ type: 'NavigationEvent', 'props.raw.typ': 'x', 'props.time': { $gt: '2026' } }],
    [{ event_type: ['a', 'b'] }],
    [{ 'context.course_id': { $exists: true, $ne: '' }, n: { $gte: 1, $lt: 2.5 } }],
    [{ $or: [{ a: null }, { $not: { b: { $not: { $in: [1, 'x', false] } } } }], $and: [{ c: 'd' }] }],
  ])('%j is one', (filter) => {
    expect(filterProblem(filter)).toBeUndefined()
  })

  test('64 conditions and groups are one, one more is refused', () => {
    const conditions = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, i]))
    expect(filterProblem(conditions(63))).toBeUndefined()
    expect(filterProblem(conditions(64))?.message).toContain('64 conditions and groups at most')
  })

  test('deep nesting is refused before it costs anything', () => {
    let filter: unknown = { a: 1 }
    for (let depth = 0; depth < 100_000; depth++) filter = { $not: filter }
    expect(filterProblem(filter)?.message).toContain('nested too deeply')
  })

  test('anything at all is either a filter or told what is wrong with it', () => {
    const key = fc.constantFrom(
      '$and',
      '$or',
      '$not',
      '$in',
      '$eq',
      '$gt',
      '$exists',
      'a',
      'a.b',
      '__proto__',
      '',
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.array(tie('value')),
        fc.dictionary(key, tie('value')),
      ),
    }))
    fc.assert(
      fc.property(value, (filter) => {
        const problem = filterProblem(filter)
        expect(problem === undefined || problem.message.length > 0).toBe(true)
        if (problem === undefined) expect(JSON.stringify(filter)).not.toMatch(/"(__proto__|)":/)
      }),
    )
  })
})
