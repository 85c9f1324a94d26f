import { hkdfSync, type KeyObject } from 'node:crypto'
import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Keys } from './keys.ts'
import { type Caller, type Claims, claimsSchema, toCaller } from './tokens.ts'

const ISSUER = 'lyceum'
const AUDIENCE = 'frame'

const ticketSchema = z.object({
  claims: claimsSchema,
  plugin: z.string(),
  view: z.string(),
  asked: z.array(z.tuple([z.string(), z.string()])),
})

/** What a frame may show: one view, asked one way by one person. */
export interface Ticket {
  readonly caller: Caller
  readonly plugin: string
  readonly view: string
  /** Dimensions and parameters. */
  readonly asked: readonly (readonly [string, string])[]
}

/**
 * Makes the credential of a view's frame, good for a minute. A frame has no cookies, so its address says
 * all. It is encrypted, because the view's script can read its own address, and a view learns of who looks
 * at it only what it asked for.
 */
export function issueTicket(keys: Keys, { caller, plugin, view, asked }: Ticket): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  return new EncryptJWT({ claims: claimsOf(caller), plugin, view, asked })
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: keys.signing.id })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + LIMITS.frameTicketSeconds)
    .encrypt(ticketKey(keys.signing.key))
}

/** Reads a ticket. @throws LyceumError `token_expired`, `token_invalid` */
export async function readTicket(keys: Keys, ticket: string): Promise<Ticket> {
  try {
    const { payload } = await jwtDecrypt(
      ticket,
      ({ kid }) => {
        const key = kid === undefined ? undefined : keys.verifying.get(kid)
        if (!key) throw new errors.JWKSNoMatchingKey()
        return ticketKey(key)
      },
      {
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ['exp', 'iat'],
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      },
    )
    const { claims, ...shown } = ticketSchema.parse(payload)
    return { caller: toCaller(claims), ...shown }
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new LyceumError('token_expired', 'This frame has been open for too long. Reload the page.')
    throw new LyceumError(
      'token_invalid',
      'This is not the address of a frame. Open the view from the first page.',
    )
  }
}

/** A key of its own: what is good for one purpose must not decide about another. */
function ticketKey(key: KeyObject): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', 'lyceum frame ticket', 32))
}

function claimsOf({ role, user, courses, plugins }: Caller): Claims {
  return {
    role,
    ...(user !== undefined && { user }),
    ...(courses.length > 0 && { courses: [...courses] }),
    ...(plugins !== 'all' && { plugins: [...plugins] }),
  }
}
