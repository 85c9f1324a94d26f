import { FAILED, type Frame, type FrameHeader, type Payload, payloadBytes } from '../process/frame.ts'
import { type Exceeded, exceededMessage } from './budget.ts'
import { type Failure, Kind, OPS, type OpName } from './protocol.ts'
import { failure } from './reports.ts'
import type { Call, Outcome } from './sandbox.ts'

const OP_BY_CODE = new Map<number, OpName>(
  (Object.keys(OPS) as OpName[]).map((name) => [OPS[name].code, name] as const),
)
/** Ops of one call that are carried out at the same time. The rest wait. */
const OPS_AT_ONCE = 64
/** After so many ops of one call others get their turn: those that are refused at once would follow without a pause. */
const OPS_AT_A_STRETCH = 256

/** Bytes of ops that this host holds for all calls together, until they are carried out. */
let heldBytes = 0
/** Beyond this, whoever holds more than a fair share gets no more ops carried out. */
const MOST_HELD_BYTES = 256 * 1024 * 1024
/** What any call may hold even then, so that a few that hold much keep nobody else out. */
const FAIR_BYTES = 4 * 1024 * 1024
const CROWDED = failure(
  'over_concurrency',
  'The host holds as much as it can for other calls right now, and this one holds much itself. Try again.',
)

/**
 * One call in a sandbox, as the host keeps it. Guest and process count ops and bytes too and stop before
 * this does: a process that comes here with more has fallen to a plugin.
 */
export class UnderWay {
  readonly call: Call
  readonly #send: (header: FrameHeader, payload?: Payload) => void
  readonly #settle: (outcome: Outcome) => void
  readonly #deadlineMs: number
  #queue: Frame[] = []
  #atOnce = 0
  #atAStretch = 0
  #ops = 0
  #sentBytes = 0
  #movedBytes = 0
  #heldBytes = 0
  #turnedAway = false
  #outcome: Outcome | undefined
  #isSettled = false

  constructor(
    call: Call,
    send: (header: FrameHeader, payload?: Payload) => void,
    settle: (outcome: Outcome) => void,
  ) {
    this.call = call
    this.#send = send
    this.#settle = settle
    this.#deadlineMs = performance.now() + call.request.budget.wallMs
  }

  /** Takes an op. Returns false for one that no honest process sends. */
  take(frame: Frame): boolean {
    if (this.#outcome !== undefined) return false
    const { budget } = this.call.request
    this.#ops += 1
    this.#sentBytes += frame.payload.length
    this.#movedBytes += frame.payload.length
    if (!OP_BY_CODE.has(frame.op) || this.#ops > budget.ops || this.#sentBytes > budget.bytes) return false
    if (heldBytes > MOST_HELD_BYTES && this.#heldBytes > FAIR_BYTES) {
      this.#turnedAway = true
      this.#tell(frame, FAILED, JSON.stringify(CROWDED))
      return true
    }
    this.#hold(frame.payload.length)
    this.#queue.push(frame)
    this.#next()
    return true
  }

  /**
   * The call ends here. What it still asks for is dropped, but what it told without waiting for an answer is
   * part of what it did: of a call that succeeded all of that is carried out before it counts as ended.
   */
  finish(outcome: Outcome): void {
    if (this.#outcome !== undefined) return
    // What was turned away may be a write that nobody waited for, and may be why the plugin failed.
    const explains = (outcome.failure?.code ?? 'plugin_failed') === 'plugin_failed'
    this.#outcome = this.#turnedAway && explains ? { ...outcome, failure: CROWDED } : outcome
    const kept = this.#outcome.failure === undefined ? this.#queue.filter(({ call }) => call === 0) : []
    this.#drop(kept)
    this.#next()
  }

  #next(): void {
    while (this.#atOnce < OPS_AT_ONCE && this.#atAStretch < OPS_AT_A_STRETCH) {
      const frame = this.#queue.shift()
      const name = frame && OP_BY_CODE.get(frame.op)
      if (frame === undefined || name === undefined) break
      this.#atOnce += 1
      this.#atAStretch += 1
      if (this.#atAStretch === OPS_AT_A_STRETCH) setImmediate(() => this.#goOn())
      this.call.onOp({
        name,
        payload: frame.payload,
        cpuMs: frame.flags,
        spent: (cpuMs) => {
          if (this.#outcome === undefined) this.#send({ kind: Kind.spent, call: Math.ceil(cpuMs) })
        },
        reply: (payload) => this.#reply(frame, payload),
        refuse: (refusal) => this.#answer(frame, FAILED, JSON.stringify(refusal)),
      })
    }
    this.#settleOnceSent()
  }

  #goOn(): void {
    this.#atAStretch = 0
    this.#next()
  }

  #settleOnceSent(): void {
    if (this.#outcome === undefined || this.#isSettled) return
    const isLate = this.#queue.length > 0 && performance.now() > this.#deadlineMs
    if (this.#queue.length > 0 && !isLate) return
    this.#isSettled = true
    this.#drop([])
    this.#settle(isLate ? { ...this.#outcome, failure: exceeded('over_wall', this.call) } : this.#outcome)
  }

  /** Answers count too: a short op may ask for a long answer. */
  #reply(frame: Frame, payload: Payload): void {
    const { budget } = this.call.request
    this.#movedBytes += frame.call === 0 ? 0 : payloadBytes(payload)
    if (this.#movedBytes <= budget.bytes) this.#answer(frame, 0, payload)
    else this.#answer(frame, FAILED, JSON.stringify(exceeded('over_bytes', this.call)))
  }

  #answer(frame: Frame, flags: number, payload: Payload): void {
    this.#tell(frame, flags, payload)
    this.#hold(-frame.payload.length)
    this.#atOnce -= 1
    this.#next()
  }

  #tell(frame: Frame, flags: number, payload: Payload): void {
    if (frame.call !== 0 && this.#outcome === undefined)
      this.#send({ kind: Kind.reply, flags, call: frame.call }, payload)
  }

  #drop(kept: Frame[]): void {
    for (const frame of this.#queue) this.#hold(-frame.payload.length)
    for (const frame of kept) this.#hold(frame.payload.length)
    this.#queue = kept
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes
    heldBytes += bytes
  }
}

function exceeded(limit: Exceeded, { request: { budget } }: Call): Failure {
  return failure(limit, exceededMessage(limit, budget))
}
