/** How far a long job is. */
export interface Progress {
  /** How many things are through: events, dead letters. */
  readonly done: number
  /** How much of the whole that is, from 0 to 1; undefined where nobody knows, as in a pipe. */
  readonly share: number | undefined
}

/** A terminal or file that the progress is written to; `process.stderr` is one. */
export interface ProgressStream {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
}

const REDRAW_MS = 100
/** Where no line can be redrawn, in a log for example, a new one is written now and then. */
const PLAIN_MS = 5_000
/** How long the rate remembers: short enough to show a stall, long enough not to jump. */
const MEMORY_MS = 5_000
const WIDEST_BAR = 30
const CLEAR_TO_END = '\x1b[K'

/**
 * One line that says how far a job is: redrawn in place on a terminal, a plain line every few seconds
 * elsewhere. It is drawn in one write and only on `update`, so nothing flickers and no timer stays behind.
 */
export class ProgressLine {
  readonly #stream: ProgressStream
  readonly #startMs: number
  readonly #unit: string
  #latest: Progress = { done: 0, share: undefined }
  #latestMs: number
  #drawnMs: number
  #isShown = false
  #donePerMs = 0
  #sharePerMs = 0

  /**
   * @param unit what is counted, in the plural
   * @param nowMs on the clock that `update` gets, by default `performance.now()`.
   */
  constructor(stream: ProgressStream, unit = 'events', nowMs: number = performance.now()) {
    this.#stream = stream
    this.#unit = unit
    this.#startMs = nowMs
    this.#latestMs = nowMs
    this.#drawnMs = nowMs
  }

  update(progress: Progress, nowMs: number = performance.now()): void {
    this.#smooth(progress, nowMs)
    if (nowMs - this.#drawnMs < (this.#stream.isTTY ? REDRAW_MS : PLAIN_MS)) return
    this.#drawnMs = nowMs
    this.#draw(nowMs)
  }

  /** A message that stays, above the line. */
  say(message: string, nowMs: number = performance.now()): void {
    this.#stream.write(this.#isShown ? `\r${message}${CLEAR_TO_END}\n` : `${message}\n`)
    if (this.#isShown) this.#draw(nowMs)
  }

  /** Takes the line away. */
  stop(): void {
    if (this.#isShown) this.#stream.write(`\r${CLEAR_TO_END}`)
    this.#isShown = false
  }

  #smooth(progress: Progress, nowMs: number): void {
    const passedMs = nowMs - this.#latestMs
    // Several answers in one tick belong to the next step.
    if (passedMs <= 0) return
    const sinceStartMs = nowMs - this.#startMs
    // Early on, all that is known is the mean; then what is older than the memory fades.
    const weight = Math.max(passedMs / sinceStartMs, 1 - Math.exp(-passedMs / MEMORY_MS))
    const { done, share = 0 } = this.#latest
    this.#donePerMs += weight * ((progress.done - done) / passedMs - this.#donePerMs)
    this.#sharePerMs += weight * (((progress.share ?? 0) - share) / passedMs - this.#sharePerMs)
    this.#latest = progress
    this.#latestMs = nowMs
  }

  #draw(nowMs: number): void {
    const text = this.#text(nowMs)
    if (!this.#stream.isTTY) {
      this.#stream.write(`${text}\n`)
      return
    }
    // A full last column would wrap, and the next drawing would start a line below.
    const width = (this.#stream.columns || 80) - 1
    const barWidth = Math.min(WIDEST_BAR, width - text.length - 1)
    const { share } = this.#latest
    const line = share === undefined || barWidth < 8 ? text : `${bar(share, barWidth)} ${text}`
    this.#stream.write(`\r${line.slice(0, width)}${CLEAR_TO_END}`)
    this.#isShown = true
  }

  #text(nowMs: number): string {
    const { done, share } = this.#latest
    const parts = [
      `${done.toLocaleString('en')} ${this.#unit}`,
      `${Math.round(1000 * this.#donePerMs).toLocaleString('en')}/s`,
    ]
    if (share === undefined) {
      parts.push(`${duration(nowMs - this.#startMs)} so far`)
    } else {
      parts.unshift(`${Math.floor(100 * share)}%`.padStart(4))
      if (this.#sharePerMs > 0) parts.push(`${duration((1 - share) / this.#sharePerMs)} left`)
    }
    return parts.join('  ')
  }
}

/** A part of a whole; a whole that grows while it is worked on must not show more than all. */
export function shareOf(part: number, whole: number | undefined): number | undefined {
  return whole === undefined || whole === 0 ? undefined : Math.min(1, part / whole)
}

/** Says on a terminal what a command is at, in one line that changes in place; nothing elsewhere. */
export class StepLine {
  readonly #stream: ProgressStream

  constructor(stream: ProgressStream) {
    this.#stream = stream
  }

  say(step: string): void {
    if (this.#stream.isTTY)
      this.#stream.write(`\r${step.slice(0, (this.#stream.columns || 80) - 1)}${CLEAR_TO_END}`)
  }

  /** Takes the line away. */
  stop(): void {
    if (this.#stream.isTTY) this.#stream.write(`\r${CLEAR_TO_END}`)
  }
}

function bar(share: number, width: number): string {
  const inside = width - 2
  return `[${'='.repeat(Math.round(share * inside)).padEnd(inside)}]`
}

/** Like `0:07`, `12:30` or `3:00:00`. */
function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const clock = [minutes, seconds % 60].map((part) => String(part).padStart(2, '0'))
  return (hours > 0 ? [hours, ...clock] : [minutes, ...clock.slice(1)]).join(':')
}
