import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Claims } from '../../host/auth/tokens.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { startBrowser } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { type Installed, install } from '../support/installed.ts'
import { longTest } from '../support/long.ts'
import { spawnHost } from '../support/spawned-host.ts'
import { firstPlugin, type Means, MOST_PLAYS, run } from './story.ts'

const ROOT = join(import.meta.dirname, '../..')
const BUILD = join(ROOT, 'host/sdk-package/build-process.ts')
const execute = promisify(execFile)

let lyceum: TestHost
let packed: Uint8Array
let installed: Installed
let files: string[]

const sdk = (headers: Record<string, string> = {}) => fetch(`${lyceum.url}/sdk.tgz`, { headers })
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

beforeAll(async () => {
  lyceum = await startHost()
  packed = await (await sdk()).bytes()
  installed = await install(packed)
  files = globSync('**/*', { cwd: installed.root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(installed.root.length + 1))
})
afterAll(async () => {
  await installed.dispose()
  await lyceum.dispose()
})

describe('GET /sdk.tgz', () => {
  test('answers a stranger, who is told when there is nothing new', async () => {
    const [first, again] = await Promise.all([sdk(), sdk()])
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'application/gzip'])
    expect(first.headers.get('cache-control')).toBe('public, no-cache')
    expect(sha256(await first.bytes())).toBe(sha256(await again.bytes()))
    const tag = first.headers.get('etag') ?? ''
    expect((await sdk({ 'if-none-match': tag })).status).toBe(304)
    expect((await sdk({ 'if-none-match': '"another"' })).status).toBe(200)
  })

  test('is made once for a data folder, whose next host serves the same file', async () => {
    const folder = join(lyceum.dataDir, 'sdk')
    const [name = '', ...more] = await readdir(folder)
    expect(name).toMatch(new RegExp(`^sdk-${packageJson.version.replaceAll('.', '\\.')}-[0-9a-f]{16}\\.tgz$`))
    expect(more).toEqual([])
    const { mtimeMs, ino } = await stat(join(folder, name))
    expect((await execute(process.execPath, [BUILD, folder])).stdout).toBe(name)
    expect(await stat(join(folder, name))).toMatchObject({ mtimeMs, ino })
  })

  longTest(
    'has the same bytes wherever it is made, and takes the place of what was there before',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lyceum-sdk-'))
      try {
        await writeFile(join(folder, 'sdk-0.0.1-0123456789abcdef.tgz'), 'an earlier one')
        const { stdout: name } = await execute('sh', [
          '-c',
          `umask 077; exec "$0" "$@"`,
          process.execPath,
          BUILD,
          folder,
        ])
        expect(await readdir(folder)).toEqual([name])
        expect(sha256(await readFile(join(folder, name)))).toBe(sha256(packed))
      } finally {
        await rm(folder, { recursive: true })
      }
    },
  )
})

test('the first page tells authors the command that fetches it, and nobody else', async () => {
  const command = `npx --package ${lyceum.url}/sdk.tgz lyceum init myPlugin`
  const pageOf = async (claims: Claims) =>
    (await lyceum.call('GET', '/', { token: await lyceum.token(claims) })).text
  expect(await pageOf({ role: 'author', user: 'ann' })).toContain(command)
  expect(await pageOf({ role: 'student', user: 'sam' })).not.toContain('lyceum init')
})

