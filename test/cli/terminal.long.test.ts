import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { BIN } from './run.ts'

let lyceum: TestHost
let token: string
beforeAll(async () => {
  lyceum = await startHost()
  token = await lyceum.token({ role: 'admin' })
})
afterAll(() => lyceum.dispose())

interface Seen {
  readonly code: number | null
  /** Everything that came to the terminal, with its escapes. */
  readonly output: string
}

/** Runs the command line on a terminal of 60 columns, and answers its question. */
async function onTerminal(
  words: readonly string[],
  { answer, env = {} }: { answer?: string; env?: Record<string, string> } = {},
): Promise<Seen> {
  const command = [process.execPath, BIN, ...words].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', `stty cols 60; ${command}`, '/dev/null'], {
    env: {
      PATH: '/usr/bin:/bin',
      HOME: lyceum.dataDir,
      TERM: 'xterm',
      LYCEUM_URL: lyceum.url,
      LYCEUM_TOKEN: token,
      ...env,
    },
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (answer !== undefined && /\[y\/N\] /.test(output)) child.stdin.end(answer)
  })
  await text(child.stdout)
  return { code: await exited, output: output.replaceAll('\r\n', '\n') }
}

async function plugin(version: string, source: string): Promise<string> {
  const folder = join(lyceum.dataDir, 'asked')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'asked', version }))
  await writeFile(join(folder, 'plugin.ts'), `import { query } from '@lyceum/sdk'\n${source}`)
  return folder
}

describe.skipIf(!existsSync('/usr/bin/script'))('on a terminal', () => {
  longTest('publish asks before endpoints go: no and Ctrl-C change nothing, yes does', async () => {
    const sdk = "import { query } from '@lyceum/sdk'\n"
    await lyceum.publish('asked', `${sdk}export const a = query(() => 1)\nexport const b = query(() => 1)`)
    const folder = await plugin('1.1.0', 'export const a = query(() => 1)')
    const running = async () => (await lyceum.call('GET', '/v1/plugins/asked')).json.version
    const no = await onTerminal(['publish', folder], { answer: 'n\n' })
    expect([no.code, await running()]).toEqual([1, '1.0.0'])
    // What it is at is told, and taken away again.
    expect(no.output).toContain('\rHaving asked checked by ')
    expect(no.output).toContain('\r\u001b[Kasked 1.1.0 takes the place of 1.0.0, ')
    expect(no.output).toContain('  endpoints that go: b\n')
    expect(no.output).toContain('Nothing was published.')
    const interrupted = await onTerminal(['publish', folder], { answer: '\u0003' })
    expect([interrupted.code, await running()]).toEqual([130, '1.0.0'])
    const yes = await onTerminal(['publish', folder], { answer: 'y\n' })
    expect([yes.code, await running()]).toEqual([0, '1.1.0'])
  })

  test('a result is a table that fits, in bold where NO_COLOR does not forbid it', async () => {
    await lyceum.publish(
      'wide',
      "import { query } from '@lyceum/sdk'\nexport const q = query(() => [{ n: 1, text: 'x'.repeat(200) }])",
    )
    const [coloured, plain] = await Promise.all([
      onTerminal(['query', 'wide', 'q']),
      onTerminal(['query', 'wide', 'q'], { env: { NO_COLOR: '1' } }),
    ])
    expect(coloured.output).toContain('\u001b[1mtext\u001b[22m')
    expect(plain.output).toBe(`version 1.0.0, data as of event 0\nn  text\n1  ${'x'.repeat(56)}…\n`)
  })

  test('CSV does not steer it, be it from a host or from a run without one', async () => {
    const source = "export const q = query(() => [{ text: '\\u001b[2Jnot red' }])"
    const folder = await plugin('1.2.0', source)
    await lyceum.publish('steers', `import { query } from '@lyceum/sdk'\n${source}`)
    const events = join(lyceum.dataDir, 'none.ndjson')
    await writeFile(events, '')
    const [asked, ran] = await Promise.all([
      onTerminal(['query', 'steers', 'q', '--format', 'csv']),
      onTerminal(['run', folder, '--events', events, '--query', 'q', '--format', 'csv']),
    ])
    for (const { output } of [asked, ran]) {
      expect(output).toContain(' [2Jnot red')
      expect(output).not.toContain('\u001b[2J')
    }
  })
})
