import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { csvOf } from '../../../host/csv/csv.ts'

const LIMITS = { columns: 5, cells: 1_000, bytes: 100_000 }
const csv = (value: unknown) => csvOf(JSON.stringify(value), LIMITS)

describe('a result as CSV', () => {
  test('has the columns in the order in which they are first seen', () => {
    expect(
      csv([
        { b: 1, a: 'x' },
        { a: 'y', c: true },
      ]),
    ).toBe('b,a,c\r\n1,x,\r\n,y,true\r\n')
  })

  test('has a row for each item of a list, and one for anything else', () => {
    expect(csv([1, 'two', null])).toBe('value\r\n1\r\ntwo\r\n""\r\n')
    expect(csv({ n: 3 })).toBe('n\r\n3\r\n')
    expect(csv('one')).toBe('value\r\none\r\n')
    expect(csv([])).toBe('\r\n')
    expect(csv([[1, 2], [3]])).toBe('value\r\n"[1,2]"\r\n[3]\r\n')
  })

  test('holds what is nested as JSON', () => {
    expect(csv([{ days: [1, 2], at: { x: 'a' } }])).toBe('days,at\r\n"[1,2]","{""x"":""a""}"\r\n')
  })

  test.each([
    '=1+1',
    '+1',
    '-cmd',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' @SUM(A1)',
    '\u0000=1',
    '\u200b+1',
    '＝1',
  ])('disarms %j, which a spreadsheet would run, also as a name of a column', (formula) => {
    const disarmed = `'${formula.replace(/(?<=[\t\r\n])=/, "'=")}`.replace(/^'(\n)/, '$1')
    expect(csv([{ [formula]: formula }]).replaceAll('"', '')).toBe(`${disarmed}\r\n${disarmed}\r\n`)
  })

  test('disarms what is a cell of its own to readers that take a semicolon, a tab or a line end for its end', () => {
    for (const end of [';', '; ', ';\u200b', '\t', '\n', '\r'])
      expect(csv({ a: `x${end}=HYPERLINK(A1);y` })).toBe(`a\r\n"x${end}'=HYPERLINK(A1);y"\r\n`)
    expect(csv({ a: { b: 'x;+1' } })).toBe(`a\r\n"{""b"":""x;'+1""}"\r\n`)
    expect(csv({ a: 'f(x; y) = 1 - 2' })).toBe('a\r\n"f(x; y) = 1 - 2"\r\n')
  })

  test('quotes a cell of several lines, however they end', () => {
    expect(csv([{ a: 'x\ny', b: 'x\ry', c: 'x\r\ny' }])).toBe('a,b,c\r\n"x\ny","x\ry","x\r\ny"\r\n')
  })

  test('leaves negative numbers numbers', () => {
    expect(csv([{ n: -1.5 }])).toBe('n\r\n-1.5\r\n')
  })

  test('is refused where rows with keys of their own make it wide, or it gets too large', () => {
    const wide = Array.from({ length: 6 }, (_, index) => ({ [`k${index}`]: 1 }))
    expect(csv(wide.slice(0, 5))).toContain('k4')
    expect(() => csv(wide)).toThrow('more than 5 columns')
    const tall = Array.from({ length: 500 }, () => ({ a: 1, b: 2 }))
    expect(csv(tall)).toContain('1,2')
    expect(() => csv([...tall, {}])).toThrow('more than 1000 cells')
    const narrow = new Array<number>(1_000).fill(1)
    expect(csv(narrow)).toContain('value')
    expect(() => csv([...narrow, 1])).toThrow('more than 1000 cells')
    expect(() => csv([{ ['k'.repeat(100_000)]: 1 }])).toThrow('more than 100000 bytes')
    expect(() => csv(tall.map((row) => ({ ...row, a: 'x'.repeat(200) })))).toThrow('more than 100000 bytes')
  })

  test('keeps any cell apart from its neighbours, and keys from prototypes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('\n', '\r', '"', ',', 'a') }),
        fc.string({ unit: 'binary' }),
        (first, second) => {
          const text = csv([{ __proto__: null, first, second, constructor: 'x' }])
          const quotes = text.split('"').length - 1
          expect(quotes % 2).toBe(0)
          // Outside of quotes nothing but the three cells of both rows is left.
          const bare = text.replace(/"(?:[^"]|"")*"/g, 'q')
          expect(bare.split(/\r\n|\r|\n/).map((line) => line.split(',').length)).toEqual([3, 3, 1])
        },
      ),
    )
    expect(csvOf('[{"__proto__":1}]', LIMITS)).toBe('__proto__\r\n1\r\n')
  })
})
