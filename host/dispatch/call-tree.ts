import type { Budget } from '../../sandbox/protocol.ts'
import type { Progress } from '../capabilities/progress.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS, type Quota } from '../limits.ts'

/** What one plugin has used in a tree, and whether it was struck for that. */
interface Share {
  cpuMs: number
  struck: boolean
}

/**
 * What one call from outside, with all the calls that it makes to other plugins, may use together.
 *
 * A tree runs like one thread: a call stands still while others answer it, and what it has used until then is
 * charged before they begin. So whatever the shape of the tree, it costs no more than its root may.
 */
export class CallTree {
  readonly deadlineMs: number
  /** Whoever waits for the root is told how far it is. */
  readonly onProgress: ((progress: Progress) => void) | undefined
  /** How old the data are that kept answers brought into it: when they were read, and how far the log had been. */
  readonly asOf = { ms: Number.POSITIVE_INFINITY, position: Number.POSITIVE_INFINITY }
  /** Whether something in it is made up: what comes of it must say so. */
  isSample = false
  readonly #quota: Quota
  readonly #shares = new Map<string, Share>()
  #cpuMs = 0
  #ops = 0
  #bytes = 0
  #calls = 0
  /** The last call of each depth. */
  readonly #turns: Promise<unknown>[] = []

  constructor(quota: Quota, onProgress?: (progress: Progress) => void) {
    this.deadlineMs = performance.now() + quota.wallMs
    this.onProgress = onProgress
    this.#quota = quota
  }

  /** CPU time that all its calls have used so far. */
  get cpuMs(): number {
    return this.#cpuMs
  }

  /**
   * The budget of the next call in the tree, bounded by the called plugin's own quota.
   * @throws {LyceumError} `over_wall`, `over_cpu` where nothing is left
   */
  budget(quota: Quota): Budget {
    const wallMs = Math.min(Math.ceil(this.deadlineMs - performance.now()), quota.wallMs)
    if (wallMs <= 0)
      throw new LyceumError(
        'over_wall',
        'The call that asks has used up its time, so there was none left for this one. Ask for less, or for more at once.',
      )
    const cpuMs = Math.min(Math.ceil(this.#quota.cpuMsPerCall - this.#cpuMs), quota.cpuMsPerCall)
    if (cpuMs <= 0)
      throw new LyceumError(
        'over_cpu',
        'The call that asks has used up its CPU time, so there was none left for this one. Ask for less, or for more at once.',
      )
    return {
      cpuMs,
      wallMs,
      ops: Math.max(0, Math.min(this.#quota.opsPerCall - this.#ops, quota.opsPerCall)),
      bytes: Math.max(0, Math.min(this.#quota.bytesPerCall - this.#bytes, quota.bytesPerCall)),
      outputBytes: Math.min(this.#quota.outputBytes, quota.outputBytes),
    }
  }

  /** Counts a call from one plugin to another. @throws {LyceumError} `over_depth` */
  enter(depth: number): void {
    if (depth > LIMITS.callDepth)
      throw new LyceumError(
        'over_depth',
        `Plugins may call each other ${LIMITS.callDepth} deep. Look for a circle, or keep results in a collection.`,
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

  chargeCpu(plugin: string, cpuMs: number): void {
    this.#cpuMs += cpuMs
    this.#shareOf(plugin).cpuMs += cpuMs
  }

  /** @throws {LyceumError} `over_ops`, `over_bytes` where this was too much */
  chargeOps(ops: number, bytes: number): void {
    this.#ops += ops
    this.#bytes += bytes
    const { opsPerCall, bytesPerCall } = this.#quota
    if (this.#ops > opsPerCall)
      throw new LyceumError(
        'over_ops',
        `Together with the plugins that it asked, it made more than ${opsPerCall} calls to the host.`,
      )
    if (this.#bytes > bytesPerCall)
      throw new LyceumError(
        'over_bytes',
        `Together with the plugins that it asked, it moved more than ${bytesPerCall} bytes over the bridge.`,
      )
  }

  /**
   * Whether CPU time that was used up is to be laid to a plugin: it used all of its quota itself, and was not
   * struck for this tree before. What others left it may be too little for anyone.
   */
  blameFor(plugin: string, cpuMsPerCall: number): boolean {
    const share = this.#shareOf(plugin)
    if (share.struck || share.cpuMs < cpuMsPerCall) return false
    share.struck = true
    return true
  }

  #shareOf(plugin: string): Share {
    let share = this.#shares.get(plugin)
    if (share === undefined) {
      share = { cpuMs: 0, struck: false }
      this.#shares.set(plugin, share)
    }
    return share
  }
}

/** What one call of a tree uses, charged to the tree as soon as it is known. */
export class CallAccount {
  readonly #tree: CallTree
  readonly #plugin: string
  readonly #treeCpuMsBefore: number
  readonly #onCpu: (cpuMs: number) => void
  cpuMs = 0
  ops = 0
  bytes = 0
  /** The limit that the tree broke while this call ran, be it by others. */
  overdrawn: LyceumError | undefined

  /** @param onCpu told of CPU time as soon as it is known */
  constructor(tree: CallTree, plugin: string, onCpu: (cpuMs: number) => void) {
    this.#tree = tree
    this.#plugin = plugin
    this.#onCpu = onCpu
    this.#treeCpuMsBefore = tree.cpuMs
  }

  /** CPU time that the calls below this one have used. */
  get askedCpuMs(): number {
    return this.#tree.cpuMs - this.#treeCpuMsBefore - this.cpuMs
  }

  /** Takes down how much CPU time the call has used from its start until now. */
  usedCpu(cpuMs: number): void {
    if (cpuMs <= this.cpuMs) return
    const more = cpuMs - this.cpuMs
    this.cpuMs = cpuMs
    this.#tree.chargeCpu(this.#plugin, more)
    this.#onCpu(more)
  }

  /** @throws {LyceumError} `over_ops`, `over_bytes`; the call then fails whatever it makes of that */
  usedOps(ops: number, bytes: number): void {
    this.ops += ops
    this.bytes += bytes
    try {
      this.#tree.chargeOps(ops, bytes)
    } catch (error) {
      if (error instanceof LyceumError) this.overdrawn ??= error
      throw error
    }
  }
}
