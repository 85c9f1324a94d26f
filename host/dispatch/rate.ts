const MEMORY_MS = 5_000
const EVERY_MS = 200

/** How fast a number grows, as seen over the last seconds. */
export class Rate {
  #seen: { readonly atMs: number; readonly value: number }[] = []

  /** @param nowMs a time of `performance.now()` */
  note(value: number, nowMs: number): void {
    const last = this.#seen.at(-1)
    if (last !== undefined && nowMs - last.atMs < EVERY_MS) return
    this.#seen.push({ atMs: nowMs, value })
    // The first stays that is older than the memory: the rate is that since then.
    while ((this.#seen[1]?.atMs ?? nowMs) < nowMs - MEMORY_MS) this.#seen.shift()
  }

  /** 0 until there is something to tell. */
  get perSecond(): number {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)]
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0
    // A batch that was undone takes the number back.
    return Math.max(0, ((last.value - first.value) / (last.atMs - first.atMs)) * 1_000)
  }
}
