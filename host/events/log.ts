import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LyceumError } from '../errors.ts'
import type { About, IntakeLimits } from './accept.ts'
import type { CourseSeen } from './courses.ts'
import { explained } from './log-failure.ts'
import type { AppendAnswer, Opened } from './log-protocol.ts'
import { LogThreads } from './log-threads.ts'
import { TypeBlocksReader } from './type-blocks.ts'

/**
 * Rows that are asked for at once: all together cost half of what they do one by one, and however large they are,
 * not many more are read than are wanted.
 */
const CHUNK_ROWS = 64

/** One event of the log. */
export interface LogRow {
  seq: number
  /** `event.props.type`: what filters look at before anything is parsed. */
  type: string
  /** The event as JSON text, as it enters isolates. */
  text: string
}

/**
 * The durable, ordered record of all events. Threads of its own read bodies and write; this face of it lives in
 * the main thread, which never parses an event, and reads rows back synchronously.
 */
export class EventLog {
  /** Names this log among all: cursors carry it, so that they cannot be used on another. */
  readonly id: string
  #path: string
  #threads: LogThreads
  #reader: DatabaseSync
  #readRows: StatementSync
  #readCourses: StatementSync
  #types: TypeBlocksReader
  #head: number
  #listeners = new Set<(head: number) => void>()
  #appending = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined
  /** Why nothing is taken any more. */
  #refusal: LyceumError | undefined

  /**
   * Opens the log at `path`, creates it if there is none, and recovers what a killed host left.
   *
   * @throws LyceumError data_newer, data_damaged, internal (no such folder, no permission).
   */
  static async open({ path, limits }: { path: string; limits: IntakeLimits }): Promise<EventLog> {
    const threads = new LogThreads(path, limits)
    try {
      return new EventLog(path, threads, await threads.open())
    } catch (error) {
      await threads.destroy()
      throw error
    }
  }

  private constructor(path: string, threads: LogThreads, { id, head }: Opened) {
    this.id = id
    this.#path = path
    this.#threads = threads
    this.#head = head
    this.#reader = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
    this.#readRows = this.#reader.prepare(
      'SELECT seq, type, text FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
    )
    this.#readRows.setReturnArrays(true)
    this.#types = new TypeBlocksReader(this.#reader)
    this.#readCourses = this.#reader.prepare(
      'SELECT course, events, last FROM courses ORDER BY last DESC LIMIT ?',
    )
  }

  /** The last seq that was committed, as far as this thread knows. */
  head(): number {
    return this.#head
  }

  /**
   * Appends a request's events; resolves once they are on the disk. What it resolves with is the whole
   * answer of the request, except `through`: the seq that handlers must have passed to have seen them all.
   *
   * **Common mistake:** using `body` afterwards. Its memory moves to another thread.
   *
   * @throws LyceumError unsupported_encoding, body_unreadable, body_too_large, disk_full, data_damaged,
   * shutting_down: then nothing of the body was stored.
   */
  append(body: Uint8Array, about: About): Promise<AppendAnswer> {
    if (this.#closed)
      return Promise.reject(new LyceumError('shutting_down', 'The host is stopping. Send it again.'))
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    const answer = this.#append(body, about)
    this.#appending.add(answer)
    return answer.finally(() => this.#appending.delete(answer))
  }

  async #append(body: Uint8Array, about: About): Promise<AppendAnswer> {
    const answer = await this.#threads.append(body, about)
    if (answer.through > this.#head) {
      this.#head = answer.through
      for (const listener of this.#listeners) listener(this.#head)
    }
    return answer
  }

  /**
   * Tells that a handler has seen events which the log does not hold any more. From then on nothing is
   * appended: the numbers of what was lost would be given again, and handlers would take them for seen.
   *
   * @returns the refusal that says so.
   */
  refuseBehind(seq: number): LyceumError {
    this.#refusal ??= new LyceumError(
      'data_damaged',
      `The event log ends at event ${this.#head}, but handlers have seen event ${seq}: its newest part was lost. Stop the host and put back the newest events.db with its events.db-wal; or, if there are none, delete the databases of the plugins: they are counted anew from the events that are left.`,
    )
    return this.#refusal
  }

  /**
   * Tells a listener how far the log goes whenever that grows, before the senders are answered: it must
   * not throw.
   *
   * @returns the way to stop that.
   */
  onAppend(listener: (head: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * The events after a seq, in order, up to `maxRows`, or fewer once their texts have `maxBytes` together
   * (counted in characters). There is one at least if the log has one, however large. What is committed but not
   * told yet is not among them: a handler must never be past the head, which would look like a log that was cut.
   *
   * @throws LyceumError data_damaged, internal
   */
  read(after: number, maxRows: number, maxBytes: number): LogRow[] {
    const rows: LogRow[] = []
    let bytes = 0
    try {
      for (let at = after; rows.length < maxRows; ) {
        const most = Math.min(CHUNK_ROWS, maxRows - rows.length)
        const chunk: unknown[] = this.#readRows.all(at, this.#head, most)
        for (const row of chunk) {
          if (!Array.isArray(row)) throw new Error('a row that is no array')
          const [seq, type, text] = row
          rows.push({ seq: Number(seq), type: String(type), text: String(text) })
          bytes += String(text).length
          if (bytes >= maxBytes) return rows
          at = Number(seq)
        }
        if (chunk.length < most) break
      }
    } catch (error) {
      throw explained(error, 'The event log cannot be read. The log of the host says why.')
    }
    return rows
  }

  /**
   * Leaps over events that are of other types: none between `after` and what is returned is of one of these.
   * It is the head where nothing of them follows.
   */
  skip(after: number, types: Iterable<string>): number {
    // Asked first, and never leapt over: types are looked up one after the other, and what is committed
    // between two of them may hold the next event of the one and a later one of the other.
    const head = this.#head
    return Math.max(after, Math.min(this.#types.before(types, after) ?? head, head))
  }

  /** The courses that events named, those with the newest events first. */
  courses(most: number): CourseSeen[] {
    return this.#readCourses.all(most).map(({ course, events, last }) => ({
      course: String(course),
      events: Number(events),
      last: Number(last),
    }))
  }

  /** How many events the log holds, and the bytes that its files take on the disk. */
  size(): { events: number; bytes: number } {
    const wal = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })
    // No event is ever deleted, so the seqs have no gaps.
    return { events: this.#head, bytes: statSync(this.#path).size + (wal?.size ?? 0) }
  }

  /** Waits for the answers that are under way, refuses new bodies, closes the files. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#appending)
    this.#reader.close()
    await this.#threads.close()
  }
}
