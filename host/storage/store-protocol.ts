import type { SeqRange } from '../events/log-protocol.ts'

/**
 * What the host says to a store process. Every request gets exactly one reply, in the order sent.
 * `scope` is the transaction, or 0 outside one; the payload is `control \n forwarded bytes`.
 */
export const StoreKind = {
  /** Opens a plugin's database and brings its indexes up to what the version declares. Control: {@link OpenControl}; of a server the reply is {@link Opened}. */
  open: 8,
  /** Takes a cursor over: raises its epoch and answers where it stands. Control: {@link ClaimControl}. */
  claim: 9,
  /** Reads; the bytes are a guest's read op. Control: {@link ReadControl}. */
  read: 10,
  /** Writes inside a transaction, which it opens by moving the cursor; the bytes are a guest's writes. Control: {@link WriteControl}. */
  write: 11,
  /** The last writes of a transaction, and its end. Control: {@link CommitControl}. */
  commit: 12,
  /** Rolls a transaction back. Control: {@link DbControl}. */
  abort: 13,
  /** Lists dead letters, or counts them. Control: {@link DeadLettersControl}. */
  deadLetters: 14,
  /** Closes a database. Control: {@link DbControl}. */
  close: 15,
  /** Tells where a cursor stands, and opens nothing. Control: {@link PeekControl}. */
  peek: 16,
  /**
   * Opens a cursor and answers its first page; the bytes are a guest's read op, a `find` or an `aggregate`.
   * Control: {@link PageControl}. The reply is {@link pageText}: a line that is `1` where more rows are left and `0`
   * where none are, then the rows as an EJSON array, which may be empty in either case. A page ends at
   * `LIMITS.pageRows` rows (the first at `LIMITS.firstPageRows`), or with the row that makes it larger than
   * `LIMITS.pageBytes`. After `0`, and after a failure, the store keeps nothing.
   *
   * With a `scope` the cursor belongs to that transaction, sees what it has written, and ends with it. Without, it
   * sees what is committed; rows that others change meanwhile come in their old or their new form, never twice.
   */
  readPage: 17,
  /**
   * The next page of an open cursor, with the `scope` that it was opened in; the reply is as of {@link readPage}.
   * Control: {@link PageControl}. A cursor that the store does not have fails with `store_lost`: the host asks only
   * for those that it opened, so it was lost with its transaction, its database or its process.
   */
  readMore: 18,
  /** Lets go of a cursor. Control: {@link CursorControl}. One that is gone already is nothing to fail for. */
  closeCursor: 19,
  /** Ahead of all else, to a store that keeps documents on a server. Control: {@link ConnectControl}; the reply is {@link ServerFacts}. */
  connect: 20,
  /** Deletes a database with all that is in it. Control: {@link DropControl}. */
  drop: 21,
  /**
   * Reads files: what is committed or, with a scope, what that transaction sees. Control: {@link FileReadControl};
   * the bytes are a guest's request, and the reply is what the guest gets. See `files/requests.ts`.
   */
  fileRead: 32,
  /**
   * Changes a file inside a transaction, which it opens like `write`. Control: {@link FileWriteControl}. Where it
   * is refused, for whatever reason, the whole transaction has failed.
   */
  fileWrite: 33,
  /**
   * Writes one file for a view or query, in a transaction of its own, while none is open. Control:
   * {@link TransientFileControl}; the bytes are a `WriteRequest`. Refused where the file would stay, or takes the
   * place of one that a handler or job wrote, and where transient files would take more than half of the quota.
   */
  fileWriteTransient: 34,
  /**
   * Deletes files that have expired and contents that nobody refers to any more, so many at a time. Control:
   * {@link SweepControl}; the reply is a {@link Swept}.
   */
  sweepFiles: 35,
  /** Tells what a plugin keeps. Control: {@link DbControl}; the reply is a {@link StorageUsage}. */
  usage: 36,
  /** Lists what an export holds beside documents and files. Control: {@link DbControl}; the reply is a {@link Survey}. */
  survey: 37,
} as const

export interface DbControl {
  /** The plugin's database, by a name that the host made. */
  readonly db: string
}

export interface ConnectControl {
  /** The address of the server, with the account that may make databases and users. */
  readonly uri: string
  /** Base64url: what the passwords of plugins' users are derived from. */
  readonly secret: string
}

/** What a store found out about the server that keeps its documents. */
export interface ServerFacts {
  readonly version: string
  /** Whether the effects of a batch and its cursor are one transaction. */
  readonly transactions: boolean
  /** Whether each plugin has a user of its own, who may reach the plugin's database only. */
  readonly users: boolean
  /** FerretDB checks passwords and knows no roles; of some commands it takes less. */
  readonly isFerretDb: boolean
}

export interface DropControl {
  readonly path: string
}

export interface OpenControl extends DbControl {
  /** A file, or the name of a database on the server. */
  readonly path: string
  readonly collections: readonly CollectionDeclaration[]
}

/** What a store tells of a database on its server; of files in a folder the host sees it. */
export interface Opened {
  /** Whether files may be there that have to be swept. */
  readonly keepsFiles: boolean
}

