import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  add,
  compareNumbers,
  divide,
  multiply,
  type Numeric,
  numberKey,
  remainder,
  round,
  subtract,
} from '../../../host/storage/documents/arithmetic.ts'
import { Decimal128, Long } from '../../../sdk/ejson.ts'

const decimal = (text: string) => new Decimal128(text)
const text = (value: Numeric) => String(value)

describe('decimals', () => {
  it.each<[string, Numeric, string]>([
    ['a sum keeps the places of both', add(decimal('1.50'), decimal('2')), '3.50'],
    ['a sum with a double has its fifteen digits', add(decimal('1'), 0.1), '1.100000000000000'],
    ['a sum with a Long', add(decimal('0.5'), new Long('9007199254740993')), '9007199254740993.5'],
    ['a difference of equals', subtract(decimal('1.10'), decimal('1.1')), '0.00'],
    ['a product', multiply(decimal('1.5'), decimal('-2.0')), '-3.00'],
    ['a third', divide(decimal('1'), decimal('3')), '0.3333333333333333333333333333333333'],
    ['two thirds are rounded', divide(decimal('2'), decimal('3')), '0.6666666666666666666666666666666667'],
    ['a quotient that ends', divide(decimal('10'), decimal('4')), '2.5'],
    ['a remainder has the sign of the dividend', remainder(decimal('-7.5'), decimal('2')), '-1.5'],
    ['halves go to the even neighbour', round(decimal('2.5'), 0, 'even'), '2'],
    [
      '35 digits become 34',
      add(decimal('9999999999999999999999999999999999'), decimal('0.6')),
      '1.000000000000000000000000000000000E+34',
    ],
    ['large numbers', multiply(decimal('1E+6000'), decimal('1E+6000')), 'Infinity'],
    ['small numbers', multiply(decimal('1E-6000'), decimal('1E-6000')), '0'],
    ['what is not finite', add(decimal('Infinity'), decimal('-Infinity')), 'NaN'],
  ])('%s', (_, value, expected) => {
    expect(text(value)).toBe(expected)
  })

  const scaled = fc.tuple(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.integer({ min: 0, max: 8 }))
  const written = ([coefficient, places]: [bigint, number]) => decimal(`${coefficient}E-${places}`)

  it('are added, multiplied and compared as fractions of whole numbers are', () => {
    fc.assert(
      fc.property(scaled, scaled, (a, b) => {
        const [x, y] = [written(a), written(b)]
        const [p, q] = [a[0] * 10n ** BigInt(8 - a[1]), b[0] * 10n ** BigInt(8 - b[1])]
        expect(compareNumbers(add(x, y), decimal(`${p + q}E-8`))).toBe(0)
        expect(compareNumbers(multiply(x, y), decimal(`${a[0] * b[0]}E-${a[1] + b[1]}`))).toBe(0)
        expect(compareNumbers(x, y)).toBe(p < q ? -1 : p > q ? 1 : 0)
      }),
    )
  })

  it('share a key exactly with the numbers that they are equal to', () => {
    const number = fc.oneof(
      scaled.map(written),
      fc.integer({ min: -50, max: 50 }),
      fc.constantFrom<Numeric>(0.1, 0.5, -0.25, 1e21, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY),
      fc.constantFrom<Numeric>(
        decimal('0.1'),
        decimal('0.50'),
        decimal('1E+21'),
        decimal('NaN'),
        decimal('-0'),
      ),
      fc.bigInt({ min: -50n, max: 50n }).map((value) => new Long(value)),
      fc.integer({ min: -50, max: 50 }).map((value) => decimal(`${value}.0`)),
    )
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(numberKey(a) === numberKey(b)).toBe(compareNumbers(a, b) === 0)
        expect(compareNumbers(a, b)).toBe(-compareNumbers(b, a) + 0)
      }),
      { numRuns: 500 },
    )
  })
})
