import { type Budget, DONE, End, type Failure, OPS, type OpName } from '../protocol.ts'

/** The host function behind the bridge. It is held in closures only, so that no plugin code can reach it. */
export type Out = (invocation: number, op: number, call: number, text: string) => void

/** An error that the host gave back for an op, as the plugin sees it. */
export class OpError extends Error {
  readonly code: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(failure: Failure) {
    super(failure.message)
    this.name = 'LyceumError'
    this.code = failure.code
    this.details = failure.details
  }
}

/** Where an op was called. Kept when it is called, since whoever gets the refusal later is nowhere in the plugin. */
interface Place {
  stack?: string
}

/** What the host refused, as if it were thrown where the op was called. */
function refusedAt(place: Place, failure: Failure): OpError {
  const error = new OpError(failure)
  const frames = place.stack?.slice(place.stack.indexOf('\n')) ?? ''
  error.stack = `${error.name}: ${error.message}${frames}`
  return error
}

/** What the facilities use to talk to the host, for one invocation. */
export interface Bridge {
  /** Asks and waits; rejects with an {@link OpError}. */
  call(op: OpName, payload: string): Promise<string>
  /** Tells without waiting. */
  post(op: OpName, payload: string): void
  /** Ends with an error at the latest when the handler returns. The first failure counts. */
  fail(error: unknown): void
  /** Sends the writes still queued, so that what follows sees them. */
  flush: () => void
}

interface Waiter {
  readonly place: Place
  readonly resolve: (text: string) => void
  readonly reject: (error: unknown) => void
}

/** One invocation as the guest runtime keeps it. */
export interface Invocation extends Bridge {
  settle(call: number, failed: boolean, text: string): void
  failure(): { error: unknown } | undefined
  /** Sends the result, or the failure, and closes the bridge. */
  end(failed: boolean, text: string): void
}

const { parse } = JSON
const { captureStackTrace } = Error

/**
 * The guest's side of one invocation. It counts ops and bytes before anything leaves, because a loop
 * that posts faster than the process can count would fill the process's memory first.
 */
export function openBridge(out: Out, invocation: number, budget: Budget): Invocation {
  const waiting: Record<number, Waiter> = Object.create(null)
  let lastCall = 0
  let ops = 0
  let bytes = 0
  let failure: { error: unknown } | undefined
  let ended = false

  const send = (op: OpName, call: number, payload: string) => {
    if (ended)
      throw new OpError({
        code: 'op_denied',
        message: `"${op}" was called after the handler had returned. Await it.`,
      })
    // A plugin that changed JSON or an array's join can make anything of what is encoded, and a length
    // that is no number would switch the counting off.
    if (typeof payload !== 'string')
      throw new OpError({ code: 'op_malformed', message: `"${op}" could not be encoded as text.` })
    ops += 1
    bytes += payload.length
    if (ops > budget.ops)
      throw new OpError({
        code: 'over_ops',
        message: `This is more than ${budget.ops} calls to the host in one run.`,
      })
    if (bytes > budget.bytes)
      throw new OpError({
        code: 'over_bytes',
        message: `This is more than ${budget.bytes} bytes over the bridge in one run.`,
      })
    out(invocation, OPS[op].code, call, payload)
  }

  const self: Invocation = {
    flush: () => {},
    call: (op, payload) =>
      new Promise<string>((resolve, reject) => {
        const call = ++lastCall
        send(op, call, payload)
        const place: Place = {}
        captureStackTrace(place, self.call)
        waiting[call] = { place, resolve, reject }
      }),
    post: (op, payload) => send(op, 0, payload),
    fail: (error) => {
      failure ??= { error }
    },
    failure: () => failure,
    settle: (call, failed, text) => {
      const waiter = waiting[call]
      delete waiting[call]
      if (waiter === undefined) return
      if (failed) waiter.reject(refusedAt(waiter.place, parse(text) as Failure))
      else waiter.resolve(text)
    },
    end: (failed, text) => {
      ended = true
      if (typeof text !== 'string') out(invocation, DONE, End.failure, '')
      else if (failed) out(invocation, DONE, End.failure, text)
      // Its size is known here, so it does not have to leave to be refused.
      else if (text.length > budget.outputBytes) out(invocation, DONE, End.tooLarge, '')
      else out(invocation, DONE, End.result, text)
    },
  }
  return self
}
