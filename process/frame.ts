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
  const [text, rest] =
    typeof payload === 'string' ? [payload, EMPTY] : Buffer.isBuffer(payload) ? ['', payload] : payload
  const joined = Array.isArray(payload)
  const textBytes = Buffer.byteLength(text)
  const size = textBytes + (joined ? 1 : 0) + Buffer.byteLength(rest)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + size)
  frame.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + size, 0)
  frame.writeUInt8(header.kind, 4)
  frame.writeUInt8(header.op ?? 0, 5)
  frame.writeUInt16LE(header.flags ?? 0, 6)
  frame.writeUInt32LE(header.call ?? 0, 8)
  frame.writeBigUInt64LE(header.scope ?? NO_SCOPE, 12)
  frame.write(text, HEADER_BYTES, 'utf8')
  let at = HEADER_BYTES + textBytes
  if (joined) frame.writeUInt8(NEWLINE, at++)
  if (typeof rest === 'string') frame.write(rest, at, 'utf8')
  else frame.set(rest, at)
  return frame
}

export type Payload = string | Buffer | readonly [control: string, forwarded: Buffer | string]

const NEWLINE = 10

export function payloadBytes(payload: Payload): number {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return Buffer.byteLength(payload)
  return Buffer.byteLength(payload[0]) + Buffer.byteLength(payload[1])
}

/** Splits a payload made of a control line and forwarded bytes; without a newline all of it is control. */
export function splitPayload(payload: Buffer): { control: string; bytes: Buffer } {
  const end = payload.indexOf(NEWLINE)
  if (end < 0) return { control: payload.toString(), bytes: EMPTY }
  return { control: payload.toString('utf8', 0, end), bytes: payload.subarray(end + 1) }
}

/**
 * The frame at a place of a buffer; or, where not all of it is there yet, how many bytes it takes to know more.
 * @throws {FrameError} where a length is not possible
 */
function frameAt(buffer: Buffer, at: number, end: number, maxBytes: number): Frame | number {
  if (end - at < LENGTH_BYTES) return LENGTH_BYTES
  const length = buffer.readUInt32LE(at)
  if (length < HEADER_BYTES - LENGTH_BYTES || length > maxBytes)
    throw new FrameError(`a frame of ${length} bytes`)
  const total = LENGTH_BYTES + length
  if (end - at < total) return total
  return {
    kind: buffer.readUInt8(at + 4),
    op: buffer.readUInt8(at + 5),
    flags: buffer.readUInt16LE(at + 6),
    call: buffer.readUInt32LE(at + 8),
    scope: buffer.readBigUInt64LE(at + 12),
    payload: buffer.subarray(at + HEADER_BYTES, at + total),
  }
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
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    let at = 0
    for (;;) {
      const frame = frameAt(buffer, at, buffer.length, this.#maxBytes)
      if (typeof frame === 'number') {
        this.#needed = frame
        break
      }
      this.#onFrame(frame)
      at += HEADER_BYTES + frame.payload.length
    }
    this.#chunks = at < buffer.length ? [buffer.subarray(at)] : []
    this.#bytes = buffer.length - at
  }
}

const ROOM_BYTES = 256 * 1024
/** A buffer that had to grow beyond this is let go once it is empty. */
const KEPT_BYTES = 1024 * 1024
/** Less room than this makes many small reads. */
const LEAST_ROOM_BYTES = 64 * 1024

/**
 * Cuts frames out of one buffer that is read into again and again: fresh memory for each chunk and each frame
 * costs a child more than what it does with them. A payload is good only until `onFrame` returns.
 */
export class FrameBuffer {
  readonly #maxBytes: number
  readonly #onFrame: (frame: Frame) => void
  #buffer: Buffer = Buffer.allocUnsafeSlow(ROOM_BYTES)
  #start = 0
  #end = 0
  #needed = LENGTH_BYTES

  constructor(maxBytes: number, onFrame: (frame: Frame) => void) {
    this.#maxBytes = maxBytes
    this.#onFrame = onFrame
  }

  /** Where the next bytes are to be read into. */
  room(): Buffer {
    const held = this.#buffer.subarray(this.#start, this.#end)
    const wanted = Math.max(this.#needed, held.length + LEAST_ROOM_BYTES)
    if (held.length === 0 && this.#buffer.length > KEPT_BYTES)
      this.#moveTo(Buffer.allocUnsafeSlow(ROOM_BYTES), held)
    else if (wanted > this.#buffer.length)
      this.#moveTo(Buffer.allocUnsafeSlow(Math.max(wanted, this.#buffer.length * 2)), held)
    else if (this.#start + wanted > this.#buffer.length || held.length === 0) this.#moveTo(this.#buffer, held)
    return this.#buffer.subarray(this.#end)
  }

  /** Takes what was read into the room. Throws a {@link FrameError} where a length is not possible. */
  filled(bytes: number): void {
    this.#end += bytes
    for (;;) {
      const frame = frameAt(this.#buffer, this.#start, this.#end, this.#maxBytes)
      if (typeof frame === 'number') {
        this.#needed = frame
        return
      }
      this.#start += HEADER_BYTES + frame.payload.length
      this.#onFrame(frame)
    }
  }

  #moveTo(buffer: Buffer, held: Buffer): void {
    held.copy(buffer)
    this.#buffer = buffer
    this.#start = 0
    this.#end = held.length
  }
}
