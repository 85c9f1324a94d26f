import { randomBytes, randomUUID } from 'node:crypto'
import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LyceumError } from '../../errors.ts'

const FILE = 'mongodb.json'
const BYTES = 32
const schema = z.object({
  secret: z.base64url().refine((text) => Buffer.from(text, 'base64url').length >= BYTES),
})

/**
 * What the passwords of plugins' users in MongoDB are derived from, from the data folder, which is locked. Where it
 * is absent it is made; the users then get other passwords when their databases are opened next.
 *
 * @throws {LyceumError} config_invalid where the file holds something else
 */
export function mongoSecret(dataDir: string): string {
  const path = join(dataDir, FILE)
  return read(path) ?? make(path, join(dataDir, `.${FILE}.${randomUUID()}`))
}

function read(path: string): string | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const parsed = schema.safeParse(jsonOf(text))
  if (parsed.success) return parsed.data.secret
  throw new LyceumError(
    'config_invalid',
    `${FILE} in the data folder does not hold a secret. Restore it, or delete it: plugins' users in MongoDB get new passwords then.`,
  )
}

/** Written whole under another name first: half a file would keep the host from starting. */
function make(path: string, draft: string): string {
  const secret = randomBytes(BYTES).toString('base64url')
  writeFileSync(draft, `${JSON.stringify({ secret })}\n`, { mode: 0o600, flush: true })
  linkSync(draft, path)
  unlinkSync(draft)
  return secret
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
