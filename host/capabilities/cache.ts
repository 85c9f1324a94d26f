import { z } from 'zod'
import { splitPayload } from '../../process/frame.ts'
import type { Flights, Part } from '../cache/flights.ts'
import { type CacheRooms, type Kept, ownCopy, sizeOf } from '../cache/rooms.ts'
import { dataOf } from '../dispatch/circle.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Transaction } from '../storage/plugin-store.ts'
import type { OpContext, OpTable } from './capability.ts'

const MB = 1024 * 1024
/** Key and seconds as JSON: a key's bytes can take six characters each. */
const HEAD_BYTES = 8 * 1024

const Key = z
  .string({ error: 'a key is a text' })
  .min(1, 'a key is not empty')
  .refine((key) => Buffer.byteLength(key) <= LIMITS.cacheKeyBytes, {
    error: `a key has at most ${LIMITS.cacheKeyBytes} bytes`,
  })
const Seconds = z
  .number({ error: 'say for how many seconds' })
  .positive('say for how many seconds, more than 0')
  .max(LIMITS.cacheSeconds, `at most ${LIMITS.cacheSeconds} seconds`)
const JustKey = z.tuple([Key])
const Timed = z.tuple([Key, Seconds])
const Ticket = z.tuple([z.int()])

/** A value that a call is to compute for those who wait. */
interface Ordered {
  readonly context: OpContext
  readonly key: string
  readonly seconds: number
  readonly part: Part<Kept>
}

type CacheOps = Pick<
  OpTable,
  'cacheGet' | 'cacheSet' | 'cacheDelete' | 'cacheTake' | 'cacheFill' | 'cacheGiveUp'
>

/**
 * `cache`: what a plugin keeps for a while, in its room. Values are EJSON that only guests read. A key means
 * another entry in each version of the plugin and each generation of its data.
 */
