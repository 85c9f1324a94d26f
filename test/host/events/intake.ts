import { gzipSync } from 'node:zlib'
import { type About, accept, type IntakeLimits, type Rejected } from '../../../host/events/accept.ts'
import type { JsonObject } from '../../../host/events/json.ts'
import { unpacked } from '../../support/rows.ts'

export const RECEIVED = Date.UTC(2026, 10, 22, 12)

/** Small enough to be met by small tests. */
export const SMALL_LIMITS: IntakeLimits = {
  unpackedBodyBytes: 1_000_000,
  eventBytes: 20_000,
  eventDepth: 100,
  eventsPerRequest: 1000,
}

export interface Read {
  events: JsonObject[]
  ids: string[]
  rejected: Rejected[]
}

/** Reads a body as the log thread does, and parses back what would be stored. */
export function intake(body: string | Uint8Array, about: Partial<About> = {}): Read {
  const { rows, rejected } = accept(bytes(body), { receivedMs: RECEIVED, ...about }, SMALL_LIMITS)
  const read = unpacked(rows)
  return {
    events: read.map(({ text }) => JSON.parse(text)),
    ids: read.map(({ key }) => key),
    rejected,
  }
}

export const NDJSON = { contentType: 'application/x-ndjson' }

export const JSON_BODY = { contentType: 'application/json' }

/** What becomes of one event. */
export function one(event: unknown): JsonObject & { props: JsonObject } {
  const { events, rejected } = intake(JSON.stringify(event), JSON_BODY)
  const [read] = events
  if (!read) throw new Error(`rejected: ${JSON.stringify(rejected)}`)
  return { ...read, props: { ...(read.props as JsonObject) } }
}

export function bytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body
}

/** A small body that unpacks to many times its size. */
export function bomb(unpackedBytes: number): Uint8Array {
  return gzipSync(Buffer.alloc(unpackedBytes, 32))
}
