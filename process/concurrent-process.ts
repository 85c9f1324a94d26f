import { Child, type ChildExit, endOf } from './child.ts'
import { FAILED, type Frame, type FrameHeader, type Payload } from './frame.ts'
import { Pulse } from './overdue.ts'
import type { RequestProcess, RequestProcessOptions } from './requests.ts'
import { REPLY } from './serve.ts'

/** How a {@link ConcurrentProcess} is started and watched. */
export interface ConcurrentOptions extends RequestProcessOptions {
  readonly heartbeatMs: number
  /** A request that is not answered for so long ends the process: it should have failed by itself long before. */
  readonly requestMs: number
  /** Told how much CPU time the process has used for an owner, in ms. */
  readonly onUsed: (owner: string, cpuMs: number) => void
  /** The process is gone; `suspects` are the owners of the requests that it was working on. */
  readonly onGone: (reason: string, suspects: readonly string[]) => void
}

interface Request {
  readonly owner: string
  readonly sentMs: number
  readonly resolve: (payload: Buffer) => void
  readonly reject: (error: Error) => void
}

const CHECK_MS = 1_000
const US_PER_MS = 1_000
const MAX_CALL = 0xffff_ffff

/** A child process that works on many requests at once, because it mostly waits for somebody else. */
export class ConcurrentProcess implements RequestProcess {
  readonly #options: ConcurrentOptions
  readonly #child: Child
  /** By call, the oldest first. */
  readonly #underWay = new Map<number, Request>()
  #lastCall = 0
  #timer: NodeJS.Timeout | undefined
  #unwatch: (() => void) | undefined

  constructor(options: ConcurrentOptions) {
    this.#options = options
    this.#child = new Child({
      ...options,
      args: [],
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#gone(exit),
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
      this.#underWay.set(this.#lastCall, { owner, sentMs: performance.now(), resolve, reject })
      this.#startWatch()
      this.#child.send({ ...header, call: this.#lastCall }, payload)
    })
  }

  kill(reason: string): void {
    this.#child.kill(reason)
  }

  #startWatch(): void {
    this.#unwatch ??= this.#child.watch()
    if (this.#timer !== undefined) return
    const pulse = new Pulse(CHECK_MS)
    this.#timer = setInterval(() => {
      const isInTime = pulse.heldUpMs() === 0
      const [oldest] = this.#underWay.values()
      if (oldest === undefined) {
        this.#unwatch?.()
        this.#unwatch = undefined
        clearInterval(this.#timer)
        this.#timer = undefined
      } else if (isInTime && performance.now() - oldest.sentMs > this.#options.requestMs) {
        this.kill(`a request took more than ${this.#options.requestMs} ms`)
      }
    }, CHECK_MS)
    this.#timer.unref()
  }

  #receive(frame: Frame): void {
    const request = this.#underWay.get(frame.call)
    if (frame.kind !== REPLY || request === undefined) {
      this.kill('answered what was not asked')
      return
    }
    this.#underWay.delete(frame.call)
    this.#options.onUsed(request.owner, Number(frame.scope) / US_PER_MS)
    if ((frame.flags & FAILED) === 0) request.resolve(frame.payload)
    else request.reject(this.#options.refusal(JSON.parse(frame.payload.toString())))
  }

  #gone(exit: ChildExit): void {
    clearInterval(this.#timer)
    const requests = [...this.#underWay.values()]
    this.#underWay.clear()
    const reason = endOf(exit)
    this.#options.onGone(reason, exit.fromOutside ? [] : [...new Set(requests.map(({ owner }) => owner))])
    for (const request of requests) request.reject(this.#options.lost())
  }
}
