import { Socket } from 'node:net'
import { encodeFrame, type Frame, type FrameHeader, FrameReader, type Payload } from './frame.ts'

/** The inherited descriptor on which a child finds its pipe to the host. */
export const PIPE_FD = 3

/** Both ends of a pipe send and receive frames alike. */
export class Port {
  readonly #socket: Socket
  #corked = false

  /**
   * @param maxFrameBytes the largest frame that the other side may send
   * @param onFrame called for each frame, in order
   * @param onBroken called once when the pipe closes or carries what is not a frame
   */
  constructor(
    socket: Socket,
    maxFrameBytes: number,
    onFrame: (frame: Frame) => void,
    onBroken: (error: Error | undefined) => void,
  ) {
    this.#socket = socket
    let broken = false
    const breakOff = (error?: Error) => {
      if (broken) return
      broken = true
      socket.destroy()
      onBroken(error)
    }
    const reader = new FrameReader(maxFrameBytes, onFrame)
    socket.on('data', (chunk: Buffer) => {
      if (broken) return
      try {
        reader.push(chunk)
      } catch (error) {
        breakOff(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.on('error', breakOff)
    socket.on('close', () => breakOff())
  }

  /** The pipe of a child process to its host. */
  static ofChild(maxFrameBytes: number, onFrame: (frame: Frame) => void, onBroken: () => void): Port {
    // Ctrl-C in a terminal reaches every process of the group, but the host decides when a child ends.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
    return new Port(
      new Socket({ fd: PIPE_FD, readable: true, writable: true }),
      maxFrameBytes,
      onFrame,
      onBroken,
    )
  }

  /** Sends one frame. Frames sent in the same turn of the event loop leave in one system call. */
  send(header: FrameHeader, payload?: Payload): void {
    if (this.#socket.destroyed) return
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      setImmediate(() => this.flush())
    }
    this.#socket.write(encodeFrame(header, payload))
  }

  /** Lets go of what was sent in this turn, without waiting for its end. */
  flush(): void {
    this.#corked = false
    this.#socket.uncork()
  }

  /** Sends one frame and calls back once the kernel has it: for a last word before the process ends. */
  sendLast(header: FrameHeader, payload: Payload, done: () => void): void {
    this.#socket.write(encodeFrame(header, payload), () => done())
    this.#socket.uncork()
  }

  close(): void {
    this.#socket.destroy()
  }
}
