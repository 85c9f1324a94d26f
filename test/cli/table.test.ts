import fc from 'fast-check'
import { expect, test } from 'vitest'
import { table, tableOf, widthOf } from '../../cli/table.ts'

test('a list of objects is a table by all of their keys, with numbers at the right', () => {
  const rows = [
    { name: 'Ann', n: 5 },
    { name: 'Bo', n: 12, more: [1, { a: null }] },
  ]
  expect(tableOf(rows)).toBe('name   n  more\nAnn    5\nBo    12  [1,{"a":null}]')
})

test('anything else is shown as what it is', () => {
  expect(tableOf({ plays: 3, course: 'c' })).toBe('plays   3\ncourse  c')
  expect(tableOf(['a', 2, null])).toBe('a\n2\n')
  expect(tableOf([])).toBe('(nothing)')
  expect([tableOf('text'), tableOf(7), tableOf(null), tableOf(false)]).toEqual(['text', '7', '', 'false'])
})

test('what does not fit is cut in the widest columns first', () => {
  const rows = [['short', 'x'.repeat(100)]]
  expect(table(['a', 'b'], rows, 20).split('\n')[1]).toBe(`short  ${'x'.repeat(12)}…`)
})

test('columns that do not fit are named', () => {
  const head = Array.from({ length: 6 }, (_, n) => `column${n}`)
  expect(table(head, [head], 16)).toBe(
    'colum…  colum…\ncolum…  colum…\n… and 4 more columns, which do not fit: column2, column3, column4, column5',
  )
})

test('wide and joined characters take the columns that a terminal gives them', () => {
  expect(['abc', '日本', '🎓', 'e\u0301'].map(widthOf)).toEqual([3, 4, 2, 1])
  expect(
    table(
      ['n', 'x'],
      [
        ['日本', 'a'],
        ['bcd', 'b'],
      ],
    ),
  ).toBe('n     x\n日本  a\nbcd   b')
})

test('whatever a result holds, each row is one line that fits and cannot steer the terminal', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.constant(null), fc.jsonValue())
  const rows = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), value, { maxKeys: 8 }), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(rows, fc.integer({ min: 10, max: 120 }), (some, width) => {
      const keys = new Set(some.flatMap((row) => Object.keys(row)))
      const lines = tableOf(some, width).split('\n')
      const body = lines.slice(0, 1 + some.length)
      expect(lines.length - body.length).toBeLessThanOrEqual(1)
      for (const line of body) expect(widthOf(line)).toBeLessThanOrEqual(width)
      if (keys.size > 0) expect(lines.join('')).not.toMatch(/\p{C}/u)
    }),
  )
})
