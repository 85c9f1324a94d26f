import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import type { Keys } from './keys.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/** What a sealed text is good for: what is good for one purpose must not decide about another. */
export type Purpose = 'lyceum frame ticket' | 'lyceum file ticket'

/**
 * Makes a text for an address that only this host can make and read.
 *
 * No JWE: libraries for those work in another thread, and the way there and back takes as long as a view.
 * @param value plain JSON
 */
export function seal(keys: Keys, purpose: Purpose, value: object, seconds: number): string {
  const { id, key } = keys.signing
  const text = JSON.stringify({ ...value, expiresMs: steadyMs() + seconds * 1_000 })
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, keyFor(key, purpose), iv, { authTagLength: TAG_BYTES })
  const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${Buffer.from(id).toString('base64url')}.${sealed.toString('base64url')}`
}

/** What was sealed, with the time until which it is good, for {@link isOver}. @throws where it was not sealed for this */
export function unseal(keys: Keys, purpose: Purpose, text: string): unknown {
  const [id = '', sealedText = ''] = text.split('.')
  const key = keys.verifying.get(Buffer.from(id, 'base64url').toString())
  if (key === undefined) throw new Error('no such key')
  const sealed = Buffer.from(sealedText, 'base64url')
  const tagAt = sealed.length - TAG_BYTES
  const iv = sealed.subarray(0, IV_BYTES)
  const decipher = createDecipheriv(CIPHER, keyFor(key, purpose), iv, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(sealed.subarray(tagAt))
  const opened = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, tagAt)), decipher.final()])
  return JSON.parse(opened.toString())
}

export function isOver(expiresMs: number): boolean {
  return steadyMs() >= expiresMs
}

/** Time that goes on evenly whoever sets the clock: a minute stays a minute. */
function steadyMs(): number {
  return performance.timeOrigin + performance.now()
}

const derived = new WeakMap<KeyObject, Map<Purpose, KeyObject>>()

function keyFor(key: KeyObject, purpose: Purpose): KeyObject {
  const known = derived.get(key) ?? new Map<Purpose, KeyObject>()
  derived.set(key, known)
  const made = known.get(purpose) ?? createSecretKey(new Uint8Array(hkdfSync('sha256', key, '', purpose, 32)))
  known.set(purpose, made)
  return made
}
