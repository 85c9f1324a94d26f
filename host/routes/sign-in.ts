import { deleteCookie, setCookie } from 'hono/cookie'
import type { App } from '../app.ts'
import { redeemSignIn, SESSION_COOKIE, SESSION_SECONDS } from '../auth/sign-in.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { signedOutPage } from '../pages/layout.ts'

/** Turns a one-time link into a session of the browser that opens it, and ends sessions. */
export function addSignIn(app: App, { config, keys }: Pick<Host, 'config' | 'keys'>): void {
  app.get('/sign-in', async (c) => {
    const token = c.req.query('token')
    if (!token)
      throw new LyceumError('bad_parameter', 'Open the whole sign-in link, as it was printed.', {
        parameter: 'token',
      })
    const session = await redeemSignIn(keys, config.dataDir, token)
    const { protocol } = new URL(c.req.url)
    setCookie(c, SESSION_COOKIE, session, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      maxAge: SESSION_SECONDS,
      // A proxy that ends TLS says so here. A caller who invents the header only makes its own cookie stricter.
      secure: protocol === 'https:' || c.req.header('x-forwarded-proto') === 'https',
    })
    return c.redirect('/', 303)
  })

  app.post('/sign-out', (c) => {
    deleteCookie(c, SESSION_COOKIE, { path: '/' })
    return c.html(signedOutPage())
  })
}
