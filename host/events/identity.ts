import { hash, randomBytes } from 'node:crypto'
import { isObject, type JsonObject } from './json.ts'

/** Half of a SHA-256: two of a billion events share one with a chance of 10^-21. */
const ID_HEX = 32
/** Unix seconds, in the ids that begin with a time. */
const SECONDS_HEX = 8

const OWN_ID_CHARACTERS = 512

/** What tells events without an id and without a time apart. */
export interface Delivery {
  /** The sender's name for the request, if it gave one, and the event's place in the body. */
  idempotencyKey: string | undefined
  index: number
  receivedMs: number
}

/**
 * The identity under which the log keeps an event once, 16 bytes as hex: from its own id; else from its
 * content if it has a time; else from the delivery if the sender named it; else random, so that every
 * delivery counts.
 *
 * Where it can, an identity begins with a time. Events come in about that order, so the log's index grows
 * at its end: with random identities alone, appending to a million events takes five times as long.
 *
 * @param event as it was sent, before anything was added to it; its depth already checked: this recurses.
 * @param time ISO 8601.
 */
export function identify(event: JsonObject, time: string | undefined, delivery: Delivery): string {
  const id = ownId(event)
  // The letter keeps the ways apart: no id can be made to equal the content of another event.
  if (id !== undefined) return digest(`i${id}`, ID_HEX)
  if (time !== undefined)
    return secondsHex(Date.parse(time)) + digest(`c${canonical(event)}`, ID_HEX - SECONDS_HEX)
  const { idempotencyKey: key, index, receivedMs } = delivery
  if (key !== undefined) return digest(`d${index},${key.length}:${key}${canonical(event)}`, ID_HEX)
  return secondsHex(receivedMs) + randomBytes((ID_HEX - SECONDS_HEX) / 2).toString('hex')
}

function secondsHex(ms: number): string {
  const seconds = Math.floor(ms / 1000) % 2 ** 32
  return seconds.toString(16).padStart(SECONDS_HEX, '0')
}

function ownId(event: JsonObject): string | undefined {
  for (const value of [event.id, event.uuid, event.event_id])
    if (typeof value === 'string' && value !== '' && value.length <= OWN_ID_CHARACTERS) return value
  return undefined
}

function digest(text: string, hexDigits: number): string {
  return hash('sha256', text, 'hex').slice(0, hexDigits)
}

/** One text for all JSON texts of the same value: keys sorted, no blanks, numbers as JavaScript reads them. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value))
}

/** A sorted copy and the built-in serialiser take a third of the time of writing the text by hand. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  const copy: JsonObject = {}
  for (const key of sortedKeys(value)) {
    const member = value[key]
    const copied = typeof member === 'object' ? sorted(member) : member
    // Assigned, this one key would set the prototype and vanish.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: copied, enumerable: true })
    else copy[key] = copied
  }
  return copy
}

/** The last keys that were sorted, by their number: events of one sender have the same ones again and again. */
const lastSorted = new Map<number, { keys: readonly string[]; sorted: readonly string[] }>()
const REMEMBERED_KEYS = 64

function sortedKeys(object: JsonObject): readonly string[] {
  const keys = Object.keys(object)
  const last = lastSorted.get(keys.length)
  if (last?.keys.every((key, at) => key === keys[at])) return last.sorted
  const sorted = keys.toSorted()
  if (keys.length <= REMEMBERED_KEYS) lastSorted.set(keys.length, { keys, sorted })
  return sorted
}
