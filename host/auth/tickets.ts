import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Keys } from './keys.ts'
import { type Caller, type Claims, claimsSchema, toCaller } from './tokens.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

const sealedSchema = z.object({
  expiresMs: z.number(),
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
 *
 * No JWE: libraries for those work in another thread, and the way there and back takes as long as the view.
 */
export function issueTicket(keys: Keys, { caller, plugin, view, asked }: Ticket): string {
  const { id, key } = keys.signing
  const expiresMs = steadyMs() + LIMITS.frameTicketSeconds * 1_000
  const text = JSON.stringify({ expiresMs, claims: claimsOf(caller), plugin, view, asked })
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, ticketKey(key), iv, { authTagLength: TAG_BYTES })
  const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${Buffer.from(id).toString('base64url')}.${sealed.toString('base64url')}`
}

/** Time that goes on evenly whoever sets the clock: a minute stays a minute. */
function steadyMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Reads a ticket. @throws LyceumError `token_expired`, `token_invalid` */
export function readTicket(keys: Keys, ticket: string): Ticket {
  const { expiresMs, claims, ...shown } = open(keys, ticket)
  if (steadyMs() >= expiresMs)
    throw new LyceumError('token_expired', 'This frame has been open for too long. Reload the page.')
  return { caller: toCaller(claims), ...shown }
}

function open(keys: Keys, ticket: string): z.infer<typeof sealedSchema> {
  try {
    const [id = '', text = ''] = ticket.split('.')
    const key = keys.verifying.get(Buffer.from(id, 'base64url').toString())
    if (key === undefined) throw new Error('no such key')
    const sealed = Buffer.from(text, 'base64url')
    const tagAt = sealed.length - TAG_BYTES
    const iv = sealed.subarray(0, IV_BYTES)
    const decipher = createDecipheriv(CIPHER, ticketKey(key), iv, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(sealed.subarray(tagAt))
    const opened = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, tagAt)), decipher.final()])
    return sealedSchema.parse(JSON.parse(opened.toString()))
  } catch {
    throw new LyceumError(
      'token_invalid',
      'This is not the address of a frame. Open the view from the first page.',
    )
  }
}

const ticketKeys = new WeakMap<KeyObject, KeyObject>()

/** A key of its own: what is good for one purpose must not decide about another. */
function ticketKey(key: KeyObject): KeyObject {
  const known = ticketKeys.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(new Uint8Array(hkdfSync('sha256', key, '', 'lyceum frame ticket', 32)))
  ticketKeys.set(key, made)
  return made
}

function claimsOf({ role, user, courses, plugins }: Caller): Claims {
  return {
    role,
    ...(user !== undefined && { user }),
    ...(courses.length > 0 && { courses: [...courses] }),
    ...(plugins !== 'all' && { plugins: [...plugins] }),
  }
}
