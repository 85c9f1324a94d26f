import type { Budget } from '../../sandbox/protocol.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS, type Quota } from '../limits.ts'

/**
 * What one call from outside, with all the calls that it makes to other plugins, may use together.
 * Each call is charged here when it ends, so no tree of calls costs more than its root may.
 */
export class CallTree {
  readonly deadlineMs: number
  readonly #outputBytes: number
  #cpuLeftMs: number
  #opsLeft: number
  #bytesLeft: number
  #calls = 0
  /** The last call of each depth. */
  readonly #turns: Promise<unknown>[] = []

  /** @param nowMs monotonic clock */
  constructor(quota: Quota, nowMs = performance.now()) {
    this.deadlineMs = nowMs + quota.wallMs
    this.#cpuLeftMs = quota.cpuMsPerCall
    this.#opsLeft = quota.opsPerCall
    this.#bytesLeft = quota.bytesPerCall
    this.#outputBytes = quota.outputBytes
  }

  /**
   * The budget of the next call in the tree, bounded by the called plugin's own quota.
   * @throws {LyceumError} `over_wall`, `over_cpu` where nothing is left
   */
  budget(quota: Quota): Budget {
    const wallMs = Math.min(Math.ceil(this.deadlineMs - performance.now()), quota.wallMs)
    if (wallMs <= 0) throw new LyceumError('over_wall', 'There was no time left for this call.')
    const cpuMs = Math.min(Math.floor(this.#cpuLeftMs), quota.cpuMsPerCall)
    if (cpuMs <= 0) throw new LyceumError('over_cpu', 'There was no CPU time left for this call.')
    return {
      cpuMs,
      wallMs,
      ops: Math.min(this.#opsLeft, quota.opsPerCall),
      bytes: Math.min(this.#bytesLeft, quota.bytesPerCall),
      outputBytes: Math.min(this.#outputBytes, quota.outputBytes),
    }
  }

  /** Counts a call from one plugin to another. @throws {LyceumError} `over_depth` */
  enter(depth: number): void {
    if (depth > LIMITS.callDepth)
      throw new LyceumError(
        'over_depth',
        `Plugins may call each other ${LIMITS.callDepth} deep. Look for a circle.`,
      )
    this.#calls += 1
    if (this.#calls > LIMITS.callFanOut)
      throw new LyceumError(
        'over_depth',
        `One call may ask other plugins ${LIMITS.callFanOut} times in all. Ask for more at once.`,
      )
  }

  /**
   * Runs the calls of one depth one after the other, so that each begins with what those before it have
   * left: side by side, each of them could use all of it.
   */
  inTurn<Result>(depth: number, call: () => Promise<Result>): Promise<Result> {
    const running = (this.#turns[depth] ?? Promise.resolve()).then(call, call)
    this.#turns[depth] = running
    return running
  }

  charge(used: { readonly cpuMs: number; readonly ops: number; readonly bytes: number }): void {
    this.#cpuLeftMs -= used.cpuMs
    this.#opsLeft -= used.ops
    this.#bytesLeft -= used.bytes
  }
}
