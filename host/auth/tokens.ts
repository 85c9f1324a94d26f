import { hash } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import type { Keys } from './keys.ts'

const ISSUER = 'lyceum'

/** Who a caller can be. What each may call is in roles.ts. */
export const ROLES = ['student', 'instructor', 'researcher', 'author', 'admin', 'ingest'] as const
export type Role = (typeof ROLES)[number]

const name = z.string().min(1).max(1024)

/** What a token says about its bearer. */
export const claimsSchema = z
  .object({
    role: z.enum(ROLES),
    user: name.optional(),
    courses: z.array(name).min(1).optional(),
    plugins: z.array(name).min(1).optional(),
  })
  .refine((claims) => claims.role !== 'student' || claims.user !== undefined)
  .refine((claims) => claims.role !== 'instructor' || claims.courses !== undefined)
export type Claims = z.infer<typeof claimsSchema>

/** A verified caller. */
export interface Caller {
  readonly role: Role
  /** The person, where the token names one. */
  readonly user: string | undefined
  /** The courses that the token lists; what an empty list means depends on the role (dimensions.ts). */
  readonly courses: readonly string[]
  /** The plugins that the token is narrowed to. */
  readonly plugins: readonly string[] | 'all'
}

/** What a token is good for: an API token must not sign a browser in, nor a sign-in link call the API. */
export type Purpose = 'api' | 'sign-in'

/**
 * Makes a token, signed by the first key.
 *
 * @param ttlSeconds how long it is good, from now
 * @param more registered claims of the caller's own, for example `{ jti }`
 */
export async function issueToken(
  keys: Keys,
  claims: Claims,
  ttlSeconds: number,
  purpose: Purpose = 'api',
  more: Pick<JWTPayload, 'jti'> = {},
): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  return new SignJWT({ ...claimsSchema.parse(claims), ...more })
    .setProtectedHeader({ alg: 'HS256', kid: keys.signing.id })
    .setIssuer(ISSUER)
    .setAudience(purpose)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + ttlSeconds)
    .sign(keys.signing.key)
}

/** A token whose signature was good; it stays so until it expires, since keys change only with a new start. */
interface Verified {
  readonly caller: Caller
  readonly expiresMs: number
}

const VERIFIED_TOKENS = 2_000
/**
 * Tokens that were good, by their hash. A signature is checked by a thread of the crypto library, and the way
 * there and back takes longer than the rest of a request.
 */
const verifiedBy = new WeakMap<Keys, LRUCache<string, Verified>>()

/**
 * Turns an API token into its caller.
 *
 * @throws LyceumError `token_expired`, or `token_invalid` for everything else that is wrong with it: the
 * reason stays here, since it helps only those who forge.
 */
export async function verifyToken(keys: Keys, token: string): Promise<Caller> {
  const verified = verifiedBy.get(keys) ?? new LRUCache<string, Verified>({ max: VERIFIED_TOKENS })
  verifiedBy.set(keys, verified)
  const id = hash('sha256', token, 'base64')
  const known = verified.get(id)
  if (known !== undefined && Date.now() < known.expiresMs) return known.caller
  const { claims, expiresMs } = await verifyPayload(keys, token, 'api')
  const caller = toCaller(claims)
  verified.set(id, { caller, expiresMs })
  return caller
}

/** Checks signature, times and purpose, and returns the claims with the token's own id and its end. */
export async function verifyPayload(
  keys: Keys,
  token: string,
  purpose: Purpose,
): Promise<{ claims: Claims; jti: string | undefined; expiresMs: number }> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = kid === undefined ? undefined : keys.verifying.get(kid)
        if (!key) throw new errors.JWKSNoMatchingKey()
        return key
      },
      { algorithms: ['HS256'], issuer: ISSUER, audience: purpose, requiredClaims: ['exp', 'iat'] },
    )
    const claims = claimsSchema.parse(payload)
    return { claims, jti: payload.jti, expiresMs: Number(payload.exp) * 1_000 }
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new LyceumError(
        'token_expired',
        'The token has expired. Ask for a new one: npx lyceum token ROLE.',
      )
    throw new LyceumError(
      'token_invalid',
      'The token is not one of this host. Copy it whole, or make one on the host: npx lyceum token ROLE, with the same --data folder.',
    )
  }
}

/** The caller that claims describe. */
export function toCaller(claims: Claims): Caller {
  return Object.freeze({
    role: claims.role,
    user: claims.user,
    courses: claims.courses ?? [],
    plugins: claims.plugins ?? 'all',
  })
}
