import { HostError } from './error.ts'
import { deliveredOf } from './read.ts'
import { request, type Target } from './request.ts'
import type { Event } from './types.ts'

/** How to send events. */
export interface SendOptions {
  /**
   * Names these events, so that sending them again, in the same order, counts them once, also where they have neither
   * an id nor a time of their own. One is made up unless told: it holds for repetitions within this call.
   */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
  /** For each batch, in place of the client's. */
  readonly timeoutMs?: number
}

/** What became of events that were sent. */
export interface Delivered {
  /** Those that are kept now, on disk. */
  readonly accepted: number
  /** Those that the host had already. */
  readonly duplicates: number
  /** Those that are no events, by their place among all that were sent, from 0. */
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly message: string }[]
}

const BATCH_EVENTS = 1_000
const BATCH_CHARS = 1_000_000
const KEY_CHARS = 150

/** Sends events in batches, one after the other. @throws {HostError} */
export async function sendEvents(
  target: Target,
  events: Iterable<Event> | AsyncIterable<Event>,
  { idempotencyKey = crypto.randomUUID(), signal, timeoutMs }: SendOptions,
): Promise<Delivered> {
  if (idempotencyKey.length > KEY_CHARS)
    throw new HostError('bad_parameter', `An idempotencyKey has at most ${KEY_CHARS} characters.`)
  const rejected: Delivered['rejected'][number][] = []
  let [accepted, duplicates, sent] = [0, 0, 0]
  for await (const { lines, places } of batches(events)) {
    const delivered = await request(
      target,
      {
        path: '/v1/events',
        headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': `${idempotencyKey}/${sent}` },
        body: lines.join('\n'),
        signal,
        timeoutMs,
      },
      deliveredOf,
    )
    accepted += delivered.accepted
    duplicates += delivered.duplicates
    for (const { index: line, code, message } of delivered.rejected) {
      const index = places[line] ?? 0
      // The host counts from the beginning of a batch.
      rejected.push({
        index,
        code,
        message: message.replace(/^Line \d+( at byte \d+)?/, `Line ${index + 1}`),
      })
    }
    sent += lines.length
  }
  return { accepted, duplicates, rejected }
}

/** Lines of as many events as are sent at a time, and the place of each among all. Blank lines are no events. */
async function* batches(
  events: Iterable<Event> | AsyncIterable<Event>,
): AsyncGenerator<{ lines: string[]; places: number[] }> {
  let [lines, places]: [string[], number[]] = [[], []]
  let [chars, place] = [0, 0]
  for await (const event of events) {
    const line = typeof event === 'string' ? event.replace(/[\r\n]+/g, ' ') : JSON.stringify(event)
    if (line.trim() !== '') {
      lines.push(line)
      places.push(place)
      chars += line.length
    }
    place++
    if (lines.length < BATCH_EVENTS && chars < BATCH_CHARS) continue
    yield { lines, places }
    lines = []
    places = []
    chars = 0
  }
  if (lines.length > 0) yield { lines, places }
}
