import type { Confinement } from './confine.ts'
import type { FrameHeader, Payload } from './frame.ts'

/** How a child that answers requests is started, and how its failures are told. */
export interface RequestProcessOptions {
  readonly name: string
  readonly script: string
  readonly nodeFlags: readonly string[]
  readonly confinement: Confinement
  readonly rssCapMb: number
  readonly maxFrameBytes: number
  readonly onOutput: (text: string) => void
  /** Makes the error for a reply that is a failure. */
  readonly refusal: (failure: unknown) => Error
  /** Makes the error for requests whose process went away. */
  readonly lost: () => Error
}

/** A child process that answers requests, in order or at once. */
export interface RequestProcess {
  /** Resolves with true when it listens, with false where it ended before. */
  readonly ready: Promise<boolean>
  readonly alive: boolean
  readonly pid: number | undefined
  /**
   * Sends one request and waits for its reply. Rejects with the refusal that the process sent, or because it was lost.
   * @param owner whom a hang or a crash is laid to
   */
  request(owner: string, header: FrameHeader, payload: Payload): Promise<Buffer>
  kill(reason: string): void
}
