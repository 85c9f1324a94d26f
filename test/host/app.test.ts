import { createRoute, z } from '@hono/zod-openapi'
import { describe, expect, test } from 'vitest'
import { signInLink } from '../../host/auth/sign-in.ts'
import { issueToken } from '../../host/auth/tokens.ts'
import { LyceumError } from '../../host/errors.ts'
import { LIMITS } from '../../host/limits.ts'
import { bearer, needle, parts, shell, smallApp } from './auth/support.ts'

const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

describe('health', () => {
  test('lives from the first moment, and is ready only when all parts are', async () => {
    const services = await parts()
    let ready = false
    const app = smallApp({ ...services, ready: () => ready })
    expect((await app.request('/healthz')).status).toBe(200)
    const before = await app.request('/readyz')
    expect([before.status, await before.json()]).toEqual([503, { status: 'not ready' }])
    ready = true
    expect((await app.request('/readyz')).status).toBe(200)
  })

  test('is described for /openapi.json', async () => {
    const { paths } = smallApp(await parts()).getOpenAPI31Document({
      openapi: '3.1.0',
      info: { title: '', version: '' },
    })
    expect(Object.keys(paths ?? {})).toEqual(expect.arrayContaining(['/healthz', '/readyz']))
  })
})

describe('a refusal', () => {
  test('is problem+json with a stable code, a sentence, the details and the request id', async () => {
    const { app } = await shell()
    app.get('/healthz', () => {
      throw new LyceumError('bad_parameter', 'limit must be a number.', { parameter: 'limit', status: 200 })
    })
    const answer = await app.request('/healthz')
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await answer.json()).toEqual({
      type: '/docs/errors#bad_parameter',
      title: 'A parameter is missing or wrong',
      status: 400,
      code: 'bad_parameter',
      detail: 'limit must be a number.',
      parameter: 'limit',
    })
  })

  test('is a page for a browser, with everything escaped and a style that its policy allows', async () => {
    const { app } = await shell()
    app.get('/healthz', () => {
      throw new LyceumError('bad_parameter', '<script>alert(1)</script>')
    })
    const answer = await app.request('/healthz', { headers: BROWSER })
    const page = await answer.text()
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(page).toContain('<html lang="en">')
    expect(page).toContain('&lt;script&gt;alert(1)')
    expect(page).not.toContain('<script')
    const style = /<style>(.*)<\/style>/s.exec(page)?.[1] ?? ''
    const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(style))).toString('base64')
    expect(answer.headers.get('content-security-policy')).toContain(`style-src 'sha256-${hash}'`)
  })

  test('tells a browser without a session where to sign in', async () => {
    const { app } = await shell()
    app.get('/', (c) => c.text('in'))
    const answer = await app.request('/', { headers: BROWSER })
    expect(answer.status).toBe(401)
    expect(await answer.text()).toContain('sign-in link')
  })

  test('of an error that nobody expected says nothing of it, but where the log has it', async () => {
    const { app, log } = await shell()
    const inside = needle()
    app.get('/healthz', () => {
      throw new Error(`cannot open /srv/${inside}`)
    })
    for (const headers of [{}, BROWSER]) {
      const answer = await app.request('/healthz?token=secret', { headers })
      const text = await answer.text()
      expect(answer.status).toBe(500)
      expect(text).not.toContain(inside)
      expect(text).not.toMatch(/app\.test|node_modules|at \w+ \(/)
      const requestId = answer.headers.get('x-request-id') ?? 'none'
      expect(text).toContain(requestId)
      const lines = log.filter((line) => line.includes(requestId))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain(inside)
      expect(lines[0]).not.toContain('secret')
    }
  })

  test('of an internal LyceumError hides its sentence, too', async () => {
    const { app } = await shell()
    const inside = needle()
    app.get('/healthz', () => {
      throw new LyceumError('internal', inside)
    })
    expect(await (await app.request('/healthz')).text()).not.toContain(inside)
  })

  test('names an address that does not exist, and the methods of one that does', async () => {
    const { app } = await shell()
    app.get('/v1/plugins', (c) => c.text('in'))
    const unknown = await app.request('/nowhere')
    expect([unknown.status, (await unknown.json()).code]).toEqual([404, 'not_found'])
    const wrong = await app.request('/v1/plugins', { method: 'DELETE' })
    expect([wrong.status, (await wrong.json()).code]).toEqual([405, 'method_not_allowed'])
    expect(wrong.headers.get('allow')).toBe('GET')
  })

  test('names the parameter that a schema refuses, and a body that is no JSON', async () => {
    const { app, keys } = await shell()
    const content = { 'application/json': { schema: z.object({ memoryMb: z.int().max(512) }) } }
    const route = createRoute({
      method: 'patch',
      path: '/v1/plugins/{id}/quota',
      request: { body: { content, required: true } },
      responses: { 200: { description: 'done' } },
    })
    app.openapi(route, (c) => c.text('done'))
    const patch = async (body: string) => {
      const headers = { 'content-type': 'application/json', ...(await bearer(keys, 'admin')) }
      return app.request('/v1/plugins/video/quota', { method: 'PATCH', headers, body })
    }
    expect((await patch('{"memoryMb": 64}')).status).toBe(200)
    expect(await (await patch('{"memoryMb": 9999}')).json()).toMatchObject({
      code: 'bad_parameter',
      parameter: 'memoryMb',
      detail: expect.stringContaining('512'),
    })
    expect(await (await patch('{"memoryMb": ')).json()).toMatchObject({
      code: 'body_unreadable',
      status: 400,
    })
  })
})

