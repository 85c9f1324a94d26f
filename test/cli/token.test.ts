import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadKeys } from '../../host/auth/keys.ts'
import { verifyToken } from '../../host/auth/tokens.ts'
import { longTest } from '../support/long.ts'

const BIN = join(import.meta.dirname, '../../cli/lyceum.js')
let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-test-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Runs the real command line. Its data folder is `data` below the test's folder unless the words say. */
async function lyceum(words: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [BIN, ...words], { cwd: dir, env: { LYCEUM_DATA: 'data', ...env } })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { stdout, stderr, code }
}

const callerOf = async (folder: string, token: string) =>
  verifyToken(await loadKeys(join(dir, folder)), token.trimEnd())

describe('lyceum token', () => {
  longTest('prints a token of the data folder and nothing else, and makes the keys on the way', async () => {
    const first = await lyceum(['token', 'admin'])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    expect(first.stderr).toContain('new signing keys')
    expect(await callerOf('data', first.stdout)).toMatchObject({ role: 'admin', plugins: 'all' })
    const second = await lyceum(['token', 'ingest'])
    expect(second.stderr).toBe('')
    expect(await callerOf('data', second.stdout)).toMatchObject({ role: 'ingest' })
  })

  test('puts users, courses, plugins and the time to live into it', async () => {
    const { stdout } = await lyceum(
      'token instructor --user 7 --course c1 --course c2 --plugin video --ttl 12h --data other'.split(' '),
    )
    expect(await callerOf('other', stdout)).toEqual({
      role: 'instructor',
      user: '7',
      courses: ['c1', 'c2'],
      plugins: ['video'],
    })
    const { exp = 0, iat = 0 } = decodeJwt(stdout.trimEnd())
    expect(exp - iat).toBe(12 * 3600)
    await expect(callerOf('data', stdout)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('lasts an hour unless told otherwise, in minutes, hours or days', async () => {
    const seconds = async (words: string[]) => {
      const { exp = 0, iat = 0 } = decodeJwt((await lyceum(['token', 'admin', ...words])).stdout.trimEnd())
      return exp - iat
    }
    expect(
      await Promise.all([[], ['--ttl', '30m'], ['--ttl', '7d'], ['--ttl', '400d']].map(seconds)),
    ).toEqual([3600, 1800, 7 * 86_400, 400 * 86_400])
  })

  test('agrees on one key when several are the first', async () => {
    const many = await Promise.all(
      Array.from({ length: 4 }, () => lyceum(['token', 'admin', '--data', 'race'])),
    )
    for (const { stdout } of many) expect(await callerOf('race', stdout)).toMatchObject({ role: 'admin' })
  })

  test.each<[string, string, string[]]>([
    ['token', 'role', ['--help']],
    ['token student', 'A student needs --user', []],
    ['token instructor --user 7', 'An instructor needs at least one --course', []],
    ['token root', "'root'", ['student, instructor, researcher, author, admin, ingest']],
    ['token admin --ttl 1y', '"1y"', ['30m, 12h or 7d']],
    ['token admin --ttl 0m', '"0m"', []],
    ['token admin --ttl 401d', '"401d"', ['400d']],
    ['token admin --ttl 1h30m', '"1h30m"', []],
    ['token admin --tll 1h', '--tll', ['--ttl']],
    ['tokne admin', 'tokne', ['token']],
  ])('%s is refused: %s', async (words, wrong, help) => {
    const { stdout, stderr, code } = await lyceum(words.split(' '))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^error bad_parameter: .*\n$/)
    for (const part of [wrong, ...help]) expect(stderr).toContain(part)
  })

  test('tells about a variable that is wrong', async () => {
    const { stderr, code } = await lyceum(['token', 'admin'], { LYCEUM_PORT: 'x' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^error config_invalid: LYCEUM_PORT is "x"/)
  })

  test('prints errors as problem JSON with --json, before or after the command', async () => {
    for (const words of [
      ['--json', 'token', 'student'],
      ['token', 'student', '--json'],
      ['token', '--json'],
    ]) {
      const { stderr, code } = await lyceum(words)
      expect(code).toBe(2)
      expect(JSON.parse(stderr)).toMatchObject({ code: 'bad_parameter', status: 400 })
    }
  })
})

describe('lyceum', () => {
  test('teaches: its help and that of a command end with examples', async () => {
    for (const words of [['--help'], ['token', '--help']]) {
      const { stdout, stderr, code } = await lyceum(words)
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/Examples:\n {2}npx lyceum \w+/)
    }
  })

  test('knows its version', async () => {
    const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
    expect((await lyceum(['--version'])).stdout).toBe(`${version}\n`)
  })

  /** The machine's own Node and npx, behind the pinned ones that `npm test` puts first on PATH. */
  const systemPath = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes('node_modules'))
  const onMachine = (program: string) => systemPath.map((entry) => join(entry, program)).find(existsSync)
  const machineNode = onMachine('node')
  const machineNodeIsOld =
    machineNode !== undefined &&
    Number(/\d+/.exec(spawnSync(machineNode, ['--version'], { encoding: 'utf8' }).stdout)?.[0]) < 26

  test.skipIf(!machineNodeIsOld)('started by an older Node says how to start it', () => {
    const { stderr, status } = spawnSync(machineNode ?? '', [BIN, 'token', 'admin'], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('npx lyceum')
    expect(stderr).not.toContain('    at ')
  })

  test.skipIf(!onMachine('npx'))(
    'started by npx runs on the pinned Node, whatever the machine has first',
    () => {
      const { stdout, stderr } = spawnSync(
        'npx',
        ['--offline', 'lyceum', 'token', 'admin', '--data', join(dir, 'npx')],
        {
          cwd: join(import.meta.dirname, '../..'),
          env: { PATH: systemPath.join(delimiter), npm_config_cache: join(dir, 'npm'), HOME: dir },
          encoding: 'utf8',
        },
      )
      expect([stdout.split('.').length, stderr]).toEqual([3, expect.stringContaining('new signing keys')])
    },
  )
})
