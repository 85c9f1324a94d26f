import { readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createShell } from '../../../host/app.ts'
import { callerOf } from '../../../host/auth/gate.ts'
import { signInLink } from '../../../host/auth/sign-in.ts'
import { issueToken } from '../../../host/auth/tokens.ts'
import { parts, smallApp } from './support.ts'

const BASE = 'http://127.0.0.1:4000'

async function host() {
  const services = await parts()
  const link = () => signInLink(services.keys, BASE)
  return { ...services, app: smallApp(services), link }
}

describe('the sign-in link', () => {
  test('gives the browser a session that scripts and other sites cannot use, and leads to the first page', async () => {
    const services = await host()
    const answer = await services.app.request(await services.link())
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe('/')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    const [cookie = '', ...attributes] = answer.headers.get('set-cookie')?.split('; ') ?? []
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Lax'])

    const inside = createShell(services)
    inside.get('/', (c) => c.text(callerOf(c).role))
    expect(await (await inside.request('/', { headers: { cookie } })).text()).toBe('admin')
  })

  test('makes a session for encrypted connections only, where the browser has one', async () => {
    const { app, link } = await host()
    const answer = await app.request(await link(), { headers: { 'x-forwarded-proto': 'https' } })
    expect(answer.headers.get('set-cookie')).toContain('; Secure')
  })

  test('works once, of many at once exactly one, and a restart does not forget it', async () => {
    const services = await host()
    const link = await services.link()
    const answers = await Promise.all(Array.from({ length: 10 }, () => services.app.request(link)))
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, ...Array(9).fill(401)])
    const again = await smallApp(services).request(link)
    expect(await again.json()).toMatchObject({ code: 'sign_in_link_used', status: 401 })
    expect(again.headers.get('set-cookie')).toBeNull()
    expect((await services.app.request(await services.link())).status).toBe(303)
  })

  test('is refused when it is over, and the sentence says where to get another', async () => {
    const { app, keys } = await host()
    const over = await issueToken(keys, { role: 'admin' }, -1, 'sign-in', { jti: crypto.randomUUID() })
    const problem = await (await app.request(`/sign-in?token=${over}`)).json()
    expect(problem).toMatchObject({
      code: 'token_expired',
      detail: expect.stringContaining('start of the host'),
    })
  })

  test('cannot be made from an API token, nor from nothing', async () => {
    const { app, keys } = await host()
    const token = await issueToken(keys, { role: 'admin' }, 60)
    expect(await (await app.request(`/sign-in?token=${token}`)).json()).toMatchObject({
      code: 'token_invalid',
    })
    expect(await (await app.request('/sign-in')).json()).toMatchObject({ code: 'bad_parameter' })
  })

  test('is forgotten only when it is long over', async () => {
    const { app, link, config } = await host()
    const folder = join(config.dataDir, 'sign-in')
    await app.request(await link())
    await app.request(await link())
    const [first = '', second = ''] = await readdir(folder)
    expect((await stat(join(folder, first))).mode & 0o777).toBe(0o600)
    const monthsAgo = Date.now() / 1000 - 90 * 86_400
    await utimes(join(folder, first), monthsAgo, monthsAgo)
    await app.request(await link())
    const kept = await readdir(folder)
    expect(kept).toHaveLength(2)
    expect(kept).toContain(second)
  })
})
