import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Keys } from './keys.ts'
import { isOver, seal, unseal } from './sealed.ts'
import { type Caller, type Claims, claimsSchema, toCaller } from './tokens.ts'

const PURPOSE = 'lyceum frame ticket'

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
 */
export function issueTicket(keys: Keys, { caller, plugin, view, asked }: Ticket): string {
  const shown = { claims: claimsOf(caller), plugin, view, asked }
  return seal(keys, PURPOSE, shown, LIMITS.frameTicketSeconds)
}

/** Reads a ticket. @throws LyceumError `token_expired`, `token_invalid` */
export function readTicket(keys: Keys, ticket: string): Ticket {
  const { expiresMs, claims, ...shown } = open(keys, ticket)
  if (isOver(expiresMs))
    throw new LyceumError('token_expired', 'This frame has been open for too long. Reload the page.')
  return { caller: toCaller(claims), ...shown }
}

function open(keys: Keys, ticket: string): z.infer<typeof sealedSchema> {
  try {
    return sealedSchema.parse(unseal(keys, PURPOSE, ticket))
  } catch {
    throw new LyceumError(
      'token_invalid',
      'This is not the address of a frame. Open the view from the first page.',
    )
  }
}

function claimsOf({ role, user, courses, plugins }: Caller): Claims {
  return {
    role,
    ...(user !== undefined && { user }),
    ...(courses.length > 0 && { courses: [...courses] }),
    ...(plugins !== 'all' && { plugins: [...plugins] }),
  }
}
