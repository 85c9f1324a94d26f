import { ownUser } from '../process/confine.ts'
import { CODE_ONLY } from '../process/permissions.ts'
import { Places } from '../process/places.ts'
import { SerialProcess } from '../process/serial-process.ts'
import { type LyceumError, refusalOf } from './errors.ts'
import { LIMITS } from './limits.ts'

/** The process goes after being idle for this long: those who need it are few. */
const IDLE_MS = 30_000

export interface SharedProcessOptions {
  readonly name: string
  /** What it runs; it may read our code, and nothing else. */
  readonly script: string
  readonly rssCapMb: number
  /** How long one request may take. */
  readonly requestMs: number
  /** Requests that wait, of all plugins and of each. */
  readonly mostWaiting: number
  readonly mostWaitingOfPlugin: number
  readonly onOutput: (text: string) => void
  /** CPU time that it has used for a plugin. */
  readonly onUsed?: (plugin: string, cpuMs: number) => void
  /** What a request is refused with that the process was lost to, or lost with where nobody can tell why. */
  readonly lost: (isKnownWhy: boolean) => LyceumError
}

/**
 * A process that works for all plugins, on what they made: started when it is needed, and gone when it is idle.
 *
 * It is sent one request at a time, and of each plugin only some wait in the queue: so no plugin takes the others'
 * turns, and when the process has to be killed nobody is refused but the one that it worked for.
 */
export class SharedProcess {
  readonly #options: SharedProcessOptions
  readonly #turn: Places
  readonly #turnsOf = new Map<string, Places>()
  #process: SerialProcess | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(options: SharedProcessOptions) {
    this.#options = options
    this.#turn = new Places(1, options.mostWaiting)
  }

  /**
   * Has a plugin's request sent when its turn comes.
   * @returns undefined where too many wait already
   * @throws {LyceumError} what the process refuses, and what the loss of it comes to
   */
  async inTurn(
    plugin: string,
    send: (process: SerialProcess) => Promise<Buffer>,
  ): Promise<Buffer | undefined> {
    const turns = this.#turnsOf.get(plugin) ?? new Places(1, this.#options.mostWaitingOfPlugin)
    this.#turnsOf.set(plugin, turns)
    try {
      return await turns.within(() => this.#turn.within(() => this.#send(send)))
    } finally {
      if (turns.idle) this.#turnsOf.delete(plugin)
    }
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#process?.kill('closed')
  }

  async #send(send: (process: SerialProcess) => Promise<Buffer>): Promise<Buffer> {
    clearTimeout(this.#idle)
    try {
      return await send(this.#running())
    } finally {
      clearTimeout(this.#idle)
      this.#idle = setTimeout(() => this.#process?.kill('idle'), IDLE_MS).unref()
    }
  }

  #running(): SerialProcess {
    if (this.#process?.alive) return this.#process
    const { name, script, rssCapMb, requestMs, onOutput, onUsed, lost } = this.#options
    let isKnownWhy = true
    const started = new SerialProcess({
      name,
      script,
      nodeFlags: [...CODE_ONLY, '--allow-worker', '--no-experimental-sqlite'],
      confinement: { uid: ownUser(), writesFiles: false },
      rssCapMb,
      maxFrameBytes: LIMITS.frameBytes,
      requestMs,
      slowMs: requestMs,
      onSlow: () => {},
      onOutput,
      ...(onUsed && { onUsed }),
      onGone: (_, culprit) => {
        isKnownWhy = culprit !== undefined
        if (this.#process === started) this.#process = undefined
      },
      refusal: refusalOf,
      lost: () => lost(isKnownWhy),
    })
    this.#process = started
    return started
  }
}
