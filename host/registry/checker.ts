import { LRUCache } from 'lru-cache'
import { scriptIn } from '../../process/own-files.ts'
import type { SerialProcess } from '../../process/serial-process.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { SharedProcess } from '../shared-process.ts'
import { type Checked, CheckerKind, MAPS_KEPT } from './checker-protocol.ts'

const EMPTY = Buffer.alloc(0)
/** Requests about one plugin that wait for each other: one that fails all the time has a stack for each. */
const MOST_WAITING = 200
const MAPPED_CHARS = 4 * 1024 * 1024

/** The host's side of the process that reads authors' code. */
export class Checker {
  readonly #process: SharedProcess
  #mapsSentTo: SerialProcess | undefined
  readonly #mapsSent = new Set<string>()
  /** Stacks that were mapped: what fails once fails again, and a log is read more than once. */
  readonly #mapped = new LRUCache<string, string>({
    maxSize: MAPPED_CHARS,
    sizeCalculation: (mapped, key) => mapped.length + key.length,
  })

  constructor(onOutput: (text: string) => void) {
    this.#process = new SharedProcess({
      name: 'checker',
      script: scriptIn(import.meta.dirname, 'checker-process'),
      rssCapMb: LIMITS.checkerRssMb,
      requestMs: LIMITS.checkMs,
      mostWaiting: Number.POSITIVE_INFINITY,
      mostWaitingOfPlugin: MOST_WAITING,
      onOutput,
      lost: (isKnownWhy) =>
        isKnownWhy
          ? new LyceumError(
              'bundle_broken',
              'The bundle could not be read within the limits of time and memory. Make it smaller and simpler.',
            )
          : new LyceumError('sandbox_lost', 'The process that reads bundles was lost. Publish it again.'),
    })
  }

  /** Reads what a bundle asks for. @throws {LyceumError} manifest_refused and the other refusals of the reader */
  async check(plugin: string, bundle: Buffer, sourceMap: string): Promise<Checked> {
    const answer = await this.#process.inTurn(plugin, (process) =>
      request(process, plugin, CheckerKind.check, [sourceMap], bundle),
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
      const mapped = await this.#process.inTurn(plugin, (process) => {
        const isSent = process === this.#mapsSentTo && this.#mapsSent.has(map.name)
        if (!isSent) this.#noteSent(process, map.name)
        const bytes = isSent ? EMPTY : Buffer.from(map.read())
        return request(process, plugin, CheckerKind.mapStack, [map.name, stack], bytes)
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
    this.#process.close()
  }
}

function request(
  process: SerialProcess,
  plugin: string,
  kind: number,
  texts: readonly string[],
  bytes: Buffer,
): Promise<Buffer> {
  return process.request(plugin, { kind }, [JSON.stringify(texts), bytes])
}
