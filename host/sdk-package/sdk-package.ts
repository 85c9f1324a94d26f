import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Logger } from 'pino'
import { scriptIn } from '../../process/own-files.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

const SCRIPT = scriptIn(import.meta.dirname, 'build-process')
const run = promisify(execFile)

/** The npm package, packed. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly etag: string
}

/**
 * The npm package of this host's version of Lyceum: what authors import, and the command line. It is made in a
 * process of its own when it is first asked for, kept in a folder, and made again when any file of ours has changed.
 */
export class SdkPackage {
  readonly #folder: string
  readonly #logger: Logger
  readonly #closing = new AbortController()
  /** Shared by all who ask meanwhile, and by all later ones. */
  #packed: Promise<Packed> | undefined
  #failedMs = Number.NEGATIVE_INFINITY

  /** @param folder where it is kept; nothing else may be in it */
  constructor(folder: string, logger: Logger) {
    this.#folder = folder
    this.#logger = logger
  }

  /** @throws {LyceumError} sdk_unbuilt, shutting_down */
  get(): Promise<Packed> {
    // Anybody may ask, so that what fails is not tried each time.
    if (this.#failedMs + LIMITS.sdkRetryMs < performance.now()) this.#packed ??= this.#build()
    return this.#packed ?? Promise.reject(unbuilt())
  }

  /** Ends what is under way. */
  close(): void {
    this.#closing.abort()
  }

  async #build(): Promise<Packed> {
    const startedMs = performance.now()
    try {
      const { stdout: name } = await run(process.execPath, [SCRIPT, this.#folder], {
        env: {},
        signal: this.#closing.signal,
        timeout: LIMITS.sdkBuildMs,
      })
      const bytes = new Uint8Array(await readFile(join(this.#folder, name)))
      const tookMs = Math.round(performance.now() - startedMs)
      this.#logger.info({ name, bytes: bytes.length, tookMs }, 'the package of the SDK is ready')
      return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
    } catch (error) {
      if (this.#closing.signal.aborted) throw new LyceumError('shutting_down', 'The host is stopping.')
      this.#logger.error({ err: error }, 'the package of the SDK cannot be made')
      this.#packed = undefined
      this.#failedMs = performance.now()
      throw unbuilt()
    }
  }
}

/** The refusal where the package could not be made. */
export function unbuilt(): LyceumError {
  return new LyceumError(
    'sdk_unbuilt',
    'This host cannot make the package of its SDK; its log says why. Ask an admin, and try again in a minute.',
  )
}