describe('a body', () => {
  async function sender() {
    const { app, keys } = await shell()
    app.post('/v1/events', async (c) => c.text(String((await c.req.arrayBuffer()).byteLength)))
    const headers = await bearer(keys, 'ingest')
    return (body: BodyInit, more: Record<string, string> = {}) =>
      app.request('/v1/events', {
        method: 'POST',
        headers: { ...headers, ...more },
        body,
        ...(body instanceof ReadableStream && { duplex: 'half' }),
      })
  }

  test('of the largest size is taken, and one byte more is refused', async () => {
    const send = await sender()
    const largest = await send(new Uint8Array(LIMITS.bodyBytes))
    expect(await largest.text()).toBe(String(LIMITS.bodyBytes))
    const over = await send(new Uint8Array(LIMITS.bodyBytes + 1))
    expect(await over.json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
      limitBytes: LIMITS.bodyBytes,
    })
  })

  test('that declares too much is refused before it is read', async () => {
    const send = await sender()
    const answer = await send('x', { 'content-length': String(LIMITS.bodyBytes + 1) })
    expect(answer.status).toBe(413)
  })

  test('without end is read up to the limit only', async () => {
    const send = await sender()
    let chunks = 0
    const endless = new ReadableStream({
      pull(controller) {
        chunks++
        controller.enqueue(new Uint8Array(1024 * 1024))
      },
    })
    expect((await send(endless)).status).toBe(413)
    expect(chunks).toBeLessThan(40)
  })

  test('of a stranger is not read at all', async () => {
    const { app } = await shell()
    app.post('/v1/events', (c) => c.text('reached'))
    const request = new Request('http://localhost/v1/events', { method: 'POST', body: 'x' })
    expect((await app.request(request)).status).toBe(401)
    expect(request.bodyUsed).toBe(false)
  })
})

describe('headers', () => {
  test('protect every answer: pages, errors and unknown addresses alike', async () => {
    const { app } = await shell()
    app.get('/healthz', (c) => c.text('in'))
    for (const path of ['/healthz', '/nowhere', '/v1/plugins']) {
      const { headers } = await app.request(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'/)
    }
  })

  test('that a handler sets itself are left to it', async () => {
    const { app } = await shell()
    app.get('/healthz', (c) =>
      c.text('in', 200, { 'Content-Security-Policy': 'sandbox', 'Cache-Control': 'max-age=9' }),
    )
    const { headers } = await app.request('/healthz')
    expect(headers.get('content-security-policy')).toBe('sandbox')
    expect(headers.get('cache-control')).toBe('max-age=9')
  })

  test('demand encryption from browsers, but not on the loopback address', async () => {
    const sts = async (bind: string) =>
      (await smallApp(await parts({ bind })).request('/healthz')).headers.get('strict-transport-security')
    expect(await sts('0.0.0.0')).toBe('max-age=31536000')
    expect(await sts('127.0.0.1')).toBeNull()
  })
})

describe('the name that a request gives the host', () => {
  const status = async (bind: string, host: string) =>
    (await smallApp(await parts({ bind })).request('/healthz', { headers: { host } })).status

  test.each(['127.0.0.1:4000', 'localhost:4000', 'LOCALHOST', '[::1]:4000', '127.0.0.1'])(
    'may be %s on a loopback address',
    async (host) => {
      expect(await status('127.0.0.1', host)).toBe(200)
    },
  )

  test.each([
    'evil.example',
    'evil.example:4000',
    '127.0.0.1.evil.example',
    'localhost.evil.example:4000',
    '',
  ])('may not be %j there: it could be rebound to this machine', async (host) => {
    expect(await status('127.0.0.1', host)).toBe(421)
    expect(await status('::1', host)).toBe(421)
  })

  test('is free where the host serves others', async () => {
    expect(await status('0.0.0.0', 'lyceum.example')).toBe(200)
  })
})

test('no secret and no token reaches the log, whatever goes wrong', async () => {
  const services = await parts()
  const app = smallApp(services)
  app.get('/v1/plugins', (c) => {
    throw new Error(`broken while ${Object.keys(c.var)} were set`, { cause: services.keys })
  })
  const token = await issueToken(services.keys, { role: 'admin' }, 60)
  const link = await signInLink(services.keys, 'http://localhost')
  const ways: HeadersInit[] = [{ authorization: `Bearer ${token}` }, { cookie: `lyceum_session=${token}` }]
  for (const headers of ways)
    expect((await app.request(`/v1/plugins?token=${token}`, { headers })).status).toBe(500)
  await app.request(link)
  await app.request(link)
  services.logger.info({ keys: services.keys, config: services.config }, 'started')
  const written = services.log.join('')
  expect(written).toContain('broken while')
  expect(written).toContain('started')
  const secret = services.keys.signing.key.export().toString('base64url')
  for (const hidden of [token, new URL(link).searchParams.get('token') ?? '', secret])
    expect(written).not.toContain(hidden.slice(-30))
})
