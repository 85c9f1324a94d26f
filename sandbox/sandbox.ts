import { randomFillSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { Child, type ChildExit, endOf } from '../process/child.ts'
import { FAILED, type Frame, NO_SCOPE, type Payload, splitPayload } from '../process/frame.ts'
import { whenOverdue } from '../process/overdue.ts'
import { CODE_ONLY } from '../process/permissions.ts'
import {
  type Failure,
  type InvokeRequest,
  Kind,
  type LoadRequest,
  type OpName,
  type Poisoned,
} from './protocol.ts'
import { failureOf, poisonedOf, REPORT_CHARS, reportOf } from './reports.ts'
import { UnderWay } from './under-way.ts'

/** One plugin version as sandboxes know it. */
export interface PluginCode {
  readonly plugin: string
  /** Hash of the bundle: the same hash shares an isolate. */
  readonly hash: string
  readonly bundle: Buffer
  readonly load: LoadRequest
}

/** One call of an endpoint, with what answers its ops. */
export interface Call {
  readonly code: PluginCode
  readonly request: InvokeRequest
  /** JSON of a `GuestInput`. */
  readonly input: string | Buffer
  readonly onOp: (op: GuestOp) => void
}

/** An op of a guest, already known to belong to this call and to be within its budget. */
export interface GuestOp {
  readonly name: OpName
  readonly payload: Buffer
  /** Where it asks another plugin: the CPU time that the call has used so far, as the process says. */
  readonly cpuMs: number
  /** Says, before the answer, how much CPU time all plugins have used that this call asked. */
  spent(cpuMs: number): void
  /** Answers the op; what is sent after the call has ended is dropped. */
  reply(payload: Payload): void
  refuse(failure: Failure): void
}

/** How a call ended: with a result, or a failure. */
export interface Outcome {
  readonly cpuMs: number
  readonly result: Buffer
  readonly failure: Failure | undefined
}

/** A process that was lost, and whom it is laid to. */
export interface Loss {
  readonly reason: string
  /** The plugins that had a call under way, or those that the process named. */
  readonly suspects: readonly string[]
  /**
   * True where the one suspect is known to be the culprit: no other plugin ever ran in that process. One
   * that has fallen to a plugin may name any other.
   */
  readonly certain: boolean
}

export interface SandboxOptions {
  readonly name: string
  readonly script: string
  readonly nice: number
  readonly uid: number | undefined
  readonly rssCapMb: number
  readonly heartbeatMs: number
  /** How long past its deadline a call may stay unreported before the process is given up. */
  readonly graceMs: number
  readonly maxIsolates: number
  readonly onOutput: (text: string) => void
  /** The process is gone; the loss is undefined where it was ended on purpose. */
  readonly onGone: (sandbox: Sandbox, loss: Loss | undefined) => void
}

interface Room {
  readonly number: number
  readonly code: PluginCode
  readonly loaded: Promise<Failure | undefined>
  finishLoad: (failure: Failure | undefined) => void
  calls: number
  /** Goes when its last call has ended. */
  retired: boolean
  lastUsedMs: number
}

/** A call under way, with what its process had used when it began. */
interface Under {
  readonly call: UnderWay
  readonly room: Room
  /** Ends the wait for its end. */
  readonly inTime: () => void
  readonly startedMs: number
  readonly cpuMsBefore: number | undefined
}

const EMPTY = Buffer.alloc(0)
const MAX_FRAME_BYTES = 64 * 1024 * 1024
/** How long a process may take to start and load, beside the time that the bundle may take. */
const START_MS = 30_000
/** The process disposes what runs at this share of its memory cap, before the host kills it. */
const SOFT_RSS_SHARE = 0.7
/** What Node may do in a sandbox, beside reading its script. */
export const NODE_FLAGS: readonly string[] = [
  ...CODE_ONLY,
  '--allow-addons',
  '--allow-fs-read=/etc/alpine-release', // the addon loader looks at it
  '--no-experimental-sqlite', // Node's permissions do not bind it: it opens any file
  '--no-node-snapshot',
  // By default a batch of events fills a young generation, and all of it is copied once more.
  '--max-semi-space-size=4',
]

/** The host's side of one sandbox process: its isolates, and the calls under way in them. */
export class Sandbox {
  readonly #options: SandboxOptions
  readonly #child: Child
  readonly #rooms = new Map<string, Room>()
  readonly #roomByNumber = new Map<number, Room>()
  readonly #under = new Map<bigint, Under>()
  /** Every isolate that this process ever had: what it says about them is held against this. */
  readonly #isolates = new Map<number, { readonly plugin: string; state: 'loading' | 'ready' | 'gone' }>()
  #calls = 0
  #lastUsedMs = performance.now()
  #lastRoom = 0
  #listens = false
  #poisoned: Poisoned | undefined
  #ended = false

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#child = new Child({
      name: options.name,
      script: options.script,
      args: [String(Math.floor(options.rssCapMb * SOFT_RSS_SHARE)), String(options.nice)],
      nodeFlags: [...NODE_FLAGS, `--allow-fs-read=${options.script}`],
      confinement: { uid: options.uid, writesFiles: false },
      rssCapMb: options.rssCapMb,
      heartbeatMs: options.heartbeatMs,
      maxFrameBytes: MAX_FRAME_BYTES,
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#gone(exit),
      onOutput: options.onOutput,
    })
    void this.ready.then((listens) => {
      if (!listens) return
      this.#listens = true
      if (options.nice > 0) setThreadPriorities(this.pid, options.nice)
    })
  }

  get ready(): Promise<boolean> {
    return this.#child.ready
  }

  get alive(): boolean {
    return this.#child.alive
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Calls under way, those included that wait for their isolate. */
  get load(): number {
    return this.#calls
  }

  /** How long nothing has run here. */
  get idleMs(): number {
    return this.#calls > 0 ? 0 : performance.now() - this.#lastUsedMs
  }

  /** The plugins that have an isolate here. */
  get plugins(): readonly string[] {
    return [...new Set([...this.#rooms.values()].map((room) => room.code.plugin))]
  }

  /** Runs a call; always settles. A process that goes away settles it with `sandbox_lost`. */
  async run(call: Call): Promise<Outcome> {
    const release = this.#child.watch()
    this.#calls += 1
    try {
      const room = this.#room(call.code)
      if (room === undefined) return { cpuMs: 0, result: EMPTY, failure: UNREADABLE }
      room.calls += 1
      try {
        const failure = await room.loaded
        if (failure !== undefined) return { cpuMs: 0, result: EMPTY, failure }
        return await this.#invoke(call, room)
      } finally {
        room.calls -= 1
        room.lastUsedMs = performance.now()
        if (room.retired && room.calls === 0) this.#drop(room, true)
      }
    } finally {
      this.#calls -= 1
      this.#lastUsedMs = performance.now()
      release()
    }
  }

  /** Throws the isolates of a plugin away once their calls have ended, except those of the bundle that is kept. */
  unload(plugin: string, keepHash: string): void {
    for (const room of this.#rooms.values()) {
      if (room.code.plugin !== plugin || room.code.hash === keepHash) continue
      room.retired = true
      if (room.calls === 0) this.#drop(room, true)
    }
  }

  /** Ends the calls of a plugin, and throws its isolates away at once. */
  cancel(plugin: string): void {
    for (const room of this.#rooms.values()) {
      if (room.code.plugin !== plugin) continue
      room.finishLoad(LOST)
      this.#drop(room, true)
    }
  }

  /** Ends the process because it is not needed any more. */
  end(): void {
    this.#ended = true
    this.#child.kill('not needed')
  }

  /** Undefined where the bundle cannot be read: nothing is promised to anyone before it is there. */
  #room(code: PluginCode): Room | undefined {
    const known = this.#rooms.get(code.hash)
    if (known !== undefined) return known
    const bundle = bundleOf(code)
    if (bundle === undefined) return undefined
    this.#evict()
    let finishLoad: Room['finishLoad'] = () => {}
    const inTime = whenOverdue(code.load.wallMs, START_MS, () =>
      this.#child.kill(`the isolate of ${code.plugin} was not reported in time`),
    )
    const loaded = new Promise<Failure | undefined>((resolve) => {
      finishLoad = (failure) => {
        inTime()
        resolve(failure)
      }
    })
    const room: Room = {
      number: ++this.#lastRoom,
      code,
      loaded,
      finishLoad,
      calls: 0,
      retired: false,
      lastUsedMs: performance.now(),
    }
    this.#isolates.set(room.number, { plugin: code.plugin, state: 'loading' })
    this.#rooms.set(code.hash, room)
    this.#roomByNumber.set(room.number, room)
    if (!this.alive) room.finishLoad(LOST)
    this.#child.send({ kind: Kind.load, call: room.number }, [JSON.stringify(code.load), bundle])
    return room
  }

  /** Keeps the number of isolates within bounds: the one idle for longest goes. */
  #evict(): void {
    if (this.#rooms.size < this.#options.maxIsolates) return
    let oldest: Room | undefined
    for (const room of this.#rooms.values())
      if (room.calls === 0 && (oldest === undefined || room.lastUsedMs < oldest.lastUsedMs)) oldest = room
    if (oldest !== undefined) this.#drop(oldest, true)
  }

  #drop(room: Room, tell: boolean): void {
    if (this.#rooms.get(room.code.hash) === room) this.#rooms.delete(room.code.hash)
    this.#roomByNumber.delete(room.number)
    if (tell) this.#child.send({ kind: Kind.unload, call: room.number })
  }

  #invoke(call: Call, room: Room): Promise<Outcome> {
    return new Promise((resolve) => {
      if (!this.alive) {
        resolve({ cpuMs: 0, result: EMPTY, failure: LOST })
        return
      }
      const scope = randomScope()
      const inTime = whenOverdue(call.request.budget.wallMs, this.#options.graceMs, () =>
        this.#child.kill(`${call.code.plugin} was not reported in time`),
      )
      const underWay = new UnderWay(
        call,
        (header, payload) => this.#child.send({ ...header, scope }, payload),
        resolve,
      )
      const startedMs = performance.now()
      this.#under.set(scope, { call: underWay, room, inTime, startedMs, cpuMsBefore: this.#child.cpuMs })
      this.#child.send({ kind: Kind.invoke, call: room.number, scope }, [
        JSON.stringify(call.request),
        call.input,
      ])
    })
  }

  #receive(frame: Frame): void {
    const lie = this.#take(frame)
    if (lie !== undefined) this.#child.kill(lie)
  }

  /** Returns what is wrong with a frame that no honest process sends. */
  #take(frame: Frame): string | undefined {
    switch (frame.kind) {
      case Kind.loaded:
        return this.#loaded(frame)
      case Kind.op:
        return this.#under.get(frame.scope)?.call.take(frame) ? undefined : 'sent an op that it may not send'
      case Kind.done:
        return this.#done(frame)
      case Kind.poisoned:
        this.#poisoned = poisonedOf(frame.payload.toString('utf8', 0, REPORT_CHARS))
        return 'poisoned'
      default:
        return `sent a frame of kind ${frame.kind}`
    }
  }

  #loaded(frame: Frame): string | undefined {
    const failed = (frame.flags & FAILED) !== 0
    const isolate = this.#isolates.get(frame.call)
    if (isolate === undefined || isolate.state === 'gone' || (isolate.state === 'ready' && !failed))
      return 'reported an isolate that it does not have'
    isolate.state = failed ? 'gone' : 'ready'
    const room = this.#roomByNumber.get(frame.call)
    if (room === undefined) return undefined // thrown away on both sides at the same time
    if (failed) this.#drop(room, false)
    room.finishLoad(failed ? failureOf(frame.payload.toString('utf8', 0, REPORT_CHARS)) : undefined)
    return undefined
  }

  #done(frame: Frame): string | undefined {
    const under = this.#under.get(frame.scope)
    if (under === undefined) return 'ended a call twice, or one that it was not given'
    const { budget } = under.call.call.request
    const { control, bytes } = splitPayload(frame.payload)
    if (control.length > REPORT_CHARS || bytes.length > budget.outputBytes)
      return 'sent a result past its own checks'
    const report = reportOf(control)
    if (report.isolateLost === true) this.#drop(under.room, true)
    // One thread uses no more CPU time than time passes.
    const cpuMs = Math.min(report.cpuMs, budget.wallMs + this.#options.graceMs)
    this.#finish(frame.scope, { cpuMs, result: bytes, failure: report.failure })
    return undefined
  }

  /** From here on the process may say no more about a call. */
  #finish(scope: bigint, outcome: Outcome): void {
    const under = this.#under.get(scope)
    under?.inTime()
    this.#under.delete(scope)
    under?.call.finish(outcome)
  }

  #gone(exit: ChildExit): void {
    const named = this.#poisoned?.isolates.flatMap((number) => this.#isolates.get(number)?.plugin ?? []) ?? []
    const active = [...this.#rooms.values()].filter((room) => room.calls > 0).map((room) => room.code.plugin)
    const held = new Set([...this.#isolates.values()].map(({ plugin }) => plugin))
    // Before it listens no plugin has run in it.
    const suspects = this.#listens ? [...new Set(named.length > 0 ? named : active)] : []
    const reason = this.#poisoned?.reason ?? endOf(exit)
    const loss = {
      reason,
      suspects,
      certain:
        suspects.length === 1 && held.size === 1 && (this.#poisoned !== undefined || !exit.fromOutside),
    }
    this.#options.onGone(this, this.#ended ? undefined : loss)
    const cpuMsOf = this.#shares(new Set(suspects))
    for (const [scope, under] of [...this.#under])
      this.#finish(scope, { cpuMs: cpuMsOf(under), result: EMPTY, failure: LOST })
    for (const room of this.#rooms.values()) room.finishLoad(LOST)
    this.#rooms.clear()
    this.#roomByNumber.clear()
  }

  /** What calls used that can be asked no more: the time of their process since they began, shared by the suspects. */
  #shares(suspects: ReadonlySet<string>): (under: Under) => number {
    const nowMs = performance.now()
    const seenMs = this.#child.cpuMs
    const isSuspect = ({ room }: Under) => suspects.has(room.code.plugin)
    const sharers = [...this.#under.values()].filter(isSuspect).length
    return (under) => {
      if (!isSuspect(under)) return 0
      const { startedMs, cpuMsBefore } = under
      const wallMs = nowMs - startedMs
      if (seenMs === undefined || cpuMsBefore === undefined) return wallMs / sharers
      return Math.min(wallMs, seenMs - cpuMsBefore + UNSEEN_MS) / sharers
    }
  }
}

/** How much more than was seen last a process may have used. */
const UNSEEN_MS = 100

/** The failure of a call whose process went away. It says nothing about the call. */
export const LOST: Failure = {
  code: 'sandbox_lost',
  message: 'The sandbox was lost; the call can be tried again.',
}

/** The failure of a call whose code the host cannot read. It says nothing about the call, or about the process. */
const UNREADABLE: Failure = {
  code: 'data_damaged',
  message:
    'The bundle of this version cannot be read: registry.db is damaged. Restore it, or publish it again.',
}

function bundleOf(code: PluginCode): Buffer | undefined {
  try {
    return code.bundle
  } catch {
    return undefined
  }
}

/**
 * Linux keeps a priority per thread. The process sets that of its main thread, from which those of isolated-vm
 * have theirs; Node's own, which collect garbage for the isolates, were there before.
 */
function setThreadPriorities(pid: number | undefined, nice: number): void {
  if (pid === undefined || process.platform !== 'linux') return
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), nice)
  } catch {
    // It has just ended, or it is not ours to slow down.
  }
}

const RANDOM = Buffer.alloc(4096)
let randomAt = RANDOM.length

/** A random invocation id; it cannot be guessed from earlier ones. */
function randomScope(): bigint {
  if (randomAt === RANDOM.length) {
    randomFillSync(RANDOM)
    randomAt = 0
  }
  const scope = RANDOM.readBigUInt64LE(randomAt)
  randomAt += 8
  return scope === NO_SCOPE ? randomScope() : scope
}
