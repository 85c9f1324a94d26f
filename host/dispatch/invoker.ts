import { payloadBytes } from '../../process/frame.ts'
import type { Budget, Failure } from '../../sandbox/protocol.ts'
import { OPS } from '../../sandbox/protocol.ts'
import type { GuestOp, Outcome, Supervisor } from '../../sandbox/supervisor.ts'
import type { CallContext, OpContext, OpTable } from '../capabilities/capability.ts'
import { type ErrorCode, isErrorCode, LyceumError } from '../errors.ts'
import { hintFor } from '../hints.ts'
import type { Conduct } from '../registry/conduct.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import { BUNDLE_NAME } from '../registry/source-map.ts'
import { CallAccount } from './call-tree.ts'
import { CpuRates } from './cpu-rates.ts'
import { Endings } from './endings.ts'

/** One call of one endpoint, ready to run. */
export interface Invocation {
  readonly context: CallContext
  /** JSON of a `GuestInput`. */
  readonly input: string | Buffer
  readonly eachEvent: boolean
  readonly plainJson: boolean
  readonly bothForms?: boolean | undefined
  readonly traceWrites: boolean
}

/** How an invocation ended. */
export interface Ended {
  readonly cpuMs: number
  /** What the guest returned; of a failed call nothing. */
  readonly result: Buffer
  readonly failure: EndedFailure | undefined
}

export interface EndedFailure {
  readonly code: ErrorCode
  readonly message: string
  /** In the bundle's lines; to be mapped. */
  readonly stack: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined
  /**
   * True where the failure says nothing about the plugin's code or the event: a process was lost, a store
   * was busy, a disk was full. Such a call is tried again and never counted.
   */
  readonly passing: boolean
  /** True where the plugin itself broke a limit, and was struck for it. */
  readonly struck: boolean
}

/** Refusals of a plugin that somebody has to let run again: it was asked too early, not wrongly. */
const AWAITING: ReadonlySet<ErrorCode> = new Set([
  'plugin_pending',
  'plugin_paused',
  'plugin_quarantined',
  'name_unresolved',
])
/** Failures that lie with the host and the machine, not with what was called. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  ...AWAITING,
  'sandbox_lost',
  'store_lost',
  'replica_lost',
  'replica_unavailable',
  'store_busy',
  'cursor_lost',
  'shutting_down',
  'disk_full',
  'database_full',
  'files_full',
  'data_damaged',
  'over_concurrency',
  'property_unavailable',
  'over_cpu_rate',
  'internal',
])
/** How long to wait where a plugin has used too much CPU time; undefined for any other failure. */
export function retryAfterMs({ code, details }: Pick<EndedFailure, 'code' | 'details'>): number | undefined {
  const waitMs = details?.retryAfterMs
  return code === 'over_cpu_rate' && typeof waitMs === 'number' ? waitMs : undefined
}

/** Whether a failure lasts until a person does something about another plugin. */
export function awaitsOthers(code: ErrorCode): boolean {
  return AWAITING.has(code)
}

/** Whether a failure says nothing about what was called, so that it is tried again. */
export function isPassing(code: ErrorCode): boolean {
  return PASSING.has(code)
}

/** Limits that, once broken, tell about how a plugin behaves. */
const BUDGET_CODES: ReadonlySet<string> = new Set(['over_cpu', 'over_memory', 'over_wall'])
/** Who used less of the time than this share only waited, for a store or for a busy machine. */
const BUSY_SHARE = 0.1

const EMPTY = Buffer.alloc(0)
const WRITING_KINDS: ReadonlySet<string> = new Set(['onEvent', 'cron'])

/**
 * Runs endpoints in sandboxes and answers their ops. Every op is checked here, on the host's side, from
 * the frame's header: granted, of a kind that may, within the budget; then its payload is forwarded.
 */
export class Invoker {
  readonly #supervisor: Supervisor
  readonly #conduct: Conduct
  readonly #ops: OpTable
  readonly #rates: CpuRates
  readonly #nowMs: () => number
  readonly #underWay = new Map<string, number>()

  /** @param nowMs the time that plugins see, in ms since the epoch; tests set it */
  constructor(
    supervisor: Supervisor,
    conduct: Conduct,
    ops: OpTable,
    rates: CpuRates = new CpuRates(),
    nowMs: () => number = Date.now,
  ) {
    this.#nowMs = nowMs
    this.#supervisor = supervisor
    this.#conduct = conduct
    this.#ops = ops
    this.#rates = rates
  }

