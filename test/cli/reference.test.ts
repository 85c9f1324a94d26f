import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../../cli/commands.ts'
import { programWith } from '../../cli/program.ts'
import { reference } from '../../cli/reference.ts'

const PAGE = join(import.meta.dirname, '../../docs/cli.md')
const names = [...COMMANDS.values()].flat().map(({ name }) => name)
const shown = [...COMMANDS.values()].flat().filter(({ hidden }) => hidden !== true)

test('docs/cli.md is what the commands say; where it is not: npm run docs', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await reference())
})

describe('the help', () => {
  test('names each command once, in the table and in its own file', async () => {
    expect(new Set(names).size).toBe(names.length)
    const program = await programWith(() => true)
    expect(program.commands.map((command) => command.name())).toEqual(names)
  })

  test.each(shown.map(({ name }) => [name]))(
    'of %s teaches: what it is for, and examples that parse',
    async (name) => {
      const program = await programWith((known) => known === name)
      const command = program.commands.find((known) => known.name() === name)
      expect(command?.description()).toMatch(/^[A-Z].*\.$/s)
      let help = ''
      command?.configureOutput({ writeOut: (part) => (help += part) }).outputHelp()
      expect(help).toContain('\nExamples:\n  ')
      const flags = new Set(
        [...(command?.options ?? []), ...program.options].flatMap(({ short, long }) => [short, long]),
      )
      const examples = [...help.matchAll(/^ {2}.*?npx lyceum ([\w-]+)(.*)$/gm)].filter(
        ([, first]) => first === name,
      )
      for (const [, , words = ''] of examples)
        for (const [flag] of words.replace(/[|;].*| {3,}.*|".*?"/g, '').matchAll(/(?<= )--?[a-z][\w-]*/g))
          expect(flags, `${flag} in an example of ${name}`).toContain(flag)
    },
  )
})
