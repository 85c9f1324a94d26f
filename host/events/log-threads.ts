import { availableParallelism } from 'node:os'
import { isMarkedAsUntransferable } from 'node:worker_threads'
import { move, Piscina, transferableSymbol, valueSymbol } from 'piscina'
import { scriptIn } from '../../process/own-files.ts'
import { type ErrorCode, LyceumError } from '../errors.ts'
import type { About, IntakeLimits } from './accept.ts'
import { isGzip } from './body.ts'
import type { AppendAnswer, LogTasks, LogThreadData, Opened, ReadThreadData } from './log-protocol.ts'
import type { Outcome } from './outcome.ts'
import { memoryOf } from './rows.ts'

const LOG_THREAD = scriptIn(import.meta.dirname, 'log-thread')
const READ_THREAD = scriptIn(import.meta.dirname, 'read-thread')

/** Requests that the log thread has at the same time: the most that one fsync can serve. */
const REQUESTS_IN_THREAD = 256

/** From here on the way to one more thread costs less than what waits behind the reading. */
const READ_APART_BYTES = 65_536

const READER_IDLE_MS = 30_000

/**
 * The threads of the event log. One appends, since a file has one writer, and reads small bodies itself, so
 * that a single event is one way there and back. Large ones are read in threads of their own meanwhile.
 */
export class LogThreads {
  readonly #log: Piscina
  readonly #readers: Piscina

  constructor(path: string, intake: IntakeLimits) {
    const { unpackedBodyBytes, eventBytes, eventDepth, eventsPerRequest } = intake
    const limits = { unpackedBodyBytes, eventBytes, eventDepth, eventsPerRequest }
    const log: LogThreadData = { path, limits }
    const readers: ReadThreadData = { limits }
    this.#log = new Piscina({
      filename: LOG_THREAD,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: REQUESTS_IN_THREAD,
      workerData: log,
      env: {},
      execArgv: [],
    })
    this.#readers = new Piscina({
      filename: READ_THREAD,
      minThreads: 0,
      maxThreads: Math.max(1, availableParallelism() - 1),
      idleTimeout: READER_IDLE_MS,
      workerData: readers,
      env: {},
      execArgv: [],
    })
  }

  /** @throws LyceumError data_newer, data_damaged, internal. */
  open(): Promise<Opened> {
    return run(this.#log, 'open', undefined)
  }

  /** Reads a body, whose memory moves away, and appends its events. @throws LyceumError see `EventLog`. */
  async append(body: Uint8Array, about: About): Promise<AppendAnswer> {
    const task = { body: ownsMemory(body) ? body : new Uint8Array(body), about }
    if (body.byteLength < READ_APART_BYTES && !isGzip(body))
      return run(this.#log, 'take', task, [task.body.buffer])
    const { rows, rejected } = await run(this.#readers, 'read', task, [task.body.buffer])
    return { ...(await run(this.#log, 'append', rows, memoryOf(rows))), rejected }
  }

  /** Closes the files and ends the threads; nothing may be under way. */
  async close(): Promise<void> {
    try {
      await run(this.#log, 'close', undefined)
    } finally {
      await this.destroy()
    }
  }

  /** Ends the threads without closing the files. */
  async destroy(): Promise<void> {
    await Promise.all([this.#log.destroy(), this.#readers.destroy()])
  }
}

/** Memory that several views share, like that of small Buffers, cannot move; a slice of one is a view again. */
function ownsMemory(body: Uint8Array): boolean {
  return body.byteLength === body.buffer.byteLength && !isMarkedAsUntransferable(body.buffer)
}

/** Has a thread do a task; `moved` is memory that goes with it. */
async function run<Name extends keyof LogTasks>(
  thread: Piscina,
  name: Name,
  task: LogTasks[Name]['task'],
  moved: ArrayBufferLike[] = [],
): Promise<LogTasks[Name]['answer']> {
  let outcome: Outcome<LogTasks[Name]['answer']>
  try {
    outcome = await thread.run(
      moved.length > 0 ? move({ [transferableSymbol]: moved, [valueSymbol]: { ...task } }) : task,
      { name },
    )
  } catch (error) {
    // The thread died. Piscina starts another, which opens the file again.
    throw refusal('internal', 'The event log failed before it could answer. Send the events again.', error)
  }
  if (outcome.ok) return outcome.value
  throw refusal(outcome.code, outcome.message, outcome.cause)
}

function refusal(code: ErrorCode, message: string, cause: unknown): LyceumError {
  const error = new LyceumError(code, message)
  error.cause = cause
  return error
}
