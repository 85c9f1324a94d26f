import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { BIN, run } from './run.ts'

const SOURCE = `import { onEvent, query, t } from '@lyceum/sdk'

function refuse(n: number): never {
  throw new Error('no ' + n)
}
export const keep = onEvent('note', async ({ events, db, log }) => {
  for (const e of events) {
    if (e.n === 13) refuse(e.n)
    await db.collection('notes').insertOne({ _id: e.n })
    log.info('kept', e.n, e.text ?? '')
  }
})
/** The notes. */
export const notes = query({ names: ['jottings'], params: { from: t.number({ default: 0 }) } }, ({ db, params }) =>
  db.collection('notes').find({ _id: { $gte: params.from } }).sort({ _id: 1 }).toArray())
export const withSample = query({ sample: [7] }, () => [8])
export const controls = query(() => [{ text: 'a\\u001b[31mred\\u009b\\nb', '\\u001bkey': 1 }])
export const long = query(() => Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x'.repeat(50) })))
`

let lyceum: TestHost
let ann: Record<string, string>
let admin: Record<string, string>
beforeAll(async () => {
  lyceum = await startHost()
  const as = async (claims: Parameters<TestHost['token']>[0]) => ({
    LYCEUM_URL: lyceum.url,
    LYCEUM_TOKEN: await lyceum.token(claims),
  })
  ann = await as({ role: 'author', user: 'ann' })
  admin = await as({ role: 'admin' })
  await lyceum.publish('talks', SOURCE, { token: ann.LYCEUM_TOKEN ?? '' })
  await lyceum.publish('theirs', "import { query } from '@lyceum/sdk'\nexport const q = query(() => 1)")
  await lyceum.send([1, 2, 13, 3].map((n) => ({ event_type: 'note', n, text: 'é\u001b[2J' })))
})
afterAll(() => lyceum.dispose())

const author = (...words: string[]) => run(lyceum.dataDir, words, { env: ann })
const operator = (...words: string[]) => run(lyceum.dataDir, words, { env: admin })
const hasControls = (said: string) => /[^\P{C}\n]/u.test(said)

/** A command that goes on, until it is told to end. */
function background(words: readonly string[]): { child: ChildProcess; until(part: string): Promise<void> } {
  const child = spawn(process.execPath, [BIN, ...words], { cwd: lyceum.dataDir, env: ann })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const until = async (part: string) => {
    while (!output.includes(part)) await once(child.stdout, 'data')
  }
  return { child, until }
}

describe('lyceum query', () => {
  longTest('prints JSON for programs, and takes parameters as name=value', async () => {
    const [all, some, lines, common, csv] = await Promise.all([
      author('query', 'talks', 'notes'),
      author('query', 'talks', 'notes', 'from=2'),
      author('query', 'talks', 'notes', '--param', 'from=2', '--format', 'ndjson'),
      author('query', 'jottings', 'from=3'),
      author('query', 'talks', 'notes', '--format', 'csv'),
    ])
    expect(all).toEqual({ code: 0, stdout: '[{"_id":1},{"_id":2},{"_id":3}]\n', stderr: '' })
    expect(some.stdout).toBe('[{"_id":2},{"_id":3}]\n')
    expect(lines.stdout).toBe('{"_id":2}\n{"_id":3}\n')
    expect(common.stdout).toBe('[{"_id":3}]\n')
    expect(csv.stdout.trimEnd().split(/\r?\n/)).toEqual(['_id', '1', '2', '3'])
  })

  test('never lets a result steer the terminal, and its JSON is the same value still', async () => {
    const [asTable, asJson] = await Promise.all([
      author('query', 'talks', 'controls', '--format', 'table'),
      author('query', 'talks', 'controls', '--json'),
    ])
    expect(asTable.stdout).toBe('text         key\na [31mred b    1\n')
    expect(hasControls(asJson.stdout)).toBe(false)
    expect(JSON.parse(asJson.stdout)).toEqual([{ text: 'a\u001b[31mred\u009b\nb', '\u001bkey': 1 }])
  })

  test('marks what is a sample', async () => {
    const { stdout, stderr } = await author('query', 'talks', 'withSample', '--sample')
    expect([stdout, stderr]).toEqual(['[7]\n', 'This is a sample from the author of the plugin, not data.\n'])
  })

  test('lists what may be asked where no query is named', async () => {
    const [asTable, asJson] = await Promise.all([author('query', '--format', 'table'), author('query')])
    expect(asTable.stdout).toMatch(/^plugin +query +takes +common name +title$/m)
    expect(asTable.stdout).toMatch(/^talks +notes +from +jottings +Notes$/m)
    expect(JSON.parse(asJson.stdout)).toContainEqual({
      plugin: 'talks',
      query: 'notes',
      takes: ['from'],
      names: ['jottings'],
      title: 'Notes',
    })
  })

  test.each([
    ['query talks notes from', 2, /^error bad_parameter: .*"from"/],
    ['query from=1', 2, /^error bad_parameter: Which query\?/],
    [
      'query talks notes --from 1',
      2,
      /^error bad_parameter: .*dimensions are written from=VALUE\. See --help\.$/m,
    ],
    ['query talks notes --format xml', 2, /table, json, ndjson, csv/],
    ['query talks notes form=1', 1, /^error bad_parameter: .*form.*from/],
    ['query talks nots', 1, /^error endpoint_unknown: .*notes/],
    ['query talks keep', 1, /^error endpoint_unknown: .*That is of the kind onEvent\. It has: .*notes/],
    [
      'query talks',
      1,
      /^error name_unknown: "talks" is a plugin\. Name one of its queries, too: .* npx lyceum query talks NAME/,
    ],
    ['query talks.notes from=1', 2, /^error bad_parameter: .*two words: npx lyceum query talks notes$/m],
  ])('%s is refused with exit code %i', async (words, exitCode, expected) => {
    const { code, stdout, stderr } = await author(...words.split(' '))
    expect([code, stdout]).toEqual([exitCode, ''])
    expect(stderr).toMatch(expected)
  })
})

