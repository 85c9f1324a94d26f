import { LyceumError } from '../errors.ts'
import type { ActivePlugin, CronEndpoint, EventEndpoint } from '../registry/plugin.ts'
import type { Transaction } from '../storage/plugin-store.ts'
import { storeLost } from '../storage/store.ts'
import { CallTree } from './call-tree.ts'
import { type EndedFailure, type Invoker, isPassing } from './invoker.ts'

/** A handler or job that is to run once. */
export interface WritingRun {
  readonly plugin: ActivePlugin
  readonly endpoint: EventEndpoint | CronEndpoint
  readonly transaction: Transaction
  /** JSON of a `GuestInput`. */
  readonly input: string
  /** Remember where each write was called: for runs whose failure is told to the author. */
  readonly traceWrites: boolean
}

/**
 * Runs a handler or job and commits its effects, or undoes them all. Resolves with the failure, if there was
 * one; never rejects.
 */
export async function runWriting(
  invoker: Pick<Invoker, 'run'>,
  { plugin, endpoint, transaction, input, traceWrites }: WritingRun,
): Promise<EndedFailure | undefined> {
  const tree = new CallTree(plugin.quota)
  const { failure, result } = await invoker.run({
    context: { plugin, endpoint, caller: undefined, transaction, tree, depth: 0 },
    input,
    eachEvent: endpoint.facilities.includes('event'),
    plainJson: false,
    traceWrites,
  })
  if (failure === undefined) return commit({ plugin, tree, transaction }, result)
  // A handler that waited for others is not slow itself.
  const waited = failure.code === 'over_wall' && transaction.waitedMs > plugin.quota.wallMs / 2
  await transaction.abort()
  return { ...failure, passing: failure.passing || waited }
}

/** Commits; a write that the store refused becomes a failure with the stack of its call. */
async function commit(
  { plugin, tree, transaction }: Pick<WritingRun, 'plugin' | 'transaction'> & { readonly tree: CallTree },
  result: Buffer,
): Promise<EndedFailure | undefined> {
  const { writes, traces } = splitWrites(result)
  try {
    if (tree.isSample) plugin.markOfSamples()
    await transaction.commit(writes)
    return undefined
  } catch (error) {
    await transaction.abort()
    const { code, message, details } = error instanceof LyceumError ? error : storeLost()
    const index = details?.index
    const stack = typeof index === 'number' ? traces[index] : undefined
    return { code, message, details, stack, passing: isPassing(code), struck: false }
  }
}

/** A handler's last writes, and behind a newline the stacks of its calls where they were traced. */
function splitWrites(result: Buffer): { writes: Buffer; traces: readonly string[] } {
  const end = result.indexOf('\n')
  if (end < 0) return { writes: result, traces: [] }
  const writes = result.subarray(0, end)
  try {
    const traces: unknown = JSON.parse(result.toString('utf8', end + 1))
    return { writes, traces: Array.isArray(traces) ? traces.map(String) : [] }
  } catch {
    return { writes, traces: [] } // they only help to explain
  }
}
