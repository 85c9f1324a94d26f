import { decode } from '@lyceum/sdk/ejson'
import { type Bridge, OpError } from './bridge.ts'

/** The queue leaves as one frame when it reaches either of these. */
const QUEUE_OPS = 1_000
const QUEUE_CHARS = 256 * 1024
/** Stacks that leave with the result: all that an author reads, and no reason for a result to be too large. */
const MOST_TRACES = 500
const { stringify } = JSON
const ACKNOWLEDGED = Object.freeze({ acknowledged: true as const })

/** The counts of one write, known only where the author asked to wait for them. */
export interface Outcome {
  readonly acknowledged: true
  readonly insertedId?: unknown
  readonly matchedCount?: number
  readonly modifiedCount?: number
  readonly deletedCount?: number
  readonly upsertedId?: unknown
}

/** One write, encoded: the op as JSON and, for an insert, the id that the guest made. */
export interface EncodedWrite {
  readonly op: string
  readonly insertedId?: unknown
}

/**
 * The writes of one invocation, in program order. They resolve when queued, and the queue leaves before
 * any op that could see their effects.
 */
export class WriteQueue {
  readonly #bridge: Bridge
  readonly #mayWrite: boolean
  readonly #traces: string[] | undefined
  #ops: string[] = []
  #chars = 0
  #ended = false

  /**
   * @param mayWrite false in a view or query: the host refuses their writes, but here the line is known
   * @param traced remember the stack of each write, so that one that fails later points at its line
   */
  constructor(bridge: Bridge, mayWrite: boolean, traced: boolean) {
    this.#bridge = bridge
    this.#mayWrite = mayWrite
    this.#traces = traced ? [] : undefined
  }

  /**
   * Queues one write; with `ack` sends it and waits for its counts.
   * @param caller the function that the author called: the trace starts above it
   */
  add(encode: () => EncodedWrite, ack: boolean, caller: (...args: never[]) => unknown): Promise<Outcome> {
    try {
      if (!this.#mayWrite)
        throw new OpError({
          code: 'write_denied',
          message: 'A view or query only reads. Write in an onEvent handler or a cron job.',
        })
      if (this.#ended)
        throw new OpError({
          code: 'op_denied',
          message:
            'This write comes after the handler had ended, so it would be lost. Await what leads to it; and in place of list.forEach(async …), which nobody awaits, write for (const item of list) await ….',
        })
      const { op, insertedId } = encode()
      if (this.#traces !== undefined && this.#traces.length < MOST_TRACES)
        this.#traces[this.#traces.length] = stackAbove(caller)
      if (ack) {
        this.flush()
        return this.#bridge.call('dbWriteCounted', `[${op}]`).then((reply) => {
          const [counts] = decode(reply) as [object]
          return { acknowledged: true, ...(insertedId !== undefined && { insertedId }), ...counts }
        })
      }
      this.#ops[this.#ops.length] = op
      this.#chars += op.length
      if (this.#ops.length >= QUEUE_OPS || this.#chars >= QUEUE_CHARS) this.flush()
      return Promise.resolve(insertedId === undefined ? ACKNOWLEDGED : { acknowledged: true, insertedId })
    } catch (error) {
      // Nobody may be awaiting this promise, and part of a batch must not count as all of it.
      this.#bridge.fail(error)
      return Promise.reject(error)
    }
  }

  /** Sends what is queued, without waiting. */
  flush(): void {
    const text = this.#take()
    if (text !== '') this.#bridge.post('dbWrite', text)
  }

  /** What is still queued at the end, as a JSON array or '', and on a second line the traces. */
  last(): string {
    this.#ended = true
    const text = this.#take()
    return this.#traces === undefined ? text : `${text}\n${stringify(this.#traces)}`
  }

  #take(): string {
    if (this.#ops.length === 0) return ''
    const text = `[${this.#ops.join(',')}]`
    this.#ops = []
    this.#chars = 0
    return text
  }
}

function stackAbove(caller: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, caller)
  return holder.stack ?? ''
}
