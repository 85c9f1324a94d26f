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
  for await (const lines of batches(events)) {
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
    for (const one of delivered.rejected) rejected.push({ ...one, index: sent + one.index })
    sent += lines.length
  }
  return { accepted, duplicates, rejected }
}

/** Lines of as many events as are sent at a time. */
async function* batches(events: Iterable<Event> | AsyncIterable<Event>): AsyncGenerator<string[]> {
  let lines: string[] = []
  let chars = 0
  for await (const event of events) {
    const line = typeof event === 'string' ? event.replace(/[\r\n]+/g, ' ') : JSON.stringify(event)
    lines.push(line)
    chars += line.length
    if (lines.length < BATCH_EVENTS && chars < BATCH_CHARS) continue
    yield lines
    lines = []
    chars = 0
  }
  if (lines.length > 0) yield lines
}
