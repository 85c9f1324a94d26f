import type { TestHost } from '../support/host.ts'

/** Reads of a plugin's documents that are held until they are let through, and how many there were. */
export interface Gate {
  reads: number
  /** Holds the next reads. Resolves when one has come. */
  shut(): Promise<void>
  open(): void
}

/** Puts a gate before the documents of a plugin: what reads them computes for as long as a test wants. */
export function gateOf(lyceum: TestHost, plugin: string): Gate {
  const { store } = lyceum.host.plugins.get(plugin)
  const read = store.read.bind(store)
  let held: PromiseWithResolvers<void> | undefined
  let reached: PromiseWithResolvers<void> | undefined
  const gate: Gate = {
    reads: 0,
    shut: () => {
      held = Promise.withResolvers()
      reached = Promise.withResolvers()
      return reached.promise
    },
    open: () => held?.resolve(),
  }
  store.read = async (op, deadlineMs) => {
    gate.reads += 1
    reached?.resolve()
    await held?.promise
    return read(op, deadlineMs)
  }
  return gate
}
