import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueToken } from '../../host/auth/tokens.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { type Ran, run } from './run.ts'

let lyceum: TestHost
let folder: string
let token: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-login-'))
  lyceum = await startHost()
  token = await lyceum.token({ role: 'author', user: 'ann' })
  await lyceum.publish('mine', "import { query } from '@lyceum/sdk'\nexport const q = query(() => 1)", {
    token,
  })
})
afterAll(async () => {
  await lyceum.dispose()
  await rm(folder, { recursive: true, force: true })
})

/** In a folder without a data folder of a host, which is its user's home. */
const away = (words: readonly string[], input = '', env: Record<string, string> = {}): Promise<Ran> =>
  run(folder, words, { input, env })
const file = () => join(folder, '.config/lyceum/logins.json')

describe('lyceum login', () => {
  test('without it a command says how to get a token', async () => {
    const { code, stderr } = await away(['plugins', '--url', lyceum.url])
    expect(code).toBe(2)
    expect(stderr).toContain(`ask an admin for a token, and run: npx lyceum login ${lyceum.url}`)
  })

  test('a token that the host does not know is not kept', async () => {
    const [wrong, none] = await Promise.all([
      away(['login', lyceum.url], 'x.y.z'),
      away(['login', lyceum.url], ''),
    ])
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/^error token_invalid: /)])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('That is not a token.')])
    await expect(stat(file())).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('keeps a token where only its user can read it, and the other commands go there with it', async () => {
    const { code, stdout, stderr } = await away(['login', `${lyceum.url}/`], `${token}\n`)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      new RegExp(
        `^Logged in to ${lyceum.url} as author ann, until \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC\\.\n$`,
      ),
    )
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(file()))).mode & 0o777).toBe(0o700)
    const mine = await away(['plugins', '--json'])
    expect(JSON.parse(mine.stdout)).toMatchObject([{ id: 'mine', owner: 'ann' }])
  })

  longTest('its token goes to no other host, and yields to what is said', async () => {
    const elsewhere = await away(['plugins', '--url', 'http://127.0.0.1:9'])
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      2,
      expect.stringContaining('lyceum login http://127.0.0.1:9'),
    ])
    const admin = await away(['plugins', '--json'], '', {
      LYCEUM_TOKEN: await lyceum.token({ role: 'student', user: 's' }),
    })
    expect([admin.code, admin.stderr]).toEqual([1, expect.stringContaining('role_denied')])
    // A data folder says that there is a host on this machine, whatever login there was.
    const local = await away(['plugins'], '', { LYCEUM_DATA: lyceum.dataDir, LYCEUM_PORT: '9' })
    expect([local.code, local.stderr]).toEqual([
      3,
      expect.stringContaining('http://127.0.0.1:9 cannot be reached'),
    ])
  })

  longTest(
    'a host of another machine gets no token that the keys of the one in this folder make',
    async () => {
      const keys = join(lyceum.dataDir, 'keys.json')
      const here = join(folder, 'here')
      await mkdir(join(here, '.lyceum'), { recursive: true })
      await copyFile(keys, join(here, '.lyceum/keys.json'))
      const plugins = (url: string, ...more: string[]) =>
        run(here, ['plugins', '--url', url, ...more], { env: { XDG_CONFIG_HOME: here } })
      const other = 'http://host.invalid'
      const refused = await plugins(other)
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`lyceum login ${other}`)])
      expect((await plugins(other, '--data', '.lyceum')).code).toBe(3)
      expect((await plugins(lyceum.url)).code).toBe(0)
    },
  )

  test('a token for events only can be kept, too', async () => {
    const ingest = await lyceum.token({ role: 'ingest' })
    const home = { XDG_CONFIG_HOME: join(folder, 'other') }
    expect((await away(['login', lyceum.url, '--json'], ingest, home)).code).toBe(0)
    const loaded = await away(['load', '-', '--json'], '{"event_type":"x"}\n', home)
    expect(JSON.parse(loaded.stdout)).toMatchObject({ accepted: 1 })
  })

  test('one that is over says so, and what to do', async () => {
    const over = await issueToken(lyceum.host.keys, { role: 'author', user: 'ann' }, -60)
    await mkdir(join(folder, 'over/lyceum'), { recursive: true })
    const kept = { current: lyceum.url, hosts: [{ url: lyceum.url, token: over }] }
    await writeFile(join(folder, 'over/lyceum/logins.json'), JSON.stringify(kept))
    const home = { XDG_CONFIG_HOME: join(folder, 'over') }
    const own = ['--data', lyceum.dataDir, '--url', lyceum.url]
    const [{ code, stderr }, withKeys] = await Promise.all([
      away(['plugins'], '', home),
      // The keys of the host are for whoever names them.
      away(['plugins', ...own], '', home),
    ])
    expect([withKeys.code, withKeys.stderr]).toEqual([0, ''])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error token_expired: .*npx lyceum login http/),
    ])
  })

  test('what is no token, no address or no file of logins is told so', async () => {
    await mkdir(join(folder, 'broken/lyceum'), { recursive: true })
    await writeFile(join(folder, 'broken/lyceum/logins.json'), '{"hosts":[{"url":')
    const [half, broken] = await Promise.all([
      away(['plugins', '--url', lyceum.url], '', {
        LYCEUM_TOKEN: `${token.slice(0, 20)}\n${token.slice(20)}`,
      }),
      away(['plugins'], '', { XDG_CONFIG_HOME: join(folder, 'broken') }),
    ])
    const address = await away(['plugins', '--url', 'localhost:4000'])
    expect([address.code, address.stderr]).toEqual([2, expect.stringContaining('must look like http://')])
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining('That is not a token.')])
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining('logins.json is damaged')])
  })

  test('lyceum logout forgets it', async () => {
    expect((await away(['logout'])).stdout).toBe(`The token for ${lyceum.url} is forgotten.\n`)
    expect(await readFile(file(), 'utf8')).not.toContain(token)
    expect(await away(['logout'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('No token is kept.'),
    })
    const kept = { hosts: [{ url: lyceum.url, token }] }
    await writeFile(file(), JSON.stringify(kept))
    const { stderr } = await away(['logout'])
    expect(stderr).toContain(`Tokens are kept for ${lyceum.url}: name one.`)
  })
})
