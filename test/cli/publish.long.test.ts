import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { longTest } from '../support/long.ts'
import { type SpawnedHost, spawnHost } from '../support/spawned-host.ts'
import { type Ran, run } from './run.ts'

const HELLO = join(import.meta.dirname, '../../plugins/hello')

let folder: string
let host: SpawnedHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-publish-'))
  host = await spawnHost(join(folder, 'data'), ['--no-samples', '--no-plugins', '--log-level', 'silent'])
})
afterAll(async () => {
  await host.stop('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

const lyceum = (words: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  run(folder, words, { env: { LYCEUM_URL: host.url, LYCEUM_DATA: join(folder, 'data'), ...env } })
const token = async (...words: string[]) => (await lyceum(['token', ...words])).stdout.trim()

/** A plugin's folder that has nothing but its two files: no node_modules anywhere above it. */
async function plugin(name: string, source: string, version = '1.0.0'): Promise<string> {
  const at = join(folder, name)
  await mkdir(at, { recursive: true })
  await writeFile(join(at, 'package.json'), JSON.stringify({ name, version }))
  await writeFile(join(at, 'plugin.ts'), source)
  return at
}
const query = (text: string) =>
  `import { query } from '@lyceum/sdk'\nexport const said = query(() => ${text})\n`

async function ask(path: string, bearer: string) {
  const answer = await fetch(host.url + path, { headers: { authorization: `Bearer ${bearer}` } })
  return { status: answer.status, json: await answer.json() }
}

describe('lyceum publish', () => {
  test('publishes a copy of hello under another name, with the token of the data folder', async () => {
    await cp(HELLO, join(folder, 'greeter'), { recursive: true })
    const about = JSON.parse(await readFile(join(HELLO, 'package.json'), 'utf8'))
    await writeFile(join(folder, 'greeter/package.json'), JSON.stringify({ ...about, name: 'greeter' }))
    const ran = await lyceum(['publish', 'greeter'])
    expect(ran).toEqual({
      code: 0,
      stdout: 'greeter 1.0.0 is published and active.\n',
      stderr: `greeter 1.0.0 is new, at ${host.url}\n  endpoints that come: greet, hello\n`,
    })
    const admin = await token('admin')
    const { json } = await ask('/v1/schema', admin)
    expect(json.plugins.map(({ id }: { id: string }) => id)).toContain('greeter')
  })

  test('takes --url and --token, and prints JSON where asked to', async () => {
    const at = await plugin('asJson', query("'yes'"))
    // Where the types would lie; what was published is published all the same.
    await writeFile(join(at, '.lyceum'), '')
    const author = await token('author', '--user', 'ann')
    const ran = await run(folder, ['publish', 'asJson', '--url', `${host.url}/`, '--token', author, '--json'])
    expect(ran.code).toBe(0)
    expect(JSON.parse(ran.stdout)).toMatchObject({
      plugin: 'asJson',
      version: '1.0.0',
      needs: [],
      approval: 'granted',
    })
    expect(ran.stderr).toMatch(
      /The types in \.lyceum\/ could not be written: E\w+: .*\nTry again with: npx lyceum types/,
    )
    expect((await ask('/v1/queries/asJson/said', await token('admin'))).json).toBe('yes')
  })

  test('tells what it would ask for first, and without a terminal asks for more only with --yes', async () => {
    await plugin(
      'asksFor',
      "import { query } from '@lyceum/sdk'\nexport const q = query(({ plugins: { asJson } }) => asJson.said())",
    )
    const env = { LYCEUM_TOKEN: await token('author', '--user', 'ann') }
    const told = `asksFor 1.0.0 is new, at ${host.url}\n  asks for, and waits for an admin to approve: plugins.asJson\n  endpoints that come: q\n`
    const refused = await lyceum(['publish', 'asksFor'], env)
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr.startsWith(told)).toBe(true)
    expect(refused.stderr).toMatch(/^error bad_parameter: .*plugins\.asJson.*--yes\.$/m)
    const dry = await lyceum(['publish', 'asksFor', '--dry-run'], env)
    expect(dry).toEqual({ code: 0, stdout: told, stderr: '' })
    const { json } = await ask('/v1/plugins/asksFor', await token('admin'))
    expect(json.code).toBe('plugin_unknown')
    expect(await lyceum(['publish', 'asksFor', '--yes'], env)).toEqual({
      code: 0,
      stdout: 'asksFor 1.0.0 is published and waits for an admin, because it asks for: plugins.asJson.\n',
      stderr: told,
    })
  })

  longTest('tells which endpoints come, go and change, and who would miss them', async () => {
    const sdk = "import { query } from '@lyceum/sdk'\n"
    await plugin('differs', `${sdk}export const a = query(() => 1)\nexport const b = query(() => 1)`)
    await lyceum(['publish', 'differs'])
    await plugin('misses', `${sdk}export const q = query(({ plugins: { differs } }) => differs.a())`)
    await lyceum(['publish', 'misses', '--yes'])
    await plugin(
      'differs',
      `${sdk}export const b = query(({ course }) => course)\nexport const c = query(() => 1)`,
      '1.1.0',
    )
    const { code, stderr } = await lyceum(['publish', 'differs'])
    expect([code, stderr.split('\n')]).toEqual([
      0,
      [
        `differs 1.1.0 takes the place of 1.0.0, at ${host.url}`,
        '  endpoints that come: c',
        '  endpoints that go: a',
        '  endpoints that change: b',
        '  warning: misses may ask differs for a, which would go.',
        '',
      ],
    ])
    const again = await lyceum(['publish', 'differs', '--json'])
    expect(again.stderr).toBe('')
    expect(JSON.parse(again.stdout)).toMatchObject({
      plugin: 'differs',
      version: '1.1.0',
      plan: { replaces: '1.1.0', isKnown: true },
    })
  })

  longTest('tells when handlers changed, and how their data are made anew', async () => {
    const handler = (text: string) =>
      `import { onEvent } from '@lyceum/sdk'\nexport const on = onEvent('x', ({ log }) => log('${text}'))`
    await plugin('handles', handler('one'))
    await lyceum(['publish', 'handles'])
    // Of no events no data are made.
    await fetch(`${host.url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await token('admin')}`, 'content-type': 'application/json' },
      body: '{"event_type":"x"}',
    })
    await plugin('handles', handler('two'), '1.1.0')
    const { stdout, stderr } = await lyceum(['publish', 'handles'])
    expect(stderr).toContain('  changed handlers, so a rebuild will be offered: on\n')
    expect(stdout).toMatch(/^handles 1\.1\.0 is published and active\.\n.*: npx lyceum rebuild handles\n$/)
  })

  test('prints each thing to change in the manifest on a line of its own, with its place', async () => {
    await plugin(
      'refused',
      [
        "import { query, view } from '@lyceum/sdk'",
        'export const whole = query((context) => context)',
        'export const typo = view(({ databse }) => databse as never)',
      ].join('\n'),
    )
    const { code, stdout, stderr } = await lyceum(['publish', 'refused'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error manifest_refused: 2 things to change in the plugin:\n/)
    expect(stderr).toMatch(
      /^plugin\.ts:2:\d+ `whole` takes its parameter whole.*\n {2}1 \|.*\n> 2 \| export const whole/m,
    )
    expect(stderr).toMatch(/^plugin\.ts:3:\d+ `typo` .*$/m)
  })

  test('prints where the top level threw', async () => {
    await plugin(
      'throws',
      "import { query } from '@lyceum/sdk'\nfunction load(): number {\n  throw new Error('no data')\n}\nconst n = load()\nexport const said = query(() => n)",
    )
    const { code, stderr } = await lyceum(['publish', 'throws'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error bundle_broken: .*no data/)
    expect(stderr).toMatch(/^ +at load \(plugin\.ts:3:\d+\)$/m)
    expect(stderr).toMatch(/^ +at .*plugin\.ts:5:\d+/m)
    expect(stderr).not.toMatch(/lyceum:|node:internal|cli\//)
  })

  test('prints what cannot be bundled, before anything is sent', async () => {
    await plugin('syntax', "import { query } from '@lyceum/sdk'\nexport const said = query(() => {\n")
    const syntax = await lyceum(['publish', 'syntax'])
    expect(syntax.code).toBe(1)
    expect(syntax.stderr).toMatch(/^error bundle_broken: /)
    expect(syntax.stderr).toMatch(/^plugin\.ts:3:\d+ /m)
    await plugin(
      'node',
      "import { readFileSync } from 'node:fs'\nexport const said = readFileSync('/etc/hostname')",
    )
    expect((await lyceum(['publish', 'node'])).stderr).toMatch(/plugin\.ts:1:\d+ "node:fs" is part of Node/)
  })

  test('prints wrong options with what to write', async () => {
    await plugin(
      'options',
      "import { onEvent } from '@lyceum/sdk'\nexport const on = onEvent({ mode: 'fast' as never }, ({ log }) => log(1))",
    )
    const { code, stderr } = await lyceum(['publish', 'options'])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error options_refused: .*`on`.*mode: write "realtime"/),
    ])
    expect(stderr).toMatch(/^> 2 \| export const on = onEvent\(\{ mode: 'fast'.*\n {4}\| {19}\^$/m)
  })

  test('prints a refusal of the host as its sentence, or as problem JSON', async () => {
    await plugin('twice', query('1'))
    await lyceum(['publish', 'twice'])
    await plugin('twice', query('2'))
    expect((await lyceum(['publish', 'twice'])).stderr).toMatch(
      /^error version_exists: Version 1\.0\.0 of twice exists with other content\. Raise "version".*\n$/,
    )
    const { code, stdout, stderr } = await lyceum(['--json', 'publish', 'twice'])
    expect([code, stdout]).toEqual([1, ''])
    expect(JSON.parse(stderr)).toMatchObject({ status: 409, code: 'version_exists' })
  })

  test.each([
    [
      'a folder that is not there',
      ['publish', 'nowhere'],
      1,
      /^error package_invalid: There is no folder nowhere/,
    ],
    ['a folder without a plugin', ['publish'], 1, /^error package_invalid: .*package\.json/],
    ['a folder too many', ['publish', 'a', 'b'], 2, /^error bad_parameter: .*--help/],
    [
      'no host',
      ['publish', 'twice', '--url', 'http://127.0.0.1:9'],
      3,
      /^error server_unreachable: http:\/\/127\.0\.0\.1:9 cannot be reached.*npm start/,
    ],
    [
      'a wrong token',
      ['publish', 'twice', '--token', 'x.y.z'],
      1,
      /^error token_invalid: .*npx lyceum token/,
    ],
  ])('tells what to do about %s', async (_, words, exitCode, expected) => {
    const { code, stdout, stderr } = await lyceum(words)
    expect([code, stdout]).toEqual([exitCode, ''])
    expect(stderr).toMatch(expected)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

describe('lyceum token', () => {
  test('prints a bearer token that the host of the data folder knows, with its role', async () => {
    const student = await token('student', '--user', 'sam')
    expect((await ask('/v1/queries/twice/said', student)).json).toBe(1)
    expect((await ask('/v1/plugins', student)).json.code).toBe('role_denied')
    expect((await ask('/v1/plugins', await token('admin'))).status).toBe(200)
  })
})
