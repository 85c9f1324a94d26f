import type { Claim } from '../store-protocol.ts'
import { Batch } from './batch.ts'
import type { OpenDatabase } from './server.ts'

/** The transactions of the host that are open. The requests of each are worked on in the order in which they came. */
export class Scopes {
  readonly #turns = new Map<bigint, Promise<unknown>>()
  readonly #batches = new Map<bigint, { readonly batch: Batch; readonly open: OpenDatabase }>()
  readonly #onEnd: (scope: bigint) => void

  /** @param onEnd lets go of what belongs to a transaction */
  constructor(onEnd: (scope: bigint) => void) {
    this.#onEnd = onEnd
  }

  inTurn<Result>(scope: bigint, work: () => Promise<Result>): Promise<Result> {
    const running = (this.#turns.get(scope) ?? Promise.resolve()).then(work)
    const settled = running.then(
      () => {},
      () => {},
    )
    this.#turns.set(scope, settled)
    void settled.then(() => {
      if (this.#turns.get(scope) === settled) this.#turns.delete(scope)
    })
    return running
  }

  batchOf(scope: bigint): Batch | undefined {
    return this.#batches.get(scope)?.batch
  }

  /** The batch of a transaction, which begins with it. */
  enter(scope: bigint, open: OpenDatabase, claim: Claim, hasTransactions: boolean): Batch {
    const known = this.#batches.get(scope)
    if (known !== undefined) return known.batch
    const batch = new Batch({ ...open, hasTransactions }, claim)
    open.uses += 1
    this.#batches.set(scope, { batch, open })
    return batch
  }

  leave(scope: bigint): void {
    const known = this.#batches.get(scope)
    if (known === undefined) return
    known.open.uses -= 1
    this.#batches.delete(scope)
    this.#onEnd(scope)
  }
}
