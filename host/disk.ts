import { statfsSync } from 'node:fs'
import { LyceumError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** How long what was seen of the disk holds, and how many bytes may be sent in until it is looked at again. */
const LOOK_MS = 250
const LOOK_BYTES = 1024 * 1024
const MB = 1024 * 1024

/**
 * The room on the disk of the data folder. The last of it is kept for what plugins write: events are refused
 * first, since their sender still has them and can send them again; rebuilds end next, since they can be begun again.
 */
export class DiskRoom {
  readonly #folder: string
  #lookedMs = Number.NEGATIVE_INFINITY
  #sentBytes = 0
  #low = false

  constructor(folder: string) {
    this.#folder = folder
  }

  /** True where events are refused. */
  get low(): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#lookedMs < LOOK_MS && this.#sentBytes < LOOK_BYTES) return this.#low
    const { bavail, blocks, bsize } = statfsSync(this.#folder)
    this.#low = bavail * bsize < Math.min(LIMITS.diskReserveMb * MB, (blocks * bsize) / 10)
    this.#lookedMs = nowMs
    this.#sentBytes = 0
    return this.#low
  }

  /** True where rebuilds end: what is left is for what plugins write now. */
  get lowForRebuilds(): boolean {
    const { bavail, blocks, bsize } = statfsSync(this.#folder)
    return bavail * bsize < Math.min(LIMITS.diskRebuildMb * MB, (blocks * bsize) / 20)
  }

  /** Lets a body of events in. @throws {LyceumError} disk_full */
  admit(bytes: number): void {
    this.#sentBytes += bytes
    if (this.low)
      throw new LyceumError(
        'disk_full',
        'The disk of the host is nearly full: it takes no events until there is room again. Send them again later.',
      )
  }

  /** Whether there is so little room that not even a start is possible. @throws {LyceumError} disk_full */
  requireSome(): void {
    const { bavail, bsize } = statfsSync(this.#folder)
    if (bavail * bsize >= LIMITS.diskLeastMb * MB) return
    throw new LyceumError(
      'disk_full',
      `The disk of the data folder is full. Make room for ${LIMITS.diskLeastMb} MB at least and start again: nothing that was accepted is lost.`,
    )
  }
}
