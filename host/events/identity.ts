import { hash, randomBytes } from 'node:crypto'
import { isObject, type JsonObject } from './json.ts'

/** Half of a SHA-256: two of a billion events share one with a chance of 10^-21. */
const KEY_BYTES = 16

const OWN_ID_CHARACTERS = 512

/** What tells events without an id and without a time apart: the sender's key and the place in the body. */
export interface Delivery {
  idempotencyKey: string | undefined
  index: number
}

/**
 * The key under which the log keeps an event once, 16 bytes: from its own id; else from its content if
 * it has a time; else from the delivery if the sender named it; else random, so that every delivery counts.
 *
 * @param event as it was sent, before anything was added to it; its depth already checked: this recurses.
 */
export function identify(event: JsonObject, hasTime: boolean, delivery: Delivery): Buffer {
  const id = ownId(event)
  // The letter keeps the three ways apart: no id can be made to equal the content of another event.
  if (id !== undefined) return digest(`i${id}`)
  if (hasTime) return digest(`c${canonical(event)}`)
  const { idempotencyKey, index } = delivery
  if (idempotencyKey !== undefined)
    return digest(`d${index},${idempotencyKey.length}:${idempotencyKey}${canonical(event)}`)
  return randomBytes(KEY_BYTES)
}

function ownId(event: JsonObject): string | undefined {
  for (const value of [event.id, event.uuid, event.event_id])
    if (typeof value === 'string' && value !== '' && value.length <= OWN_ID_CHARACTERS) return value
  return undefined
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer').subarray(0, KEY_BYTES)
}

/**
 * One text for all JSON texts of the same value: keys sorted, numbers as JavaScript reads them. Strings
 * carry their length in place of quotes and escapes, which is as unambiguous and much faster.
 */
export function canonical(value: unknown): string {
  if (typeof value === 'string') return `"${value.length}:${value}`
  if (typeof value === 'number') return `#${value};`
  if (Array.isArray(value)) {
    let text = '['
    for (const item of value) text += canonical(item)
    return `${text}]`
  }
  if (isObject(value)) {
    let text = '{'
    for (const key of Object.keys(value).sort()) text += `${key.length}:${key}${canonical(value[key])}`
    return `${text}}`
  }
  return value === null ? 'n' : value === true ? 't' : 'f'
}
