import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
/** Examples that are whole files begin with their imports; the others are parts of one. */
const WHOLE_FILE = /```ts\n((?:\/\/[^\n]*\n)?import [\s\S]*?)```/g
/** Its examples are wrong on purpose. */
const MISTAKES = ['docs/mistakes.md']
const CONFIG = {
  extends: join(ROOT, 'plugins/tsconfig.json'),
  compilerOptions: {
    paths: {
      '@lyceum/sdk': [join(ROOT, 'sdk/index.ts')],
      '@lyceum/sdk/client': [join(ROOT, 'sdk/client/index.ts')],
      '@lyceum/sdk/testing': [join(ROOT, 'sdk/testing/index.ts')],
      'd3-array': [join(ROOT, 'node_modules/@types/d3-array')],
    },
    typeRoots: [join(ROOT, 'node_modules/@types')],
  },
  include: ['.'],
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-docs-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('every example of the documentation that is a whole file has the types that authors have', async () => {
  const pages = ['README.md', 'sdk/README.md', ...globSync('docs/*.md', { cwd: ROOT, exclude: MISTAKES })]
  const files: string[] = []
  for (const page of pages)
    for (const [, example = ''] of (await readFile(join(ROOT, page), 'utf8')).matchAll(WHOLE_FILE)) {
      const file = `${basename(page, '.md')}-${files.length}.ts`
      files.push(file)
      await writeFile(join(folder, file), example)
    }
  expect(files.length).toBeGreaterThan(8)
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})
