/** A few places for which more may queue, in order, up to a number. */
export class Places {
  readonly #most: number
  readonly #mostWaiting: number
  readonly #waiting: (() => void)[] = []
  #taken = 0

  constructor(most: number, mostWaiting: number) {
    this.#most = most
    this.#mostWaiting = mostWaiting
  }

  get idle(): boolean {
    return this.#taken === 0
  }

  /** Resolves when `work` has run in a place; undefined where the queue is full. */
  async within<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    if (this.#taken < this.#most) this.#taken += 1
    else if (this.#waiting.length >= this.#mostWaiting) return undefined
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // A place goes straight to the next that waits.
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken -= 1
      else next()
    }
  }
}