export interface CollectionDeclaration {
  readonly name: string
  readonly indexes: readonly { readonly keys: Readonly<Record<string, 1 | -1>>; readonly unique?: boolean }[]
}

export interface ClaimControl extends DbControl {
  readonly cursor: string
  readonly generation: number
  readonly version: number
  readonly log: string
  /** Where a cursor that does not exist yet begins. */
  readonly from: number
  /** How far whoever held it before had seen to everything; the cursor is moved on to there. */
  readonly passed: number
}

/** What a plugin's database holds: the collections with their indexes, and the cursors. */
export interface Survey {
  readonly collections: readonly CollectionSurvey[]
  readonly cursors: readonly CursorRow[]
}

export interface CollectionSurvey {
  readonly name: string
  readonly indexes: readonly {
    readonly keys: readonly (readonly [string, 1 | -1])[]
    readonly unique: boolean
  }[]
}

export interface CursorRow {
  readonly id: string
  readonly generation: number
  readonly version: number
  readonly epoch: number
  readonly log: string
  readonly seq: number
}

export interface PeekControl {
  readonly path: string
  readonly cursor: string
}

/** Where a cursor stands, and in which log. */
export interface Peeked {
  readonly log: string
  readonly seq: number
}

export interface Claimed {
  readonly epoch: number
  readonly seq: number
}

export interface ReadControl extends DbControl {
  /** Time that the read may take, in ms. */
  readonly timeMs: number
  /**
   * Where another plugin reads: the collections that it may read, said by the host. The read and all stages of its
   * pipeline may name only these; any other is refused with `op_denied`, be there such a collection or not.
   */
  readonly collections?: readonly string[]
}

export interface CursorControl extends DbControl {
  /** A number that the host made, unique among all cursors of its life. */
  readonly cursor: number
}

export interface PageControl extends CursorControl {
  /** Time that this page may take, in ms; between pages no time runs. */
  readonly timeMs: number
}

/** A page as it travels: whether more is left, and its rows as an EJSON array. */
export function pageText(isMore: boolean, rows: string): string {
  return `${isMore ? 1 : 0}\n${rows}`
}

/** The first statement of every commit: the cursor moves only if all of this still holds. */
export interface CursorMove {
  readonly cursor: string
  readonly generation: number
  readonly version: number
  readonly epoch: number
  readonly log: string
  readonly from: number
  readonly to: number
}

/** What allows a transaction: moving a cursor on, or taking one dead letter out. */
export type Claim = { readonly move: CursorMove } | { readonly deadLetter: number }

export interface WriteControl extends DbControl {
  readonly claim: Claim
  readonly maxBytes: number
  /** Reply with the outcome of each write. */
  readonly counted: boolean
}

export interface CommitControl extends DbControl {
  readonly claim: Claim
  /** The plugin's quota: what would make the file larger is refused. */
  readonly maxBytes: number
  /** Put aside in the same transaction; one that was put aside before keeps its id. */
  readonly deadLetter?: NewDeadLetter | DeadLetter
}

export interface NewDeadLetter {
  readonly endpoint: string
  /** The plugin's version that failed: its stack is to be read with that version's lines. */
  readonly version: string
  readonly seq: number
  readonly code: string
  readonly message: string
  readonly stack?: string
  readonly attempts: number
  readonly atMs: number
}

export interface DeadLetter extends NewDeadLetter {
  readonly id: number
}

export interface DeadLettersControl extends DbControl {
  readonly endpoint?: string
  /** Only those of events in these stretches of the log; then only the first. */
  readonly ranges?: readonly SeqRange[]
  /** Only these, and those that were tried least first: one that always fails keeps none behind it waiting. */
  readonly retry?: { readonly ids?: readonly number[] }
  readonly limit: number
}

export interface DeadLetterList {
  readonly total: number
  readonly letters: readonly DeadLetter[]
}

/** When files expire is decided by the host's clock. */
export interface FileReadControl extends DbControl {
  readonly op: 'read' | 'stat' | 'list'
  readonly nowMs: number
  /** The host reads for itself: of a `read` the content comes as it is, whatever form the request names. */
  readonly raw?: boolean
}

export interface FileWriteControl extends DbControl {
  readonly op: 'write' | 'append' | 'delete' | 'expire'
  readonly claim: Claim
  readonly nowMs: number
  readonly maxBytes: number
  /** The quota: a write that takes all files together beyond it is refused with `files_full`. */
  readonly maxFileBytes: number
}

export interface TransientFileControl extends DbControl {
  readonly nowMs: number
  readonly maxBytes: number
  readonly maxFileBytes: number
}

export interface SweepControl extends DbControl {
  readonly nowMs: number
}

export interface Swept {
  readonly files: number
  readonly contents: number
  /** When there will be more to sweep: now, if this was not all; null where nothing expires. */
  readonly dueMs: number | null
}

/** What a plugin keeps, in bytes: its documents with all that lies beside them, and the contents of its files. */
export interface StorageUsage {
  readonly databaseBytes: number
  readonly fileBytes: number
  readonly files: number
}
