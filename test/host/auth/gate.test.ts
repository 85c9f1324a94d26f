import { describe, expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../../host/app.ts'
import { callerOf } from '../../../host/auth/gate.ts'
import { ROUTES, routesOf } from '../../../host/auth/roles.ts'
import { issueToken, ROLES } from '../../../host/auth/tokens.ts'
import { startHost } from '../../support/host.ts'
import { bearer, claimsOf, shell } from './support.ts'

/** A shell with a handler behind every row of the table. */
async function everyRoute() {
  const made = await shell()
  for (const key of ROUTES.keys()) {
    const [method = '', path = ''] = key.split(' ')
    made.app.on(method, path, (c) => c.text('reached'))
  }
  return made
}

const addressOf = (key: string): [string, { method: string }] => {
  const [method = '', path = ''] = key.split(' ')
  return [path.replaceAll(/:\w+/g, 'x'), { method }]
}

describe('the table of roles', () => {
  test('has a row for every route of the app, and a route for every row', async () => {
    const lyceum = await startHost()
    onTestFinished(() => lyceum.dispose())
    expect(routesOf(createApp(lyceum.host)).toSorted()).toEqual([...ROUTES.keys()].toSorted())
  })

  test.each([...ROUTES])('%s lets in %j and nobody else', async (key, access) => {
    const { app, keys } = await everyRoute()
    const [path, init] = addressOf(key)
    expect((await app.request(path, init)).status).toBe(access === 'public' ? 200 : 401)
    for (const role of ROLES) {
      const answer = await app.request(path, { ...init, headers: await bearer(keys, role) })
      expect([role, answer.status]).toEqual([role, access === 'public' || access.includes(role) ? 200 : 403])
    }
  })

  test('keeps a route that it does not name out of reach, for the admin too', async () => {
    const { app, keys } = await shell()
    app.get('/v1/forgotten', (c) => c.text('reached'))
    app.all('/v1/any-method', (c) => c.text('reached'))
    const headers = await bearer(keys, 'admin')
    for (const path of ['/v1/forgotten', '/v1/any-method']) {
      expect((await app.request(path, { headers })).status).toBe(404)
      expect((await app.request(path, { headers, method: 'HEAD' })).status).toBe(404)
    }
  })

  test('is asked for every route that an address matches', async () => {
    const { app, keys } = await shell()
    app.get('/healthz', (_, next) => next())
    app.get('/*', (c) => c.text('reached'))
    const answer = await app.request('/healthz', { headers: await bearer(keys, 'admin') })
    expect(answer.status).toBe(404)
  })

  test('treats HEAD as GET', async () => {
    const { app, keys } = await everyRoute()
    const head = async (headers?: HeadersInit) =>
      (await app.request('/metrics', { method: 'HEAD', ...(headers && { headers }) })).status
    expect(await head()).toBe(401)
    expect(await head(await bearer(keys, 'student'))).toBe(403)
    expect(await head(await bearer(keys, 'admin'))).toBe(200)
  })
})

describe('who calls', () => {
  test('is the bearer of the token, and a handler gets to know', async () => {
    const { app, keys } = await shell()
    app.get('/', (c) => c.json(callerOf(c)))
    const answer = await app.request('/', { headers: await bearer(keys, 'student') })
    expect(await answer.json()).toEqual({ ...claimsOf('student'), plugins: 'all' })
  })

  test('is nobody on a public route, whatever is sent', async () => {
    const { app, keys } = await shell()
    app.get('/healthz', (c) => c.json(callerOf(c)))
    const answer = await app.request('/healthz', { headers: await bearer(keys, 'admin') })
    expect(answer.status).toBe(401)
  })

  test.each(['Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a b', 'token', ''])(
    'is not said by %j',
    async (header) => {
      const { app } = await everyRoute()
      const answer = await app.request('/', { headers: { authorization: header } })
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'token_invalid' })
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    },
  )

  test('is not the session where a token is sent that is wrong', async () => {
    const { app, keys } = await everyRoute()
    const cookie = `lyceum_session=${await issueToken(keys, { role: 'admin' }, 60)}`
    expect((await app.request('/', { headers: { cookie } })).status).toBe(200)
    const both = await app.request('/', { headers: { cookie, authorization: 'Bearer wrong' } })
    expect(both.status).toBe(401)
  })

  test.each([-1, 60])('is not said by a session that is over or of other keys (%d s left)', async (ttl) => {
    const { app, keys } = await everyRoute()
    const signing = ttl < 0 ? keys : (await everyRoute()).keys
    const cookie = `lyceum_session=${await issueToken(signing, { role: 'admin' }, ttl)}`
    const answer = await app.request('/', { headers: { cookie } })
    expect([answer.status, (await answer.json()).code]).toEqual([401, 'sign_in_required'])
  })
})

describe('a change through a browser session', () => {
  test.each<[string, Record<string, string>, number]>([
    ['from a page of the host', { 'sec-fetch-site': 'same-origin' }, 200],
    ['from a page of the host, in a browser that sends Origin only', { origin: 'http://localhost' }, 200],
    ['from the host behind a TLS proxy', { origin: 'https://localhost' }, 200],
    ['from another site', { 'sec-fetch-site': 'cross-site', origin: 'http://localhost' }, 403],
    ['from another port or subdomain', { 'sec-fetch-site': 'same-site', origin: 'http://localhost' }, 403],
    ['from another origin', { origin: 'http://evil.example' }, 403],
    ['from another port', { origin: 'http://localhost:81' }, 403],
    ['from a sandboxed frame', { origin: 'null' }, 403],
    ['from who knows where', {}, 403],
    ['from who knows where, with a referrer', { referer: 'http://localhost/' }, 403],
  ])('%s', async (_, headers, status) => {
    const { app, keys } = await everyRoute()
    const cookie = `lyceum_session=${await issueToken(keys, { role: 'admin' }, 60)}`
    for (const [method, path] of [
      ['POST', '/v1/plugins/video/pause'],
      ['PATCH', '/v1/plugins/video/quota'],
    ] as const) {
      const answer = await app.request(path, { method, headers: { ...headers, cookie } })
      expect(answer.status).toBe(status)
      if (status === 403) expect(await answer.json()).toMatchObject({ code: 'cross_site' })
    }
  })

  test('is free to come from anywhere with a token, and reading is free with a session', async () => {
    const { app, keys } = await everyRoute()
    const evil = { 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' }
    const token = await bearer(keys, 'admin')
    const posted = await app.request('/v1/plugins/video/pause', {
      method: 'POST',
      headers: { ...evil, ...token },
    })
    expect(posted.status).toBe(200)
    const cookie = `lyceum_session=${await issueToken(keys, { role: 'admin' }, 60)}`
    expect((await app.request('/', { headers: { ...evil, cookie } })).status).toBe(200)
  })
})
