import { connect, HostError } from '@lyceum/sdk/client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connect as connectCommand } from '../../cli/connection.ts'

const NO_HOST = 'http://127.0.0.1:1'
const CHUNK = new Uint8Array(16 * 1024 * 1024).fill(0x22)

/** What fetches from now on; over sockets an endless answer takes long, and timers are not only those of a command. */
function fetching(answer: typeof fetch): void {
  const fetched = vi.spyOn(globalThis, 'fetch').mockImplementation(answer)
  onTestFinished(() => fetched.mockRestore())
}

test.each([200, 500])('an answer of %d that does not end is not read for ever', async (status) => {
  fetching(async () => {
    const body = new ReadableStream<Uint8Array>({ pull: (stream) => stream.enqueue(CHUNK) })
    return Object.defineProperty(
      new Response(body, { status, headers: { 'content-type': 'text/csv' } }),
      'url',
      { value: NO_HOST },
    )
  })
  const code = status === 200 ? 'answer_too_large' : 'answer_unreadable'
  const csv = connect(NO_HOST, { token: 'x' }).csv('a', 'b')
  await expect(csv).rejects.toMatchObject({ name: HostError.name, code, status })
  await expect(connectCommand(NO_HOST, 'x').request('GET', '/')).rejects.toMatchObject({
    code: 'server_unreachable',
    message: expect.stringContaining(status === 200 ? 'answered more than 64 MB' : 'not like a Lyceum host'),
  })
})

test('a command gives up on what takes connections and says nothing, and waits for a host that works', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  let isHost = false
  let answer = (_: Response) => {}
  const asked: string[] = []
  fetching((url, { signal } = {}) => {
    asked.push(String(url))
    if (isHost && String(url).endsWith('/healthz')) return Promise.resolve(new Response('ok'))
    return new Promise((resolve, reject) => {
      answer = resolve
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
  })
  const command = connectCommand(NO_HOST, 'x')
  const silent = command.request('GET', '/v1/plugins').catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(19_999)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(await silent).toMatchObject({
    code: 'server_unreachable',
    message: expect.stringContaining('did not answer in time. Is the host running there?'),
  })

  isHost = true
  const slow = command.request('GET', '/v1/slow')
  await vi.advanceTimersByTimeAsync(250_000)
  answer(new Response('[1]'))
  expect(await slow).toEqual([1])
  expect(asked.filter((url) => url.endsWith('/healthz'))).toHaveLength(2)
  expect(vi.getTimerCount()).toBe(0)
})
