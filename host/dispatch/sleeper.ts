/** Waits for something to do. What wakes it while it is awake keeps it from the next sleep. */
export class Sleeper {
  #wake: (() => void) | undefined
  #timed = false
  #woken = false
  #stopped = false

  /** Whether it was woken since it last slept. */
  get woken(): boolean {
    return this.#woken
  }

  wake(): void {
    this.#woken = true
    if (!this.#timed) this.#wake?.()
  }

  /** Ends this sleep and lets no other begin. */
  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  /** Sleeps until woken, or, where there is a time, for that time, whoever calls. */
  sleep(ms?: number): Promise<void> {
    if (this.#stopped || (ms === undefined && this.#woken)) {
      this.#woken = false
      return Promise.resolve()
    }
    this.#timed = ms !== undefined
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        this.#timed = false
        this.#woken = false
        resolve()
      }
      const timer = ms === undefined ? undefined : setTimeout(wake, ms)
      this.#wake = wake
    })
  }
}