describe('lyceum logs', () => {
  test('shows lines with their level and endpoint, and stacks in the lines of the author', async () => {
    const { code, stdout, stderr } = await author('logs', 'talks')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d info {2}1\.0\.0 keep {2}kept 1 é \[2J$/m)
    expect(stdout).toMatch(/ error 1\.0\.0 keep \(host\) {2}.*no 13\n +at refuse \(plugin\.ts:4:9\)\n/)
    expect(hasControls(stdout)).toBe(false)
  })

  test('keeps to a level, an endpoint and a number of lines, as NDJSON with --json', async () => {
    const [errors, none, last, empty] = await Promise.all([
      author('logs', 'talks', '--level', 'error', '--json'),
      author('logs', 'talks', '--endpoint', 'other'),
      author('logs', 'talks', '--level', 'info', '--limit', '1', '--json'),
      operator('logs', 'theirs'),
    ])
    const lines = errors.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.length).toBeGreaterThan(0)
    expect(new Set(lines.map(({ level }) => level))).toEqual(new Set(['error']))
    expect([none.stdout, none.stderr]).toEqual(['', 'talks has logged nothing like that.\n'])
    expect([empty.stdout, empty.stderr]).toEqual(['', 'theirs has logged nothing since its host started.\n'])
    expect(last.stdout.trimEnd().split('\n')).toHaveLength(1)
  })

  test('follows the lines to come, each once, until Ctrl-C, which is exit code 130', async () => {
    const { child, until } = background(['logs', 'talks', '--follow', '--limit', '1', '--json'])
    await until('\n')
    await lyceum.send([{ event_type: 'note', n: 21, text: 'later' }])
    await until('kept 21 later')
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([130, null])
  })
})

test('a reader that has read enough ends a command without a word', async () => {
  const child = spawn(
    'bash',
    [
      '--norc',
      '-c',
      '"$0" "$1" query talks long --format ndjson | head -1; echo "${PIPESTATUS[0]}"',
      process.execPath,
      BIN,
    ],
    {
      cwd: lyceum.dataDir,
      env: { ...ann, PATH: process.env.PATH },
    },
  )
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  expect([stdout, stderr]).toEqual([`{"n":0,"text":"${'x'.repeat(50)}"}\n0\n`, ''])
})

