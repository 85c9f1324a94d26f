import { setTimeout as sleep } from 'node:timers/promises'
import { play } from './counting.ts'

const BATCH_EVENTS = 8
/** Keeps the run small: what matters is how often it is interrupted. */
const PAUSE_MS = 6

/** A sender that goes on sending, and sends again what was not acknowledged, as an LMS does. */
export interface Load {
  /** Waits until so many more events were acknowledged. */
  more(events: number): Promise<void>
  /** Stops; resolves with how many different events were acknowledged. */
  stop(): Promise<number>
}

/**
 * @param post sends a body of events; true once it was acknowledged. It may throw.
 * @param first the number of the first event
 */
export function startLoad(post: (events: readonly object[]) => Promise<boolean>, first = 0): Load {
  let stopped = false
  let next = first
  const running = (async () => {
    while (!stopped) {
      const events = Array.from({ length: BATCH_EVENTS }, (_, at) => play(next + at))
      while (!(await post(events).catch(() => false))) await sleep(PAUSE_MS)
      next += BATCH_EVENTS
      await sleep(PAUSE_MS)
    }
  })()
  return {
    more: async (events) => {
      for (const goal = next + events; next < goal; ) await sleep(PAUSE_MS)
    },
    stop: async () => {
      stopped = true
      await running
      return next
    },
  }
}

/** Repeatable random numbers. The seed is printed; set `KILL_SEED` to run the same moments again. */
export function moments(name: string): { below(limit: number): number } {
  let state = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
  console.log(`${name}: KILL_SEED=${state}`)
  return {
    below: (limit) => {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
    },
  }
}
