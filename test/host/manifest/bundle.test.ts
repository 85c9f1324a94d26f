import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LyceumError } from '../../../host/errors.ts'
import { describeEndpoints } from '../../../host/registry/descriptions.ts'
import { readManifest } from '../../../host/registry/manifest.ts'
import { decodeSourceMap, mapStack } from '../../../host/registry/source-map.ts'
import { bundlePlugin } from '../../../workbench/bundle.ts'

const HELLO = "import { view } from '@lyceum/sdk'\nexport const hello = view(() => '<p>')\n"

let parent = ''
let dir = ''

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'lyceum-bundle-'))
  dir = path.join(parent, 'plugin')
  await write({ 'package.json': '{"name":"video","version":"1.0.0"}', 'plugin.ts': HELLO })
})

afterEach(() => rm(parent, { recursive: true }))

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, text)
  }
}

async function refusal(): Promise<LyceumError> {
  const error = await bundlePlugin(dir).catch((reason: unknown) => reason)
  if (error instanceof LyceumError) return error
  throw new Error('the folder was bundled')
}

describe('bundling a plugin', () => {
  test('gives one text that imports nothing but the SDK', async () => {
    await write({
      'plugin.ts':
        "import { view } from '@lyceum/sdk'\nimport { a } from './lib/a.ts'\nimport d from './d.json'\nimport { p } from 'pure'\nexport const hello = view(() => a + d.x + p)",
      'lib/a.ts': 'export const a: string = "text of a"',
      'd.json': '{"x":"text of d"}',
      'node_modules/pure/package.json': '{"name":"pure","main":"x.js"}',
      'node_modules/pure/x.js': 'exports.p = "text of p" + process.env.NODE_ENV',
    })
    const { bundle, package: described } = await bundlePlugin(dir)
    expect(bundle.match(/^import .*$/gm)).toEqual(['import { view } from "@lyceum/sdk";'])
    for (const name of ['a', 'd', 'p']) expect(bundle).toContain(`text of ${name}`)
    expect(bundle).not.toContain('process.env')
    expect(described).toEqual({ name: 'video', version: '1.0.0' })
  })

  test('gives the same bytes again, with no path of the machine in them', async () => {
    await write({ 'node_modules/pure/index.js': 'export const p = 1' })
    await mkdir(path.join(parent, 'node_modules/above'), { recursive: true })
    await writeFile(path.join(parent, 'node_modules/above/index.js'), 'export const q = 2')
    await write({
      'plugin.ts': `${HELLO}import { p } from 'pure'\nimport { q } from 'above'\nconsole.log(p, q)`,
    })
    const first = await bundlePlugin(dir)
    expect(await bundlePlugin(dir)).toEqual(first)
    expect(first.bundle + first.sourceMap).not.toContain(path.basename(parent))
    expect(JSON.parse(first.sourceMap).sources).toEqual([
      'plugin.ts',
      'node_modules/pure/index.js',
      'node_modules/above/index.js',
    ])
  })

  test("takes plugin.js where there is no plugin.ts, and ignores the folder's tsconfig.json", async () => {
    await rm(path.join(dir, 'plugin.ts'))
    await write({ 'plugin.js': HELLO, 'tsconfig.json': '{ broken' })
    expect((await bundlePlugin(dir)).bundle).toContain('hello = view(')
  })

  test.each(['<h1>hi</h1>', '<div className="a">hi</div>', '<><p>hi</p></>', '<Chart data={[]} />'])(
    'says how a page is written to whoever writes %s',
    async (page) => {
      const source = `export const page = ${page}`
      const told = 'A plugin has no JSX. Write the page as html`<h1'
      await write({ 'plugin.ts': source })
      await expect(bundlePlugin(dir)).rejects.toThrow(told)
      await rm(path.join(dir, 'plugin.ts'))
      await write({ 'plugin.js': source })
      await expect(bundlePlugin(dir)).rejects.toThrow(told)
    },
  )

  test('writes the name of a file with the ending that the plugin has', async () => {
    await rm(path.join(dir, 'plugin.ts'))
    await write({ 'plugin.js': "import { mean } from 'stats'\nconsole.log(mean)" })
    await expect(bundlePlugin(dir)).rejects.toThrow('a file of the plugin is written "./stats.js"')
  })

  test('says of two beginnings that one has to go', async () => {
    await write({ 'plugin.js': HELLO })
    await expect(bundlePlugin(dir)).rejects.toThrow('has plugin.ts and plugin.js')
  })

  test.each<[string, string, number, RegExp]>([
    ['Node', "import fs from 'node:fs'", 15, /"node:fs" is part of Node/],
    ['Node without a prefix', "import fs from 'fs/promises'", 15, /"fs\/promises" is part of Node/],
    ['a subpath of the SDK', "import x from '@lyceum/sdk/ejson'", 14, /cannot be part of a plugin/],
    ['an absolute path', "import x from '/etc/hostname'", 14, /Import files by a relative path/],
    ['an address', "import x from 'https://example.org/x.js'", 14, /Import files by a relative path/],
    ['a file as text', "import x from './x' with { type: 'text' }", 14, /is imported as text/],
    ['a file outside', "import x from '../x.json'", 14, /outside of the plugin's folder/],
    ['WebAssembly', "import x from './x.wasm'", 14, /neither WebAssembly nor native code/],
    ['native code', "import x from './x.node'", 14, /neither WebAssembly nor native code/],
    ['a file that is not there', "import x from './none.ts'", 14, /There is no file ".\/none.ts"/],
    [
      'a package that is not there',
      "import x from 'none'",
      14,
      /There is no package "none" here.*npm install none/,
    ],
  ])('refuses to import %s, with the place and the line', async (_, line, column, message) => {
    await write({
      'plugin.ts': `// one\n${line}\nconsole.log(${line.includes('fs') ? 'fs' : 'x'})\n${HELLO}`,
      '../x.json': '{}',
    })
    const error = await refusal()
    expect(error.code).toBe('bundle_broken')
    expect(error.message).toMatch(message)
    expect(error.message).toContain(`\nplugin.ts:2:${column + 1} `)
    expect(error.message).toContain(`\n  ${line}`)
    expect(error.message).not.toContain(parent)
  })

  test.each(["import fs from 'node:fs'", "import { none } from 'none'"])(
    'leaves out what nothing uses, as TypeScript does: %s',
    async (line) => {
      await write({ 'plugin.ts': `${line}\n${HELLO}` })
      expect((await bundlePlugin(dir)).bundle).not.toMatch(/node:fs|none/)
    },
  )

  test('refuses a name that is put together when it runs', async () => {
    await write({
      'plugin.ts': `${HELLO}export const load = (name) => import('./parts/' + name)`,
      'parts/a.ts': '',
    })
    expect((await refusal()).message).toContain('a name that is put together when it runs')
  })

  test('a link does not lead outside', async () => {
    await writeFile(path.join(parent, 'secret.ts'), 'export default 1')
    await symlink(path.join(parent, 'secret.ts'), path.join(dir, 'inside.ts'))
    await write({ 'plugin.ts': `import x from './inside.ts'\nconsole.log(x)\n${HELLO}` })
    expect((await refusal()).message).toContain("outside of the plugin's folder")
  })

  test.each([
    ['a file of its machine', { 'evil/index.js': "export { default } from '../../../secret.json'" }],
    [
      'one that its package.json names',
      { 'evil/package.json': '{"name":"evil","main":"../../../secret.json"}' },
    ],
    [
      'a name for one',
      {
        'evil/package.json': '{"name":"evil","main":"index.js","imports":{"#x":"./../../../secret.json"}}',
        'evil/index.js': "export { default } from '#x'",
      },
    ],
    [
      'all files that a made-up name could be of',
      {
        'evil/package.json': '{"name":"evil","main":"index.js"}',
        'evil/index.js': 'export default (name) => import("../../../" + name + ".json")',
      },
    ],
  ])('a package does not have a bundle take along %s', async (_, files: Record<string, string>) => {
    await writeFile(path.join(parent, 'secret.json'), '{"token":"SECRET"}')
    const inside = Object.entries(files).map(([file, text]) => [`node_modules/${file}`, text])
    await write({
      'plugin.ts': `${HELLO}import evil from 'evil'\nexport const all = view(() => evil.token)`,
      ...Object.fromEntries(inside),
    })
    const { message } = await refusal()
    expect(message).not.toContain('SECRET')
  })

  test('what the bundler helps to run older than it was written is no import of a made-up name', async () => {
    await write({
      'plugin.ts': `${HELLO}function own<V>(value: V) { return value }
export const all = view(() => { using held = { [Symbol.dispose]() {} }; return new (class { @own a() { return String(held) } })().a() })`,
    })
    expect((await bundlePlugin(dir)).bundle).not.toContain('@own')
  })

  test('a refusal names the way on which an import came, also where packages import each other', async () => {
    await write({
      'package.json': '{"name":"video","version":"1.0.0","imports":{"#own":"./lib/own.js"}}',
      'plugin.ts': `${HELLO}import { a } from '#own'\nexport const all = view(() => a)`,
      'lib/own.js': "export { a } from 'a'",
      'node_modules/a/index.js': "export { a } from './inner.js'",
      'node_modules/a/inner.js': "import 'b'\nexport const a = 'text of a'",
      'node_modules/b/index.js': "import { a } from 'a'\nexport const b = () => a",
    })
    expect((await bundlePlugin(dir)).bundle).toContain('text of a')
    await write({ 'node_modules/b/index.js': "import 'a'\nimport 'nowhere'" })
    expect((await refusal()).message).toContain(
      '. The import is in b, which lib/own.js imports by way of a\n',
    )
  })

  test('a package does not have its source map take along a text that is not in the bundle', async () => {
    await writeFile(path.join(parent, 'id_rsa'), 'SECRET')
    await write({
      'plugin.ts': `${HELLO}import evil from 'evil'\nexport const all = view(() => evil)`,
      'node_modules/evil/package.json': '{"name":"evil","main":"index.js"}',
      'node_modules/evil/index.js': 'export default "text"\n//# sourceMappingURL=index.js.map',
      'node_modules/evil/index.js.map':
        '{"version":3,"sources":["../../../id_rsa"],"sourcesContent":[null],"names":[],"mappings":"AAAA"}',
    })
    const { sourceMap } = await bundlePlugin(dir)
    expect(sourceMap).toContain('id_rsa')
    expect(sourceMap).toContain('export const all')
    expect(sourceMap).not.toContain('SECRET')
  })

  test('a file has its text along whatever it is called, and is named as it is called', async () => {
    const odd = 'lib/größe #1, 100%.ts'
    await write({
      'plugin.ts': `export * from './${odd}'`,
      [odd]: `import { view } from '@lyceum/sdk'\n/** How large. */\nexport const large = view(() => '<p>')`,
    })
    const { bundle, sourceMap } = await bundlePlugin(dir)
    const map = decodeSourceMap(sourceMap)
    expect(map.sources).toContain(odd)
    const { endpoints } = readManifest(bundle, { sourceMap: map })
    expect(describeEndpoints(map, endpoints)).toEqual(new Map([['large', 'How large.']]))
  })

  test('plugin.ts is no link: a folder from elsewhere does not have what it leads to sent', async () => {
    await writeFile(path.join(parent, 'own.ts'), `${HELLO}export const token = 'SECRET'`)
    await rm(path.join(dir, 'plugin.ts'))
    await symlink(path.join(parent, 'own.ts'), path.join(dir, 'plugin.ts'))
    expect((await refusal()).message).toContain('plugin.ts is a link')
    await rm(path.join(parent, 'own.ts'))
    expect((await refusal()).message).toContain('plugin.ts is a link that leads nowhere')
  })

  test('plugin.ts may be a link to another file of the folder', async () => {
    await write({ 'src/main.ts': HELLO })
    await rm(path.join(dir, 'plugin.ts'))
    await symlink('src/main.ts', path.join(dir, 'plugin.ts'))
    expect(JSON.parse((await bundlePlugin(dir)).sourceMap).sources).toEqual(['src/main.ts'])
  })

  test('a package that is linked is the own of its author, but a link to what is no package is none', async () => {
    const shared = path.join(parent, 'shared')
    await mkdir(path.join(shared, 'lib'), { recursive: true })
    await mkdir(path.join(dir, 'node_modules'))
    await writeFile(path.join(shared, 'lib/a.js'), "export { b } from '../b.js'")
    await writeFile(path.join(shared, 'b.js'), "export const b = 'text of b'")
    await symlink(shared, path.join(dir, 'node_modules/shared'))
    await write({
      'plugin.ts': `${HELLO}import { b } from 'shared/lib/a.js'\nexport const all = view(() => b)`,
    })
    expect((await refusal()).message).toContain('leads out of the package shared')
    await writeFile(path.join(shared, 'package.json'), '{"name":"shared"}')
    expect((await bundlePlugin(dir)).bundle).toContain('text of b')
    // It may have come with a folder from elsewhere, link and all.
    await writeFile(path.join(parent, 'logins.json'), '{"token":"SECRET"}')
    await writeFile(path.join(shared, 'b.js'), "export { token as b } from '../logins.json'")
    expect((await refusal()).message).toContain('"../logins.json" is outside of the package')
  })

  test('samples are not those of another file', async () => {
    await writeFile(path.join(parent, 'secret.json'), '{"token":"SECRET"}')
    await symlink(path.join(parent, 'secret.json'), path.join(dir, 'samples.json'))
    expect((await refusal()).message).toContain('samples.json: it is a link to another file')
  })

  test('a syntax error is shown with its line', async () => {
    await write({ 'plugin.ts': `${HELLO}const a = ]` })
    expect((await refusal()).message).toContain('plugin.ts:3:11 Unexpected "]"\n  const a = ]')
  })

  test.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a missing folder', () => rm(dir, { recursive: true }), 'package_invalid', /There is no folder/],
    [
      'a missing package.json',
      () => rm(path.join(dir, 'package.json')),
      'package_invalid',
      /no package.json\. Write one/,
    ],
    ['a broken package.json', () => write({ 'package.json': '{' }), 'package_invalid', /is not JSON/],
    [
      'a wrong name',
      () => write({ 'package.json': '{"name":"my-x","version":"1.0.0"}' }),
      'package_invalid',
      /`myX`/,
    ],
    [
      'a missing plugin.ts',
      () => rm(path.join(dir, 'plugin.ts')),
      'bundle_broken',
      /no plugin.ts\. Write one/,
    ],
  ])('%s is refused', async (_, spoil, code, message) => {
    await spoil()
    const error = await refusal()
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })
})

