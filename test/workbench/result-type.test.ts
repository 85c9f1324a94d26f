import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resultType } from '../../workbench/result-type.ts'

describe('the type of a result', () => {
  test.each<[string, unknown, string]>([
    ['a number', 1, 'number'],
    ['a list', [1, 2], 'number[]'],
    ['a list of several', [1, 'a', null], '(null | number | string)[]'],
    ['rows', [{ a: 1, b: 'x' }, { a: 2 }], '{ a: number; b?: string }[]'],
    ['rows of which some have none', { a: [{ b: null }, { b: 1 }] }, '{ a: ({ b: null | number })[] }'],
    [
      'pairs',
      [
        ['a', 1],
        ['b', 2],
      ],
      '((number | string)[])[]',
    ],
    ['a time', '2026-09-01T00:00:00.000Z', 'Date | string'],
    ['a day', '2026-09-01', 'string'],
    ['times and texts', ['2026-09-01T00:00:00.000Z', 'x'], '(Date | string)[]'],
    ['a table by days', { '2026-09-01': 1, '2026-09-02': 2 }, '{ [key: string]: number }'],
    ['an empty list', [], 'unknown[]'],
    ['an empty object', {}, 'object'],
    ['nothing', null, 'unknown'],
    ['none', undefined, 'unknown'],
  ])('is that of what was seen: %s', (_, sample, type) => {
    expect(resultType(sample, 'Date | string')).toBe(type)
  })

  test('of a program outside has texts for times', () => {
    expect(resultType({ at: '2026-09-01T00:00:00.000Z' }, 'string')).toBe('{ at: string }')
  })

  test('is unknown where it would be long, and holds nothing of what was said', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 12 }), (sample) => {
        const text = resultType(sample, 'string')
        expect(text.length).toBeLessThanOrEqual(2_000)
        expect(text).toMatch(/^[\w ?:;|()[\]{}]*$/)
      }),
    )
  })
})
