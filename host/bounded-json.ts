import { createMiddleware } from 'hono/factory'
import type { AppEnv } from './auth/gate.ts'
import { LyceumError } from './errors.ts'
import { LIMITS } from './limits.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const STARTS: ReadonlySet<number | undefined> = new Set([0x2c, 0x5b, 0x7b]) // , [ {

/**
 * Refuses a body of too many values before it is parsed: a body of nothing but brackets costs the thread that
 * parses it seconds and a hundred times its size, one of a few long texts costs nothing. No body is an empty object.
 */
export const boundedJson = createMiddleware<AppEnv>(async (c, next) => {
  const body = new Uint8Array(await c.req.arrayBuffer())
  // Many clients always say that they send JSON, also where they send nothing. The types say that the cache holds no promises.
  if (body.length === 0) Object.assign(c.req.bodyCache, { text: Promise.resolve('{}') })
  if (!hasFewValues(body, LIMITS.bodyValues))
    throw new LyceumError(
      'body_too_large',
      `The body holds more than ${LIMITS.bodyValues} values. Send only what this address asks for.`,
    )
  await next()
})

/** Whether JSON holds at most so many values, as far as the characters that separate them tell. */
export function hasFewValues(json: Uint8Array, most: number): boolean {
  let values = 1
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) isText = !isText
    else if (isText && byte === BACKSLASH) at++
    else if (!isText && STARTS.has(byte) && ++values > most) return false
  }
  return values <= most
}
