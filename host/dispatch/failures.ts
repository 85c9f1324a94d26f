import type { ErrorCode } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { BATCH_EVENTS } from './batch.ts'
import { awaitsOthers } from './invoker.ts'

/** Times that an event may fail alone before it becomes a dead letter. */
const MOST_ATTEMPTS = 3
/** A used-up budget is a strike: the event that does it is found in fewer steps than by halves. */
const BUDGET_PARTS = 8
/** Between attempts at one event. */
const ATTEMPT_PAUSE_MS = 10
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 5_000
/** Failures that nothing was committed with: the cursor is where it was, and the next wait is longer. */
const STILL_CERTAIN: ReadonlySet<string> = new Set([
  'over_concurrency',
  'over_cpu_rate',
  'over_wall',
  'sandbox_lost',
  'database_full',
  'files_full',
])

/** Whether a cursor is where it was after a failure that says nothing about the plugin. */
export function leavesCursor(code: ErrorCode): boolean {
  return STILL_CERTAIN.has(code) || awaitsOthers(code)
}

/**
 * What a handler's failures lead to: smaller batches, another try, an event put aside, and where event after
 * event is put aside, the end of trying. It decides; the feed does.
 */
export class Failures {
  /** Events that the next batch may have. */
  maxEvents = BATCH_EVENTS
  #attempts = 0
  #passingInARow = 0
  #asideInARow = 0

  /** Times that the event at hand has failed alone. */
  get attempts(): number {
    return this.#attempts
  }

  /** True while what failed is being found: then one batch at a time. */
  get searching(): boolean {
    return this.maxEvents < BATCH_EVENTS
  }

  /** A batch went through. */
  committed(): void {
    this.#attempts = 0
    this.#passingInARow = 0
    this.#asideInARow = 0
    this.maxEvents = Math.min(BATCH_EVENTS, this.maxEvents * 2)
  }

  /** The cursor was taken over anew: what kept it from that has passed. */
  claimed(): void {
    this.#passingInARow = 0
  }

  /** Somebody wants it to be tried again. */
  forget(): void {
    this.#attempts = 0
    this.#asideInARow = 0
  }

  /** A lost process says nothing about the batch, but a smaller one may be what gets through. */
  lost(events: number): void {
    this.maxEvents = Math.max(1, Math.ceil(events / 2))
  }

  /** How long to wait after a failure that says nothing about the plugin, longer each time. */
  passingMs(): number {
    const waitMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#passingInARow)
    this.#passingInARow += 1
    return waitMs
  }

  /**
   * A batch failed through the plugin's own doing. Returns how long to wait until it is tried again, or
   * undefined where its one event is to be put aside.
   */
  failed(code: string, events: number): number | undefined {
    if (events > 1) {
      this.maxEvents = Math.ceil(events / (code.startsWith('over_') ? BUDGET_PARTS : 2))
      return 0
    }
    this.#attempts += 1
    if (this.#attempts >= MOST_ATTEMPTS) return undefined
    // Where one event after the other fails, waiting makes none of them better.
    return this.#asideInARow > 0 ? 0 : ATTEMPT_PAUSE_MS * this.#attempts
  }

  /** An event was put aside. Returns whether the handler is to stand still, for all of them fail. */
  putAside(): boolean {
    this.#attempts = 0
    this.#asideInARow += 1
    return this.#asideInARow >= LIMITS.failuresInARow
  }
}
