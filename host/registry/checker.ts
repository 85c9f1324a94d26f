import { LRUCache } from 'lru-cache'
import { ownUser } from '../../process/confine.ts'
import { scriptIn } from '../../process/own-files.ts'
import { CODE_ONLY } from '../../process/permissions.ts'
import { Places } from '../../process/places.ts'
import { SerialProcess } from '../../process/serial-process.ts'
import { LyceumError, refusalOf } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type Checked, CheckerKind, MAPS_KEPT } from './checker-protocol.ts'

const SCRIPT = scriptIn(import.meta.dirname, 'checker-process')
const EMPTY = Buffer.alloc(0)
/** The process goes after being idle for this long: publishing is rare. */
const IDLE_MS = 30_000
/** Requests about one plugin that wait for each other: one that fails all the time has a stack for each. */
const MOST_WAITING = 200
const MAPPED_CHARS = 4 * 1024 * 1024

/**
 * The host's side of the process that reads authors' code. It is started when needed.
 *
 * It is sent one request at a time, and of each plugin only one waits in the queue: so no plugin takes the
 * others' turns, and when the process has to be killed nobody is refused but the one that it worked for.
 */
export class Checker {
  readonly #onOutput: (text: string) => void
  readonly #turn = new Places(1, Number.POSITIVE_INFINITY)
  readonly #turnsOf = new Map<string, Places>()
  #process: SerialProcess | undefined
  #mapsSentTo: SerialProcess | undefined
  readonly #mapsSent = new Set<string>()
  /** Stacks that were mapped: what fails once fails again, and a log is read more than once. */
  readonly #mapped = new LRUCache<string, string>({
    maxSize: MAPPED_CHARS,
    sizeCalculation: (mapped, key) => mapped.length + key.length,
  })
  #idle: NodeJS.Timeout | undefined

  constructor(onOutput: (text: string) => void) {
    this.#onOutput = onOutput
  }

  /** Reads what a bundle asks for. @throws {LyceumError} manifest_refused and the other refusals of the reader */
  async check(plugin: string, bundle: Buffer, sourceMap: string): Promise<Checked> {
    const answer = await this.#inTurn(plugin, () =>
      this.#request(plugin, CheckerKind.check, [sourceMap], bundle),
    )
    if (answer !== undefined) return JSON.parse(answer.toString())
    throw new LyceumError('over_concurrency', `Too much of ${plugin} is being read right now. Try again.`)
  }

  /**
   * The stack with the author's files and lines; as it was where that is not to be had.
   * @param map.name says which map it is, whatever it holds
   * @param map.read reads it, only when it is needed: it may be large
   */
  async mapStack(
    plugin: string,
    map: { readonly name: string; readonly read: () => string },
    stack: string,
  ): Promise<string> {
    const key = `${map.name} ${stack}`
    const known = this.#mapped.get(key)
    if (known !== undefined) return known
    try {
      const mapped = await this.#inTurn(plugin, () => {
        const process = this.#running()
        const isSent = process === this.#mapsSentTo && this.#mapsSent.has(map.name)
        if (!isSent) this.#noteSent(process, map.name)
        const bytes = isSent ? EMPTY : Buffer.from(map.read())
        return this.#request(plugin, CheckerKind.mapStack, [map.name, stack], bytes)
      })
      if (mapped === undefined) return stack
      this.#mapped.set(key, mapped.toString())
      return mapped.toString()
    } catch {
      return stack
    }
  }

  /** Remembers which maps a process holds, by the rule by which it keeps them. */
  #noteSent(process: SerialProcess, name: string): void {
    if (process !== this.#mapsSentTo) this.#mapsSent.clear()
    this.#mapsSentTo = process
    for (const oldest of this.#mapsSent) if (this.#mapsSent.size >= MAPS_KEPT) this.#mapsSent.delete(oldest)
    this.#mapsSent.add(name)
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#process?.kill('closed')
  }

  /** Undefined where too much of this plugin waits already. */
  async #inTurn(plugin: string, request: () => Promise<Buffer>): Promise<Buffer | undefined> {
    const turns = this.#turnsOf.get(plugin) ?? new Places(1, MOST_WAITING)
    this.#turnsOf.set(plugin, turns)
    try {
      return await turns.within(() => this.#turn.within(request))
    } finally {
      if (turns.idle) this.#turnsOf.delete(plugin)
    }
  }

  async #request(plugin: string, kind: number, texts: readonly string[], bytes: Buffer): Promise<Buffer> {
    clearTimeout(this.#idle)
    try {
      return await this.#running().request(plugin, { kind }, [JSON.stringify(texts), bytes])
    } finally {
      clearTimeout(this.#idle)
      this.#idle = setTimeout(() => this.#process?.kill('idle'), IDLE_MS).unref()
    }
  }

  #running(): SerialProcess {
    if (this.#process?.alive) return this.#process
    let fromOutside = false
    const started = new SerialProcess({
      name: 'checker',
      script: SCRIPT,
      nodeFlags: [...CODE_ONLY, '--allow-worker', '--no-experimental-sqlite'],
      confinement: { uid: ownUser(), writesFiles: false },
      rssCapMb: LIMITS.checkerRssMb,
      maxFrameBytes: LIMITS.frameBytes,
      requestMs: LIMITS.checkMs,
      slowMs: LIMITS.checkMs,
      onSlow: () => {},
      onOutput: this.#onOutput,
      onGone: (_, culprit) => {
        fromOutside = culprit === undefined
        if (this.#process === started) this.#process = undefined
      },
      refusal: refusalOf,
      lost: () =>
        fromOutside
          ? new LyceumError('sandbox_lost', 'The process that reads bundles was lost. Publish it again.')
          : new LyceumError(
              'bundle_broken',
              'The bundle could not be read within the limits of time and memory. Make it smaller and simpler.',
            ),
    })
    this.#process = started
    return started
  }
}