describe('lyceum dead-letters', () => {
  test('shows the event and where the handler failed on it, as JSON whole', async () => {
    const [shown, asJson] = await Promise.all([
      author('dead-letters', 'talks'),
      author('dead-letters', 'talks', '--json'),
    ])
    expect(shown.stdout).toMatch(/^#1 {2}keep event 3 version 1\.0\.0 3 attempts /)
    expect(shown.stdout).toMatch(/^ {2}plugin_failed: .*no 13$/m)
    expect(shown.stdout).toMatch(/^ +at refuse \(plugin\.ts:4:9\)$/m)
    expect(shown.stdout).toContain('"n":13')
    expect(hasControls(shown.stdout)).toBe(false)
    expect(shown.stderr).toContain('npx lyceum dead-letters talks --retry')
    expect(JSON.parse(asJson.stdout)).toMatchObject({ total: 1, letters: [{ id: 1, event: { n: 13 } }] })
  })

  longTest(
    'retries them and waits: exit code 1 where one fails again, 0 once a version takes it',
    async () => {
      const failed = await author('dead-letters', 'talks', '--retry', '--id', '1')
      expect([failed.code, failed.stdout]).toEqual([
        1,
        expect.stringMatching(
          /^#1 failed again: plugin_failed: .*no 13.*\n0 of 1 dead letters are handled now\.\n$/,
        ),
      ])
      await lyceum.publish('talks', SOURCE.replace('e.n === 13', 'false'), {
        version: '1.1.0',
        token: ann.LYCEUM_TOKEN ?? '',
      })
      const done = await author('dead-letters', 'talks', '--retry', '--json')
      expect(done.code).toBe(0)
      expect(JSON.parse(done.stdout)).toMatchObject({ retried: [{ id: 1, state: 'committed' }] })
      const [none, gone] = await Promise.all([
        author('dead-letters', 'talks'),
        author('dead-letters', 'talks', '--retry', '--id', '1'),
      ])
      expect(none.stdout).toBe('talks has no dead letters.\n')
      expect([gone.code, gone.stderr]).toEqual([
        2,
        expect.stringContaining('There is no dead letter 1 of talks.'),
      ])
    },
  )
})

test('an author has the data of an own plugin made anew', async () => {
  const { code, stdout } = await author('rebuild', 'talks')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^talks is rebuilt: /)])
})

describe('lyceum plugins', () => {
  test('lists those of an author, or all for an admin, and shows one in detail', async () => {
    const [mine, all, one] = await Promise.all([
      author('plugins'),
      operator('plugins', '--json'),
      author('plugins', 'talks'),
    ])
    expect(mine.stdout).toMatch(/^plugin +version +state +lag +most used quota +owner\n/)
    expect(mine.stdout).toMatch(/^talks +\S+ +active +0 .*ann$/m)
    expect(mine.stdout).not.toContain('theirs')
    expect(JSON.parse(all.stdout).map(({ id }: { id: string }) => id)).toEqual(['talks', 'theirs'])
    for (const part of [/^state +active$/m, /^owner +ann$/m, /^keep +\d+ +0$/m, /^memoryMb +64$/m])
      expect(one.stdout).toMatch(part)
  })
})

