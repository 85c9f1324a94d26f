/**
 * The frames that travel between the host and its child processes.
 *
 * Twenty bytes of header, then a payload that the host forwards without looking inside:
 * `u32 length · u8 kind · u8 op · u16 flags · u32 call · u64 scope`, little-endian.
 * `length` counts everything after itself. `call` pairs a reply with its request;
 * `scope` is the invocation (sandboxes) or the transaction (stores) that the frame belongs to.
 */
export interface Frame {
  readonly kind: number
  readonly op: number
  readonly flags: number
  readonly call: number
  readonly scope: bigint
  readonly payload: Buffer
}

/** Flag of a reply whose payload is a failure: `{ code, message, details? }` as JSON. */
export const FAILED = 1

const LENGTH_BYTES = 4
const HEADER_BYTES = 20
export const NO_SCOPE = 0n
const EMPTY = Buffer.alloc(0)

/** Thrown where the other side sends what no honest peer sends; the process behind the pipe is then killed. */
export class FrameError extends Error {}

/** The parts of a frame that are not the payload; those left out are zero. */
export interface FrameHeader {
  readonly kind: number
  readonly op?: number
  readonly flags?: number
  readonly call?: number
  readonly scope?: bigint
}

/**
 * Encodes one frame. The payload is text, bytes that are forwarded, or a line of control text
 * followed by forwarded bytes (`[control, bytes]`, joined by a newline).
 */
export function encodeFrame(header: FrameHeader, payload: Payload = ''): Buffer {
  const [text, bytes] =
    typeof payload === 'string' ? [payload, EMPTY] : Buffer.isBuffer(payload) ? ['', payload] : payload
  const joined = Array.isArray(payload)
  const textBytes = Buffer.byteLength(text)
  const payloadBytes = textBytes + (joined ? 1 : 0) + bytes.length
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payloadBytes)
  frame.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + payloadBytes, 0)
  frame.writeUInt8(header.kind, 4)
  frame.writeUInt8(header.op ?? 0, 5)
  frame.writeUInt16LE(header.flags ?? 0, 6)
  frame.writeUInt32LE(header.call ?? 0, 8)
  frame.writeBigUInt64LE(header.scope ?? NO_SCOPE, 12)
  frame.write(text, HEADER_BYTES, 'utf8')
  let at = HEADER_BYTES + textBytes
  if (joined) frame.writeUInt8(NEWLINE, at++)
  frame.set(bytes, at)
  return frame
}

export type Payload = string | Buffer | readonly [control: string, bytes: Buffer]

const NEWLINE = 10

export function payloadBytes(payload: Payload): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload)
  return Buffer.isBuffer(payload) ? payload.length : Buffer.byteLength(payload[0]) + payload[1].length
}

/** Splits a payload made of a control line and forwarded bytes; without a newline all of it is control. */
export function splitPayload(payload: Buffer): { control: string; bytes: Buffer } {
  const end = payload.indexOf(NEWLINE)
  if (end < 0) return { control: payload.toString(), bytes: EMPTY }
  return { control: payload.toString('utf8', 0, end), bytes: payload.subarray(end + 1) }
}

/**
 * Cuts a stream of chunks into frames. Chunks are joined once per frame, so that a large frame
 * in small pieces costs its size and not its square.
 */
export class FrameReader {
  readonly #maxBytes: number
  readonly #onFrame: (frame: Frame) => void
  #chunks: Buffer[] = []
  #bytes = 0
  #needed = LENGTH_BYTES

  constructor(maxBytes: number, onFrame: (frame: Frame) => void) {
    this.#maxBytes = maxBytes
    this.#onFrame = onFrame
  }

  /** Takes the next bytes. Throws a {@link FrameError} where a length is not possible. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    for (;;) {
      if (buffer.length < LENGTH_BYTES) {
        this.#needed = LENGTH_BYTES
        break
      }
      const length = buffer.readUInt32LE(0)
      if (length < HEADER_BYTES - LENGTH_BYTES || length > this.#maxBytes)
        throw new FrameError(`a frame of ${length} bytes`)
      const total = LENGTH_BYTES + length
      if (buffer.length < total) {
        this.#needed = total
        break
      }
      this.#onFrame({
        kind: buffer.readUInt8(4),
        op: buffer.readUInt8(5),
        flags: buffer.readUInt16LE(6),
        call: buffer.readUInt32LE(8),
        scope: buffer.readBigUInt64LE(12),
        payload: buffer.subarray(HEADER_BYTES, total),
      })
      buffer = buffer.subarray(total)
    }
    this.#chunks = buffer.length > 0 ? [buffer] : []
    this.#bytes = buffer.length
  }
}
