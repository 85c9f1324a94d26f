import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import {
  ACCUMULATORS,
  EXPRESSIONS,
  FIELD_OPERATORS,
  LOGICAL_OPERATORS,
  PROJECTION_OPERATORS,
  PUSH_MODIFIERS,
  STAGES,
  UPDATE_OPERATORS,
  UPDATE_STAGES,
  WINDOW_ACCUMULATORS,
  WINDOW_FUNCTIONS,
} from '../../../host/storage/documents/operators.ts'

const PAGE = join(import.meta.dirname, '../../../docs/db.md')

function row(where: string, names: Iterable<string>): string {
  return `| ${where} | ${[...names].map((name) => `\`${name}\``).join(' ')} |`
}

const LIST = [
  '| where | offered |',
  '|---|---|',
  row('a filter, for a field', FIELD_OPERATORS),
  row('a filter, at the top', LOGICAL_OPERATORS),
  row('the projection of a `find`, beside expressions', PROJECTION_OPERATORS),
  row('an update', UPDATE_OPERATORS),
  row('beside `$push`, and `$each` beside `$addToSet`', PUSH_MODIFIERS),
  row('the path of an update', ['$', '$[]', '$[name]']),
  row('an update that is a pipeline', UPDATE_STAGES),
  row('a pipeline', STAGES),
  row('`$group`, `$bucket`, `$bucketAuto`', ACCUMULATORS),
  row(
    '`$setWindowFields`, beside those of `$group` but `$mergeObjects`',
    [...WINDOW_FUNCTIONS].filter((name) => !WINDOW_ACCUMULATORS.has(name) || !ACCUMULATORS.has(name)),
  ),
  ...Object.entries(EXPRESSIONS).map(([subject, names]) => row(`an expression: ${subject}`, names)),
].join('\n')

it('docs/db.md lists what is offered, no more and no less', () => {
  const page = readFileSync(PAGE, 'utf8')
  const [, list = ''] = /<!-- operators -->\n\n([\s\S]*?)\n\n<!-- \/operators -->/.exec(page) ?? []
  expect(list).toBe(LIST)
})
