import { FAILED, type Frame, type FrameHeader, type Payload, payloadBytes } from '../process/frame.ts'
import { exceededMessage } from './budget.ts'
import { type Failure, Kind, OPS, type OpName } from './protocol.ts'
import { failure } from './reports.ts'
import type { Call, Outcome } from './sandbox.ts'

const OP_BY_CODE = new Map<number, OpName>(
  (Object.keys(OPS) as OpName[]).map((name) => [OPS[name].code, name] as const),
)
/** Ops of one call that are carried out at the same time. The rest wait, and go with the call when it ends. */
const OPS_AT_ONCE = 64

/**
 * One call in a sandbox, as the host keeps it. Guest and process count ops and bytes too and stop before
 * this does: a process that comes here with more has fallen to a plugin.
 */
export class UnderWay {
  readonly call: Call
  readonly #send: (header: FrameHeader, payload?: Payload) => void
  readonly #settle: (outcome: Outcome) => void
  readonly #queue: Frame[] = []
  #atOnce = 0
  #ops = 0
  #sentBytes = 0
  #movedBytes = 0
  #ended = false

  constructor(
    call: Call,
    send: (header: FrameHeader, payload?: Payload) => void,
    settle: (outcome: Outcome) => void,
  ) {
    this.call = call
    this.#send = send
    this.#settle = settle
  }

  /** Takes an op. Returns false for one that no honest process sends. */
  take(frame: Frame): boolean {
    const { budget } = this.call.request
    this.#ops += 1
    this.#sentBytes += frame.payload.length
    this.#movedBytes += frame.payload.length
    if (!OP_BY_CODE.has(frame.op) || this.#ops > budget.ops || this.#sentBytes > budget.bytes) return false
    this.#queue.push(frame)
    this.#next()
    return true
  }

  /** The call ends here; what it still asks for is dropped. */
  finish(outcome: Outcome): void {
    this.#ended = true
    this.#queue.length = 0
    this.#settle(outcome)
  }

  #next(): void {
    while (this.#atOnce < OPS_AT_ONCE) {
      const frame = this.#queue.shift()
      const name = frame && OP_BY_CODE.get(frame.op)
      if (frame === undefined || name === undefined) return
      this.#atOnce += 1
      this.call.onOp({
        name,
        payload: frame.payload,
        cpuMs: frame.flags,
        spent: (cpuMs) => {
          if (!this.#ended) this.#send({ kind: Kind.spent, call: Math.ceil(cpuMs) })
        },
        reply: (payload) => this.#reply(frame, payload),
        refuse: (refusal) => this.#answer(frame, FAILED, JSON.stringify(refusal)),
      })
    }
  }

  /** Answers count too: a short op may ask for a long answer. */
  #reply(frame: Frame, payload: Payload): void {
    const { budget } = this.call.request
    this.#movedBytes += frame.call === 0 ? 0 : payloadBytes(payload)
    if (this.#movedBytes <= budget.bytes) this.#answer(frame, 0, payload)
    else this.#answer(frame, FAILED, JSON.stringify(overBytes(budget)))
  }

  #answer(frame: Frame, flags: number, payload: Payload): void {
    if (this.#ended) return
    if (frame.call !== 0) this.#send({ kind: Kind.reply, flags, call: frame.call }, payload)
    this.#atOnce -= 1
    this.#next()
  }
}

function overBytes(budget: Call['request']['budget']): Failure {
  return failure('over_bytes', exceededMessage('over_bytes', budget))
}
