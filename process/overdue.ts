/** Timers that fire later than this were held up, as was whatever their process had to read. */
const HELD_UP_MS = 100

/**
 * Calls back when something has not happened in time. A process that was itself held up at the end of that time
 * has not read yet what came meanwhile, and whoever had to send it may have been held up as well: both get the
 * grace anew, until it passes without a hitch.
 * @param ms how long it may take
 * @param graceMs how much longer it may take until it is known here
 * @returns ends the wait
 */
export function whenOverdue(ms: number, graceMs: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (waitMs: number) => {
    const dueMs = performance.now() + waitMs
    timer = setTimeout(() => {
      if (performance.now() > dueMs + HELD_UP_MS) wait(graceMs)
      else callback()
    }, waitMs)
  }
  wait(ms + graceMs)
  return () => clearTimeout(timer)
}

/** Tells by the ticks of an interval whether this process was held up. */
export class Pulse {
  readonly #everyMs: number
  #lastMs = performance.now()

  /** @param everyMs how often it ticks; the first interval begins now */
  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** To be called once in each tick: for how long this process was held up before it, with what came meanwhile unread. */
  heldUpMs(): number {
    const nowMs = performance.now()
    const lateMs = nowMs - this.#lastMs - this.#everyMs
    this.#lastMs = nowMs
    return lateMs > HELD_UP_MS ? lateMs : 0
  }
}
