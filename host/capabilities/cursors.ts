import type { Payload } from '../../process/frame.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Page, StoreCursor } from '../storage/pages.ts'
import type { OpContext } from './capability.ts'

/** What the guest knows a cursor by: its number in this call; 0 where nothing is left to ask for. */
const EXHAUSTED = 0

/** The cursors that one call has open. The guest names them by numbers that mean nothing in any other call. */
class CallCursors {
  readonly #open = new Map<number, StoreCursor>()
  #last = EXHAUSTED
  #opening = 0
  #hasEnded = false

  /** Opens a cursor. Resolves with its number and its first page, as the guest gets them. */
  async open(read: () => Promise<Page>): Promise<Payload> {
    if (this.#open.size + this.#opening >= LIMITS.cursorsPerCall)
      throw new LyceumError(
        'cursor_limit',
        `One call has at most ${LIMITS.cursorsPerCall} cursors open. Read one to its end, or break out of its loop.`,
      )
    this.#opening += 1
    try {
      return this.#answer(++this.#last, await read())
    } finally {
      this.#opening -= 1
    }
  }

  /** The next page of a cursor. */
  async more(payload: Buffer, deadlineMs: number): Promise<Payload> {
    const number = numberOf(payload)
    const cursor = this.#open.get(number)
    if (cursor === undefined)
      throw new LyceumError(
        'cursor_unknown',
        'The cursor was read to its end, or is asked for a page already.',
      )
    this.#open.delete(number)
    return this.#answer(number, await cursor.more(deadlineMs))
  }

  close(payload: Buffer): void {
    const number = numberOf(payload)
    this.#open.get(number)?.close()
    this.#open.delete(number)
  }

  end(): void {
    this.#hasEnded = true
    for (const cursor of this.#open.values()) cursor.close()
    this.#open.clear()
  }

  #answer(number: number, { rows, rest }: Page): Payload {
    if (rest === undefined) return [String(EXHAUSTED), rows]
    if (this.#hasEnded) rest.close()
    else this.#open.set(number, rest)
    return [String(number), rows]
  }
}

function numberOf(payload: Buffer): number {
  const text = payload.length <= 10 ? payload.toString() : ''
  if (!/^[1-9]\d*$/.test(text)) throw new LyceumError('op_malformed', 'A cursor is named by its number.')
  return Number(text)
}

const cursors = new WeakMap<OpContext, CallCursors>()

/** The cursors of a call; they are closed when it ends. */
export function cursorsOf(context: OpContext): CallCursors {
  let own = cursors.get(context)
  if (own === undefined) {
    const made = new CallCursors()
    context.onEnd(() => made.end())
    cursors.set(context, made)
    own = made
  }
  return own
}
