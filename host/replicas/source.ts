import { setTimeout as sleep } from 'node:timers/promises'
import { encode } from '../../sdk/ejson.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** A database that a reader reads for one plugin. */
export interface Source {
  /**
   * Connects and looks at what the account may do.
   * @throws {LyceumError} replica_writable, replica_unavailable
   */
  check(): Promise<void>
  /**
   * The rows of a query, as EJSON, as they are asked for: never more of them are held than one fetch gives.
   * @param request what the guest asks; hostile
   * @param signal ends the query in the database too
   * @throws {LyceumError}
   */
  rows(request: unknown, timeMs: number, signal: AbortSignal): AsyncGenerator<string, void>
}

const CANCEL_AGAIN_MS = 100

/**
 * Once nobody waits any more, has the database stop: again and again, since a cancel that comes a moment before its
 * query does nothing.
 * @returns says that the query has ended
 */
export function cancelOnAbort(signal: AbortSignal, cancel: () => Promise<void>): () => void {
  let hasEnded = false
  const onAbort = async () => {
    while (!hasEnded) {
      await cancel()
      await sleep(CANCEL_AGAIN_MS)
    }
  }
  signal.addEventListener('abort', onAbort)
  return () => {
    hasEnded = true
    signal.removeEventListener('abort', onAbort)
  }
}

/** Makes the text of rows that have these columns. */
export function rowWriter(names: readonly string[]): (values: readonly unknown[]) => string {
  const keys = names.map((name, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  return (values) => {
    let text = names.length === 0 ? '{' : ''
    for (const [index, key] of keys.entries()) text += key + encode(values[index] ?? null)
    if (text.length <= LIMITS.replicaRowBytes) return `${text}}`
    throw new LyceumError(
      'result_too_large',
      `A row has more than ${LIMITS.replicaRowBytes} bytes. Select fewer columns, or aggregate less into one.`,
    )
  }
}

/** The refusal of a query that was not done when its time was over. */
export function outOfTime(): LyceumError {
  return new LyceumError(
    'time_limit',
    'The query of the replica took too long and was ended. Narrow it by WHERE, or ask for less at once.',
  )
}

/** What a database itself said against a query, on one line. */
export function saidNo(message: string): LyceumError {
  const said = message.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 500)
  return new LyceumError('query_invalid', `The replica refused the query: ${said}`)
}

/** A replica that could not be reached, or went away. Only a code is told: messages of drivers hold addresses. */
export function unreachable(error: unknown): LyceumError {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  const known = typeof code === 'string' && /^[A-Z0-9_]{3,40}$/.test(code) ? ` (${code})` : ''
  return new LyceumError(
    'replica_unavailable',
    `The replica cannot be reached right now${known}. The host tries again.`,
  )
}

/** The refusal of an account that could write. @param remedy what an admin runs or changes */
export function writable(found: string, remedy: string): LyceumError {
  return new LyceumError(
    'replica_writable',
    `The account of the replica could write: ${found}. Give it nothing but the right to read: ${remedy}. See docs/replicas.md.`,
  )
}
