import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { type Confinement, confined, endUser } from './confine.ts'
import { type Frame, FrameError, type FrameHeader, type Payload } from './frame.ts'
import { Life } from './life.ts'
import { Pulse } from './overdue.ts'
import { PIPE_FD, Port } from './port.ts'

/** How a killable child process is started and watched. */
export interface ChildOptions {
  /** Shown in logs. */
  readonly name: string
  /** The script that the child runs. */
  readonly script: string
  readonly args: readonly string[]
  /** Node's flags: permissions, V8 options. */
  readonly nodeFlags: readonly string[]
  readonly confinement: Confinement
  /** A child whose resident memory passes this is killed. */
  readonly rssCapMb: number
  /** A child that leaves a ping unanswered for this long is killed. */
  readonly heartbeatMs: number
  readonly maxFrameBytes: number
  readonly onFrame: (frame: Frame) => void
  /** Called once, when the process is gone, with the reason where the host killed it. */
  readonly onExit: (exit: ChildExit) => void
  /** What the child wrote to its standard streams, cut to a bounded length per process. */
  readonly onOutput: (text: string) => void
}

export interface ChildExit {
  /** Why the host killed it; undefined where it went by itself. */
  readonly killedFor: string | undefined
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Killed by somebody else, an admin or the system: that says nothing about what it was working on. */
  readonly fromOutside: boolean
}

const OUTPUT_BYTES = 16_384
const WATCH_MS = 100
/** How long what a process has said may take to be read after its end. */
const LAST_WORDS_MS = 1_000
/** A busy machine may take long to start a process, above all one at a low priority. */
const START_MS = 30_000
const PAGE_BYTES = 4096
/** The unit in which Linux tells CPU time to programs. */
const TICK_MS = 10

/**
 * A child process that the host may kill at any moment: it holds nothing that cannot be made again.
 * It starts with an empty environment and one pipe; while {@link Child.watch} holds it is pinged and weighed.
 * Only a child that starts or is watched keeps this process from ending.
 */
export class Child {
  /** Resolves with true when the child listens, with false where it ended before. */
  readonly ready: Promise<boolean>
  readonly #options: ChildOptions
  readonly #process: ChildProcess
  readonly #pipe: Socket
  readonly #port: Port
  #settleReady: (listens: boolean) => void = () => {}
  #exited = false
  #killedFor: string | undefined
  #watchers = 0
  #timer: NodeJS.Timeout | undefined
  #pulse = new Pulse(WATCH_MS)
  #cpuMs: number | undefined
  #pingSentMs: number | undefined
  readonly #startedMs = performance.now()
  #listens = false
  /** Pings that have no pong yet: more pongs than pings come from no honest child. */
  #unanswered = 0

