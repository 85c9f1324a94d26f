import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { Child, type ChildExit } from '../process/child.ts'
import { FAILED, type Frame, NO_SCOPE, type Payload, splitPayload } from '../process/frame.ts'
import { CODE_ONLY } from '../process/permissions.ts'
import {
  type DoneReport,
  type Failure,
  type InvokeRequest,
  Kind,
  type LoadRequest,
  OPS,
  type OpName,
  type Poisoned,
} from './protocol.ts'

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
  /** The plugins that had a call under way. */
  readonly suspects: readonly string[]
  /** True where the one suspect is known to be the culprit. */
  readonly certain: boolean
}

export interface SandboxOptions {
  readonly name: string
  readonly nice: number
  readonly uid: number | undefined
  readonly rssCapMb: number
  readonly heartbeatMs: number
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

interface Under {
  readonly call: Call
  readonly room: Room
  readonly finish: (outcome: Outcome) => void
  readonly timer: NodeJS.Timeout
  ops: number
  bytes: number
}

const ROOT = join(import.meta.dirname, '..')
const EMPTY = Buffer.alloc(0)
const MAX_FRAME_BYTES = 64 * 1024 * 1024
/** How long after its deadline a call may stay unreported before its process is given up. */
const GRACE_MS = 750
/** The process disposes what runs at this share of its memory cap, before the host kills it. */
const SOFT_RSS_SHARE = 0.7
const OP_BY_CODE = new Map<number, OpName>(
  (Object.keys(OPS) as OpName[]).map((name) => [OPS[name].code, name] as const),
)
const NODE_FLAGS = [
  ...CODE_ONLY,
  '--allow-addons',
  '--allow-fs-read=/etc/alpine-release', // the addon loader looks at it
  '--no-node-snapshot',
]

/** The host's side of one sandbox process: its isolates, and the calls under way in them. */
export class Sandbox {
  readonly #options: SandboxOptions
  readonly #child: Child
  readonly #rooms = new Map<string, Room>()
  readonly #roomByNumber = new Map<number, Room>()
  readonly #under = new Map<bigint, Under>()
  #lastRoom = 0
  #poisoned: Poisoned | undefined
  #ended = false

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#child = new Child({
      name: options.name,
      script: join(ROOT, 'sandbox/process.ts'),
      args: [String(Math.floor(options.rssCapMb * SOFT_RSS_SHARE)), String(options.nice)],
      nodeFlags: NODE_FLAGS,
      uid: options.uid,
      gid: options.uid,
      rssCapMb: options.rssCapMb,
      heartbeatMs: options.heartbeatMs,
      maxFrameBytes: MAX_FRAME_BYTES,
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#gone(exit),
      onOutput: options.onOutput,
    })
  }

  get ready(): Promise<void> {
    return this.#child.ready
  }

  get alive(): boolean {
    return this.#child.alive
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Calls under way. */
  get load(): number {
    return this.#under.size
  }

  /** The plugins that have an isolate here. */
  get plugins(): readonly string[] {
    return [...new Set([...this.#rooms.values()].map((room) => room.code.plugin))]
  }

  /** Runs a call; always settles. A process that goes away settles it with `sandbox_lost`. */
  async run(call: Call): Promise<Outcome> {
    const release = this.#watch()
    try {
      const room = this.#room(call.code)
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

  /** Ends the process because it is not needed any more. */
  end(): void {
    this.#ended = true
    this.#child.kill('not needed')
  }

  #watch(): () => void {
    return this.#child.watch()
  }

  #room(code: PluginCode): Room {
    const known = this.#rooms.get(code.hash)
    if (known !== undefined) return known
    this.#evict()
    let finishLoad: Room['finishLoad'] = () => {}
    const loaded = new Promise<Failure | undefined>((resolve) => {
      finishLoad = resolve
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
    this.#rooms.set(code.hash, room)
    this.#roomByNumber.set(room.number, room)
    if (!this.alive) room.finishLoad(LOST)
    this.#child.send({ kind: Kind.load, call: room.number }, [JSON.stringify(code.load), code.bundle])
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
      const timer = setTimeout(
        () => this.#child.kill(`${call.code.plugin} was not reported in time`),
        call.request.budget.wallMs + GRACE_MS,
      )
      const finish = (outcome: Outcome) => {
        clearTimeout(timer)
        this.#under.delete(scope)
        resolve(outcome)
      }
      this.#under.set(scope, { call, room, finish, timer, ops: 0, bytes: 0 })
      const input = typeof call.input === 'string' ? Buffer.from(call.input) : call.input
      this.#child.send({ kind: Kind.invoke, call: room.number, scope }, [JSON.stringify(call.request), input])
    })
  }

  #receive(frame: Frame): void {
    switch (frame.kind) {
      case Kind.loaded:
        this.#loaded(frame)
        break
      case Kind.op:
        this.#op(frame)
        break
      case Kind.done:
        this.#done(frame)
        break
      case Kind.poisoned:
        this.#poisoned = parseControl(frame.payload.toString()) as Poisoned
        break
      default:
        this.#child.kill(`sent a frame of kind ${frame.kind}`)
    }
  }

  #loaded(frame: Frame): void {
    const room = this.#roomByNumber.get(frame.call)
    if (room === undefined) return
    if ((frame.flags & FAILED) === 0) {
      room.finishLoad(undefined)
      return
    }
    this.#drop(room, false)
    room.finishLoad(failureOf(parseControl(frame.payload.toString())))
  }

  #op(frame: Frame): void {
    const under = this.#under.get(frame.scope)
    const name = OP_BY_CODE.get(frame.op)
    if (under === undefined) return // the call has ended meanwhile
    under.ops += 1
    under.bytes += frame.payload.length
    const { budget } = under.call.request
    // The guest and its process count too and stop before this: here it is a process that lies.
    // A character may take three bytes of UTF-8.
    if (name === undefined || under.ops > budget.ops || under.bytes > budget.bytes * 3) {
      this.#child.kill(`${under.call.code.plugin} sent ops past the guest's own checks`)
      return
    }
    under.call.onOp({
      name,
      payload: frame.payload,
      reply: (payload) => this.#reply(frame, 0, payload),
      refuse: (failure) => this.#reply(frame, FAILED, JSON.stringify(failure)),
    })
  }

  #reply(asked: Frame, flags: number, payload: Payload): void {
    if (asked.call !== 0 && this.#under.has(asked.scope))
      this.#child.send({ kind: Kind.reply, flags, call: asked.call, scope: asked.scope }, payload)
  }

  #done(frame: Frame): void {
    const under = this.#under.get(frame.scope)
    if (under === undefined) return
    const { control, bytes } = splitPayload(frame.payload)
    const report = reportOf(parseControl(control))
    if (report.isolateLost === true) this.#drop(under.room, true)
    under.finish({ cpuMs: report.cpuMs, result: bytes, failure: report.failure })
  }

  #gone(exit: ChildExit): void {
    const culprits = new Set<string>()
    for (const number of this.#poisoned?.isolates ?? []) {
      const plugin = this.#roomByNumber.get(number)?.code.plugin
      if (plugin !== undefined) culprits.add(plugin)
    }
    const active = new Set([...this.#under.values()].map((under) => under.call.code.plugin))
    for (const room of this.#rooms.values()) if (room.calls > 0) active.add(room.code.plugin)
    const suspects = culprits.size > 0 ? culprits : active
    const reason = this.#poisoned?.reason ?? exit.killedFor ?? `ended by itself (${exit.signal ?? exit.code})`
    const loss = { reason, suspects: [...suspects], certain: suspects.size === 1 }
    this.#options.onGone(this, this.#ended ? undefined : loss)
    for (const under of [...this.#under.values()]) under.finish({ cpuMs: 0, result: EMPTY, failure: LOST })
    for (const room of this.#rooms.values()) room.finishLoad(LOST)
    this.#rooms.clear()
    this.#roomByNumber.clear()
  }
}

/** The failure of a call whose process went away. It says nothing about the call. */
export const LOST: Failure = {
  code: 'sandbox_lost',
  message: 'The sandbox was lost; the call can be tried again.',
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

/** JSON from a sandbox process, which may have fallen to a plugin; undefined where it is none. */
function parseControl(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reportOf(value: unknown): DoneReport {
  const record = asRecord(value)
  const cpuMs = typeof record.cpuMs === 'number' && record.cpuMs >= 0 ? record.cpuMs : 0
  return {
    cpuMs,
    ...(record.failure !== undefined && { failure: failureOf(record.failure) }),
    ...(record.isolateLost === true && { isolateLost: true }),
  }
}

function failureOf(value: unknown): Failure {
  const record = asRecord(value)
  return {
    code: typeof record.code === 'string' ? record.code : 'plugin_failed',
    message: typeof record.message === 'string' ? record.message : 'It failed without saying why.',
    ...(typeof record.stack === 'string' && { stack: record.stack }),
    ...(typeof record.details === 'object' && record.details !== null && { details: { ...record.details } }),
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
