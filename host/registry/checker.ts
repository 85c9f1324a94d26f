import { join } from 'node:path'
import { CODE_ONLY } from '../../process/permissions.ts'
import { SerialProcess } from '../../process/serial-process.ts'
import { LyceumError, refusalOf } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { type Checked, CheckerKind } from './checker-protocol.ts'

const ROOT = join(import.meta.dirname, '../..')
const EMPTY = Buffer.alloc(0)
/** The process goes after being idle for this long: publishing is rare. */
const IDLE_MS = 30_000

/** The host's side of the process that reads authors' code. It is started when needed. */
export class Checker {
  readonly #onOutput: (text: string) => void
  #process: SerialProcess | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(onOutput: (text: string) => void) {
    this.#onOutput = onOutput
  }

  /** Reads what a bundle asks for. @throws {LyceumError} manifest_refused and the other refusals of the reader */
  async check(plugin: string, bundle: Buffer, sourceMap: string): Promise<Checked> {
    const answer = await this.#request(plugin, CheckerKind.check, [sourceMap], bundle)
    return JSON.parse(answer.toString())
  }

  /** The stack with the author's files and lines; as it was where that is not to be had. */
  async mapStack(plugin: string, sourceMap: string, stack: string): Promise<string> {
    try {
      return (await this.#request(plugin, CheckerKind.mapStack, [sourceMap, stack], EMPTY)).toString()
    } catch {
      return stack
    }
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#process?.kill('closed')
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
    const started = new SerialProcess({
      name: 'checker',
      script: join(ROOT, 'host/registry/checker-process.ts'),
      nodeFlags: [...CODE_ONLY, '--allow-worker'],
      rssCapMb: LIMITS.checkerRssMb,
      maxFrameBytes: LIMITS.frameBytes,
      requestMs: LIMITS.checkMs,
      slowMs: LIMITS.checkMs,
      onSlow: () => {},
      onOutput: this.#onOutput,
      onGone: () => {
        if (this.#process === started) this.#process = undefined
      },
      refusal: refusalOf,
      lost: () =>
        new LyceumError(
          'bundle_broken',
          'The bundle could not be read within the limits of time and memory. Make it smaller and simpler.',
        ),
    })
    this.#process = started
    return started
  }
}
