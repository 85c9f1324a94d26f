import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../host/limits.ts'
import { course } from '../../sdk/testing/index.ts'
import type { Workbench } from '../workbench.ts'
import { usersIn } from './people.ts'
import type { DevRecord } from './records.ts'

/** Lines of events of the author's own. */
export interface OwnEvents {
  readonly name: string
  readonly lines: () => AsyncIterable<string>
}

const LOOK_MS = 5

/** The events that a plugin is developed with: the sample course, unless the author has their own. */
export class DevEvents {
  readonly #workbench: Workbench
  readonly #own: OwnEvents | undefined
  readonly #tell: (record: DevRecord) => void
  #users: readonly string[] = []
  /** How many of the sample course were sent. */
  #learners: number
  #closed = false

  constructor(workbench: Workbench, own: OwnEvents | undefined, tell: (record: DevRecord) => void) {
    this.#workbench = workbench
    this.#own = own
    this.#tell = tell
    this.#learners = own === undefined ? course().learners.length : 0
  }

  /** Some of the people whom the events name. */
  get users(): readonly string[] {
    return this.#users
  }

  get courses(): readonly string[] {
    return this.#workbench.host.log.courses(LIMITS.coursesOffered).map(({ course }) => course)
  }

  /** Sends them into an empty log; of one that was kept it tells. Resolves when they are handled. */
  async load(): Promise<void> {
    const { host } = this.#workbench
    if (host.log.head() > 0) this.#tellKept()
    else if (this.#own !== undefined) await this.#send(this.#own.lines(), this.#own.name)
    else await this.#send(course().lines(), `the sample course, ${this.#learners} learners`)
    while (!this.#closed && !host.lane.quiet) await sleep(LOOK_MS)
  }

  #tellKept(): void {
    const { log } = this.#workbench.host
    this.#users = usersIn(log)
    const unread = this.#own === undefined ? '' : `; ${this.#own.name} is not read, only into an empty folder`
    const from = `before, which --data kept${unread}`
    this.#tell({ type: 'events', accepted: log.head(), rejected: 0, why: null, from })
  }

  /** Sends what more learners of the sample course did. */
  async addLearners(count: number): Promise<void> {
    const known = new Set(course({ learners: this.#learners }).learners.map(({ username }) => username))
    this.#learners += count
    await this.#send(linesOf(this.#learners, known), `${count} more learners`)
  }

  /** Sends nothing more. */
  close(): void {
    this.#closed = true
  }

  async #send(lines: Iterable<string> | AsyncIterable<string>, from: string): Promise<void> {
    const { accepted, rejected, firstRejected } = await this.#workbench.send(this.#untilClosed(lines))
    this.#users = usersIn(this.#workbench.host.log)
    // The sample course has lines that are none, as logs have.
    const isToTell = this.#own !== undefined && firstRejected !== undefined
    const why = isToTell ? `line ${firstRejected.index + 1}: ${firstRejected.message}` : null
    this.#tell({ type: 'events', accepted, rejected, why, from })
  }

  async *#untilClosed(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
    for await (const line of lines) {
      if (this.#closed) return
      yield line
    }
  }
}

/** What learners did that are not known yet. */
function* linesOf(learners: number, known: ReadonlySet<string>): Generator<string> {
  for (const event of course({ learners }).events())
    if (!known.has(event.username)) yield JSON.stringify(event)
}
