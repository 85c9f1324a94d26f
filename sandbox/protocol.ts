/**
 * The bridge: everything that host, sandbox process and guest say to each other, on one screen.
 *
 *   host ──load──▶ sandbox process        a plugin version gets an isolate
 *   host ──invoke──▶ process ──▶ guest    one call of one endpoint
 *   guest ──op──▶ process ──▶ host        the guest asks for something; the host checks and answers
 *   host ──reply──▶ process ──▶ guest
 *   guest ──done──▶ process ──▶ host      the result, or the error, with what it cost
 */

/** Frame kinds between host and sandbox process. Kinds below 8 belong to every child process. */
export const Kind = {
  /** host → process: `call` is the isolate's number, payload `LoadRequest \n bundle`. */
  load: 8,
  /** process → host: the isolate `call` is ready, or failed with a {@link Failure}, be it after it was ready. */
  loaded: 9,
  /** host → process: throw the isolate `call` away. */
  unload: 10,
  /** host → process: `scope` is the invocation, `call` the isolate, payload `InvokeRequest \n input`. */
  invoke: 11,
  /**
   * process → host: `op` is the operation, `call` pairs its reply, payload is the guest's. Where it is one of
   * {@link RUNNING_OPS}, `flags` is the CPU time in ms that the call has used so far.
   */
  op: 12,
  /** host → process: the answer to an op; flag FAILED with a {@link Failure}. */
  reply: 13,
  /** process → host: the invocation ended, payload `DoneReport \n result`. */
  done: 14,
  /** process → host: the last word before the process ends itself: which isolates could not be stopped. */
  poisoned: 15,
  /** host → process, before the answer of another plugin: the CPU time in ms (`call`) that such have used in all. */
  spent: 16,
} as const

/**
 * The operations that a guest may ask for. Each has one host implementation and one guest offer.
 * `needs` is the facility that must be granted, or the kind of endpoint that has it without asking; `writes` whether
 * only writing kinds may call it, `replies` whether the guest waits for an answer.
 */
export const OPS = {
  dbRead: { code: 1, needs: 'db', writes: false, replies: true },
  dbWrite: { code: 2, needs: 'db', writes: true, replies: false },
  dbWriteCounted: { code: 3, needs: 'db', writes: true, replies: true },
  dbPage: { code: 6, needs: 'db', writes: false, replies: true },
  dbMore: { code: 7, needs: 'db', writes: false, replies: true },
  dbClose: { code: 8, needs: 'db', writes: false, replies: false },
  pluginAsk: { code: 4, needs: 'plugins', writes: false, replies: true },
  queryClear: { code: 26, needs: 'plugins', writes: true, replies: true },
  pluginRead: { code: 30, needs: 'plugins', writes: false, replies: true },
  replicaQuery: { code: 40, needs: 'replica', writes: false, replies: true },
  replicaNext: { code: 41, needs: 'replica', writes: false, replies: true },
  replicaEnd: { code: 42, needs: 'replica', writes: false, replies: false },
  cacheGet: { code: 20, needs: 'cache', writes: false, replies: true },
  cacheSet: { code: 21, needs: 'cache', writes: false, replies: true },
  cacheDelete: { code: 22, needs: 'cache', writes: false, replies: true },
  cacheTake: { code: 23, needs: 'cache', writes: false, replies: true },
  cacheFill: { code: 24, needs: 'cache', writes: false, replies: true },
  cacheGiveUp: { code: 25, needs: 'cache', writes: false, replies: false },
  log: { code: 5, needs: 'log', writes: false, replies: false },
  progress: { code: 50, needs: 'progress', writes: false, replies: false },
  signal: { code: 51, needs: 'signal', writes: false, replies: true },
  fsRead: { code: 10, needs: 'fs', writes: false, replies: true },
  fsStat: { code: 11, needs: 'fs', writes: false, replies: true },
  fsList: { code: 12, needs: 'fs', writes: false, replies: true },
  /** Views and queries may: the store takes from them what expires. */
  fsWrite: { code: 13, needs: 'fs', writes: false, replies: true },
  fsAppend: { code: 14, needs: 'fs', writes: true, replies: true },
  fsDelete: { code: 15, needs: 'fs', writes: true, replies: true },
  fsExpire: { code: 16, needs: 'fs', writes: true, replies: true },
  /** Asked like another plugin: what draws uses CPU time of the call, too. */
  chartDraw: { code: 60, needs: 'view', writes: false, replies: true },
  fsUrl: { code: 17, needs: 'fs', writes: false, replies: true },
} as const satisfies Record<string, OpRow>

export interface OpRow {
  readonly code: number
  readonly needs: string
  readonly writes: boolean
  readonly replies: boolean
}

export type OpName = keyof typeof OPS

/**
 * Ops that run code on the budget of whoever asks: they leave when the turn has ended, with what the call has used so
 * far, and until they are answered none of its turns runs.
 */
export const RUNNING_OPS: ReadonlySet<number> = new Set([OPS.pluginAsk.code, OPS.chartDraw.code])

/** `op` value of the message with which a guest ends an invocation; not an operation. Its `call` is an {@link End}. */
export const DONE = 0
export const End = { result: 0, failure: 1, tooLarge: 2 } as const

/** The kinds of endpoint that can be invoked; `describe` reads all definitions in a scratch isolate. */
export type EndpointKind = 'view' | 'query' | 'onEvent' | 'cron' | 'property' | 'describe'

/** A refusal or error as it crosses a pipe. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly stack?: string
  readonly details?: Readonly<Record<string, unknown>>
}

export interface LoadRequest {
  readonly memoryMb: number
  /** CPU and wall time that compiling and the top level of the plugin may take. */
  readonly cpuMs: number
  readonly wallMs: number
}

/** What one invocation may use. The guest, the sandbox process and the host each hold it to this. */
export interface Budget {
  readonly cpuMs: number
  readonly wallMs: number
  readonly ops: number
  readonly bytes: number
  readonly outputBytes: number
}

export interface InvokeRequest {
  readonly endpoint: string
  readonly kind: EndpointKind
  readonly budget: Budget
  /** Wall-clock time that the guest's `Date` and `now()` show, in ms since the epoch. */
  readonly nowMs: number
  /** onEvent: call the handler once per event, because it named `event`. */
  readonly eachEvent: boolean
  /** query: the result goes to the outside as plain JSON, not to another plugin with its types kept. */
  readonly plainJson: boolean
  /** query: both, one behind the other, because the answer is kept for both. */
  readonly bothForms?: boolean | undefined
  /** Remember where each write was called, so that one that fails can be traced to its line. */
  readonly traceWrites: boolean
}

/** The input that reaches a guest, as JSON after the request's line. */
export interface GuestInput {
  /** onEvent, property: the batch. */
  readonly events?: readonly unknown[]
  /** property: characters that one value may have as JSON. */
  readonly valueChars?: number
  /** The verified caller, the dimensions and the parameters that the handler named, as EJSON text. */
  readonly named: string
  /** Plugins and common names that may be called: those that the handler listed. */
  readonly plugins?: readonly string[]
}

export interface DoneReport {
  readonly cpuMs: number
  readonly failure?: Failure
  /** The isolate is gone: its memory of earlier calls too. */
  readonly isolateLost?: boolean
}

export interface Poisoned {
  readonly isolates: readonly number[]
  readonly reason: string
}
