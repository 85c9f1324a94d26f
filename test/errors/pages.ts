import { ERRORS, type ErrorCode } from '../../host/errors.ts'
import { EXPLAINED } from '../../host/errors-explained.ts'
import type { Told } from './author.ts'
import type { Mistake } from './mistake.ts'

const SHOWS: Readonly<Record<Mistake['shows'], string>> = {
  types: 'In the editor',
  bundle: 'When it is bundled',
  publish: 'When it is published',
  warning: 'When it is published all the same, with a warning',
  view: 'When a view is opened',
  query: 'When a query is asked',
  handler: 'When an event comes',
}

const GENERATED = (command: string) =>
  `<!-- Written by \`${command}\` from what the host really says; a test fails where the two differ. -->`

/** docs/errors.md. @param examples a message for each code, as somebody really got it */
export function errorsPage(examples: ReadonlyMap<string, string>): string {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  const entries = codes.map((code) => {
    const { status, title } = ERRORS[code]
    const { when, remedy } = EXPLAINED[code]
    return `## ${code}\n\n**${title}** (${status}).\n${when}\n${remedy}\n\n${quoted(examples.get(code) ?? '')}`
  })
  const head = [
    '# Errors',
    GENERATED('LYCEUM_WRITE=1 vitest run test/errors'),
    'Every refusal has a code that never changes its meaning, and a sentence that says what was wrong, where, and what to do.\n' +
      'Over HTTP it is `application/problem+json`: `code`, `detail` (the sentence), `status`, `title`, and `type`, which leads to the entry below on the host itself (`/docs/errors#code`).\n' +
      'On the command line it is the sentence, or with `--json` the same document.\n' +
      'Where it is about code, the place is in the sentence as `file:line:column`, and in `problems`, `place` or `stack`.\n' +
      'What authors do wrong most often is in [mistakes.md](mistakes.md).',
    'Each entry says when it happens, what to do, and what somebody was really told.',
  ]
  return `${[...head, ...entries].join('\n\n')}\n`
}

/** docs/mistakes.md. @param told what the author was told of each mistake, in their order */
export function mistakesPage(mistakes: readonly Mistake[], told: readonly Told[]): string {
  const sections = Object.entries(SHOWS).map(([shows, heading]) => {
    const entries = mistakes.flatMap((mistake, index) => {
      const message = told[index]?.message ?? ''
      return mistake.shows === shows ? [entryOf(mistake, message)] : []
    })
    return [`## ${heading}`, ...entries].join('\n\n')
  })
  const head = [
    '# Mistakes',
    GENERATED('LYCEUM_WRITE=1 vitest run test/errors'),
    `${mistakes.length} mistakes that authors make, each with the message that one gets.\n` +
      'They are sorted by when they show: the earlier, the better.\n' +
      'Behind the code of the message stands the place that it points at.\n' +
      'What each code means is in [errors.md](errors.md).',
  ]
  return `${[...head, ...sections].join('\n\n')}\n`
}

function entryOf({ title, files, package: about, code, at }: Mistake, message: string): string {
  const all = typeof files === 'string' ? { 'plugin.ts': files } : files
  const blocks =
    about === undefined
      ? Object.entries(all).map(([path, text]) =>
          fence('ts', path === 'plugin.ts' ? text : `// ${path}\n${text}`),
        )
      : about === false
        ? []
        : [fence('json', typeof about === 'string' ? about : JSON.stringify(about))]
  const where = at === undefined ? code : `${code}, ${at}`
  return [`### ${title}`, ...blocks, fence('text', `${where}\n${message}`)].join('\n\n')
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``
}

function quoted(message: string): string {
  return fence('text', message)
}
