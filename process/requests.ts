import type { FrameHeader, Payload } from './frame.ts'

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
