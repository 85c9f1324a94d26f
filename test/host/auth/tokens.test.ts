import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Keys } from '../../../host/auth/keys.ts'
import { signInLink } from '../../../host/auth/sign-in.ts'
import { issueToken, ROLES, verifyToken } from '../../../host/auth/tokens.ts'
import { claimsOf } from './support.ts'

function keysOf(id: string, byte: number): Keys {
  const key = createSecretKey(Buffer.alloc(32, byte))
  return { signing: { id, key }, verifying: new Map([[id, key]]), created: false }
}

const keys = keysOf('k1', 1)
let good: string
beforeAll(async () => {
  good = await issueToken(keys, { role: 'admin' }, 60)
})

/** A token that is right but for what the test changes. */
const forge = (claims: object, change: (jwt: SignJWT) => SignJWT = (jwt) => jwt, header: object = {}) =>
  change(
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1', ...header })
      .setIssuer('lyceum')
      .setAudience('api')
      .setIssuedAt()
      .setExpirationTime('1m'),
  ).sign(keys.signing.key)

describe('a token', () => {
  test.each(ROLES)('of role %s gives back what was put into it', async (role) => {
    const token = await issueToken(keys, { ...claimsOf(role), plugins: ['video'] }, 60)
    expect(await verifyToken(keys, token)).toEqual({ role, user: 'ann', courses: ['c1'], plugins: ['video'] })
  })

  test('that lists no plugins is not narrowed', async () => {
    expect(await verifyToken(keys, good)).toEqual({
      role: 'admin',
      user: undefined,
      courses: [],
      plugins: 'all',
    })
  })

  test('that forge() leaves alone is good, so that the refusals below are about their change', async () => {
    await expect(verifyToken(keys, await forge({ role: 'admin' }))).resolves.toMatchObject({ role: 'admin' })
  })

  test('that is over says so, and only to someone who held a real one', async () => {
    const over = await issueToken(keys, { role: 'admin' }, -1)
    await expect(verifyToken(keys, over)).rejects.toMatchObject({
      code: 'token_expired',
      message: expect.stringContaining('npx lyceum token'),
    })
    const forged = await issueToken(keysOf('k1', 2), { role: 'admin' }, -1)
    await expect(verifyToken(keys, forged)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('that was good is over when its time is, however often it was shown before', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const token = await issueToken(keys, { role: 'admin' }, 60)
      await verifyToken(keys, token)
      await expect(verifyToken(keys, token)).resolves.toMatchObject({ role: 'admin' })
      vi.setSystemTime(Date.now() + 61_000)
      await expect(verifyToken(keys, token)).rejects.toMatchObject({ code: 'token_expired' })
    } finally {
      vi.useRealTimers()
    }
  })

  test('that was good for one host is not for another', async () => {
    await verifyToken(keys, good)
    await expect(verifyToken(keysOf('k2', 1), good)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('is refused after a change of any of its characters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: good.length - 2 }),
        fc.constantFrom(...'AZaz09-_.'),
        async (at, char) => {
          fc.pre(good[at] !== char)
          const tampered = good.slice(0, at) + char + good.slice(at + 1)
          await expect(verifyToken(keys, tampered)).rejects.toMatchObject({ code: 'token_invalid' })
        },
      ),
    )
  })

  test('is refused whatever text it is, with one and the same sentence', async () => {
    const refused: unknown = await verifyToken(keys, '').catch((error: unknown) => error)
    const message = refused instanceof Error ? refused.message : 'not refused'
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        await expect(verifyToken(keys, text)).rejects.toMatchObject({ code: 'token_invalid', message })
      }),
    )
  })

  const admin = { role: 'admin' }
  const unsigned = () =>
    new UnsecuredJWT(admin)
      .setIssuer('lyceum')
      .setAudience('api')
      .setIssuedAt()
      .setExpirationTime('1m')
      .encode()
  test.each<[string, () => Promise<string> | string]>([
    ['of another host', () => issueToken(keysOf('k2', 1), { role: 'admin' }, 60)],
    ["signed by another key under this one's id", () => issueToken(keysOf('k1', 2), { role: 'admin' }, 60)],
    ['without a signature (alg none)', unsigned],
    ['without a signature under a known key id', () => `${good.split('.').slice(0, 2).join('.')}.`],
    ['without a key id', () => forge(admin, undefined, { kid: undefined })],
    ['of another issuer', () => forge(admin, (jwt) => jwt.setIssuer('moodle'))],
    ['for another purpose', () => forge(admin, (jwt) => jwt.setAudience('sign-in'))],
    ['not good yet', () => forge(admin, (jwt) => jwt.setNotBefore('1h'))],
    ['of an unknown role', () => forge({ role: 'root' })],
    ['of a student who is nobody', () => forge({ role: 'student' })],
    ['of an instructor without a course', () => forge({ role: 'instructor', user: 'ann' })],
    ['with courses that are no list', () => forge({ role: 'researcher', courses: 'c1' })],
    [
      'from a sign-in link',
      async () => {
        const link = new URL(await signInLink(keys, 'http://127.0.0.1:4000'))
        return link.searchParams.get('token') ?? ''
      },
    ],
  ])('%s is refused', async (_, make) => {
    await expect(verifyToken(keys, await make())).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('of another algorithm is refused, even under the right key', async () => {
    const long = createSecretKey(Buffer.alloc(64, 1))
    const wide: Keys = { ...keys, verifying: new Map([['k1', long]]) }
    const sign = (alg: string) =>
      new SignJWT(admin)
        .setProtectedHeader({ alg, kid: 'k1' })
        .setIssuer('lyceum')
        .setAudience('api')
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(long)
    await expect(verifyToken(wide, await sign('HS256'))).resolves.toBeDefined()
    await expect(verifyToken(wide, await sign('HS512'))).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('that never ends is refused', async () => {
    const jwt = new SignJWT(admin).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).setIssuer('lyceum')
    const endless = await jwt.setAudience('api').setIssuedAt().sign(keys.signing.key)
    await expect(verifyToken(keys, endless)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test('cannot be made with claims that no caller may have', async () => {
    await expect(issueToken(keys, { role: 'student' }, 60)).rejects.toThrow()
    await expect(issueToken(keys, { role: 'instructor' }, 60)).rejects.toThrow()
  })
})
