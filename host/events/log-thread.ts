import { workerData } from 'node:worker_threads'
import { accept } from './accept.ts'
import { GroupCommit } from './group-commit.ts'
import { type Appended, LogFile, NOTHING_APPENDED } from './log-file.ts'
import type { AppendAnswer, AppendTask, LogThreadData, Opened } from './log-protocol.ts'
import { type Outcome, outcome } from './outcome.ts'
import type { Rows } from './rows.ts'

/** About two megabytes of usual events: a larger transaction is no faster. */
const GROUP_ROWS = 2000

const { path, limits }: LogThreadData = workerData

let log: LogFile | undefined
const group = new GroupCommit<Rows, Appended>((requests) => file().append(requests), GROUP_ROWS)

/** Opened at the first use: a thread that replaces a dead one has not been told to. */
function file(): LogFile {
  log ??= new LogFile(path)
  return log
}

/** Creates, migrates or recovers the log. */
export function open(): Promise<Outcome<Opened>> {
  return outcome(() => ({ id: file().id, head: file().head }))
}

/** Reads a body and appends its events; answers once they are on the disk. */
export function take({ body, about }: AppendTask): Promise<Outcome<AppendAnswer>> {
  return outcome(async () => {
    const { rows, rejected } = accept(body, about, limits)
    return { ...(await appended(rows)), rejected }
  })
}

/** Appends events that were read already; answers once they are on the disk. */
export function append(rows: Rows): Promise<Outcome<Appended>> {
  return outcome(() => appended(rows))
}

async function appended(rows: Rows): Promise<Appended> {
  return rows.count === 0 ? NOTHING_APPENDED : group.add(rows)
}

/** Folds the write-ahead log into the file. */
export function close(): Promise<Outcome<null>> {
  return outcome(() => {
    log?.close()
    log = undefined
    return null
  })
}
