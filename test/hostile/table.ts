import { FAMILIES } from './families/index.ts'
import { sampleOf } from './plugin.ts'

const BEGIN =
  '<!-- What stands between these lines is written by `LYCEUM_WRITE=1 npx vitest run test/hostile/table.test.ts` -->'
const END = '<!-- end -->'

/** What is tried by processes that lie, which no plugin's source can do: `test/sandbox/` has the tests. */
const BY_PROCESSES = [
  [
    'a process that has fallen to a plugin and lies: ops and ends of others’ calls, repetitions, floods, oversize frames, junk',
    'every frame is held against what the host knows; one that no honest process sends kills it',
  ],
  ['the same, to accuse a neighbour', 'its word alone quarantines nobody'],
  [
    'an answer that never comes',
    'the wall time: `over_wall`; it is no strike where little CPU time was used',
  ],
] as const

/** The text with its table as the corpus has it. @throws where the text has no place for it */
export function withTable(text: string): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin === -1 || end < begin)
    throw new Error(`There is no place for the table: write ${BEGIN} and ${END}.`)
  return `${text.slice(0, begin)}${BEGIN}\n\n${table()}\n\n${text.slice(end)}`
}

function table(): string {
  const families = Object.values(FAMILIES).flat()
  const all = families.reduce((sum, { plugins }) => sum + plugins.length, 0)
  const sampled = families.reduce((sum, family) => sum + sampleOf(family).length, 0)
  return [
    `${all} hostile plugins, in ${families.length} families. \`test/hostile/\` lets each into a real host, beside plugins that`,
    `behave: ${sampled} of them in \`npm test\`, all of them with \`LYCEUM_SOAK=1 npx vitest run test/hostile\`.`,
    '',
    '| what they try | plugins | stopped by |',
    '|---|--:|---|',
    ...families.map(({ title, plugins, stoppedBy }) => `| ${title} | ${plugins.length} | ${stoppedBy} |`),
    ...BY_PROCESSES.map(([title, stoppedBy]) => `| ${title} | | ${stoppedBy} |`),
  ].join('\n')
}