describe('what admins do', () => {
  longTest('approve, deny and revoke decide what a plugin may reach', async () => {
    const source = `import { query } from '@lyceum/sdk'
      export const q = query(({ plugins: { theirs } }) => theirs.q())`
    await lyceum.publish('asks', source, { token: ann.LYCEUM_TOKEN ?? '' })
    expect((await operator('deny', 'asks', '--reason', 'Not yet.')).code).toBe(0)
    const waits = await author('plugins', 'asks')
    expect(waits.stdout).toMatch(/^waits for an admin +1\.0\.0: plugins\.theirs$/m)
    expect(waits.stdout).toMatch(/^denied, because +Not yet\.$/m)
    expect(waits.stdout).toMatch(/^ *would come +q$/m)
    const other = await operator('approve', 'asks', '--of', '0.9.0')
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('version_newer')])
    expect(await operator('approve', 'asks')).toMatchObject({ code: 0, stdout: 'asks 1.0.0 is active.\n' })
    expect((await author('query', 'asks', 'q')).stdout).toBe('1\n')
    expect(await operator('revoke', 'asks', 'plugins.theirs')).toMatchObject({
      stdout: 'asks may still reach: nothing but its own.\n',
    })
    expect((await author('query', 'asks', 'q')).stderr).toMatch(/^error op_denied: /)
  })

  longTest('pause, resume, rollback and quota change a plugin', async () => {
    expect((await operator('pause', 'theirs')).stdout).toBe('theirs 1.0.0 is paused.\n')
    expect((await operator('resume', 'theirs', '--json')).stdout).toBe(
      '{"plugin":"theirs","version":"1.0.0","state":"active"}\n',
    )
    const quota = await operator('quota', 'theirs', 'memoryMb=70', 'cacheMb=9')
    expect(quota.stdout).toMatch(/^memoryMb +70$/m)
    expect((await operator('quota', 'theirs', 'memoryMb')).code).toBe(2)
    await lyceum.publish('theirs', "import { query } from '@lyceum/sdk'\nexport const q = query(() => 2)", {
      version: '2.0.0',
    })
    expect((await operator('rollback', 'theirs')).stdout).toBe('theirs 1.0.0 is active.\n')
  })

  test('rollback tells whose data are still those of the newer version', async () => {
    const counting = (by: number) => `import { onEvent } from '@lyceum/sdk'
      export const count = onEvent('play_video', ({ db }) =>
        db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: ${by} } }, { upsert: true }))`
    await lyceum.publish('counts', counting(1))
    await lyceum.publish('counts', counting(2), { version: '2.0.0' })
    const { stdout } = await operator('rollback', 'counts')
    expect(stdout).toMatch(/^counts 1\.0\.0 is active\.\n.*: count\. .* npx lyceum rebuild counts\n$/)
  })

  test('an author who asks for what is an admin’s, or somebody else’s, is told so', async () => {
    const [approve, logs, load] = await Promise.all([
      author('approve', 'talks'),
      author('logs', 'theirs'),
      run(lyceum.dataDir, ['load', '-'], { env: ann, input: '{"n":1}\n' }),
    ])
    expect([approve.code, approve.stderr]).toEqual([1, expect.stringMatching(/^error role_denied: .*admin/)])
    expect([logs.code, logs.stderr]).toEqual([
      1,
      expect.stringMatching(/^error plugin_denied: .*owner and admins/),
    ])
    expect([load.code, load.stderr]).toEqual([1, expect.stringMatching(/^error role_denied: .*ingest/)])
  })
})

test.runIf(existsSync('/dev/full'))('a disk that is full is no defect, and is told', async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [BIN, 'plugins', '--json'], {
    cwd: lyceum.dataDir,
    env: ann,
    stdio: ['ignore', full, 'pipe'],
  })
  closeSync(full)
  const [said, [code]] = await Promise.all([text(child.stderr ?? Readable.from([])), once(child, 'close')])
  expect([code, JSON.parse(said)]).toEqual([1, expect.objectContaining({ code: 'disk_full' })])
})

test('a host that is not there is exit code 3', async () => {
  const { code, stdout, stderr } = await run(lyceum.dataDir, ['plugins', '--json'], {
    env: { LYCEUM_URL: 'http://127.0.0.1:9', LYCEUM_TOKEN: 'x.y.z' },
  })
  expect([code, stdout]).toEqual([3, ''])
  expect(JSON.parse(stderr)).toMatchObject({ code: 'server_unreachable' })
})

test('a host that answers what nobody knows is told from a defect, and does not steer the terminal', async () => {
  const other = createServer(({ url = '' }, response) =>
    response.end(/^\/v1\/queries\/|samples=/.test(url) ? '\u001b[2J{' : '{"plugins":7}'),
  )
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const env = { LYCEUM_URL: `http://127.0.0.1:${port}`, LYCEUM_TOKEN: 'x.y.z' }
    const { code, stderr } = await run(lyceum.dataDir, ['query'], { env })
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error internal: The host answers what.*sdk\.tgz\n$/),
    ])
    for (const words of [
      ['query', 'a', 'b'],
      ['types', `${import.meta.dirname}/../../plugins/video`],
    ]) {
      const noJson = await run(lyceum.dataDir, words, { env })
      expect([noJson.code, noJson.stderr]).toEqual([
        3,
        expect.stringMatching(/^error server_unreachable: .* not like a Lyceum host\. .*\n$/),
      ])
    }
    const login = await run(lyceum.dataDir, ['login', env.LYCEUM_URL], { env, input: 'x.y.z' })
    expect([login.code, login.stdout]).toEqual([1, ''])
  } finally {
    other.close()
  }
})