describe("from the bundle back to the author's file", () => {
  const SOURCE = `import { query, view } from '@lyceum/sdk'
interface Play {
  n: number
}

/** Says hello.
 *
 * And more.
 * @deprecated
 */
export const hello = view(() => '<p>')

/** The top. */
export const top = query(async ({ course }): Promise<Play> => {
  throw new Error(\`no \${course}\`)
})

/* Not a description. */
export const other = view(({ usr }) => usr)
`

  test('a refusal of the manifest names the line that the author wrote', async () => {
    await write({ 'plugin.ts': SOURCE })
    const { bundle, sourceMap } = await bundlePlugin(dir)
    expect(() => readManifest(bundle, { sourceMap: decodeSourceMap(sourceMap) })).toThrow(
      /^One thing to change in the plugin:\n {2}plugin\.ts:19:30 `other` asks for `usr`, which does not exist\. Did you mean `user`\?/,
    )
  })

  test('comments become descriptions', async () => {
    await write({ 'plugin.ts': SOURCE.replace('usr', 'user') })
    const { bundle, sourceMap } = await bundlePlugin(dir)
    const map = decodeSourceMap(sourceMap)
    const { endpoints } = readManifest(bundle, { sourceMap: map })
    expect(describeEndpoints(map, endpoints)).toEqual(
      new Map([
        ['hello', 'Says hello. And more.'],
        ['top', 'The top.'],
      ]),
    )
  })

  test('an error that the bundle throws points at the line that the author wrote', async () => {
    await write({ 'plugin.ts': SOURCE })
    const { bundle, sourceMap } = await bundlePlugin(dir)
    await write({ 'out/plugin.js': bundle.replaceAll('"@lyceum/sdk"', JSON.stringify(sdkUrl())) })
    const script = `const { top } = await import(process.argv[1]); top.handler({ course: 'x' }).catch((e) => console.log(e.stack))`
    const file = path.join(dir, 'out/plugin.js')
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      script,
      file,
    ])
    const stack = mapStack(decodeSourceMap(sourceMap), stdout.replaceAll(`file://${file}`, 'plugin.js'))
    expect(stack).toMatch(/^Error: no x\n {4}at .*\(?plugin\.ts:15:9\)?\n/)
  })
})

function sdkUrl(): string {
  return new URL('../../../sdk/index.ts', import.meta.url).href
}
