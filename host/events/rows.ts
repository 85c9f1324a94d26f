/** A key is half of a SHA-256. */
export const KEY_BYTES = 16

/** One event ready for the log. */
export interface Row {
  /** 16 bytes as hex. */
  key: string
  type: string
  course: string | undefined
  text: string
}

/**
 * The events of one request, packed: their texts leave JavaScript's heap as soon as they are made, and the
 * whole moves between threads without a copy.
 */
export interface Rows {
  /** When the request arrived, in ms since 1970. */
  receivedMs: number
  count: number
  /** 16 bytes an event. */
  keys: Uint8Array
  /** UTF-8, one after the other; event `i` ends before byte `ends[i]`. */
  texts: Uint8Array
  ends: Uint32Array
  /** Each type and course once, and for each event which it is; -1 is no course. */
  types: string[]
  typeAt: Int32Array
  courses: string[]
  courseAt: Int32Array
}

/** Packs rows one by one. */
export class RowPacker {
  readonly #receivedMs: number
  #count = 0
  #keys: Buffer
  #texts: Buffer
  #used = 0
  #ends: number[] = []
  #types = new Numbered()
  #courses = new Numbered()
  #typeAt: number[] = []
  #courseAt: number[] = []

  /** @param textBytes a guess of what all texts take together; more is found when it is needed. */
  constructor(receivedMs: number, textBytes: number) {
    this.#receivedMs = receivedMs
    this.#texts = Buffer.allocUnsafeSlow(textBytes)
    this.#keys = Buffer.allocUnsafeSlow(64 * KEY_BYTES)
  }

  add({ key, type, course, text }: Row): void {
    // No character takes more than three bytes.
    this.#texts = withRoom(this.#texts, this.#used, text.length * 3)
    this.#keys = withRoom(this.#keys, this.#count * KEY_BYTES, KEY_BYTES)
    this.#used += this.#texts.write(text, this.#used, 'utf8')
    this.#keys.write(key, this.#count * KEY_BYTES, 'hex')
    this.#ends.push(this.#used)
    this.#typeAt.push(this.#types.numberOf(type))
    this.#courseAt.push(course === undefined ? -1 : this.#courses.numberOf(course))
    this.#count++
  }

  /** The packer is not used any more after that. */
  rows(): Rows {
    return {
      receivedMs: this.#receivedMs,
      count: this.#count,
      keys: this.#keys.subarray(0, this.#count * KEY_BYTES),
      texts: this.#texts.subarray(0, this.#used),
      ends: Uint32Array.from(this.#ends),
      types: this.#types.values,
      typeAt: Int32Array.from(this.#typeAt),
      courses: this.#courses.values,
      courseAt: Int32Array.from(this.#courseAt),
    }
  }
}

/** Texts that recur, each kept once. */
class Numbered {
  readonly values: string[] = []
  #numbers = new Map<string, number>()

  numberOf(value: string): number {
    const known = this.#numbers.get(value)
    if (known !== undefined) return known
    this.#numbers.set(value, this.values.length)
    return this.values.push(value) - 1
  }
}

function withRoom(buffer: Buffer, used: number, bytes: number): Buffer {
  if (used + bytes <= buffer.length) return buffer
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, used + bytes))
  buffer.copy(larger, 0, 0, used)
  return larger
}

/** The memory of rows that moves with them. */
export function memoryOf({ keys, texts, ends, typeAt, courseAt }: Rows): ArrayBufferLike[] {
  return [keys, texts, ends, typeAt, courseAt].map(({ buffer }) => buffer)
}
