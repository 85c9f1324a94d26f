import type { Payload } from '../../process/frame.ts'
import type { OpName } from '../../sandbox/protocol.ts'
import type { Caller } from '../auth/tokens.ts'
import type { CallTree } from '../dispatch/call-tree.ts'
import type { Named } from '../dispatch/questions.ts'
import type { ActivePlugin, Endpoint } from '../registry/plugin.ts'
import type { Transaction } from '../storage/plugin-store.ts'

/** The call of an endpoint that an op is carried out for. */
export interface CallContext {
  readonly plugin: ActivePlugin
  readonly endpoint: Endpoint
  /** Undefined in jobs and handlers. */
  readonly caller: Caller | undefined
  /** Undefined in views and queries. */
  readonly transaction: Transaction | undefined
  readonly tree: CallTree
  readonly depth: number
  /** The call of the plugin that asks; undefined where a person does, or nobody. */
  readonly asking?: CallContext
  /** What a view or query was asked with. */
  readonly named?: Named
}

/** What an op is carried out for. */
export interface OpContext extends CallContext {
  /** When the call's time is over, a time of `performance.now()`. */
  readonly deadlineMs: number
  /** Has something let go of when the call ends, however it ends; at once, where it has ended already. */
  onEnd(letGo: () => void): void
}

/**
 * Carries an op out and resolves with what the guest gets; the payload is the guest's, and hostile.
 * @throws {LyceumError} what the guest is refused
 */
export type OpImplementation = (payload: Buffer, context: OpContext) => Promise<Payload> | Payload

/** The host's side of the bridge: exactly one implementation per op. */
export type OpTable = Readonly<Record<OpName, OpImplementation>>
