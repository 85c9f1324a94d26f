import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame, FrameBuffer, FrameError, FrameReader, type Payload } from '../../process/frame.ts'

const MAX_BYTES = 4 * 1024 * 1024

interface Seen {
  readonly call: number
  readonly payload: string
}

/** Both ways of reading the same bytes, cut where the test says. */
const readers: readonly (readonly [string, (bytes: Buffer, cuts: readonly number[]) => Seen[]])[] = [
  [
    'in chunks',
    (bytes, cuts) => {
      const seen: Seen[] = []
      const reader = new FrameReader(MAX_BYTES, (frame) => seen.push(shown(frame)))
      for (const piece of pieces(bytes, cuts)) reader.push(piece)
      return seen
    },
  ],
  [
    'in one buffer',
    (bytes, cuts) => {
      const seen: Seen[] = []
      const frames = new FrameBuffer(MAX_BYTES, (frame) => seen.push(shown(frame)))
      for (let piece of pieces(bytes, cuts))
        while (piece.length > 0) {
          const copied = piece.copy(frames.room())
          frames.filled(copied)
          piece = piece.subarray(copied)
        }
      return seen
    },
  ],
]

function shown({ call, payload }: { call: number; payload: Buffer }): Seen {
  return { call, payload: payload.toString() }
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  return at.slice(1).map((end, n) => bytes.subarray(at[n], end))
}

const small = fc.string({ unit: 'grapheme', maxLength: 50 })
const payloads = fc.array(
  fc.oneof(
    small,
    fc.integer({ min: 0, max: 700_000 }).map((length) => 'x'.repeat(length)),
    fc.tuple(small, small),
    fc.tuple(
      small,
      small.map((text) => Buffer.from(text)),
    ),
  ),
  { maxLength: 12 },
)

describe.each(readers)('frames that are read %s', (_, read) => {
  it('come out as they went in, wherever the stream was cut', () => {
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(), { maxLength: 30 }), (sent: Payload[], cuts) => {
        const bytes = Buffer.concat(sent.map((payload, call) => encodeFrame({ kind: 9, call }, payload)))
        const texts = sent.map((payload, call) => ({ call, payload: textOf(payload) }))
        expect(read(bytes, cuts)).toEqual(texts)
      }),
      { numRuns: 60 },
    )
  })

  it('are refused where they say that they are larger than a frame may be', () => {
    const bytes = encodeFrame({ kind: 9 }, 'a')
    bytes.writeUInt32LE(MAX_BYTES + 1, 0)
    expect(() => read(bytes, [])).toThrow(FrameError)
  })

  it('are refused where they say that they are shorter than their header', () => {
    const bytes = encodeFrame({ kind: 9 }, 'a')
    bytes.writeUInt32LE(15, 0)
    expect(() => read(bytes, [])).toThrow(FrameError)
  })
})

function textOf(payload: Payload): string {
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.toString() : payload.join('\n')
}