describe('the package', () => {
  test('is named @lyceum/sdk, of the version of the host, and needs what the host needs, exactly', async () => {
    const about = JSON.parse(await readFile(join(installed.root, 'package.json'), 'utf8'))
    expect(about).toMatchObject({
      name: '@lyceum/sdk',
      version: packageJson.version,
      bin: { lyceum: 'cli/lyceum.js' },
    })
    expect(about.dependencies).toMatchObject(packageJson.dependencies)
    expect(
      Object.values(about.dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(String(version))),
    ).toEqual([])
    expect(JSON.stringify(about)).not.toMatch(/resolved|https?:|file:/)
  })

  test('has what its entries name', async () => {
    const { exports } = JSON.parse(await readFile(join(installed.root, 'package.json'), 'utf8'))
    expect(Object.keys(exports)).toEqual(expect.arrayContaining(['.', './ejson', './testing']))
    const named = Object.values<string | Record<string, string>>(exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    )
    expect(named.filter((path) => !existsSync(join(installed.root, path)))).toEqual([])
  })

  test('holds no tests of ours, and nothing of this machine', async () => {
    expect(files.length).toBeGreaterThan(1_000)
    expect(files.filter((file) => /^test\/|node_modules|(?:^|\/)\./.test(file))).toEqual([])
    const own = [ROOT, lyceum.dataDir, homedir(), `${userInfo().username}@`].filter((text) => text.length > 4)
    const texts = await Promise.all(
      files.map(async (file) => [file, await readFile(join(installed.root, file), 'utf8')] as const),
    )
    expect(texts.filter(([, text]) => own.some((path) => text.includes(path))).map(([file]) => file)).toEqual(
      [],
    )
  })

  test('has for each map the source that it points to', async () => {
    const maps = files.filter((file) => file.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(600)
    const lost = await Promise.all(
      maps.map(async (map) => {
        const { sources }: { sources: string[] } = JSON.parse(
          await readFile(join(installed.root, map), 'utf8'),
        )
        return sources.some((source) => !existsSync(join(installed.root, dirname(map), source))) ? [map] : []
      }),
    )
    expect(lost.flat()).toEqual([])
  })

  test('holds JavaScript that imports none of the TypeScript that it was made of', async () => {
    const code = files.filter((file) => file.endsWith('.js') && !file.startsWith('workbench/templates/'))
    const wrong = await Promise.all(
      code.map(async (file) =>
        /^(?!\s*\*).*(?:from|import\()\s*['"]\.[^'"]*\.ts['"]/m.test(
          await readFile(join(installed.root, file), 'utf8'),
        )
          ? [file]
          : [],
      ),
    )
    expect(wrong.flat()).toEqual([])
  })
})

describe('Lyceum, installed from it', () => {
  longTest(
    'is a host and an author’s tools: from an empty folder to a page in a browser, with the numbers',
    async () => {
      const [dataDir, empty] = await Promise.all([temporary(), temporary()])
      const browser = startBrowser()
      const host = await spawnHost(dataDir, [], undefined, installed.bin)
      // Also where it takes too long, or the host would stay.
      onTestFinished(async () => {
        await (await browser).close()
        await host.stop('SIGTERM')
        await Promise.all([dataDir, empty].map((folder) => rm(folder, { recursive: true })))
      })
      const { text } = await firstPlugin(empty, host, dataDir, linked(), browser)
      expect(text).toMatch(new RegExp(`What is watched\\s+Video\\s+Plays\\s+\\w+\\s+${MOST_PLAYS}\\s`))
      expect(sha256(await (await fetch(`${host.url}/sdk.tgz`)).bytes())).toBe(sha256(packed))
    },
    180_000,
  )

  function temporary(): Promise<string> {
    return mkdtemp(join(tmpdir(), 'lyceum-first-'))
  }

  /** Without npm: what it would install is linked, and what it would run is read from package.json. */
  function linked(): Means {
    const { CI: _, ...own } = process.env
    const env = { ...own, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` }
    const lyceumIn = (cwd: string, words: readonly string[]) =>
      run(process.execPath, [installed.bin, ...words], { cwd, env })
    return {
      lyceum: lyceumIn,
      install: async (dir) => {
        const { dependencies } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'))
        expect(dependencies).toEqual({ '@lyceum/sdk': expect.stringMatching(/^http:.*\/sdk\.tgz$/) })
        await installed.linkInto(dir)
      },
      script: async (dir, name, words = []) => {
        // The types are checked with those of the other templates.
        if (name === 'check') return ''
        const { scripts } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'))
        const own = `lyceum() { "${process.execPath}" "${installed.bin}" "$@"; }`
        return run('sh', ['-c', `${own}; ${scripts[name]} "$@"`, 'sh', ...words], { cwd: dir, env })
      },
    }
  }
})