  constructor(options: ChildOptions) {
    this.#options = options
    const own = [...options.nodeFlags, options.script, ...options.args]
    const { program, args, uid, gid } = confined(process.execPath, own, options.confinement)
    this.#process = spawn(program, args, {
      env: {},
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      uid,
      gid,
    })
    this.ready = new Promise((resolve) => {
      this.#settleReady = resolve
    })
    const pipe = this.#process.stdio[PIPE_FD]
    if (!(pipe instanceof Socket)) throw new Error('the child has no pipe')
    this.#pipe = pipe
    this.#port = Port.ofHost(
      pipe,
      options.maxFrameBytes,
      (frame) => this.#receive(frame),
      (error) => {
        if (error instanceof FrameError) this.kill(`pipe: ${error.message}`)
        // A pipe that breaks is how most ends begin; how it ended is known when it has.
        else if (!this.#exited) this.#process.kill('SIGKILL')
      },
    )
    let outputBytes = 0
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        const text = chunk.toString('utf8', 0, Math.max(0, OUTPUT_BYTES - outputBytes))
        outputBytes += chunk.length
        if (text) options.onOutput(text)
      })
      if (stream instanceof Socket) stream.unref()
    }
    let lastWords: NodeJS.Timeout | undefined
    const exited = (code: number | null, signal: NodeJS.Signals | null) => {
      if (this.#exited) return
      this.#exited = true
      clearInterval(this.#timer)
      clearTimeout(lastWords)
      this.#port.close()
      this.#settleReady(false)
      for (const stream of [this.#process.stdout, this.#process.stderr]) stream?.destroy()
      // A crash ends with other signals.
      const fromOutside = this.#killedFor === undefined && signal === 'SIGKILL'
      options.onExit({ killedFor: this.#killedFor, code, signal, fromOutside })
    }
    // What it said last may be on its way still; but whoever inherited its pipes could hold them open for ever.
    this.#process.on('close', exited)
    this.#process.on('exit', (code, signal) => {
      if (options.confinement.uid !== undefined) endUser(options.confinement.uid)
      if (!this.#exited) lastWords = setTimeout(() => exited(code, signal), LAST_WORDS_MS)
    })
    this.#process.on('error', (error) => {
      options.onOutput(error.message)
      exited(null, null)
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get alive(): boolean {
    return !this.#exited && this.#killedFor === undefined
  }

  /**
   * CPU time of all its threads since its start, as it was seen last: while it is watched, at most a tenth of a
   * second ago. Undefined where the system does not tell.
   */
  get cpuMs(): number | undefined {
    return this.#cpuMs
  }

  send(header: FrameHeader, payload?: Payload): void {
    if (this.alive) this.#port.send(header, payload)
  }

  /** Ends the process at once. Its exit is still reported by `onExit`. */
  kill(reason: string): void {
    if (!this.alive) return
    this.#killedFor = reason
    this.#process.kill('SIGKILL')
  }

  /** Watches heartbeat and memory until the returned function is called; idle children cost nothing. */
  watch(): () => void {
    if (this.#watchers++ === 0) {
      this.#pipe.ref()
      // Where it ends, its pipe is gone before that is known.
      this.#process.ref()
      this.#startWatch()
    }
    let released = false
    return () => {
      if (released) return
      released = true
      if (--this.#watchers === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
        if (this.#listens) this.#letGo()
      }
    }
  }

  #letGo(): void {
    this.#pipe.unref()
    this.#process.unref()
  }

  #startWatch(): void {
    if (this.#timer !== undefined || this.#exited) return
    this.#pulse = new Pulse(WATCH_MS)
    this.#pingSentMs = undefined
    this.#timer = setInterval(() => this.#tick(), WATCH_MS)
    this.#timer.unref()
  }

  #tick(): void {
    const nowMs = performance.now()
    const isInTime = this.#pulse.heldUpMs() === 0
    if (!this.#listens) {
      if (nowMs - this.#startedMs > START_MS) this.kill('did not start')
      return
    }
    // A host that was itself held up says nothing about its child: the wait starts again.
    if (this.#pingSentMs !== undefined && !isInTime) this.#pingSentMs = nowMs
    if (this.#pingSentMs === undefined) {
      this.#pingSentMs = nowMs
      this.#unanswered += 1
      this.send({ kind: Life.ping })
    } else if (nowMs - this.#pingSentMs > this.#options.heartbeatMs) {
      this.kill('heartbeat lost')
      return
    }
    this.#cpuMs = usedCpuMs(this.pid) ?? this.#cpuMs
    const rssMb = residentMb(this.pid)
    if (rssMb !== undefined && rssMb > this.#options.rssCapMb) this.kill(`memory: ${Math.round(rssMb)} MB`)
  }

  #receive(frame: Frame): void {
    if (!this.alive) return
    if (frame.kind === Life.ready && !this.#listens) {
      this.#listens = true
      if (this.#watchers === 0) this.#letGo()
      this.#cpuMs = usedCpuMs(this.pid)
      this.#settleReady(true)
    } else if (frame.kind === Life.pong && this.#unanswered > 0) {
      this.#unanswered -= 1
      this.#pingSentMs = undefined
    } else if (frame.kind === Life.ready || frame.kind === Life.pong) {
      this.kill('said that it lives more often than it was asked')
    } else this.#options.onFrame(frame)
  }
}

/** Resident memory of a process in MB where the system tells (Linux), else undefined. */
export function residentMb(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== 'linux') return undefined
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return (pages * PAGE_BYTES) / (1024 * 1024)
  } catch {
    return undefined // it has just gone; its exit tells the rest
  }
}

/** CPU time of a process in ms where the system tells (Linux), else undefined. */
function usedCpuMs(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== 'linux') return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program, in brackets, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return undefined // it has just gone
  }
}

/** Why a process is gone, as people read it. */
export function endOf({ killedFor, code, signal, fromOutside }: ChildExit): string {
  if (killedFor !== undefined) return killedFor
  // Nobody but an admin or a system that is out of memory sends it.
  if (fromOutside) return 'it was killed from outside (SIGKILL), as a system does that is short of memory'
  return `it ended by itself (${signal ?? `exit code ${code}`})`
}
