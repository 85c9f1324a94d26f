import { hash } from 'node:crypto'
import type { CallContext } from '../capabilities/capability.ts'
import type { CallTree } from '../dispatch/call-tree.ts'
import { dataOf } from '../dispatch/circle.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import type { Flights } from './flights.ts'
import { type CacheRooms, type Kept, type KeptAnswer, ownCopy, sizeOf } from './rooms.ts'

const MB = 1024 * 1024
const NEWLINE = 10

/** What somebody wants of kept answers: one that is good enough, a new one, or nothing but a kept one. */
export type CacheUse = 'any' | 'refresh' | 'only'

/** A question whose answers are kept. Whether it may be asked has been decided. */
export interface Question {
  readonly context: CallContext
  /** Dimensions, parameters and the viewer, as the handler gets them: EJSON. */
  readonly named: string
  readonly cacheSeconds: number
}

export interface AnswersServices {
  readonly rooms: CacheRooms
  readonly flights: Flights<Kept>
  /** How far in the log the results of a plugin reach. */
  readonly positionOf: (plugin: string) => number
  /** An answer did not fit into its plugin's room. */
  readonly onTooLarge: (plugin: ActivePlugin, query: string, message: string) => void
}

/** The answers of queries that say `cacheSeconds`. No question is asked twice at the same time. */
export class Answers {
  readonly #services: AnswersServices

  constructor(services: AnswersServices) {
    this.#services = services
  }

  /** Milliseconds since the data were read that went into an answer. */
  ageMs(asOfMs: number): number {
    return Math.max(0, this.#services.rooms.nowMs() - asOfMs)
  }

  /**
   * Gives a kept answer; else computes one, or waits for the call that does.
   * @param compute resolves with both forms of the answer, a newline between them, or one that is both
   * @throws {LyceumError} `not_cached`; `over_wall` where another call computes it and takes too long
   */
  async give(question: Question, use: CacheUse, compute: () => Promise<Buffer>): Promise<KeptAnswer> {
    const { rooms, flights } = this.#services
    const { plugin, endpoint, tree, caller } = question.context
    const key = this.#keyOf(question)
    const flight = `${plugin.id}/${key}`
    const kept = rooms.get(plugin.id, key)
    if (kept?.answer !== undefined && this.#isGood(kept, question, use, flights.isUnderWay(flight)))
      return handOut(kept, kept.answer, tree)
    if (use === 'only') throw notCached(plugin, endpoint.name)
    const writes = caller === undefined
    const part = flights.join(flight, tree, writes)
    try {
      const turn = await flights.turnOf(part, writes, tree.deadlineMs - performance.now())
      if (typeof turn === 'object' && turn.value.answer !== undefined)
        return handOut(turn.value, turn.value.answer, tree)
      const { made, answer } = await this.#make(question, compute)
      if (part.land(made)) this.#keep(question, key, made)
      return handOut(made, answer, tree)
    } finally {
      part.leave()
    }
  }

  /** Forgets all answers of a query; what is being computed now is given, but not kept. */
  clear(plugin: ActivePlugin, query: string): void {
    this.#services.rooms.renew(editionName(plugin, query))
  }

  /**
   * Whoever forces a new answer gets one that is a few seconds old all the same, or one person could have a
   * costly query computed again and again. Admins and the plugins' own jobs are trusted with that.
   */
  #isGood(kept: Kept, { context: { caller } }: Question, use: CacheUse, isUnderWay: boolean): boolean {
    const nowMs = this.#services.rooms.nowMs()
    if (use === 'only') return true
    if (use === 'any') return nowMs < kept.freshUntilMs || isUnderWay
    const isTrusted = caller === undefined || caller.role === 'admin'
    return !isTrusted && nowMs - kept.madeMs < LIMITS.refreshSeconds * 1_000
  }

  async #make(
    { context: { plugin, tree }, cacheSeconds }: Question,
    compute: () => Promise<Buffer>,
  ): Promise<{ made: Kept; answer: KeptAnswer }> {
    const { rooms, positionOf } = this.#services
    // Before it is asked: what is committed meanwhile may be in the answer or not.
    const asOfMs = rooms.nowMs()
    const position = positionOf(plugin.id)
    const bytes = ownCopy(await compute())
    const end = bytes.indexOf(NEWLINE)
    const answer = {
      plain: end < 0 ? bytes : bytes.subarray(0, end),
      typed: bytes.subarray(end + 1),
      // It may have been made from kept answers itself.
      asOfMs: Math.min(asOfMs, tree.asOf.ms),
      position: Math.min(position, tree.asOf.position),
    }
    const { isSample } = tree
    const madeMs = rooms.nowMs()
    const freshUntilMs = madeMs + cacheSeconds * 1_000
    const goneAtMs = freshUntilMs + cacheSeconds * 1_000
    return { made: { bytes, madeMs, freshUntilMs, goneAtMs, isSample, answer }, answer }
  }

  #keep({ context: { plugin, endpoint } }: Question, key: string, made: Kept): void {
    const { rooms, onTooLarge } = this.#services
    const roomBytes = plugin.quota.cacheMb * MB
    if (sizeOf(made, key) <= roomBytes) rooms.set(plugin.id, key, made, roomBytes)
    else
      onTooLarge(
        plugin,
        endpoint.name,
        `An answer of ${made.bytes.length} bytes was not kept: the cache of ${plugin.id} has ${plugin.quota.cacheMb} MB.`,
      )
  }

  /** All that an answer can depend on, beside the data: code, question, approvals, and who asks. */
  #keyOf({ context, named }: Question): string {
    const { plugin, endpoint, caller } = context
    const { rooms } = this.#services
    // What it asks of others, it asks as its caller: what comes back is theirs alone.
    const who = endpoint.plugins.length === 0 ? null : (caller ?? 'nobody')
    const { id, code, granted } = plugin
    const about = JSON.stringify([endpoint.name, named, who, granted])
    const editions = `${rooms.edition(id)}/${rooms.edition(editionName(plugin, endpoint.name))}`
    return `a/${code.hash.slice(0, 16)}/${dataOf(context)}/${editions}/${hash('sha256', about, 'base64')}`
  }
}

/** What is made of it is as old as it is, and made up where it is. */
function handOut({ isSample }: Kept, answer: KeptAnswer, tree: CallTree): KeptAnswer {
  const { asOf } = tree
  if (isSample) tree.isSample = true
  asOf.ms = Math.min(asOf.ms, answer.asOfMs)
  asOf.position = Math.min(asOf.position, answer.position)
  return answer
}

function editionName({ id }: ActivePlugin, query: string): string {
  return `${id}.${query}`
}

export function notCached({ id }: ActivePlugin, query: string): LyceumError {
  return new LyceumError('not_cached', `No answer of ${id}.${query} to this is kept. Ask for it as usual.`)
}
