import type { Logger } from 'pino'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ReplicaConfig, ReplicaKind } from './config.ts'
import { ReplicaQuery } from './query.ts'
import { Reader } from './reader.ts'

/** How a replica stands, for admins. */
export interface ReplicaStatus {
  readonly name: string
  readonly kind: ReplicaKind
  readonly state: 'checking' | 'available' | 'refused' | 'unreachable'
  /** Why it cannot be read. */
  readonly reason?: string
}

export interface ReplicasOptions {
  readonly configs: ReadonlyMap<string, ReplicaConfig>
  readonly logger: Logger
  readonly onOutput: (text: string) => void
  /** Told how much CPU time was used for a plugin: parsing its statements, making its rows. */
  readonly onUsed: (plugin: string, cpuMs: number) => void
}

interface Replica {
  readonly name: string
  readonly config: ReplicaConfig
  status: ReplicaStatus
  waitMs: number
  timer: NodeJS.Timeout | undefined
  checking: Promise<void> | undefined
}

const FIRST_WAIT_MS = 1_000

/**
 * The LMS's databases, as plugins read them. Each is looked at before anybody reads it, and again whenever
 * somebody connects anew; one that is down or could be written to is out of use, says so, and is tried again.
 */
export class Replicas {
  readonly #options: ReplicasOptions
  readonly #replicas = new Map<string, Replica>()
  /** By plugin and replica: no plugin waits for another's query, or sees its process end. */
  readonly #readers = new Map<string, Reader>()
  #closed = false

  constructor(options: ReplicasOptions) {
    this.#options = options
    for (const [name, config] of options.configs) {
      const status = { name, kind: config.kind, state: 'checking' } as const
      this.#replicas.set(name, {
        name,
        config,
        status,
        waitMs: FIRST_WAIT_MS,
        timer: undefined,
        checking: undefined,
      })
    }
  }

  /** Begins to look at all of them. The host does not wait for that. */
  start(): void {
    for (const replica of this.#replicas.values()) void this.#check(replica)
  }

  /** Resolves when each of them was looked at. */
  async settled(): Promise<void> {
    await Promise.all([...this.#replicas.values()].map(({ checking }) => checking))
  }

  get names(): readonly string[] {
    return [...this.#replicas.keys()]
  }

  status(): readonly ReplicaStatus[] {
    return [...this.#replicas.values()].map(({ status }) => status)
  }

  get pids(): readonly number[] {
    return [...this.#readers.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
  }

  /** A query of a plugin, which has not been asked yet. @throws {LyceumError} */
  async begin(plugin: string, name: string): Promise<ReplicaQuery> {
    const replica = this.#replicas.get(name)
    if (replica === undefined) throw unknown(name, this.names)
    // Only the first look is worth waiting for: later ones are of a replica that could not be read.
    if (replica.status.state === 'checking') await replica.checking
    if (replica.status.state !== 'available') throw unavailable(replica.status)
    const reader = this.#readerOf(plugin, replica)
    return new ReplicaQuery(reader, (error) => {
      const found = stateOf(error)
      if (!this.#closed) this.#noteFailure(replica, reader, found)
      return unavailable({ ...replica.status, ...found })
    })
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#replicas.values()) clearTimeout(timer)
    for (const reader of this.#readers.values()) reader.kill('closed')
  }

  #readerOf(plugin: string, replica: Replica): Reader {
    const key = `${plugin}/${replica.name}`
    const running = this.#readers.get(key)
    if (running?.alive) return running
    if (this.#closed) throw new LyceumError('shutting_down', 'The host is stopping.')
    this.#makeRoom()
    const onUsed = (cpuMs: number) => this.#options.onUsed(plugin, cpuMs)
    const reader = this.#start(replica, onUsed, () => {
      if (this.#readers.get(key) === reader) this.#readers.delete(key)
    })
    this.#readers.set(key, reader)
    return reader
  }

  #start({ name, config }: Replica, onUsed: (cpuMs: number) => void, onGone: () => void): Reader {
    return new Reader({ replica: name, config, onOutput: this.#options.onOutput, onUsed, onGone })
  }

  #makeRoom(): void {
    if (this.#readers.size < LIMITS.replicaReaders) return
    for (const [key, reader] of this.#readers)
      if (!reader.busy) {
        reader.kill('others need its place')
        this.#readers.delete(key)
        return
      }
    throw new LyceumError('over_concurrency', 'Too many plugins read replicas right now. Try again.')
  }

  /** Looks at a replica, in a process that ends with that. */
  #check(replica: Replica): Promise<void> {
    replica.checking ??= this.#look(replica).finally(() => {
      replica.checking = undefined
    })
    return replica.checking
  }

  async #look(replica: Replica): Promise<void> {
    const reader = this.#start(
      replica,
      () => {},
      () => {},
    )
    try {
      await reader.opened
      this.#set(replica, { state: 'available' })
      replica.waitMs = FIRST_WAIT_MS
    } catch (error) {
      this.#set(replica, stateOf(error))
      this.#checkLater(replica)
    } finally {
      reader.kill('checked')
    }
  }

  #checkLater(replica: Replica): void {
    if (this.#closed) return
    clearTimeout(replica.timer)
    replica.timer = setTimeout(() => void this.#check(replica), replica.waitMs).unref()
    replica.waitMs = Math.min(replica.waitMs * 2, LIMITS.replicaRetryMs)
  }

  /**
   * What a database says may have been brought about by the query, and then is nobody else's to bear: it is out of use
   * once a process that asks it nothing else cannot read it either. What an account may do is nobody's doing.
   */
  #noteFailure(replica: Replica, reader: Reader, found: Pick<ReplicaStatus, 'state' | 'reason'>): void {
    reader.kill('the replica could not be read')
    if (found.state !== 'refused') return void this.#check(replica)
    this.#set(replica, found)
    this.#checkLater(replica)
  }

  #set(replica: Replica, found: Pick<ReplicaStatus, 'state' | 'reason'>): void {
    const { state, reason } = replica.status
    replica.status = { name: replica.name, kind: replica.config.kind, ...found }
    if (state === found.state && reason === found.reason) return
    const { logger } = this.#options
    if (found.state === 'available') logger.info({ replica: replica.name }, 'replica can be read')
    else logger.error({ replica: replica.name, reason: found.reason }, 'replica cannot be read')
  }
}

function stateOf(error: unknown): Pick<ReplicaStatus, 'state' | 'reason'> {
  const reason = error instanceof LyceumError ? error.message : 'The host failed at this.'
  const refused = error instanceof LyceumError && error.code === 'replica_writable'
  return { state: refused ? 'refused' : 'unreachable', reason }
}

/** Authors are told that it is not their mistake; what is wrong with the account is the admin's to read. */
function unavailable({ name, state, reason }: ReplicaStatus): LyceumError {
  const why =
    state === 'refused'
      ? 'its account could write, so the host does not use it. An admin sees why, and what to change'
      : (reason ?? 'it is looked at')
  return new LyceumError(
    'replica_unavailable',
    `The replica ${name} cannot be read right now: ${why.replace(/\.$/, '')}.`,
  )
}

export function unknown(name: string, known: readonly string[]): LyceumError {
  return new LyceumError(
    'op_denied',
    known.length === 0
      ? `There is no replica "${name}": none is configured here.`
      : `There is no replica "${name}". There is: ${known.join(', ')}.`,
  )
}