  /** Calls from outside that are under way of a plugin. */
  underWay(plugin: string): number {
    return this.#underWay.get(plugin) ?? 0
  }

  /** Runs one call once. Never rejects: what went wrong is in the answer. */
  async run(invocation: Invocation): Promise<Ended> {
    const { plugin, endpoint, tree, depth } = invocation.context
    // Only calls from outside: one that waits for its own plugin would else hold the place that it waits for.
    const places = depth === 0 ? 1 : 0
    const underWay = this.underWay(plugin.id)
    if (places > 0 && underWay >= plugin.quota.concurrentCalls)
      return failed('over_concurrency', `${plugin.id} has ${underWay} calls under way, which is its quota.`)
    const waitMs = this.#rates.waitMs(plugin.id, plugin.quota.cpuMsPerMinute)
    if (waitMs > 0) return failedWith(overCpuRate(plugin, waitMs))
    let budget: Budget
    try {
      budget = tree.budget(plugin.quota)
    } catch (error) {
      return failedWith(error)
    }
    this.#underWay.set(plugin.id, underWay + places)
    const account = new CallAccount(tree, plugin.id, (cpuMs) => {
      this.#rates.charge(plugin.id, cpuMs)
      plugin.usage.cpuMs += cpuMs
    })
    const endings = new Endings()
    const context: OpContext = {
      ...invocation.context,
      deadlineMs: performance.now() + budget.wallMs,
      onEnd: endings.add,
    }
    // What the host refused explains what the guest makes of it.
    const refused: LyceumError[] = []
    try {
      const outcome = await this.#supervisor.run(
        {
          code: plugin.code,
          input: invocation.input,
          request: {
            endpoint: endpoint.name,
            kind: endpoint.kind,
            budget,
            nowMs: this.#nowMs(),
            eachEvent: invocation.eachEvent,
            plainJson: invocation.plainJson,
            bothForms: invocation.bothForms,
            traceWrites: invocation.traceWrites,
          },
          onOp: (op) => {
            account.usedCpu(op.cpuMs)
            void this.#answer(op, context, account, (error) => refused.push(error))
          },
        },
        this.#conduct.onProbation(plugin.id),
      )
      account.usedCpu(outcome.cpuMs)
      return this.#end(invocation, outcome, budget, account, refused)
    } finally {
      endings.end()
      const left = this.underWay(plugin.id) - places
      if (left > 0) this.#underWay.set(plugin.id, left)
      else this.#underWay.delete(plugin.id)
      const { usage } = plugin
      usage.calls += 1
      usage.ops += account.ops
      usage.bytes += account.bytes
    }
  }

  #end(
    { context: { plugin, endpoint, depth, tree } }: Invocation,
    outcome: Outcome,
    budget: Budget,
    account: CallAccount,
    refused: readonly LyceumError[],
  ): Ended {
    const { failure, cpuMs, result } = outcome
    const passing = refused.find(({ code }) => PASSING.has(code))
    if (failure === undefined && account.overdrawn === undefined) return { cpuMs, result, failure: undefined }
    plugin.usage.failures += 1
    // A write that nobody waited for may be among what was refused, so the whole call fails.
    if (failure === undefined) return failedWith(account.overdrawn)
    const waited = failure.code === 'over_wall' && cpuMs < budget.wallMs * BUSY_SHARE
    const leftover =
      failure.code === 'over_cpu'
        ? !tree.blameFor(plugin.id, plugin.quota.cpuMsPerCall)
        : failure.code === 'over_wall' && depth > 0
    const struck = BUDGET_CODES.has(failure.code) && !waited && !leftover
    if (struck) this.#conduct.strike(plugin.id, failure.code, failure.message)
    return {
      cpuMs,
      result: EMPTY,
      // Who broke a limit did so whatever else went wrong, or it could be tried again for ever.
      failure:
        passing === undefined || struck
          ? { ...endedFailure(failure, refused, endpoint), struck }
          : passingFailure(passing),
    }
  }

  async #answer(
    op: GuestOp,
    context: OpContext,
    account: CallAccount,
    onRefused: (error: LyceumError) => void,
  ): Promise<void> {
    try {
      account.usedOps(1, op.payload.length)
      checkGrant(op, context)
      if (performance.now() > context.deadlineMs)
        throw new LyceumError(
          'over_wall',
          `The time of this call is over: it has ${context.plugin.quota.wallMs} ms. Ask for less, or keep results up to date in an onEvent handler.`,
        )
      const answer = await this.#ops[op.name](op.payload, context)
      if (OPS[op.name].replies) account.usedOps(0, payloadBytes(answer))
      if (account.askedCpuMs > 0) op.spent(account.askedCpuMs)
      op.reply(answer)
    } catch (error) {
      if (account.askedCpuMs > 0) op.spent(account.askedCpuMs)
      const refusal =
        error instanceof LyceumError ? error : new LyceumError('internal', 'The host failed at this.')
      if (!(error instanceof LyceumError)) this.#conduct.hostError(error)
      onRefused(refusal)
      op.refuse({
        code: refusal.code,
        message: refusal.message,
        ...(refusal.details && { details: refusal.details }),
      })
    }
  }
}

