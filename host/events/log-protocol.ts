import type { About, IntakeLimits, Rejected } from './accept.ts'
import type { Appended } from './log-file.ts'
import type { Rows } from './rows.ts'

/** What the log thread is started with. */
export interface LogThreadData {
  path: string
  limits: IntakeLimits
}

/** What a reading thread is started with. */
export interface ReadThreadData {
  limits: IntakeLimits
}

/** The answer to `open`. */
export interface Opened {
  /** Random, made with the file: a cursor that names another log is not one of this log. */
  id: string
  head: number
}

/** One request; `body` is moved to the thread that reads it. */
export interface AppendTask {
  body: Uint8Array
  about: About
}

/** A stretch of the log, both ends included. */
export type SeqRange = readonly [first: number, last: number]

/** What a body holds; the rows are moved. */
export interface ReadAnswer {
  rows: Rows
  rejected: Rejected[]
}

/** What became of one request's events. */
export interface AppendAnswer extends Appended {
  rejected: Rejected[]
}

/** The tasks of the threads by name: what each takes and answers. */
export interface LogTasks {
  /** Creates, migrates or recovers the log. */
  open: { task: undefined; answer: Opened }
  /** Reads a body and appends its events. */
  take: { task: AppendTask; answer: AppendAnswer }
  /** Reads a body: the one task of the reading threads. */
  read: { task: AppendTask; answer: ReadAnswer }
  /** Appends what a reading thread has read. */
  append: { task: Rows; answer: Appended }
  /** Folds the write-ahead log into the file. */
  close: { task: undefined; answer: null }
}
