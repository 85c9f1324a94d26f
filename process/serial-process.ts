import { Child, type ChildExit, endOf } from './child.ts'
import { FAILED, type Frame, type FrameHeader, type Payload } from './frame.ts'
import { Pulse } from './overdue.ts'
import type { RequestProcess, RequestProcessOptions } from './requests.ts'
import { REPLY } from './serve.ts'

/** How a {@link SerialProcess} is started and watched. */
export interface SerialOptions extends RequestProcessOptions {
  /** A request that takes longer ends the process. */
  readonly requestMs: number
  /** A request that takes longer is reported, because others wait for it. */
  readonly slowMs: number
  readonly onSlow: (owner: string, tookMs: number) => void
  /** Told how much CPU time the process has used for a request of an owner, in ms, as soon as it is known. */
  readonly onUsed?: (owner: string, cpuMs: number) => void
  /** The process is gone; `culprit` is the owner of the request that it was working on. */
  readonly onGone: (reason: string, culprit: string | undefined) => void
}

interface Request {
  readonly call: number
  readonly owner: string
  readonly resolve: (payload: Buffer) => void
  readonly reject: (error: Error) => void
}

const CHECK_MS = 100
const US_PER_MS = 1_000
const MAX_CALL = 0xffff_ffff

/**
 * A child process that answers requests strictly in order. So the request at the head of the queue is the
 * one being worked on, and if the process hangs or dies, that one is to blame.
 */
export class SerialProcess implements RequestProcess {
  readonly #options: SerialOptions
  readonly #child: Child
  readonly #queue: Request[] = []
  #headSinceMs = 0
  #listens = false
  #lastCall = 0
  #timer: NodeJS.Timeout | undefined
  #unwatch: (() => void) | undefined

  constructor(options: SerialOptions) {
    this.#options = options
    this.#child = new Child({
      name: options.name,
      script: options.script,
      args: [],
      nodeFlags: options.nodeFlags,
      confinement: options.confinement,
      rssCapMb: options.rssCapMb,
      // It answers no ping while it works; how long a request may take is watched here instead.
      heartbeatMs: options.requestMs * 2,
      maxFrameBytes: options.maxFrameBytes,
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#gone(exit),
      onOutput: options.onOutput,
    })
    // Its start, which a busy machine may take long for, is not the time of the first request.
    void this.#child.ready.then((listens) => {
      if (!listens) return
      this.#listens = true
      this.#headSinceMs = performance.now()
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

  request(owner: string, header: FrameHeader, payload: Payload): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.alive) {
        reject(this.#options.lost())
        return
      }
      this.#lastCall = (this.#lastCall + 1) % MAX_CALL
      if (this.#queue.push({ call: this.#lastCall, owner, resolve, reject }) === 1) this.#startWatch()
      this.#child.send({ ...header, call: this.#lastCall }, payload)
    })
  }

  kill(reason: string): void {
    this.#child.kill(reason)
  }

  #startWatch(): void {
    this.#headSinceMs = performance.now()
    this.#unwatch ??= this.#child.watch()
    if (this.#timer !== undefined) return
    const pulse = new Pulse(CHECK_MS)
    this.#timer = setInterval(() => {
      // What came while this process was held up is not read yet: that time is nobody's.
      this.#headSinceMs = Math.min(performance.now(), this.#headSinceMs + pulse.heldUpMs())
      if (this.#queue.length === 0) {
        this.#unwatch?.()
        this.#unwatch = undefined
        clearInterval(this.#timer)
        this.#timer = undefined
      } else if (this.#listens && performance.now() - this.#headSinceMs > this.#options.requestMs) {
        this.kill(`a request took more than ${this.#options.requestMs} ms`)
      }
    }, CHECK_MS)
    this.#timer.unref()
  }

  #receive(frame: Frame): void {
    const request = this.#queue[0]
    if (frame.kind !== REPLY || request?.call !== frame.call) {
      this.kill('answered out of order')
      return
    }
    this.#queue.shift()
    const nowMs = performance.now()
    const tookMs = nowMs - this.#headSinceMs
    this.#headSinceMs = nowMs
    this.#options.onUsed?.(request.owner, Number(frame.scope) / US_PER_MS)
    if (tookMs > this.#options.slowMs) this.#options.onSlow(request.owner, tookMs)
    if ((frame.flags & FAILED) === 0) request.resolve(frame.payload)
    else request.reject(this.#options.refusal(JSON.parse(frame.payload.toString())))
  }

  #gone(exit: ChildExit): void {
    clearInterval(this.#timer)
    const reason = endOf(exit)
    // It cannot say any more how much it has used; while it worked it used about as much as time passed.
    const [head] = this.#queue
    if (head !== undefined && this.#listens)
      this.#options.onUsed?.(head.owner, performance.now() - this.#headSinceMs)
    // What never listened worked on nothing.
    this.#options.onGone(reason, exit.fromOutside || !this.#listens ? undefined : head?.owner)
    for (const request of this.#queue.splice(0)) request.reject(this.#options.lost())
  }
}
