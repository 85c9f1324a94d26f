const SLOT_MS = 1_000
const SLOTS = 60

/** What one plugin has used in each of the last seconds. */
interface Minute {
  readonly slots: Float64Array
  /** The second that was written last, counted from the start of the clock. */
  newest: number
}

/**
 * The CPU time that each plugin has used in the last minute, wherever: in its isolates, and in the stores that
 * worked for it. Who has used up its quota waits until enough of that minute is over; nothing is killed for it.
 */
export class CpuRates {
  readonly #minutes = new Map<string, Minute>()
  readonly #nowMs: () => number
  #swept = 0

  /** @param nowMs monotonic clock; tests set it */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Takes down CPU time that was used for a plugin just now. */
  charge(plugin: string, cpuMs: number): void {
    if (!(cpuMs > 0)) return
    const now = this.#second()
    const minute = this.#minutes.get(plugin)
    if (minute === undefined) {
      this.#sweep(now)
      const slots = new Float64Array(SLOTS)
      slots[now % SLOTS] = cpuMs
      this.#minutes.set(plugin, { slots, newest: now })
      return
    }
    forget(minute, now)
    minute.slots[now % SLOTS] = (minute.slots[now % SLOTS] ?? 0) + cpuMs
  }

  /** CPU time of the last minute. */
  usedMs(plugin: string): number {
    const minute = this.#minutes.get(plugin)
    if (minute === undefined) return 0
    forget(minute, this.#second())
    return sum(minute)
  }

  /** How long a plugin has to wait until it is below a quota; 0 where it may run. */
  waitMs(plugin: string, quotaMs: number): number {
    const minute = this.#minutes.get(plugin)
    if (minute === undefined) return 0
    const now = this.#second()
    forget(minute, now)
    let used = sum(minute)
    let gone = now - SLOTS
    while (used >= quotaMs && gone < now) {
      gone += 1
      used -= minute.slots[gone % SLOTS] ?? 0
    }
    return gone === now - SLOTS ? 0 : Math.max(1, Math.ceil(gone * SLOT_MS - this.#nowMs()))
  }

  #second(): number {
    // Far from zero, so that every second of the last minute has a number.
    return Math.floor(this.#nowMs() / SLOT_MS) + SLOTS
  }

  /** Plugins that have used nothing for a minute are forgotten, so that idle ones cost nothing. */
  #sweep(now: number): void {
    if (now - this.#swept < SLOTS) return
    this.#swept = now
    for (const [plugin, { newest }] of this.#minutes) if (now - newest >= SLOTS) this.#minutes.delete(plugin)
  }
}

/** Empties the seconds that have passed since the last look. */
function forget(minute: Minute, now: number): void {
  const passed = Math.min(SLOTS, now - minute.newest)
  for (let second = now - passed + 1; second <= now; second++) minute.slots[second % SLOTS] = 0
  minute.newest = Math.max(minute.newest, now)
}

function sum({ slots }: Minute): number {
  let total = 0
  for (const used of slots) total += used
  return total
}
