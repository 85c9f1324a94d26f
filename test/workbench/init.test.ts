import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { TEMPLATES } from '../../workbench/init.ts'
import { run } from '../cli/run.ts'
import { longTests } from '../support/long.ts'

const ROOT = join(import.meta.dirname, '../..')
const execute = promisify(execFile)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-init-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Of nobody's logins. */
const env = () => ({ XDG_CONFIG_HOME: folder })
const init = (...words: string[]) => run(folder, ['init', ...words], { env: env() })

describe('lyceum init', () => {
  test('makes a folder with all that a plugin needs, and says which commands come next', async () => {
    const { code, stdout } = await init('plays', '--url', 'https://lyceum.example.edu/')
    expect(code).toBe(0)
    expect(stdout).toMatch(/\n {2}cd plays\n {2}npm install\n {2}npm run dev /)
    expect((await readdir(join(folder, 'plays'))).sort()).toEqual([
      '.gitignore',
      '.lyceum',
      '.npmrc',
      'README.md',
      'package.json',
      'plugin.test.ts',
      'plugin.ts',
      'tsconfig.json',
    ])
    // Whoever writes plugin.js instead has its queries known, too.
    expect(JSON.parse(await readFile(join(folder, 'plays/tsconfig.json'), 'utf8'))).toMatchObject({
      compilerOptions: { allowJs: true },
      include: expect.arrayContaining(['**/*.js']),
    })
    expect(JSON.parse(await readFile(join(folder, 'plays/package.json'), 'utf8'))).toMatchObject({
      name: 'plays',
      version: '1.0.0',
      private: true,
      type: 'module',
      scripts: { publish: 'lyceum publish . --url https://lyceum.example.edu' },
      dependencies: { '@lyceum/sdk': 'https://lyceum.example.edu/sdk.tgz' },
      allowScripts: packageJson.allowScripts,
    })
    expect(await readFile(join(folder, 'plays/.lyceum/types.d.ts'), 'utf8')).toContain('readonly top:')
    const readme = await readFile(join(folder, 'plays/README.md'), 'utf8')
    expect(readme).toMatch(/^# plays\n/)
    expect(readme).toContain('npx lyceum login https://lyceum.example.edu\n')
    expect(readme).not.toMatch(/PLUGIN|HOST/)
  })

  test('refuses a name that no plugin can have, and says a better one', async () => {
    const refused = await init('my-first-plugin')
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toMatch(/`my-first-plugin` is not a camelCase name.*`myFirstPlugin`/)
    expect((await init('self')).stderr).toContain('`self` is reserved')
    expect(await readdir(folder)).not.toContain('my-first-plugin')
  })

  test('leaves a folder alone that has something in it, and a file; an empty folder is taken', async () => {
    await mkdir(join(folder, 'taken'))
    await writeFile(join(folder, 'taken/notes.txt'), 'mine')
    await writeFile(join(folder, 'aFile'), 'mine')
    for (const name of ['taken', 'aFile']) {
      const refused = await init(name)
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(new RegExp(`^error folder_taken: ${name} is there already`))
    }
    expect(await readdir(join(folder, 'taken'))).toEqual(['notes.txt'])
    await mkdir(join(folder, 'empty'))
    const { code, stdout } = await run(join(folder, 'empty'), ['init', '.', '--json'], { env: env() })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      plugin: 'empty',
      dir: join(folder, 'empty'),
      template: 'event-counter',
      host: 'http://127.0.0.1:4000',
    })
  })

  test('names its templates to whoever asks for another', async () => {
    const refused = await init('other', '--template', 'everything')
    expect(refused.code).toBe(2)
    for (const template of Object.keys(TEMPLATES)) expect(refused.stderr).toContain(template)
  })
})

test('README.md shows the first of them as it is', async () => {
  const [, shown = ''] = /```ts\n(import .*?)```/s.exec(await readFile(join(ROOT, 'README.md'), 'utf8')) ?? []
  const template = await readFile(join(ROOT, 'workbench/templates/event-counter/plugin.ts'), 'utf8')
  // In an author's folder the type is known.
  expect(shown.replace('self.top<Plays[]>(', 'self.top(')).toBe(template)
})

// The first of them is tried with every other run, in the story of test/sdk-package.
longTests('the template', () => {
  test.each(Object.keys(TEMPLATES))('%s has types that hold and tests that pass', async (template) => {
    const name = template.replace(/-./, ([, letter = '']) => letter.toUpperCase())
    const dir = join(folder, name)
    expect((await init(name, '--template', template)).code).toBe(0)
    await mkdir(join(dir, 'node_modules/@lyceum'), { recursive: true })
    await symlink(join(ROOT, 'sdk'), join(dir, 'node_modules/@lyceum/sdk'))
    await symlink(join(ROOT, 'node_modules/@types'), join(dir, 'node_modules/@types'))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const node = (words: string[]) => execute(process.execPath, words, { cwd: dir })
    const checked = await node([tsc, '-p', '.', '--lib', 'es2025,dom']).catch(
      (error: { stdout: string }) => error,
    )
    expect(checked.stdout).toBe('')
    const { stdout } = await node(['--test', '--test-reporter=tap'])
    expect(stdout).toMatch(/^# fail 0$/m)
    expect(stdout).toMatch(/^# pass [3-9]$/m)
  })
})
