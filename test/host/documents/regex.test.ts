import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { safeRegExp } from '../../../host/storage/documents/regex.ts'
import { refusalOf } from './support.ts'

describe('a pattern', () => {
  it.each<[string, string, string, boolean]>([
    ['^ab', '', 'abc', true],
    ['^AB', 'i', 'abc', true],
    ['[a-f]+z', 'i', 'CAFEZ', true],
    ['[^a-f]z', 'i', 'Az', false],
    ['[a\\-z]', 'i', '-', true],
    ['[+-]', 'i', '-', true],
    ['[a-]', 'i', 'A', true],
    ['\\x41\\u0062', 'i', 'aB', true],
    ['\\x2a', 'i', '*', true],
    ['\\x2a', 'i', '', false],
    ['[\\x41-\\x43]', 'i', 'b', true],
    ['[\\x41-\\x43]', 'i', 'd', false],
    ['[!-Z]', 'i', 'q', true],
    ['[\\d-z]', 'i', 'Z', true],
    ['a.b', 'i', 'AxB', true],
    ['É', 'i', 'é', true],
    ['[0-9a-f]{32}', '', 'deadbeef'.repeat(4), true],
    ['^[0-9a-f]{32}$', '', 'deadbeef'.repeat(4).slice(1), false],
    ['^x{2,40}$', '', 'x'.repeat(40), true],
    ['^x{2,40}$', '', 'x'.repeat(41), false],
    ['^x{20,}$', '', 'x'.repeat(19), false],
    ['^x{20,}$', '', 'x'.repeat(90), true],
    ['^a$', 'm', 'b\na', true],
    ['a.b', 's', 'a\nb', true],
    ['(?:a|b){16}', '', 'ab'.repeat(8), true],
    ['(?<year>\\d{4})', '', 'in 2026', true],
    ['\\bword\\b', '', 'a word here', true],
    ['a{,3}', '', 'a{,3}', true],
  ])('%s with %j on %j answers %s', (pattern, options, text, isMatch) => {
    expect(safeRegExp(pattern, options).test(text)).toBe(isMatch)
  })

  it.each([
    ['(?=a)', ''],
    ['(?!a)', ''],
    ['(?<=a)', ''],
    ['(?<!a)', ''],
    ['(a)\\1', ''],
    ['(?<x>a)\\k<x>', ''],
    ['(a+){17,20}', ''],
    ['((a{4}){4}){2}', ''],
    ['(?i:a)', ''],
    ['\\p{L}', ''],
    ['\\u{61}', ''],
    ['a', 'x'],
    ['a', 'g'],
    ['a', 'u'],
    ['(', ''],
    ['a)', ''],
    ['[a', ''],
    ['a**', ''],
    ['\\', ''],
    ['a{5,2}', ''],
    ['a{1001}', ''],
    [`${'('.repeat(30)}a${')'.repeat(30)}`, ''],
    ['a'.repeat(1_001), ''],
    ['[abc]{1000}'.repeat(80), ''],
  ])('%s with %j is refused', (pattern, options) => {
    expect(refusalOf(() => safeRegExp(pattern, options))).toMatchObject({
      code: 'query_invalid',
      mongoCode: 51091,
    })
  })

  it('of 1000 characters is taken', () => {
    expect(safeRegExp('a'.repeat(1_000)).test('a'.repeat(1_000))).toBe(true)
  })

  const piece = fc.constantFrom(
    'a',
    'B',
    'é',
    '.',
    '[a-c]',
    '[^xY]',
    '\\d',
    '\\w',
    '(?:a|Bc)',
    '(b)',
    '^',
    '$',
    '\\.',
    '[A-]',
    'x{3}',
    'a{0,20}',
    'y{18,}',
    'b?',
    'c*?',
    '(?:ab)+',
  )
  it('answers as V8 does for the pattern that was written', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join('')),
        fc.constantFrom('', 'i', 'm', 'is'),
        fc
          .array(
            fc.constantFrom(
              'a',
              'A',
              'b',
              'B',
              'c',
              'x',
              'xxx',
              'é',
              'É',
              '.',
              '1',
              '\n',
              '-',
              'y'.repeat(18),
            ),
            { maxLength: 8 },
          )
          .map((pieces) => pieces.join('')),
        (pattern, options, text) => {
          expect(safeRegExp(pattern, options).exec(text)).toEqual(new RegExp(pattern, options).exec(text))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('that was accepted runs on the linear engine', () => {
    const patterns = [
      '^(a+)+$',
      '^(a|a)*$',
      '^(a|aa)+$',
      '^(a+){16}$',
      '(x+x+)+y',
      '^(a+)+[0-9]{32}$',
      '^([a-z]+)*\\d$',
      'a{0,300}b',
    ]
    const flags = ['', 'i', 'm', 's']
    const module = new URL('../../../host/storage/documents/regex.ts', import.meta.url).href
    const script = `
      const { safeRegExp } = await import(${JSON.stringify(module)})
      for (const pattern of ${JSON.stringify(patterns)})
        for (const options of ${JSON.stringify(flags)}) {
          const safe = safeRegExp(pattern, options)
          new RegExp(safe.source, safe.flags + 'l').test('a'.repeat(5_000) + '!')
        }
      console.log('done')`
    const output = execFileSync(
      process.execPath,
      ['--enable-experimental-regexp-engine', '--input-type=module', '-e', script],
      { timeout: 20_000 },
    )
    expect(String(output).trim()).toBe('done')
  })
})
