import { LyceumError } from '../errors.ts'

/** What comes of joining: the value, or the turn to compute it, for all who wait or for oneself alone. */
export type Turn<Value> = { readonly value: Value } | 'compute' | 'alone'

/** One call's part in computing a value. It has to be left when the call ends, however it ends. */
export interface Part<Value> {
  /** Rejects with `over_wall` where the call left while it still waited. */
  readonly turn: Promise<Turn<Value>>
  /** Gives all who wait their value. False where this is not, or no more, the value to be kept. */
  land(value: Value): boolean
  /** Waits no longer, but computes alone. */
  goAlone(): void
  /** Gives the turn to the next who waits, or stops waiting. */
  leave(): void
}

interface Flight<Value> {
  readonly key: string
  /** Whose turn it is; nobody's once the value has landed. */
  leader: Waiter<Value> | undefined
  readonly waiting: Set<Waiter<Value>>
}

interface Waiter<Value> {
  readonly party: Party<Value>
  readonly flight: Flight<Value>
  readonly settle: (turn: Turn<Value>) => void
}

/** Everything that is done for one call from outside. */
interface Party<Value> {
  readonly writes: boolean
  readonly waits: Set<Waiter<Value>>
}

/** A chain of waiting that is longer is not followed: who would join it computes alone. */
const LONGEST_CHAIN = 1_000
/** The share of their time that handlers and jobs wait for others. */
const WRITERS_PATIENCE = 0.25

/**
 * Values that are being computed, each by one call while the others wait for it. Where that call ends without
 * a value, the next who waits computes it. Nobody waits for what waits for them: they compute for themselves.
 */
export class Flights<Value> {
  readonly #flights = new Map<string, Flight<Value>>()
  readonly #parties = new WeakMap<object, Party<Value>>()
  readonly #waitingWriters = new Set<Party<Value>>()

  isUnderWay(key: string): boolean {
    return this.#flights.has(key)
  }

  /**
   * @param tree what all calls of the one from outside have in common
   * @param writes whether that holds, or may want, a transaction: those wait for each other too
   */
  join(key: string, tree: object, writes: boolean): Part<Value> {
    const party = this.#partyOf(tree, writes)
    const found = this.#flights.get(key)
    const flight = found ?? { key, leader: undefined, waiting: new Set() }
    const { promise: turn, resolve, reject } = Promise.withResolvers<Turn<Value>>()
    const self: Waiter<Value> = { party, flight, settle: resolve }
    if (found === undefined) {
      this.#flights.set(key, flight)
      this.#lead(self)
    } else if (this.#isAwaitedBy(found, party)) resolve('alone')
    else this.#wait(self)
    return {
      turn,
      land: (value) => flight.leader === self && this.#land(flight, value),
      goAlone: () => {
        if (this.#stopWaiting(self)) resolve('alone')
      },
      leave: () => {
        if (flight.leader === self) this.#handOver(flight)
        else if (this.#stopWaiting(self))
          reject(new LyceumError('over_wall', 'Another call computes this, and took too long.'))
      },
    }
  }

  /** Whoever computes this goes on for those who wait, but the value is not to be kept. */
  forget(key: string): void {
    this.#flights.delete(key)
  }

  /**
   * The turn of a part. Who writes waits for a part of their time only: events must not be laid aside because
   * somebody else is slow. All others wait to their end.
   * @param leftMs the time that is left
   */
  async turnOf(part: Part<Value>, writes: boolean, leftMs: number): Promise<Turn<Value>> {
    const timer = writes
      ? setTimeout(part.goAlone, leftMs * WRITERS_PATIENCE)
      : setTimeout(part.leave, leftMs)
    try {
      return await part.turn
    } finally {
      clearTimeout(timer)
    }
  }

  #partyOf(tree: object, writes: boolean): Party<Value> {
    const party = this.#parties.get(tree) ?? { writes, waits: new Set() }
    this.#parties.set(tree, party)
    return party
  }

  #lead(waiter: Waiter<Value>): void {
    waiter.flight.leader = waiter
    waiter.settle('compute')
  }

  #land(flight: Flight<Value>, value: Value): boolean {
    flight.leader = undefined
    for (const waiter of flight.waiting) {
      this.#stopWaiting(waiter)
      waiter.settle({ value })
    }
    return this.#end(flight)
  }

  #handOver(flight: Flight<Value>): void {
    const [next] = flight.waiting
    if (next === undefined) {
      flight.leader = undefined
      this.#end(flight)
      return
    }
    this.#stopWaiting(next)
    this.#lead(next)
    // One that has fallen to a plugin may wait a thousand times over: each party is looked at once.
    const awaited = new Map<Party<Value>, boolean>()
    for (const waiter of flight.waiting) {
      const { party } = waiter
      const isAwaited = awaited.get(party) ?? this.#isAwaitedBy(flight, party)
      awaited.set(party, isAwaited)
      if (!isAwaited) continue
      this.#stopWaiting(waiter)
      waiter.settle('alone')
    }
  }

  #end(flight: Flight<Value>): boolean {
    return this.#flights.get(flight.key) === flight && this.#flights.delete(flight.key)
  }

  #wait(waiter: Waiter<Value>): void {
    waiter.flight.waiting.add(waiter)
    waiter.party.waits.add(waiter)
    if (waiter.party.writes) this.#waitingWriters.add(waiter.party)
  }

  #stopWaiting(waiter: Waiter<Value>): boolean {
    const { party, flight } = waiter
    party.waits.delete(waiter)
    if (party.waits.size === 0) this.#waitingWriters.delete(party)
    return flight.waiting.delete(waiter)
  }

  /** Whether who computes this waits for `party`, be it by others. */
  #isAwaitedBy(flight: Flight<Value>, party: Party<Value>): boolean {
    const leader = flight.leader?.party
    if (leader === undefined) return false
    // Grows while it is walked.
    const chain = new Set([leader])
    for (const one of chain) {
      if (one === party || chain.size > LONGEST_CHAIN) return true
      // Of two that write, one may hold the database that the other wants.
      if (one.writes && party.writes) return true
      for (const { flight: awaited } of one.waits) if (awaited.leader) chain.add(awaited.leader.party)
      if (one.writes) for (const writer of this.#waitingWriters) chain.add(writer)
    }
    return false
  }
}
