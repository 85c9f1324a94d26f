import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Binary,
  Decimal128,
  decode,
  encode,
  encodeFilter,
  fromBase64,
  Long,
  ObjectId,
  toBase64,
} from '../../../sdk/ejson.ts'

describe('encode and decode', () => {
  it.each([
    ['a date', new Date(1_700_000_000_123), '{"$date":1700000000123}'],
    ['an id', new ObjectId('0123456789abcdef01234567'), '{"$oid":"0123456789abcdef01234567"}'],
    ['a Long', new Long('-9223372036854775808'), '{"$numberLong":"-9223372036854775808"}'],
    ['a bigint', 5n, '{"$numberLong":"5"}'],
    ['a decimal', new Decimal128('1.10'), '{"$numberDecimal":"1.10"}'],
    ['bytes', new Uint8Array([1, 2, 255]), '{"$binary":{"base64":"AQL/","subType":"00"}}'],
    ['binary', new Binary(new Uint8Array([7]), 4), '{"$binary":{"base64":"Bw==","subType":"04"}}'],
    ['a pattern', /a"b/gi, '{"$regularExpression":{"pattern":"a\\"b","options":"i"}}'],
    ['NaN', Number.NaN, '{"$numberDouble":"NaN"}'],
    ['infinity', Number.NEGATIVE_INFINITY, '{"$numberDouble":"-Infinity"}'],
    ['minus zero', -0, '{"$numberDouble":"-0"}'],
  ])('write %s as its marker and read it back', (_, value, text) => {
    expect(encode(value)).toBe(text)
    expect(encode(decode(encode({ deep: [value] })))).toBe(`{"deep":[${text}]}`)
  })

  it('bring any plain JSON back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const sent = JSON.parse(JSON.stringify(value))
        expect(decode(encode(sent))).toEqual(sent)
      }),
    )
  })

  it('bring any bytes back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect([...fromBase64(toBase64(bytes))]).toEqual([...bytes])
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
      }),
    )
  })

  it('drop undefined from documents and make it null in arrays', () => {
    expect(encode({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}')
    expect(encode({ a: undefined, b: [undefined, new Date(5)] })).toBe('{"b":[null,{"$date":5}]}')
  })

  it('refuse undefined in filters, with its path, since dropping it would match everything', () => {
    expect(() => encodeFilter({ a: { b: [{ c: undefined }] } })).toThrow("'a.b.c'")
    expect(encodeFilter({ a: 1 })).toBe('{"a":1}')
  })

  it.each([
    ['a function', { f: () => 1 }],
    ['a symbol', { s: Symbol('s') }],
    ['a Map', { m: new Map() }],
    ['an invalid date', { d: new Date(Number.NaN) }],
    ['a promise', { p: Promise.resolve() }],
  ])('refuse %s', (_, value) => {
    expect(() => encode(value)).toThrow(TypeError)
  })

  it('ignore toJSON, so that what is checked is what is written', () => {
    expect(encode({ a: { b: 1, toJSON: 5 } })).toBe('{"a":{"b":1,"toJSON":5}}')
    expect(() => encode({ toJSON: () => 'other' })).toThrow(TypeError)
    class Sly {
      n = 1
      toJSON() {
        return { $where: 'x' }
      }
    }
    expect(encode(new Sly())).toBe('{"n":1}')
  })

  it('let a throwing getter throw and nothing else', () => {
    const sly = {
      get a(): number {
        throw new Error('got')
      },
    }
    expect(() => encode(sly)).toThrow('got')
  })

  it('make __proto__ an own property and never a prototype', () => {
    for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"$date":5},"b":{"$date":6}}']) {
      const value = decode(text)
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(Object.keys(Object(value))).toContain('__proto__')
      expect(encode(value)).toBe(text)
    }
  })

  it.each([
    '{"$date":"soon"}',
    '{"$date":100000000000000000000}',
    '{"$oid":"zz"}',
    '{"$numberLong":"99999999999999999999"}',
    '{"$numberLong":"9999999999999999999"}',
    '{"$binary":{"base64":5}}',
    '{"$numberDouble":"five"}',
    '{"$date":5,"more":1}',
  ])('leave a marker with a wrong payload a plain object: %s', (text) => {
    expect(JSON.stringify(decode(text))).toBe(text)
  })

  it('refuse more than 100 levels and take 100, plain or not', () => {
    const nest = (levels: number, inner: string) => '['.repeat(levels) + inner + ']'.repeat(levels)
    for (const inner of ['1', '"$"']) {
      expect(encode(decode(nest(100, inner)))).toBe(nest(100, inner))
      expect(() => decode(nest(101, inner))).toThrow(RangeError)
    }
    let deep: unknown = 1
    for (let i = 0; i < 101; i++) deep = { deep }
    expect(() => encode(deep)).toThrow(RangeError)
    expect(() => decode(nest(1_000_000, '1'))).toThrow(RangeError)
  })

  it('refuse a pattern that is too long before making it', () => {
    const pattern = 'a'.repeat(1_001)
    expect(() => decode(`{"$regularExpression":{"pattern":"${pattern}","options":""}}`)).toThrow(RangeError)
  })
})

describe('ObjectId', () => {
  it('makes ids that differ, ascend and know their second', () => {
    const before = Math.floor(Date.now() / 1000) * 1000
    const ids = Array.from({ length: 1_000 }, () => new ObjectId())
    expect(new Set(ids.map(String)).size).toBe(1_000)
    expect(ids[0]?.getTimestamp().getTime()).toBeGreaterThanOrEqual(before)
    expect(ids[0]?.toHexString()).toMatch(/^[0-9a-f]{24}$/)
  })

  it('equals an id or text of the same digits and refuses others', () => {
    const id = ObjectId.fromHex('ABCDEF0123456789ABCDEF01')
    expect(id.equals(new ObjectId('abcdef0123456789abcdef01'))).toBe(true)
    expect(id.equals('abcdef0123456789abcdef01')).toBe(true)
    expect(id.equals(new ObjectId())).toBe(false)
    expect(JSON.stringify({ id })).toBe('{"id":"abcdef0123456789abcdef01"}')
    expect(() => new ObjectId('12')).toThrow(TypeError)
  })
})
