import { expect, test } from 'vitest'
import { EXIT, EXIT_ABOUT, exitCodeOf, UsageError } from '../../cli/exit-codes.ts'
import { LyceumError } from '../../host/errors.ts'

test.each([
  ['wrong words', new UsageError('What?'), 2],
  ['a wrong variable', new LyceumError('config_invalid', 'LYCEUM_PORT'), 2],
  ['a parameter that the host refused', new LyceumError('bad_parameter', 'limit'), 1],
  ['any other refusal', new LyceumError('plugin_unknown', 'No.'), 1],
  ['a failure inside of the host', new LyceumError('internal', 'Tell an admin.'), 1],
  ['a host that is not there', new LyceumError('server_unreachable', 'No.'), 3],
  ['a defect of ours', new TypeError('undefined is not a function'), 70],
])('%s has its exit code', (_, thrown, expected) => {
  expect(exitCodeOf(thrown)).toBe(expected)
})

test('each exit code is explained', () => {
  expect(EXIT_ABOUT.map(([code]) => code)).toEqual(Object.values(EXIT))
})
