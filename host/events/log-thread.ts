import { workerData } from 'node:worker_threads'
import { LyceumError } from '../errors.ts'
import { accept, type Row } from './accept.ts'
import { GroupCommit } from './group-commit.ts'
import { type Appended, LogFile } from './log-file.ts'
import type { AppendAnswer, AppendTask, LogThreadData, Opened, Outcome } from './log-protocol.ts'

/** About two megabytes of usual events: a larger transaction is no faster. */
const GROUP_ROWS = 2000

const { path, limits }: LogThreadData = workerData

let log: LogFile | undefined
const group = new GroupCommit<Row, Appended>((requests) => file().append(requests), GROUP_ROWS)

/** Opened at the first use: a thread that replaces a dead one has not been told to. */
function file(): LogFile {
  log ??= new LogFile(path)
  return log
}

/** Creates, migrates or recovers the log. */
export function open(): Promise<Outcome<Opened>> {
  return outcome(async () => ({ id: file().id, head: file().head }))
}

/** Reads a body and appends its events; answers once they are on the disk. */
export function append({ body, about }: AppendTask): Promise<Outcome<AppendAnswer>> {
  return outcome(async () => {
    const { rows, rejected } = accept(body, about, limits)
    if (rows.length === 0) return { accepted: 0, duplicates: 0, rejected, through: 0, ranges: [] }
    return { ...(await group.add(rows)), rejected }
  })
}

/** Folds the write-ahead log into the file. */
export function close(): Promise<Outcome<null>> {
  return outcome(async () => {
    log?.close()
    log = undefined
    return null
  })
}

async function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    const refusal =
      error instanceof LyceumError
        ? error
        : new LyceumError('internal', 'The event log failed: nothing of this request was stored.')
    const cause = error instanceof LyceumError ? error.cause : error
    return {
      ok: false,
      code: refusal.code,
      message: refusal.message,
      cause: cause instanceof Error ? cause.stack : undefined,
    }
  }
}
