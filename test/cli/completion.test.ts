import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { candidates } from '../../cli/candidates.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { run } from './run.ts'

let lyceum: TestHost
let env: Record<string, string>
beforeAll(async () => {
  lyceum = await startHost()
  env = { LYCEUM_URL: lyceum.url, LYCEUM_TOKEN: await lyceum.token({ role: 'admin' }) }
  await lyceum.publish(
    'video',
    `import { onEvent, query, t } from '@lyceum/sdk'
     export const count = onEvent('play_video', ({ log }) => log('played'))
     export const top = query({ names: ['best'], params: { limit: t.number({ default: 3 }) } }, ({ course, params }) => [course, params])`,
  )
})
afterAll(() => lyceum.dispose())

/** What may stand for the last of some words, at the host of this test unless another is said. */
function complete(
  typed: string,
  { url = lyceum.url, token = env.LYCEUM_TOKEN ?? '' } = {},
): Promise<string[]> {
  const [command = '', ...words] = typed.split(' ')
  return candidates(words.length === 0 ? [command] : [command, '--url', url, '--token', token, ...words])
}

describe('completion', () => {
  test.each([
    ['unin', ['uninstall']],
    ['publish --dr', ['--dry-run']],
    ['logs --level w', ['warn']],
    ['help publ', ['publish']],
    ['compl', ['completion']],
    ['load some', []],
    ['nothing at all ', []],
    ['logs vi', ['video']],
    ['logs video --endpoint ', ['count', 'top']],
    ['query ', ['video', 'best']],
    ['query video ', ['top']],
    ['query video top ', ['course=', 'limit=']],
    ['query best l', ['limit=']],
    ['rollback video ', ['1.0.0']],
    ['quota video cpu', ['cpuMsPerCall=', 'cpuMsPerMinute=']],
  ])('of "%s" offers %j', async (typed, expected) => {
    expect((await complete(typed)).sort()).toEqual([...expected].sort())
  })

  test('of what has few values offers those, without a host', async () => {
    expect(await candidates(['token', 'au'])).toEqual(['author'])
  })

  test('is silent where no host answers, and offers the rest', async () => {
    const away = { url: 'http://127.0.0.1:9' }
    expect(await complete('logs ', away)).toEqual([])
    expect(await complete('logs --fol', away)).toEqual(['--follow'])
  })

  test.skipIf(!existsSync('/bin/bash'))('works in bash, with words that hold = and :', async () => {
    const { stdout: script } = await run(lyceum.dataDir, ['completion', 'bash'], { env })
    const typed = ['lyceum dead', 'lyceum query video top course=a:b li', 'lyceum logs ']
    const tries = typed.map(
      (line) => `COMP_LINE='${line}' COMP_POINT=${line.length}; _lyceum; echo "\${COMPREPLY[*]}"`,
    )
    const bash = spawn('/bin/bash', ['--norc', '-c', [script, ...tries].join('\n')], { env })
    const [stdout, stderr] = await Promise.all([text(bash.stdout), text(bash.stderr)])
    expect([stdout, stderr]).toEqual(['dead-letters\nlimit=\nvideo\n', ''])
  })

  test('prints a script for zsh and fish, and knows no other shell', async () => {
    const [zsh, fish, other] = await Promise.all(
      ['zsh', 'fish', 'cmd'].map((shell) => run(lyceum.dataDir, ['completion', shell])),
    )
    expect(zsh?.stdout).toMatch(/^#compdef lyceum\n/)
    expect(fish?.stdout).toMatch(/^complete -c lyceum /m)
    expect([other?.code, other?.stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')])
  })
})
