import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { longTest } from '../support/long.ts'
import { type SpawnedHost, spawnHost } from '../support/spawned-host.ts'
import { run } from './run.ts'

let folder: string
let data: string
let host: SpawnedHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-sign-in-'))
  data = join(folder, 'data')
  host = await spawnHost(data, ['--no-samples', '--no-plugins', '--log-level', 'silent'])
})
afterAll(async () => {
  await host.stop('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

describe('lyceum sign-in', () => {
  test('prints a link that lets one browser in, once, as whom it was made for', async () => {
    const words = ['sign-in', 'student', '--user', '42', '--url', host.url, '--data', data]
    const { code, stdout, stderr } = await run(folder, words)
    expect([code, stderr]).toEqual([0, ''])
    const answer = await fetch(stdout.trim(), { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/'])
    const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? ''
    const home = await fetch(host.url, { headers: { cookie } })
    expect(home.status).toBe(200)
    expect(await home.text()).toContain('<strong>42</strong>, student')
    const plugins = await fetch(`${host.url}/v1/plugins`, { headers: { cookie } })
    expect(await plugins.json()).toMatchObject({ code: 'role_denied' })

    const again = await fetch(stdout.trim(), { redirect: 'manual' })
    expect([again.status, again.headers.get('set-cookie')]).toEqual([401, null])
    expect(await again.json()).toMatchObject({ code: 'sign_in_link_used' })
  })

  longTest('leads to the port of LYCEUM_PORT, unless LYCEUM_URL or --url say where', async () => {
    const origin = async (words: string[], env: Record<string, string>) =>
      new URL((await run(folder, ['sign-in', 'admin', '--data', data, ...words], { env })).stdout).origin
    const port = { LYCEUM_PORT: '4711' }
    const url = { ...port, LYCEUM_URL: 'https://one.example' }
    expect(await origin([], {})).toBe('http://127.0.0.1:4000')
    expect(await origin([], port)).toBe('http://127.0.0.1:4711')
    expect(await origin([], url)).toBe('https://one.example')
    expect(await origin(['--url', 'https://two.example/'], url)).toBe('https://two.example')
  })

  test.each([
    ['sign-in student', '--user'],
    ['sign-in instructor --user 7', '--course'],
    ['sign-in ingest', "'ingest'"],
    ['sign-in admin --url nonsense', 'nonsense'],
  ])('%s is refused: %s', async (words, wrong) => {
    const { code, stdout, stderr } = await run(folder, [...words.split(' '), '--data', data])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^error bad_parameter: .*\n$/)
    expect(stderr).toContain(wrong)
  })
})

describe('where no host keeps its data', () => {
  test.each([['sign-in admin'], ['publish .'], ['load x.log']])(
    '%s says so, and makes no keys that no host would know',
    async (words) => {
      const bare = await run(folder, words.split(' '))
      expect([bare.code, bare.stdout]).toEqual([2, ''])
      expect(bare.stderr).toMatch(
        /^error config_invalid: There is no data folder of a host at \.\/\.lyceum\. .*--data/,
      )
      expect(existsSync(join(folder, '.lyceum'))).toBe(false)
      const named = await run(folder, words.split(' '), { env: { LYCEUM_DATA: 'elsewhere' } })
      expect(named.stderr).toContain(' at elsewhere. ')
      const flag = await run(folder, [...words.split(' '), '--data', 'there'])
      expect(flag.stderr).toContain(' at there. ')
      expect(existsSync(join(folder, 'there'))).toBe(false)
    },
  )
})
