import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import type { Keys } from './keys.ts'
import { isOver, seal, unseal } from './sealed.ts'

const PURPOSE = 'lyceum file ticket'

const sealedSchema = z.strictObject({
  expiresMs: z.number(),
  plugin: z.string(),
  installation: z.string(),
  generation: z.int(),
  path: z.string(),
})

/** What an address opens: one file of one plugin. */
export interface FileTicket {
  readonly plugin: string
  /** As the catalogue has it. */
  readonly installation: string
  readonly generation: number
  readonly path: string
}

/**
 * Makes the address of a file. Whoever has it may read that file until it expires, and nothing else: a frame has no
 * cookies that would say who asks.
 */
export function fileAddress(keys: Keys, ticket: FileTicket, seconds: number): string {
  return `/files/${ticket.plugin}/${seal(keys, PURPOSE, ticket, seconds)}`
}

/** Reads the ticket in an address of a plugin's file. @throws LyceumError `token_expired`, `token_invalid` */
export function readFileTicket(keys: Keys, plugin: string, text: string): FileTicket {
  const { expiresMs, ...ticket } = open(keys, text)
  if (ticket.plugin !== plugin) throw invalid()
  if (isOver(expiresMs))
    throw new LyceumError(
      'token_expired',
      'The address of this file has expired. Reload the page that has it.',
    )
  return ticket
}

function open(keys: Keys, text: string): z.infer<typeof sealedSchema> {
  try {
    return sealedSchema.parse(unseal(keys, PURPOSE, text))
  } catch {
    throw invalid()
  }
}

function invalid(): LyceumError {
  return new LyceumError(
    'token_invalid',
    'This is not the address of a file. A plugin makes one with fs.url(path).',
  )
}
