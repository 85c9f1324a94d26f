import { Child, type ChildExit } from '../../process/child.ts'
import { ownUser } from '../../process/confine.ts'
import { FAILED, type Frame, splitPayload } from '../../process/frame.ts'
import { whenOverdue } from '../../process/overdue.ts'
import { scriptIn } from '../../process/own-files.ts'
import { CODE_ONLY } from '../../process/permissions.ts'
import { REPLY } from '../../process/serve.ts'
import { LyceumError, refusalOf } from '../errors.ts'
import { LIMITS, QUOTA_CEILINGS } from '../limits.ts'
import type { ReplicaConfig } from './config.ts'
import { type Page, type QueryControl, ReaderKind } from './reader-protocol.ts'
import { outOfTime } from './source.ts'

const SCRIPT = scriptIn(import.meta.dirname, 'reader-process')
/** Connecting, and the questions about the account; also how long it may be too busy to answer a ping. */
const OPEN_MS = LIMITS.replicaConnectMs * 3
/** A reader of a file says nothing while it works on another query. */
const END_MS = QUOTA_CEILINGS.wallMs
const US_PER_MS = 1_000

export interface ReaderOptions {
  readonly replica: string
  readonly config: ReplicaConfig
  readonly onOutput: (text: string) => void
  /** Told how much CPU time the process has used. */
  readonly onUsed: (cpuMs: number) => void
  /** Called once, when the process is gone. */
  readonly onGone: () => void
}

interface Request {
  readonly resolve: (payload: Buffer) => void
  readonly reject: (error: Error) => void
  /** Ends the wait for its answer. */
  readonly inTime: () => void
  isOverdue: boolean
}

/** A page as it goes to the guest, its rows unread. */
export interface Rows extends Page {
  readonly bytes: Buffer
}

/** The host's side of a process that reads one replica for one plugin. */
export class Reader {
  /** Resolves when the replica may be read; rejects with why it may not. */
  readonly opened: Promise<unknown>
  readonly #child: Child
  readonly #onGone: () => void
  readonly #onUsed: (cpuMs: number) => void
  readonly #requests = new Map<number, Request>()
  readonly #queries = new Set<bigint>()
  readonly #unwatch: () => void
  #lastCall = 0
  #lastQuery = 0n
  #idle: NodeJS.Timeout | undefined

