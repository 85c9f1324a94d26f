import type { Budget } from './protocol.ts'

/** The limits that end an invocation, as error codes. */
export type Exceeded = 'over_cpu' | 'over_wall' | 'over_ops' | 'over_bytes' | 'over_output'

/** What one invocation has used so far, measured outside the isolate. */
export class Meter {
  readonly budget: Budget
  readonly deadlineMs: number
  cpuMs = 0
  /** CPU time of other plugins that this call asked: it is charged to who asks. */
  askedCpuMs = 0
  ops = 0
  bytes = 0

  /** @param nowMs monotonic clock, as `performance.now()` */
  constructor(budget: Budget, nowMs: number) {
    this.budget = budget
    this.deadlineMs = nowMs + budget.wallMs
  }

  /** Counts one op with its payload; says which limit it breaks. */
  countOp(bytes: number): Exceeded | undefined {
    this.ops++
    this.bytes += bytes
    if (this.ops > this.budget.ops) return 'over_ops'
    if (this.bytes > this.budget.bytes) return 'over_bytes'
    return undefined
  }

  /** Says which limit on time is broken, given the CPU time of the turn that is running. */
  overTime(turnCpuMs: number, nowMs: number): Exceeded | undefined {
    if (this.cpuMs + this.askedCpuMs + turnCpuMs > this.budget.cpuMs) return 'over_cpu'
    if (nowMs > this.deadlineMs) return 'over_wall'
    return undefined
  }
}

/** One sentence per limit, for authors. */
export function exceededMessage(exceeded: Exceeded, budget: Budget): string {
  switch (exceeded) {
    case 'over_cpu':
      return `It used more than its ${budget.cpuMs} ms of CPU time. Look for a loop that does not end, or do less per call; what it asks of other plugins counts too.`
    case 'over_wall':
      return `It did not finish within ${budget.wallMs} ms. Ask for less, or keep results up to date in an onEvent handler.`
    case 'over_ops':
      return `It made more than ${budget.ops} calls to the host. Write in bulk, or read with one find instead of many.`
    case 'over_bytes':
      return `It moved more than ${budget.bytes} bytes over the bridge. Read and write less per call; project the fields you need.`
    case 'over_output':
      return `Its result is larger than ${budget.outputBytes} bytes. Return less: add a limit, or a page parameter.`
  }
}
