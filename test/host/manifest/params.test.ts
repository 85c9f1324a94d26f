import { t } from '@lyceum/sdk'
import { describe, expect, test } from 'vitest'
import { defaultProblems, type Params, ParamsSchema, parseParams } from '../../../host/registry/params.ts'

function schema(params: object): Params {
  return ParamsSchema.parse(JSON.parse(JSON.stringify(params)))
}

const all = schema({
  from: t.date().optional(),
  limit: t.number({ default: 10, min: 1, max: 100, integer: true }),
  by: t.enum(['day', 'week'], { default: 'day' }),
  search: t.string({ max: 5 }).optional(),
  late: t.boolean({ default: false }),
})

const parse = (params: Params, query: string) =>
  Object.fromEntries(parseParams(params, new URLSearchParams(query)))

test('defaults that their limits refuse are read, and told of for new versions', () => {
  expect(defaultProblems(all)).toEqual([])
  const strange = schema({
    word: t.string({ default: 'longer', max: 5 }),
    half: t.number({ default: 0.5, integer: true }),
    least: t.number({ default: 0, min: 1, max: 9 }),
  })
  expect(defaultProblems(strange)).toEqual([
    { path: 'params.word.default', message: 'give a text of at most 5 characters' },
    { path: 'params.half.default', message: 'give a whole number' },
    { path: 'params.least.default', message: 'give a number from 1 to 9' },
  ])
})

describe('parameters of a request', () => {
  test('defaults stand in for what is left out', () => {
    expect(parse(all, '')).toEqual({ from: undefined, limit: 10, by: 'day', search: undefined, late: false })
  })

  test('texts of the address become values', () => {
    expect(
      parse(all, 'from=2026-09-01T08:00:00%2B02:00&limit=25&by=week&search=caf%C3%A9&late=true'),
    ).toEqual({
      from: new Date('2026-09-01T06:00:00Z'),
      limit: 25,
      by: 'week',
      search: 'café',
      late: true,
    })
  })

  test('a day is its first moment in UTC', () => {
    expect(parse(all, 'from=2026-09-01').from).toEqual(new Date('2026-09-01T00:00:00Z'))
  })

  test('a default date becomes a date', () => {
    expect(parse(schema({ at: t.date({ default: '2026-09-01' }) }), '')).toEqual({
      at: new Date('2026-09-01T00:00:00Z'),
    })
  })

  test('an empty text is a value of a string and a left-out one of any other', () => {
    expect(parse(all, 'search=&limit=')).toMatchObject({ search: '', limit: 10 })
  })

  test('values from another plugin may come as themselves', () => {
    const given = Object.entries({ limit: 3, late: true, from: new Date(0), search: undefined })
    expect(Object.fromEntries(parseParams(all, given))).toMatchObject({
      limit: 3,
      late: true,
      from: new Date(0),
    })
  })

  test("dimensions and the host's own parameters are passed over", () => {
    expect(parse(all, 'course=c&user=u&token=t&format=csv')).toMatchObject({ limit: 10 })
  })

  test('names of every object are names like any other', () => {
    expect(() => parse(all, '__proto__=1')).toThrow(/The parameter __proto__ does not exist/)
    expect(() => parse(all, 'constructor=1')).toThrow(/The parameter constructor does not exist/)
  })

  test.each([
    [
      'limt=1',
      'limt',
      'The parameter limt does not exist. Did you mean `limit`? There is from, limit, by, search, late.',
    ],
    ['limit=ten', 'limit', 'The parameter limit is "ten". Give a whole number from 1 to 100.'],
    ['limit=1e', 'limit', 'The parameter limit is "1e". Give a whole number from 1 to 100.'],
    ['limit=0x10', 'limit', 'The parameter limit is "0x10". Give a whole number from 1 to 100.'],
    ['limit=1.5', 'limit', 'The parameter limit is "1.5". Give a whole number from 1 to 100.'],
    ['limit=0', 'limit', 'The parameter limit is "0". Give a whole number from 1 to 100.'],
    ['limit=101', 'limit', 'The parameter limit is "101". Give a whole number from 1 to 100.'],
    ['limit=1&limit=2', 'limit', 'The parameter limit is given twice. Give it once.'],
    [
      'from=yesterday',
      'from',
      'The parameter from is "yesterday". Give a day such as 2026-09-01, or a time such as 2026-09-01T08:00:00Z.',
    ],
    [
      'from=2026-02-30',
      'from',
      'The parameter from is "2026-02-30". Give a day such as 2026-09-01, or a time such as 2026-09-01T08:00:00Z.',
    ],
    ['by=month', 'by', 'The parameter by is "month". Give one of day, week.'],
    ['search=longer', 'search', 'The parameter search is "longer". Give a text of at most 5 characters.'],
    ['late=yes', 'late', 'The parameter late is "yes". Give true or false.'],
  ])('%s is refused', (query, parameter, message) => {
    const refused = expect.objectContaining({ code: 'bad_parameter', message, details: { parameter } })
    expect(() => parse(all, query)).toThrow(refused)
  })

  test('what must be given is asked for', () => {
    expect(() => parse(schema({ n: t.number({ min: 2 }) }), '')).toThrow(
      expect.objectContaining({ message: 'The parameter n is missing. Give a number of at least 2.' }),
    )
  })
})
