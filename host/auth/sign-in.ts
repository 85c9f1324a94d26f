import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Keys } from './keys.ts'
import { type Claims, issueToken, verifyPayload } from './tokens.ts'

const AGAIN =
  'Ask for a new one: npx lyceum sign-in ROLE prints it, and each start of the host prints one for the admin.'
const LINK_SECONDS = LIMITS.signInLinkMinutes * 60
/** Much longer than a link is good: a clock that was wrong for a while must not bring a used one back. */
const MARK_MS = 30 * 24 * 3_600_000

/** The cookie that holds a browser's session: a token, out of reach for scripts. */
export const SESSION_COOKIE = 'lyceum_session'
export const SESSION_SECONDS = LIMITS.sessionHours * 60 * 60

/**
 * Makes a link that signs one browser in, once, within 15 minutes.
 *
 * @param baseUrl where the browser reaches the host, for example `http://127.0.0.1:4000`
 * @param claims what the browser's session says about who uses it
 */
export async function signInLink(
  keys: Keys,
  baseUrl: string,
  claims: Claims = { role: 'admin' },
): Promise<string> {
  const token = await issueToken(keys, claims, LINK_SECONDS, 'sign-in', { jti: randomUUID() })
  const link = new URL('/sign-in', baseUrl)
  link.searchParams.set('token', token)
  return link.href
}

/**
 * Takes a link's token and gives the session that it stands for.
 *
 * @returns the session's token, for the cookie
 * @throws LyceumError `token_invalid`, `token_expired`, `sign_in_link_used`
 */
export async function redeemSignIn(keys: Keys, dataDir: string, token: string): Promise<string> {
  const { claims, jti } = await verifyPayload(keys, token, 'sign-in').catch((error: unknown) => {
    const expired = error instanceof LyceumError && error.code === 'token_expired'
    throw new LyceumError(
      expired ? 'token_expired' : 'token_invalid',
      `This sign-in link ${expired ? 'has expired' : 'is not one of this host, or was not copied whole'}. ${AGAIN}`,
    )
  })
  await use(join(dataDir, 'sign-in'), z.uuid().parse(jti))
  return issueToken(keys, claims, SESSION_SECONDS)
}

/**
 * One empty file per used link, made exclusively: of two requests at once exactly one wins, and a restart
 * forgets nothing.
 */
async function use(folder: string, id: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    await writeFile(join(folder, id), '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new LyceumError('sign_in_link_used', `This sign-in link was used already. ${AGAIN}`)
    throw error
  }
  for (const old of await readdir(folder)) {
    const path = join(folder, old)
    // Another request may be sweeping, too.
    const used = await stat(path).catch(() => undefined)
    if (used && Date.now() - used.mtimeMs > MARK_MS) await rm(path, { force: true })
  }
}
