import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../cli/connection.ts'
import { follow, type LogLine } from '../../cli/log-lines.ts'

const line = (atMs: number, said: string): LogLine => ({
  atMs,
  level: 'info',
  by: 'plugin',
  version: '1.0.0',
  endpoint: 'e',
  line: said,
})

/** What each connection in turn does; a host that sends lines and goes away, for example. */
let answers: ((response: ServerResponse) => void)[]
let server: Server
let url: string
beforeEach(async () => {
  answers = []
  server = createServer((_request, response) => answers.shift()?.(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const lines = (...sent: LogLine[]) => `\n${sent.map((one) => `${JSON.stringify(one)}\n`).join('')}`

function following(after: LogLine[] = []) {
  const states: string[] = []
  const followed = follow({
    connect: async () => connect(url, 'token'),
    plugin: 'p',
    after,
    onChange: (state) => states.push(state),
  })
  const take = async (count: number) => {
    const taken = []
    for (let n = 0; n < count; n++) taken.push((await followed.next()).value?.line)
    return taken
  }
  return { states, take }
}

test('where a host goes away the log goes on when it is back, and each line comes once', async () => {
  const [a, b, c, d] = [line(1, 'a'), line(2, 'b'), line(2, 'c'), line(2, 'd')] as const
  answers = [
    (response) => response.end(lines(a, b, c)),
    (response) => response.writeHead(503).end('{"code":"shutting_down","detail":"The host is stopping."}'),
    (response) => response.write(lines(a, b, c, d, line(3, 'e'))),
  ]
  const { states, take } = following([a])
  expect(await take(4)).toEqual(['b', 'c', 'd', 'e'])
  expect(states).toEqual(['lost', 'back'])
})

test('a line that is cut into pieces comes whole', async () => {
  const text = lines(line(1, 'é'))
  answers = [
    async (response) => {
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte))
        await new Promise(setImmediate)
      }
    },
  ]
  expect(await following().take(1)).toEqual(['é'])
})

test('what a host refuses ends it, at first and later', async () => {
  const gone = (response: ServerResponse) =>
    response.writeHead(404).end('{"code":"plugin_unknown","detail":"There is no plugin."}')
  answers = [gone]
  await expect(following().take(1)).rejects.toMatchObject({ code: 'plugin_unknown' })
  answers = [(response) => response.end(lines(line(1, 'a'))), gone]
  const { take } = following()
  expect(await take(1)).toEqual(['a'])
  await expect(take(1)).rejects.toMatchObject({ code: 'plugin_unknown' })
})

test('a host that is not there at first is said to be unreachable', async () => {
  answers = [(response) => response.destroy()]
  await expect(following().take(1)).rejects.toMatchObject({ code: 'server_unreachable' })
})

test('a line that does not end is not waited for', async () => {
  answers = [(response) => response.write('x'.repeat(1_000_001))]
  await expect(following().take(1)).rejects.toMatchObject({ code: 'server_unreachable' })
})
