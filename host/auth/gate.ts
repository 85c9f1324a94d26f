import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { LyceumError } from '../errors.ts'
import type { Keys } from './keys.ts'
import { rulesFor } from './roles.ts'
import { SESSION_COOKIE } from './sign-in.ts'
import { type Caller, verifyToken } from './tokens.ts'

/** What the host's middleware leaves for handlers. */
export interface AppEnv {
  Variables: {
    /** Absent on public routes; handlers use {@link callerOf}. */
    caller: Caller | undefined
    requestId: string
  }
}

/**
 * The door of every route: nothing passes that the table of roles does not name. It runs before the body
 * is read, so a stranger cannot make the host hold one.
 *
 * @param absent makes the error for an address or method without a route in the table
 */
export function gate(keys: Keys, absent: (c: Context<AppEnv>) => LyceumError): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const rules = rulesFor(c)
    if (rules.length === 0) throw absent(c)
    for (const rule of rules) {
      if (rule === undefined) throw absent(c)
      if (rule === 'public') continue
      const caller = c.get('caller') ?? (await authenticate(c, keys))
      if (!rule.includes(caller.role))
        throw new LyceumError(
          'role_denied',
          `A token of role ${caller.role} may not do this. It takes one of: ${rule.join(', ')}. An admin makes such a token: npx lyceum token ROLE.`,
        )
      c.set('caller', caller)
    }
    await next()
  }
}

/** The verified caller of a route that is not public. */
export function callerOf(c: Context<AppEnv>): Caller {
  const caller = c.get('caller')
  if (!caller) throw signInRequired()
  return caller
}

/** A token that is sent explicitly wins over the browser's session, also when it is wrong. */
async function authenticate(c: Context, keys: Keys): Promise<Caller> {
  const header = c.req.header('authorization')
  if (header !== undefined) {
    const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header.trim())?.[1]
    if (token === undefined)
      throw new LyceumError('token_invalid', 'The Authorization header must read: Bearer TOKEN.')
    return verifyToken(keys, token)
  }
  const session = getCookie(c, SESSION_COOKIE)
  if (!session) throw signInRequired()
  if (changesState(c.req.method)) refuseCrossSite(c)
  return verifyToken(keys, session).catch(() => {
    // What helps the holder of a token does not help a person whose session is over.
    throw signInRequired()
  })
}

function signInRequired(): LyceumError {
  return new LyceumError(
    'sign_in_required',
    'Open a sign-in link (the host prints one when it starts, and npx lyceum sign-in ROLE makes one), or send a token: Authorization: Bearer TOKEN (npx lyceum token ROLE).',
  )
}

const changesState = (method: string): boolean => !['GET', 'HEAD', 'OPTIONS'].includes(method)

/**
 * A browser sends the cookie along with requests that other pages start. Browsers say where a request
 * comes from; one that says nothing is refused. Only hosts are compared: behind a TLS proxy the scheme
 * that the host sees is not the one that the browser sees.
 *
 * @throws {LyceumError} cross_site
 */
export function refuseCrossSite(c: Context): void {
  const site = c.req.header('sec-fetch-site')
  const own = site === undefined ? sameHost(c) : site === 'same-origin'
  if (!own)
    throw new LyceumError(
      'cross_site',
      'A browser session changes things only from the pages of this host. From a program, send a token: Authorization: Bearer TOKEN.',
    )
}

function sameHost(c: Context): boolean {
  const origin = c.req.header('origin')
  if (origin === undefined || !URL.canParse(origin)) return false
  const own = new URL(c.req.url).host
  return new URL(origin).host === own
}
