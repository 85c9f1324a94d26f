import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import { decodeSourceMap, mapPosition, mapStack } from '../../../host/registry/source-map.ts'

const map = (mappings: string, sources = ['plugin.ts']) =>
  decodeSourceMap(JSON.stringify({ version: 3, sources, mappings }))

describe('a source map', () => {
  test('maps a place to the nearest one before it in the same line', () => {
    // Line 1: columns 1 and 5 from lines 1 and 3. Line 3: column 3 from line 4, column 9.
    const decoded = map('AAAA,IAEA;;EACQ')
    expect(mapPosition(decoded, { line: 1, column: 1 })).toEqual({ source: 'plugin.ts', line: 1, column: 1 })
    expect(mapPosition(decoded, { line: 1, column: 4 })).toEqual({ source: 'plugin.ts', line: 1, column: 1 })
    expect(mapPosition(decoded, { line: 1, column: 99 })).toEqual({ source: 'plugin.ts', line: 3, column: 1 })
    expect(mapPosition(decoded, { line: 3, column: 3 })).toEqual({ source: 'plugin.ts', line: 4, column: 9 })
  })

  test('says nothing about places that it does not know', () => {
    const decoded = map('AAAA;;EACQ,E')
    for (const [line, column] of [
      [0, 1],
      [2, 1],
      [3, 1],
      [4, 1],
      [-1, 1],
      [3, 99],
    ] as const)
      expect(mapPosition(decoded, { line, column })).toBeUndefined()
  })

  test.each([
    ['text that is not JSON', '{', 'it is not JSON'],
    ['another version', '{"version":2,"sources":[],"mappings":""}', 'version'],
    ['a missing field', '{"version":3,"sources":[]}', 'mappings'],
    ['a source that is no text', '{"version":3,"sources":[1],"mappings":""}', 'sources.0'],
    [
      'a source with control characters',
      '{"version":3,"sources":["a\\nb"],"mappings":""}',
      'control characters',
    ],
    [
      'characters that are not digits',
      '{"version":3,"sources":["a"],"mappings":"AA!A"}',
      'no number at character 2',
    ],
    ['a number that never ends', '{"version":3,"sources":["a"],"mappings":"gggggggggggg"}', 'too large'],
    ['a segment of two fields', '{"version":3,"sources":["a"],"mappings":"AA"}', 'no number at character 2'],
    ['a segment of six fields', '{"version":3,"sources":["a"],"mappings":"AAAAAA"}', 'more than five fields'],
    [
      'a source that is not there',
      '{"version":3,"sources":["a"],"mappings":"ACAA"}',
      'outside of its sources',
    ],
    ['a line before the first', '{"version":3,"sources":["a"],"mappings":"AADA"}', 'outside of its sources'],
    ['mappings that go backwards', '{"version":3,"sources":["a"],"mappings":"EAAA,DAAA"}', 'backwards'],
    ['more than 8 MB', ' '.repeat(8 * 1024 * 1024 + 1), 'larger than 8 MB'],
  ])('with %s is refused', (_, text, message) => {
    expect(() => decodeSourceMap(text)).toThrow(
      expect.objectContaining({ code: 'source_map_invalid', message: expect.stringContaining(message) }),
    )
  })

  test('of nothing but lines, or but segments, is read', () => {
    const size = 4_000_000
    expect(mapPosition(map(';'.repeat(size)), { line: size, column: 1 })).toBeUndefined()
    const decoded = map('AAAA,'.repeat(size / 5))
    expect(mapPosition(decoded, { line: 1, column: 1 })).toMatchObject({ line: 1 })
  })

  test('of any text is read or refused, and answers for any place', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ACDEgz+/9;,!') }),
        fc.integer(),
        fc.integer(),
        (text, line, column) => {
          try {
            const place = mapPosition(map(text), { line, column })
            expect(place === undefined || (place.line > 0 && place.column > 0)).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(LyceumError)
          }
        },
      ),
    )
  })
})

describe('a stack trace', () => {
  const decoded = map('AAAA;AAEA')

  test("names the author's file and line", () => {
    expect(mapStack(decoded, 'Error: x\n    at top (plugin.js:2:5)\n    at async plugin.js:1:1')).toBe(
      'Error: x\n    at top (plugin.ts:3:1)\n    at async plugin.ts:1:1',
    )
  })

  test('keeps places that the map does not know, and other files', () => {
    const stack = 'at plugin.js:9:9\nat my-plugin.js:1:1\nat ./plugin.js:1:1\nat guest.js:1:1'
    expect(mapStack(decoded, stack)).toBe(stack)
  })

  test('leaves out the frames of the runtime around the plugin', () => {
    const stack =
      'Error: at lyceum\n    at handler (plugin.js:2:5)\n    at run (lyceum:sandbox/guest/main.ts:51:20)\n    at async lyceum:sdk/html.ts:1:2'
    expect(mapStack(decoded, stack)).toBe('Error: at lyceum\n    at handler (plugin.ts:3:1)')
  })

  test('without a map stays as it is', () => {
    expect(mapStack(undefined, 'at plugin.js:1:1')).toBe('at plugin.js:1:1')
  })

  test('is cut to a bounded length', () => {
    expect(mapStack(decoded, 'at plugin.js:1:1\n'.repeat(100)).split('\n')).toHaveLength(40)
    expect(mapStack(decoded, 'x'.repeat(1_000_000)).length).toBe(16_384)
  })
})
