import { StoreKind } from './store-protocol.ts'

const MORE = '1'.charCodeAt(0)
let lastCursor = 0

/** A number for a new cursor, unique among all stores. */
export function newCursor(): number {
  return ++lastCursor
}

/** Some rows of a read, as an EJSON array, and the cursor that has the rest. */
export interface Page {
  readonly rows: Buffer
  readonly rest: StoreCursor | undefined
}

/** A read that a store keeps open. Whoever does not read it to its end closes it. */
export interface StoreCursor {
  /**
   * The next page. It is the cursor's last where it has no `rest`.
   * @param deadlineMs when nobody waits for it any more, a time of `performance.now()`
   * @throws {LyceumError} store_lost where it ended with its transaction or its store
   */
  more(deadlineMs: number): Promise<Page>
  close(): void
}

/** Asks the store that has a cursor; with no time the request takes what it takes. */
export type AskStore = (kind: number, deadlineMs: number | undefined) => Promise<Buffer>

/** Reads the reply to `readPage` or `readMore`. */
export function pageOf(reply: Buffer, ask: AskStore): Page {
  const rest: StoreCursor = {
    more: async (deadlineMs) => pageOf(await ask(StoreKind.readMore, deadlineMs), ask),
    close: () => {
      // A store that is gone keeps no cursor.
      ask(StoreKind.closeCursor, undefined).catch(() => {})
    },
  }
  return { rows: reply.subarray(2), rest: reply[0] === MORE ? rest : undefined }
}