export function cacheOps(rooms: CacheRooms, flights: Flights<Kept>): CacheOps {
  const ordered = new Map<number, Ordered>()
  let lastTicket = 0
  /** What handlers and jobs have deleted, and not kept again since. */
  const deleted = new WeakMap<Transaction, Set<string>>()

  /** @param goneSeconds when it is not even good enough to stand in any more */
  const keptFrom = (context: OpContext, key: string, bytes: Buffer, seconds: number, goneSeconds: number) => {
    const { quota, id } = context.plugin
    if (bytes.length > LIMITS.cacheValueBytes || sizeOf({ bytes }, key) > quota.cacheMb * MB)
      throw new LyceumError(
        'cache_value_too_large',
        `This value has ${bytes.length} bytes. A cache keeps values of at most ${LIMITS.cacheValueBytes / MB} MB, ${id}'s all together ${quota.cacheMb} MB. Keep less of it, or write a file: fs.write.`,
      )
    const madeMs = rooms.nowMs()
    const freshUntilMs = madeMs + seconds * 1_000
    const goneAtMs = madeMs + goneSeconds * 1_000
    return { bytes: ownCopy(bytes), madeMs, freshUntilMs, goneAtMs, isSample: context.tree.isSample }
  }

  /** What is made of it is made up where it is. */
  const handOut = ({ bytes, isSample }: Kept, { tree }: OpContext) => {
    if (isSample) tree.isSample = true
    return bytes
  }

  const keep = ({ plugin, transaction }: OpContext, key: string, kept: Kept) => {
    if (transaction !== undefined) deleted.get(transaction)?.delete(key)
    rooms.set(plugin.id, key, kept, plugin.quota.cacheMb * MB)
  }

  const forget = (context: OpContext, key: string) => {
    flights.forget(flightKey(context, key))
    return rooms.delete(context.plugin.id, key)
  }

  /** Until it commits, others read what was, and may keep that again. */
  const forgetAfter = (transaction: Transaction, context: OpContext, key: string) => {
    const keys = deleted.get(transaction) ?? new Set()
    if (!deleted.has(transaction))
      transaction.onEnd(() => {
        for (const late of keys) forget(context, late)
      })
    deleted.set(transaction, keys.add(key))
  }

  const orderOf = (payload: Buffer, context: OpContext) => {
    const { head, value } = headOf(Ticket, payload)
    const [ticket] = head
    const order = ordered.get(ticket)
    if (order?.context !== context)
      throw new LyceumError('op_denied', 'This call was not asked to compute that value.')
    ordered.delete(ticket)
    return { order, value }
  }

  return {
    cacheGet: (payload, context) => {
      const [key] = headOf(JustKey, payload).head
      const kept = rooms.get(context.plugin.id, entryKey(rooms, context, key))
      return kept !== undefined && rooms.nowMs() < kept.freshUntilMs ? handOut(kept, context) : ''
    },

    cacheSet: (payload, context) => {
      const { head, value } = headOf(Timed, payload)
      const [key, seconds] = head
      const entry = entryKey(rooms, context, key)
      keep(context, entry, keptFrom(context, entry, value, seconds, seconds))
      return ''
    },

    cacheDelete: (payload, context) => {
      const [key] = headOf(JustKey, payload).head
      const entry = entryKey(rooms, context, key)
      if (context.transaction !== undefined) forgetAfter(context.transaction, context, entry)
      return String(forget(context, entry))
    },

    // "\n" and the value; or the ticket with which this call fills it in; or "0": it computes for itself.
    cacheTake: async (payload, context) => {
      const [key, seconds] = headOf(Timed, payload).head
      const { plugin, tree, caller, deadlineMs } = context
      const entry = entryKey(rooms, context, key)
      const flight = flightKey(context, entry)
      const kept = rooms.get(plugin.id, entry)
      if (kept !== undefined && (rooms.nowMs() < kept.freshUntilMs || flights.isUnderWay(flight)))
        return ['', handOut(kept, context)]
      const writes = caller === undefined
      const part = flights.join(flight, tree, writes)
      context.onEnd(part.leave)
      const turn = await flights.turnOf(part, writes, deadlineMs - performance.now())
      if (typeof turn === 'object') return ['', handOut(turn.value, context)]
      if (turn === 'alone') return '0'
      lastTicket += 1
      const ticket = lastTicket
      ordered.set(ticket, { context, key: entry, seconds, part })
      context.onEnd(() => ordered.delete(ticket))
      return String(ticket)
    },

    cacheFill: (payload, context) => {
      const { order, value } = orderOf(payload, context)
      const { part, key, seconds } = order
      try {
        const kept = keptFrom(context, key, value, seconds, 2 * seconds)
        if (part.land(kept)) keep(context, key, kept)
      } finally {
        part.leave()
      }
      return ''
    },

    cacheGiveUp: (payload, context) => {
      orderOf(payload, context).order.part.leave()
      return ''
    },
  }
}

/** The code's hash tells versions apart; so long a part of it is enough among the versions of one plugin. */
function entryKey(rooms: CacheRooms, context: OpContext, key: string): string {
  const { id, code } = context.plugin
  return `v/${code.hash.slice(0, 16)}/${dataOf(context)}/${rooms.edition(id)}/${key}`
}

function flightKey({ plugin }: OpContext, entry: string): string {
  return `${plugin.id}/${entry}`
}

/** The JSON in front of the first newline, checked; what follows is not looked at. */
function headOf<Head>(schema: z.ZodType<Head>, payload: Buffer): { head: Head; value: Buffer } {
  const end = payload.indexOf(10)
  if ((end < 0 ? payload.length : end) > HEAD_BYTES) throw malformed('the key is too long')
  const { control, bytes } = splitPayload(payload)
  const parsed = schema.safeParse(jsonOf(control))
  if (!parsed.success) throw malformed(parsed.error.issues[0]?.message ?? 'it does not fit')
  return { head: parsed.data, value: bytes }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('it is not JSON')
  }
}

function malformed(reason: string): LyceumError {
  return new LyceumError('op_malformed', `cache: ${reason}. Write cache.set('key', value, { seconds: 60 }).`)
}