function checkGrant(op: GuestOp, { endpoint }: CallContext): void {
  const { needs, writes } = OPS[op.name]
  if (endpoint.kind !== needs && !endpoint.facilities.includes(needs))
    throw new LyceumError(
      'op_denied',
      `${endpoint.name} does not destructure "${needs}". Add it: ({ ${needs} }) => …`,
    )
  if (writes && !WRITING_KINDS.has(endpoint.kind))
    throw new LyceumError(
      'write_denied',
      `${endpoint.name} is a ${endpoint.kind}, which only reads. Write in an onEvent handler or a cron job.`,
    )
}

/**
 * What a sandbox reports. A code that the plugin's error claimed is kept where it changes nothing, or where
 * the host itself refused something of this call with it.
 */
function endedFailure(
  failure: Failure,
  refused: readonly LyceumError[],
  endpoint: CallContext['endpoint'],
): Omit<EndedFailure, 'struck'> {
  const claimed = failure.details?.thrown
  const plausible = !BUDGET_CODES.has(String(claimed)) || refused.some(({ code }) => code === claimed)
  const believed = isErrorCode(claimed) && !PASSING.has(claimed) && plausible ? claimed : undefined
  const code = believed ?? (isErrorCode(failure.code) ? failure.code : 'plugin_failed')
  // What draws charts stands in no bundle: a hint about an author's own lines would mislead.
  const isAuthors = endpoint.at !== undefined
  const hint = code === 'plugin_failed' && isAuthors ? hintFor(failure.message) : undefined
  return {
    code,
    message: hint === undefined ? failure.message : `${failure.message.replace(/\.$/, '')}. ${hint}`,
    stack: stackOf(failure, endpoint),
    details: undefined,
    passing: PASSING.has(code),
  }
}

/** The stack of a failure; of one that is in no line of the plugin's, such as a loop without end, the endpoint's. */
function stackOf({ message, stack }: Failure, { name, at }: CallContext['endpoint']): string | undefined {
  if (at === undefined || stack?.includes(`${BUNDLE_NAME}:`)) return stack
  return `${stack ?? message}\n    at ${name} (${BUNDLE_NAME}:${at.line}:${at.column})`
}

function passingFailure(error: LyceumError): EndedFailure {
  return {
    code: error.code,
    message: error.message,
    stack: undefined,
    details: error.details,
    passing: true,
    struck: false,
  }
}

function overCpuRate({ id, quota }: ActivePlugin, waitMs: number): LyceumError {
  return new LyceumError(
    'over_cpu_rate',
    `${id} has used the ${quota.cpuMsPerMinute} ms of CPU time that it may use in a minute, and goes on in ${Math.ceil(waitMs / 1_000)} s. It can do less per event or call, or an admin can raise cpuMsPerMinute.`,
    { retryAfterMs: waitMs },
  )
}

function failed(code: ErrorCode, message: string): Ended {
  return failedWith(new LyceumError(code, message))
}

function failedWith(error: unknown): Ended {
  const refusal =
    error instanceof LyceumError ? error : new LyceumError('internal', 'The host failed at this.')
  const { code, message, details } = refusal
  return {
    cpuMs: 0,
    result: EMPTY,
    failure: { code, message, details, stack: undefined, passing: PASSING.has(code), struck: false },
  }
}