  constructor({ replica, config, onOutput, onUsed, onGone }: ReaderOptions) {
    const isFile = config.kind === 'sqlite'
    this.#onGone = onGone
    this.#onUsed = onUsed
    this.#child = new Child({
      name: `reader:${replica}`,
      script: SCRIPT,
      args: [config.kind],
      nodeFlags: [...CODE_ONLY, '--allow-worker', ...(isFile ? filesOf(config.path) : ['--allow-net'])],
      confinement: isFile
        ? // The file is the host's to read; beside it SQLite keeps the marks of who reads.
          { uid: undefined, writesFiles: true }
        : { uid: ownUser(), writesFiles: false, network: true },
      rssCapMb: LIMITS.replicaReaderRssMb,
      // SQLite answers no ping while it works; each request has its time besides.
      heartbeatMs: isFile ? QUOTA_CEILINGS.wallMs * 2 : OPEN_MS,
      maxFrameBytes: LIMITS.frameBytes,
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#gone(exit),
      onOutput,
    })
    // Watched while it lives: it lives only while it is used.
    this.#unwatch = this.#child.watch()
    this.opened = this.#open(config)
    this.opened.catch(() => {})
  }

  get alive(): boolean {
    return this.#child.alive
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Whether a query is under way. */
  get busy(): boolean {
    return this.#queries.size > 0
  }

  /** Takes a number for a query: from then on the reader is in use, until the query has ended. */
  begin(): bigint {
    clearTimeout(this.#idle)
    const query = ++this.#lastQuery
    this.#queries.add(query)
    return query
  }

  /**
   * Asks a query, and gives its first page. Its time is held here too: what is not answered a moment after it ends
   * with its process.
   * @throws {LyceumError}
   */
  async ask(query: bigint, request: Buffer, timeMs: number): Promise<Rows> {
    const control: QueryControl = { timeMs }
    await this.opened
    return this.#page(query, ReaderKind.query, [JSON.stringify(control), request], timeMs)
  }

  next(query: bigint, timeMs: number): Promise<Rows> {
    return this.#page(query, ReaderKind.next, ['', ''], timeMs)
  }

  /** Lets go of a query, be it under way. */
  end(query: bigint): void {
    if (!this.#queries.delete(query)) return
    this.#request(ReaderKind.end, query, ['', ''], END_MS).catch(() => {})
    this.#endWhenIdle()
  }

  kill(reason: string): void {
    this.#child.kill(reason)
  }

  /** Its start is not the time of the replica. */
  async #open(config: ReplicaConfig): Promise<void> {
    if (!(await this.#child.ready)) throw lost()
    await this.#request(ReaderKind.open, 0n, [JSON.stringify(config), ''], OPEN_MS)
  }

  #endWhenIdle(): void {
    if (this.busy) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.kill('idle'), LIMITS.replicaIdleMs).unref()
  }

  async #page(
    query: bigint,
    kind: number,
    payload: readonly [string, Buffer | string],
    timeMs: number,
  ): Promise<Rows> {
    // Its call is over, or its rows are.
    if (!this.#queries.has(query)) throw outOfTime()
    try {
      const { control, bytes } = splitPayload(await this.#request(kind, query, payload, timeMs))
      const page = JSON.parse(control) as Page
      if (page.last) this.end(query)
      return { ...page, bytes }
    } catch (error) {
      this.end(query)
      throw error
    }
  }

  #request(
    kind: number,
    scope: bigint,
    payload: readonly [string, Buffer | string],
    timeMs: number,
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.alive) {
        reject(lost())
        return
      }
      const call = ++this.#lastCall
      const inTime = whenOverdue(timeMs, LIMITS.replicaGraceMs, () => {
        request.isOverdue = true
        this.kill('a query took longer than it may')
      })
      const request: Request = { resolve, reject, inTime, isOverdue: false }
      this.#requests.set(call, request)
      this.#child.send({ kind, scope, call }, payload)
    })
  }

  #receive(frame: Frame): void {
    const request = this.#requests.get(frame.call)
    if (frame.kind !== REPLY || request === undefined) {
      this.kill('answered what nobody asked')
      return
    }
    this.#requests.delete(frame.call)
    request.inTime()
    this.#onUsed(Number(frame.scope) / US_PER_MS)
    if ((frame.flags & FAILED) === 0) request.resolve(frame.payload)
    else request.reject(refusalOf(JSON.parse(frame.payload.toString())))
  }

  #gone({ killedFor, fromOutside }: ChildExit): void {
    clearTimeout(this.#idle)
    this.#unwatch()
    this.#queries.clear()
    const tooLarge = killedFor?.startsWith('memory')
    for (const { reject, inTime, isOverdue } of this.#requests.values()) {
      inTime()
      if (isOverdue || killedFor === 'heartbeat lost') reject(outOfTime())
      else if (tooLarge)
        reject(
          new LyceumError(
            'result_too_large',
            'The query of the replica needs too much memory. Ask for less.',
          ),
        )
      else if (fromOutside || killedFor !== undefined) reject(lost())
      else
        reject(new LyceumError('query_invalid', 'The query of the replica ended the process that reads it.'))
    }
    this.#requests.clear()
    this.#onGone()
  }
}

/** The database, and what SQLite keeps beside it. */
function filesOf(path: string): string[] {
  return [path, `${path}-wal`, `${path}-shm`, `${path}-journal`].map((file) => `--allow-fs-read=${file}`)
}

/** The refusal of whatever was asked of a reader that is gone. */
export function lost(): LyceumError {
  return new LyceumError('replica_lost', 'The process that reads the replica was lost. Try again.')
}
