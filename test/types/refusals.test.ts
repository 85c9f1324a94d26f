import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuthorFolder, authorFolder } from './author-folder.ts'

let author: AuthorFolder
beforeAll(async () => {
  author = await authorFolder('refusals')
})
afterAll(() => author.remove())

test.each(['refusals.ts', 'between-plugins.ts'])(
  'each mistake of %s is refused for what it is',
  async (file) => {
    const source = await readFile(join(import.meta.dirname, file), 'utf8')
    const lines = source.split('\n')
    await author.write('mistakes.ts', source.replaceAll('// @ts-expect-error', '//'))
    const said = await author.check()
    const expected = lines.flatMap((line, index) => {
      const code = /^\/\/ @ts-expect-error (TS\d+): /.exec(line)?.[1]
      return line.includes('@ts-expect-error') ? [`${index + 2} ${code}`] : []
    })
    expect(said.map(({ line, message }) => `${line} ${message.split(':')[0]}`)).toEqual(
      expect.arrayContaining(expected),
    )
    expect(new Set(said.map(({ line }) => line)).size).toBe(expected.length)
    await author.write('mistakes.ts', '')
  },
)
