import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LoadOptions, type LoadSummary, loadFiles } from '../../cli/load.ts'
import { findSource, readBatches } from '../../cli/load-batches.ts'
import { loadKeys } from '../../host/auth/keys.ts'
import { verifyToken } from '../../host/auth/tokens.ts'
import { course } from '../../sdk/testing/index.ts'
import { longTest } from '../support/long.ts'

interface Received {
  url: string | undefined
  headers: IncomingMessage['headers']
  key: string
  lines: string[]
}
type Respond = (request: Received, response: ServerResponse) => void

let folder: string
let log: string
let server: Server
let url: string
let received: Received[]
let respond: Respond

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-load-'))
  log = join(folder, 'tracking.log')
  received = []
  respond = takeAll
  server = createServer(async (request, response) => {
    const body = String(await buffer(request))
    const lines = body.replace(/\n$/, '').split('\n')
    const key = String(request.headers['idempotency-key'])
    const seen = { url: request.url, headers: request.headers, key, lines }
    received.push(seen)
    respond(seen, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

const takeAll: Respond = ({ lines }, response) => answer(response, { accepted: lines.length })

function answer(
  response: ServerResponse,
  facts: { accepted?: number; duplicates?: number; rejected?: object[] },
): void {
  const body = { accepted: 0, duplicates: 0, rejected: [], ...facts }
  response.writeHead(202, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

function refuse(response: ServerResponse, status: number, code: string, headers = {}): void {
  const problem = { type: 'about:blank', title: 'No', status, code, detail: `Because of ${code}.` }
  response
    .writeHead(status, { 'Content-Type': 'application/problem+json', ...headers })
    .end(JSON.stringify(problem))
}

function load(files = [log], options: Partial<LoadOptions> = {}): Promise<LoadSummary> {
  return loadFiles(files, { url, token: 'secret', signal: new AbortController().signal, ...options })
}

/** What was received, by key. */
function bodies(): Map<string, string> {
  return new Map(received.map(({ key, lines }) => [key, lines.join('\n')]))
}

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `{"n":${n}}`)

describe('what is sent', () => {
  test('batches of a thousand lines, each named by its file and where it starts', async () => {
    const lines = numbered(2500)
    await writeFile(log, `${lines.join('\n')}\n`)
    const summary = await load()
    expect(summary).toMatchObject({ accepted: 2500, duplicates: 0, rejected: 0, rejectedByCode: [] })

    const file = createHash('sha256')
      .update(`file\0${await realpath(log)}\0{"n":0}`)
      .digest('hex')
    const startOf = (line: number) => `${lines.slice(0, line).join('\n')}\n`.length
    expect(bodies()).toEqual(
      new Map([
        [`${file}:0`, lines.slice(0, 1000).join('\n')],
        [`${file}:${startOf(1000)}`, lines.slice(1000, 2000).join('\n')],
        [`${file}:${startOf(2000)}`, lines.slice(2000).join('\n')],
      ]),
    )
    expect(received[0]).toMatchObject({
      url: '/v1/events',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/x-ndjson' },
    })
  })

  longTest(
    'every line that is not blank, byte for byte and in order, whatever the file looks like',
    async () => {
      const line = fc.oneof(
        fc.constantFrom('', ' \t', '\r', '{"a":1}\r', '# comment'),
        fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', '')),
        // Longer than what is read at once, and sometimes longer than a batch.
        fc.constantFrom(300_000, 700_000, 999_999).map((length) => 'x'.repeat(length)),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.boolean(), async (lines, endsInNewline) => {
          received = []
          await writeFile(log, lines.join('\n') + (endsInNewline ? '\n' : ''))
          await load()
          const sent = received
            .toSorted((a, b) => offset(a.key) - offset(b.key))
            .flatMap(({ lines }) => lines)
          expect(sent).toEqual(
            String(await readFile(log))
              .split('\n')
              .filter((line) => /[^\0- ]/.test(line)),
          )
        }),
        { numRuns: 40, seed: 1 },
      )
    },
  )

  test('a whole sample course, in bodies of at most a megabyte', async () => {
    const sample = course()
    const lines = [...sample.lines()]
    await writeFile(log, lines.join('\n'))
    expect((await load()).accepted).toBe(lines.length)
    const sent = received.toSorted((a, b) => offset(a.key) - offset(b.key)).flatMap(({ lines }) => lines)
    expect(sent).toEqual(lines)
    expect(Math.max(...received.map(({ lines }) => lines.join('\n').length))).toBeLessThanOrEqual(1_001_000)
  })

  test('one request after the other, so that events come in the order of the file', async () => {
    const lines = numbered(4_500)
    await writeFile(log, lines.join('\n'))
    let underWay = 0
    let most = 0
    respond = (request, response) => {
      most = Math.max(most, ++underWay)
      // Long enough for others to come beside it.
      setTimeout(() => {
        underWay -= 1
        takeAll(request, response)
      }, 20)
    }
    expect((await load()).accepted).toBe(4_500)
    expect(most).toBe(1)
    expect(received.flatMap((request) => request.lines)).toEqual(lines)
  })

  test('the next lines are read while those before are on their way', async () => {
    const lines = numbered(2_000)
    await writeFile(log, [...lines.slice(0, 1_000), 'x'.repeat(1_000_001), ...lines.slice(1_000)].join('\n'))
    const { promise: seen, resolve: onLineTooLong } = Promise.withResolvers<number>()
    const batches = readBatches(await findSource(log), { onLineTooLong })
    await batches.next()
    expect(await seen).toBe(1_001)
    await batches.return(undefined)
  })

  test('nothing but the address tells where the host is: a path before the API is kept', async () => {
    await writeFile(log, '{}')
    await load([log], { url: `${url}/lyceum` })
    expect(received[0]?.url).toBe('/lyceum/v1/events')
  })
})

describe('loading again', () => {
  test('names the same lines the same, and goes on where the file has grown', async () => {
    await writeFile(log, `${numbered(1500).join('\n')}\n`)
    await load()
    const first = bodies()
    received = []
    await appendFile(log, '{"n":"new"}\n')
    await load()
    const second = bodies()
    expect([...second.keys()].sort()).toEqual([...first.keys()].sort())
    for (const [key, body] of first) expect(second.get(key)?.startsWith(body)).toBe(true)
    expect([...second.values()].join('\n')).toContain('{"n":"new"}')
  })

  test('after a failure half-way sends what was sent before under the same keys', async () => {
    await writeFile(log, numbered(9000).join('\n'))
    respond = (request, response) =>
      request.lines.includes('{"n":5000}') ? refuse(response, 403, 'role_denied') : takeAll(request, response)
    await expect(load()).rejects.toMatchObject({ code: 'role_denied' })
    const first = bodies()
    received = []
    respond = takeAll
    expect((await load()).accepted).toBe(9000)
    expect(first.size).toBeGreaterThan(0)
    for (const [key, body] of first) expect(bodies().get(key)).toBe(body)
  })

  test('takes a link for the file, and a rotated file for another', async () => {
    await writeFile(log, '{"day":1}\n{"n":1}\n')
    await symlink(log, join(folder, 'link.log'))
    await load([log, join(folder, 'link.log')])
    expect(received[0]?.key).toBe(received[1]?.key)
    await writeFile(log, '{"day":2}\n{"n":1}\n')
    await load()
    expect(received[2]?.key).not.toBe(received[0]?.key)
  })
})

describe('gzip', () => {
  test('is known by its first bytes, and its offsets are those of the text', async () => {
    const text = numbered(2500).join('\n')
    await writeFile(log, text)
    await load()
    const plain = bodies()
    received = []
    // Two members, as `cat a.gz b.gz` makes them.
    await writeFile(log, Buffer.concat([gzipSync(text.slice(0, 700)), gzipSync(text.slice(700))]))
    expect((await load()).accepted).toBe(2500)
    expect(bodies()).toEqual(plain)
  })

  test('that was cut off is refused by its name', async () => {
    await writeFile(log, gzipSync(course({ learners: 1 }).lines().next().value ?? '').subarray(0, -4))
    await expect(load()).rejects.toMatchObject({ code: 'file_unreadable' })
    await expect(load()).rejects.toThrow(/tracking\.log: Its gzip data is damaged/)
  })
})

describe('a host in trouble', () => {
  test('is asked again after it was busy, or dropped the connection, with the same key', async () => {
    await writeFile(log, '{"n":1}\n')
    const waits: string[] = []
    const trouble: Respond[] = [
      (_, response) => response.destroy(),
      (_, response) => refuse(response, 503, 'shutting_down', { 'Retry-After': '0' }),
      (_, response) => refuse(response, 507, 'disk_full', { 'Retry-After': new Date(0).toUTCString() }),
      (_, response) => response.writeHead(429, { 'Retry-After': '0' }).end('slow down'),
    ]
    respond = (request, response) => (trouble.shift() ?? takeAll)(request, response)
    const summary = await load([log], { onWait: (why) => waits.push(why) })
    expect(summary.accepted).toBe(1)
    expect(received).toHaveLength(5)
    expect(new Set(received.map(({ key }) => key)).size).toBe(1)
    expect(waits).toEqual([expect.stringMatching(/^There is no answer from .*Is Lyceum running/)])
  })

  test.each([
    [401, 'token_expired'],
    [403, 'role_denied'],
    [400, 'body_unreadable'],
    [500, 'internal'],
  ])('ends the loading at once with its own words where it answers %i', async (status, code) => {
    await writeFile(log, '{"n":1}\n')
    respond = (_, response) => refuse(response, status, code)
    await expect(load()).rejects.toMatchObject({ name: 'LyceumError', code, message: `Because of ${code}.` })
    expect(received).toHaveLength(1)
  })

  test.each<[string, Respond]>([
    ['a page', (_, response) => response.end('<h1>Welcome</h1>')],
    ['other JSON', (_, response) => response.writeHead(202).end('{"ok":true}')],
    ['a redirect', (_, response) => response.writeHead(302, { Location: '/login' }).end()],
    ['nothing there', (_, response) => response.writeHead(404).end()],
  ])('is told from a server that is not Lyceum: %s', async (_name, reply) => {
    await writeFile(log, '{"n":1}\n')
    respond = reply
    await expect(load()).rejects.toThrow('is not Lyceum')
    expect(received).toHaveLength(1)
  })

  test('can be left: aborting ends it while an answer is due', async () => {
    await writeFile(log, numbered(5000).join('\n'))
    const controller = new AbortController()
    respond = () => controller.abort(new Error('enough'))
    await expect(load([log], { signal: controller.signal })).rejects.toThrow('enough')
    expect(received.length).toBeLessThanOrEqual(4)
  })
})

describe('what is reported', () => {
  test('rejected lines by code, the first ones by file and line', async () => {
    await writeFile(log, `\n# one\n\n{"n":2}\nnonsense\n${'x'.repeat(1_000_001)}\n{"n":3}\n`)
    respond = ({ lines }, response) =>
      answer(response, {
        accepted: 1,
        duplicates: lines.length - 3,
        rejected: [
          { index: 0, code: 'event_comment', message: 'A comment.' },
          { index: 2, code: 'event_not_json', message: 'Line 3 at byte 12: Not JSON.' },
        ],
      })
    const summary = await load()
    expect(summary).toMatchObject({ accepted: 1, duplicates: 1, rejected: 3 })
    expect(summary.rejectedByCode.toSorted((a, b) => a.code.localeCompare(b.code))).toEqual([
      { code: 'event_comment', count: 1 },
      { code: 'event_not_json', count: 1 },
      { code: 'event_too_large', count: 1 },
    ])
    expect(summary.rejectedFirst.map(({ message }) => message)).toContain('Line 5: Not JSON.')
    const where = summary.rejectedFirst.map(({ file, line, code }) => [file, line, code])
    expect(where).toContainEqual([log, 2, 'event_comment'])
    expect(where).toContainEqual([log, 5, 'event_not_json'])
    expect(where).toContainEqual([log, 6, 'event_too_large'])
  })

  test('progress over all files, up to the last byte', async () => {
    const other = join(folder, 'other.log')
    await writeFile(log, `${numbered(1500).join('\n')}\n`)
    await writeFile(other, '{"n":1}\n')
    const seen: { events: number; bytes: number; totalBytes: number | undefined }[] = []
    await load([log, other], { onProgress: (progress) => seen.push(progress) })
    const totalBytes = (await readFile(log)).length + (await readFile(other)).length
    expect(seen.at(-1)).toEqual({ events: 1501, bytes: totalBytes, totalBytes })
    expect(seen.map(({ events }) => events)).toEqual(seen.map(({ events }) => events).sort((a, b) => a - b))
  })

  test('a file that is not there, or a folder, before anything is sent', async () => {
    await writeFile(log, '{}')
    await expect(load([log, join(folder, 'none.log')])).rejects.toThrow('none.log: There is no such file')
    await expect(load([log, folder])).rejects.toThrow('is a folder')
    expect(received).toHaveLength(0)
  })
})

describe('lyceum load', () => {
  test('prints only the summary on stdout, and counts rejected lines as no failure', async () => {
    await writeFile(log, '{"n":1}\n# two\n')
    respond = (_, response) =>
      answer(response, {
        accepted: 1,
        rejected: [{ index: 1, code: 'event_comment', message: 'A \u001b[31mcomment.' }],
      })
    const run = await lyceum(['load', log, '--url', url, '--token', 'secret'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^1 events loaded, 0 were there before, 1 lines rejected, in /)
    expect(run.stdout).toContain(`${log}:2 event_comment: A [31mcomment.`)

    const json = await lyceum(['load', '--json', log, '--url', url, '--token', 'secret'])
    expect(JSON.parse(json.stdout)).toMatchObject({ accepted: 1, rejected: 1 })
  })

  longTest('tells on stderr what it waits for, or nothing when quiet', async () => {
    await writeFile(log, '{"n":1}\n')
    const environment = { LYCEUM_URL: url, LYCEUM_TOKEN: 'secret' }
    for (const [options, stderr] of [
      [[], 'Because of shutting_down. Trying again in 0.25 s.\n'],
      [['--quiet'], ''],
    ] as const) {
      respond = (_, response) => {
        refuse(response, 503, 'shutting_down')
        respond = takeAll
      }
      const run = await lyceum(['load', log, ...options], { environment })
      expect(run).toMatchObject({ code: 0, stderr })
    }
  })

  test('reads the standard input, plain or gzip, as the same file', async () => {
    const text = numbered(1200).join('\n')
    for (const input of [text, gzipSync(text)]) {
      const run = await lyceum(['load', '-', '--json', '--url', url, '--token', 'secret'], { input })
      expect(JSON.parse(run.stdout)).toMatchObject({ accepted: 1200 })
    }
    const file = createHash('sha256').update('stdin\0stdin\0{"n":0}').digest('hex')
    const keys = [`${file}:0`, `${file}:${numbered(1000).join('\n').length + 1}`]
    expect(received.map(({ key }) => key).sort()).toEqual([...keys, ...keys].sort())
  })

  test('fails with 1 and the words of the host', async () => {
    await writeFile(log, '{"n":1}\n')
    respond = (_, response) => refuse(response, 401, 'token_expired')
    const run = await lyceum(['load', log, '--url', url, '--token', 'old'])
    expect(run).toMatchObject({ code: 1, stdout: '', stderr: 'token_expired: Because of token_expired.\n' })
  })

  test('fails at once, whatever a pipe that goes on may have yet', async () => {
    respond = (_, response) => refuse(response, 401, 'token_expired')
    const input = new PassThrough()
    input.write(`${numbered(1_001).join('\n')}\n`)
    const run = await lyceum(['load', '-', '--url', url, '--token', 'old'], { input })
    expect(run).toMatchObject({ code: 1, stdout: '', stderr: 'token_expired: Because of token_expired.\n' })
  })

  test('without a token makes one that can only send events, with the keys of the data folder', async () => {
    await writeFile(log, '{"n":1}\n')
    const keys = await loadKeys(join(folder, 'data'))
    expect(await lyceum(['load', log, '--url', url, '--data', join(folder, 'data')])).toMatchObject({
      code: 0,
    })
    const token = received[0]?.headers.authorization?.replace('Bearer ', '') ?? ''
    expect(await verifyToken(keys, token)).toMatchObject({ role: 'ingest' })
  })

  test('ends with 130 on Ctrl-C, and says how to go on', async () => {
    await writeFile(log, numbered(3000).join('\n'))
    let child: ChildProcess | undefined
    respond = () => {
      child?.kill('SIGINT')
    }
    const run = await lyceum(['load', log, '--url', url, '--token', 'secret'], {
      onStart: (started) => {
        child = started
      },
    })
    expect(run).toMatchObject({ code: 130, stdout: '' })
    expect(run.stderr).toMatch(/^Interrupted\. 0 lines were sent\. Run the same command again/)
  })
})

function offset(key: string): number {
  return Number(key.split(':')[1])
}

const PROGRAM = `
import { Command } from 'commander'
import { registerLoad } from './cli/load.ts'
const program = new Command('lyceum').option('--json')
registerLoad(program)
try {
  await program.parseAsync(process.argv.slice(1), { from: 'user' })
} catch (error) {
  console.error(error.code + ': ' + error.message)
  process.exitCode = 1
}`

async function lyceum(
  words: readonly string[],
  {
    input = '',
    environment = {},
    onStart = () => {},
  }: {
    input?: string | Buffer | Readable
    environment?: Record<string, string>
    onStart?: (child: ChildProcess) => void
  } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', ...words], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: process.env.PATH, ...environment },
  })
  onStart(child)
  if (input instanceof Readable) input.pipe(child.stdin)
  else child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, stdout, stderr }
}
