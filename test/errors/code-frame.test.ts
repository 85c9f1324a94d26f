import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LyceumError } from '../../host/errors.ts'
import { codeFrame, explainError, placesOf, placesOfStack } from '../../workbench/code-frame.ts'

const CODE = ['import x', '', 'export const a = 1', '\tconst b = wrong()', 'five', 'six', 'seven'].join('\n')
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-frame-'))
  await writeFile(join(dir, 'plugin.ts'), CODE)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

test('a frame shows two lines on either side and a caret below the column', () => {
  expect(codeFrame(CODE, { line: 3, column: 14 })).toBe(
    [
      '  1 | import x',
      '  2 |',
      '> 3 | export const a = 1',
      '    |              ^',
      '  4 | \tconst b = wrong()',
      '  5 | five',
    ].join('\n'),
  )
})

test('a caret stands below its character behind tabs', () => {
  expect(codeFrame(CODE, { line: 4, column: 12 })).toContain('\n    | \t          ^\n')
})

test('a frame at either end of a file is as long as the file lets it', () => {
  expect(codeFrame(CODE, { line: 1, column: 1 }).split('\n')).toHaveLength(4)
  expect(codeFrame(CODE, { line: 7, column: 1 }).split('\n')).toHaveLength(4)
  expect(codeFrame(CODE, { line: 8, column: 1 })).toBe('')
})

test('a line as long as a minified package is cut around its column', () => {
  const long = `${'a'.repeat(5_000)}!${'b'.repeat(5_000)}`
  const [line = '', caret = ''] = codeFrame(long, { line: 1, column: 5_001 }).split('\n')
  expect(line.length).toBeLessThan(200)
  expect(line[caret.indexOf('^')]).toBe('!')
})

test('the places of a stack are those in the author’s own files', () => {
  const stack = [
    'TypeError: x is not a function',
    '    at inner (node_modules/some/lib.js:1:2)',
    '    at Object.handler (lib/count.ts:7:11)',
    '    at async plugin.ts:3:4',
    '    at async Array.map (<anonymous>)',
  ].join('\n')
  expect(placesOfStack(stack)).toEqual([
    { source: 'lib/count.ts', line: 7, column: 11 },
    { source: 'plugin.ts', line: 3, column: 4 },
  ])
  expect(placesOf({ details: { stack } })).toEqual([{ source: 'lib/count.ts', line: 7, column: 11 }])
})

test('an error with several problems shows each once, with its code', async () => {
  const problems = [
    { source: 'plugin.ts', line: 3, column: 14, message: 'the first' },
    { source: 'plugin.ts', line: 4, column: 12, message: 'the second' },
  ]
  const message = '2 things to change in the plugin:\n  plugin.ts:3:14 the first\n  plugin.ts:4:12 the second'
  const text = await explainError(new LyceumError('manifest_refused', message, { problems }), dir)
  expect(text).toMatch(/^2 things to change in the plugin:\n\nplugin\.ts:3:14 the first\n/)
  expect(text).toContain('> 3 | export const a = 1')
  expect(text).toContain('plugin.ts:4:12 the second')
  expect(text.match(/the first/g)).toHaveLength(1)
})

test('files outside of the folder are not read, whatever an error says', async () => {
  const stack = 'Error: no\n    at a (../../../../../../etc/hostname:1:1)'
  expect(await explainError(new LyceumError('plugin_failed', 'no', { stack }), dir)).toBe(
    'no\n\n../../../../../../etc/hostname:1:1',
  )
})

test('an error without a place is its message', async () => {
  expect(await explainError(new LyceumError('package_invalid', 'No name.'), dir)).toBe('No name.')
})
