import type ivm from 'isolated-vm'

const NS_PER_MS = 1e6
const US_PER_MS = 1e3

/**
 * Measures the CPU time of one turn. The isolate's own clock runs on while its thread waits for a core, so
 * on a busy machine it shows more than was used; but the process cannot have used less than the turn.
 */
export class CpuClock {
  readonly #isolate: ivm.Isolate
  readonly #isolateNs: bigint
  readonly #processMs: number

  /** Starts now. */
  constructor(isolate: ivm.Isolate) {
    this.#isolate = isolate
    this.#isolateNs = isolate.cpuTime
    this.#processMs = processCpuMs()
  }

  /** CPU time since the start, in ms. */
  usedMs(): number {
    const allMs = processCpuMs() - this.#processMs
    try {
      return Math.min(allMs, Number(this.#isolate.cpuTime - this.#isolateNs) / NS_PER_MS)
    } catch {
      return allMs // a disposed isolate does not tell
    }
  }
}

/** CPU time of all threads of this process since its start, in ms. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / US_PER_MS
}
