import { LIMITS } from '../limits.ts'
import type { LogLine } from './log.ts'

/** The lines of one plugin's log as they come, for somebody who may be slower than they are. */
export class LogFollower implements AsyncIterable<LogLine> {
  #waiting: LogLine[]
  #missed = 0
  #wake: () => void = () => {}
  #closed = false
  readonly #onClose: (follower: LogFollower) => void

  constructor(first: readonly LogLine[], onClose: (follower: LogFollower) => void) {
    this.#waiting = [...first]
    this.#onClose = onClose
  }

  add(line: LogLine): void {
    this.#waiting.push(line)
    if (this.#waiting.length > LIMITS.logLinesPerPlugin) {
      this.#waiting.shift()
      this.#missed += 1
    }
    this.#wake()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose(this)
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogLine> {
    while (!this.#closed) {
      const next = this.#waiting.shift()
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      if (this.#missed > 0) {
        const line = `${this.#missed} lines came faster than they were read`
        this.#missed = 0
        yield { ...next, level: 'warn', line }
      }
      yield next
    }
  }
}
