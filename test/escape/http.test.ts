import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { startHost, type TestHost } from '../support/host.ts'

let lyceum: TestHost
let port: number
beforeAll(async () => {
  lyceum = await startHost()
  port = Number(new URL(lyceum.url).port)
})
afterAll(() => lyceum.dispose())

/** Sends bytes as they are, closes its side behind them, and gives the status of each answer. */
async function statuses(bytes: string): Promise<number[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  socket.end()
  await once(socket, 'close')
  return [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
}

const request = (line: string, ...headers: string[]) =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`
const HEALTH = request('GET /healthz', 'Connection: close')
const HIDDEN = 'GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n'

describe('two servers in a row never disagree where a request ends', () => {
  test.each([
    ['both lengths', request('POST /v1/events', 'Content-Length: 6', 'Transfer-Encoding: chunked')],
    ['two lengths', request('POST /v1/events', 'Content-Length: 6', 'Content-Length: 0')],
    ['a length below zero', request('POST /v1/events', 'Content-Length: -1')],
    ['a length beyond numbers', request('POST /v1/events', 'Content-Length: 99999999999999999999')],
    ['an encoding that nobody knows', request('POST /v1/events', 'Transfer-Encoding: xchunked')],
    ['an encoding after chunked', request('POST /v1/events', 'Transfer-Encoding:\tchunked\t, identity')],
    ['a space before the colon', request('POST /v1/events', 'Transfer-Encoding : chunked')],
    ['a folded header', request('GET /healthz', 'X: a\r\n Transfer-Encoding: chunked')],
    ['half an end of line', request('GET /healthz', 'X: a\rTransfer-Encoding: chunked')],
    ['ends of line of another kind', 'GET /healthz HTTP/1.1\nHost: localhost\n\n'],
    [
      'a chunk without end',
      `${request('POST /v1/events', 'Transfer-Encoding: chunked')}FFFFFFFFFFFFFFFFF\r\na`,
    ],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['a host with a user', 'GET /healthz HTTP/1.1\r\nHost: localhost@evil\r\n\r\n'],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['what is no HTTP', '\x16\x03\x01\x02\x00\x01\r\n\r\n'],
  ])('%s: is refused, and what comes behind it is not read', async (_, bytes) => {
    expect(await statuses(`${bytes}0\r\n\r\n${HIDDEN}${HEALTH}`)).toEqual([400])
  })

  test.each([
    ['of a request that may have none', 'GET /healthz', 200],
    ['of a stranger', 'POST /v1/events', 401],
    ['for an address that does not exist', 'POST /nowhere', 404],
  ])('a body %s is no request', async (_, line, status) => {
    const bytes = `${request(line, `Content-Length: ${HIDDEN.length}`)}${HIDDEN}${HEALTH}`
    const answers = await statuses(bytes)
    expect(answers[0]).toBe(status)
    // The connection may end here; if not, the next answer is that of the next request.
    expect([[], [200]]).toContainEqual(answers.slice(1))
  })

  test('an answer is one answer, whatever is in the address', async () => {
    for (const path of ['/views/a%0d%0aX:%20y/b', '/sign-in?id=%0d%0a%0d%0aHTTP/1.1%20200', '/frames/%0a'])
      expect(await statuses(request(`GET ${path}`, 'Connection: close')), path).toHaveLength(1)
  })
})

describe('an address', () => {
  test.each([
    ['/assets/%2e%2e/%2e%2e/package.json', 404],
    ['/assets/..%2f..%2fpackage.json', 404],
    ['/assets/%5c..%5c..%5cpackage.json', 404],
    ['//v1/plugins', 404],
    ['/v1%2fplugins', 404],
    ['/V1/plugins', 404],
    ['/v1/plugins/', 404],
    // It is the same as /v1/plugins, and as closed.
    ['/assets/../v1/plugins', 401],
    ['/v1/./plugins', 401],
    ['http://127.0.0.1/v1/plugins', 401],
    ['/views/%/%zz', 401],
    ['/views/%c0%80/%ff', 401],
    ['/views/a%00b/c', 401],
    [`/views/${'a'.repeat(15_000)}/b`, 401],
    [`/v1/queries/a/b?__proto__=1&constructor[prototype]=2&${'a=1&'.repeat(3_000)}`, 401],
  ])('%s leads nowhere without a right', async (path, status) => {
    expect(await statuses(request(`GET ${path}`, 'Connection: close'))).toEqual([status])
  })

  test.each([
    '/views/%/%zz',
    '/views/__proto__/constructor',
    '/views/%c0%80/%ff',
    '/v1/queries/__proto__/toString',
    '/v1/plugins/__proto__',
    '/v1/plugins/constructor/logs',
    '/v1/plugins/%2e%2e%2f%2e%2e',
    '/v1/plugins/a%00b',
    '/embed/__proto__/x',
  ])('%s is unknown to an admin too, and breaks nothing', async (path) => {
    const { status } = await lyceum.call('GET', path)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
  })
})

describe('headers', () => {
  test.each([
    ['CVE-2026-21710: one called __proto__', ['__proto__: x', 'constructor: y', 'toString: z'], 200],
    ['more than fit', [`X: ${'a'.repeat(LIMITS.headerBytes)}`], 431],
    ['more than can be counted', Array.from({ length: 5_000 }, () => 'a:b'), 431],
    ['cookies of nothing', [`Cookie: ${'=;'.repeat(5_000)}__proto__=1; a="%zz`], 200],
    ['a token of dots', [`Authorization: Bearer ${'.'.repeat(9_000)}`], 200],
    ['an upgrade to what is not offered', ['Connection: Upgrade', 'Upgrade: websocket'], 200],
    ['an expectation that nobody meets', ['Expect: magic'], 417],
  ])('%s', async (_, headers, status) => {
    expect(await statuses(request('GET /healthz', ...headers))).toEqual([status])
  })

  test('behind a body are not taken', async () => {
    const body = '0\r\n__proto__: x\r\nAuthorization: Bearer x\r\n\r\n'
    const bytes = request('POST /v1/events', 'Transfer-Encoding: chunked', 'Connection: close')
    expect(await statuses(bytes + body)).toEqual([401])
  })
})

test.each(['CONNECT evil:443', 'TRACE /v1/plugins', 'OPTIONS *'])('%s is not answered', async (line) => {
  expect((await statuses(request(line, 'Connection: close'))).filter((status) => status < 400)).toEqual([])
})

test('whoever opens one connection after the other does not take all files of the host', async () => {
  const sockets: Socket[] = []
  let refused = 0
  for (let at = 0; at < LIMITS.connections + 50; at++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.on('close', () => {
      refused += 1
    })
    sockets.push(socket)
    await once(socket, 'connect')
  }
  await expect.poll(() => refused, { timeout: 20_000 }).toBeGreaterThanOrEqual(50)
  for (const socket of sockets) socket.destroy()
  await expect.poll(async () => statuses(HEALTH), { timeout: 20_000 }).toEqual([200])
})
