import type { ErrorCode } from '../errors.ts'
import type { About, IntakeLimits, Rejected } from './accept.ts'

/** What the log thread is started with. */
export interface LogThreadData {
  path: string
  limits: IntakeLimits
}

/** The answer to `open`. */
export interface Opened {
  /** Random, made with the file: a cursor that names another log is not one of this log. */
  id: string
  head: number
}

/** One request for the log thread; `body` is moved there. */
export interface AppendTask {
  body: Uint8Array
  about: About
}

/** A stretch of the log, both ends included. */
export type SeqRange = readonly [first: number, last: number]

/** What became of one request's events. */
export interface AppendAnswer {
  accepted: number
  duplicates: number
  rejected: Rejected[]
  /** The highest seq among its events and those that they duplicate; 0 if it had none. */
  through: number
  /** Where its events stand in the log, and those that they duplicate. */
  ranges: SeqRange[]
}

/** The tasks of the log thread by name: what each takes and answers. */
export interface LogTasks {
  /** Creates, migrates or recovers the log. */
  open: { task: undefined; answer: Opened }
  append: { task: AppendTask; answer: AppendAnswer }
  /** Folds the write-ahead log into the file. */
  close: { task: undefined; answer: null }
}

/** Answers cross the thread boundary as data: a thrown error would carry the host's paths in its stack. */
export type Outcome<T> =
  | { ok: true; value: T }
  /** `cause` is a stack, for the host's own log only. */
  | { ok: false; code: ErrorCode; message: string; cause: string | undefined }
