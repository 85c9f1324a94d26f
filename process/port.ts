import { Socket } from 'node:net'
import { encodeFrame, type Frame, FrameBuffer, type FrameHeader, FrameReader, type Payload } from './frame.ts'

/** The inherited descriptor on which a child finds its pipe to the host. */
export const PIPE_FD = 3

/** Both ends of a pipe send and receive frames alike. */
export class Port {
  readonly #socket: Socket
  readonly #onBroken: (error: Error | undefined) => void
  #broken = false
  #corked = false

  private constructor(socket: Socket, onBroken: (error: Error | undefined) => void) {
    this.#socket = socket
    this.#onBroken = onBroken
    socket.on('error', (error) => this.#breakOff(error))
    socket.on('close', () => this.#breakOff(undefined))
  }

  /**
   * The host's end of the pipe to a child. The payloads of frames are the receiver's to keep.
   * @param maxFrameBytes the largest frame that the other side may send
   * @param onFrame called for each frame, in order
   * @param onBroken called once when the pipe closes or carries what is not a frame
   */
  static ofHost(
    socket: Socket,
    maxFrameBytes: number,
    onFrame: (frame: Frame) => void,
    onBroken: (error: Error | undefined) => void,
  ): Port {
    const port = new Port(socket, onBroken)
    const reader = new FrameReader(maxFrameBytes, onFrame)
    socket.on('data', (chunk: Buffer) => port.#take(() => reader.push(chunk)))
    return port
  }

  /** A child's end of the pipe to its host. The payload of a frame is good only until `onFrame` returns. */
  static ofChild(maxFrameBytes: number, onFrame: (frame: Frame) => void, onBroken: () => void): Port {
    // Ctrl-C in a terminal reaches every process of the group, but the host decides when a child ends.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
    const frames = new FrameBuffer(maxFrameBytes, onFrame)
    const socket = new Socket({
      fd: PIPE_FD,
      readable: true,
      writable: true,
      onread: {
        buffer: () => frames.room(),
        callback: (bytes) => {
          port.#take(() => frames.filled(bytes))
          return true
        },
      },
    })
    const port = new Port(socket, onBroken)
    // Nothing arrives as data, but the end of the pipe is only told to who listens.
    socket.resume()
    return port
  }

  #take(read: () => void): void {
    if (this.#broken) return
    try {
      read()
    } catch (error) {
      this.#breakOff(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #breakOff(error: Error | undefined): void {
    if (this.#broken) return
    this.#broken = true
    this.#socket.destroy()
    this.#onBroken(error)
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
