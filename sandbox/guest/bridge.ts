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

/** Calls whose answer is all that they are for; the others do something even where nobody waits for them. */
const ANSWERS: ReadonlySet<OpName> = new Set([
  'dbRead',
  'dbPage',
  'dbMore',
  'dbWriteCounted',
  'pluginAsk',
  'pluginRead',
  'replicaQuery',
  'replicaNext',
  'fsRead',
  'fsStat',
  'fsList',
] satisfies OpName[])

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
  readonly op: OpName
  readonly place: Place
  readonly resolve: (text: string) => void
  readonly reject: (error: unknown) => void
}

/** One invocation as the guest runtime keeps it. */
export interface Invocation extends Bridge {
  settle(call: number, failed: boolean, text: string): void
  failure(): { error: unknown } | undefined
  /** An error at the first call whose answer is lost if the handler has ended now; undefined where none is. */
  unawaited(): OpError | undefined
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
  /** Calls under way that are made for their answer alone. */
  let unanswered = 0

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
        message: `This is more than ${budget.ops} calls to the host in one run. Write in bulk, or read with one find instead of many.`,
      })
    if (bytes > budget.bytes)
      throw new OpError({
        code: 'over_bytes',
        message: `This is more than ${budget.bytes} bytes over the bridge in one run. Read and write less per call; project the fields you need.`,
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
        waiting[call] = { op, place, resolve, reject }
        if (ANSWERS.has(op)) unanswered += 1
      }),
    post: (op, payload) => send(op, 0, payload),
    fail: (error) => {
      failure ??= { error }
    },
    failure: () => failure,
    unawaited: () => {
      if (unanswered === 0) return undefined
      for (const call in waiting) {
        const { op, place } = waiting[call] as Waiter
        if (ANSWERS.has(op))
          return refusedAt(place, {
            code: 'plugin_failed',
            message:
              'The handler ended before this was answered, so what follows it is lost. Await it; and in place of list.forEach(async …), which nobody awaits, write for (const item of list) await ….',
          })
      }
      return undefined
    },
    settle: (call, failed, text) => {
      const waiter = waiting[call]
      delete waiting[call]
      if (waiter === undefined) return
      if (ANSWERS.has(waiter.op)) unanswered -= 1
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
