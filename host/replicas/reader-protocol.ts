import type { ReplicaConfig } from './config.ts'

/**
 * What the host says to a reader: a process that reads one replica for one plugin. `scope` is the query, by a
 * number that the host made.
 */
export const ReaderKind = {
  /** Connects, and looks at the account. Control: {@link ReplicaConfig}, the secret included. */
  open: 8,
  /** Begins a query, and answers with its first page. Control: {@link QueryControl}; the bytes are the guest's. */
  query: 9,
  /** The next page of a query. */
  next: 10,
  /** Ends a query, wherever it is. */
  end: 11,
} as const

export type OpenControl = ReplicaConfig

export interface QueryControl {
  /** Time that the query may take, all of its pages together, in ms. */
  readonly timeMs: number
}

/** A page of rows: this as control, then the rows as an EJSON array. */
export interface Page {
  readonly rows: number
  /** No row comes after these. */
  readonly last: boolean
}
