import { gzipSync } from 'node:zlib'
import type { Random } from '../../sdk/testing/random.ts'

/** Everything that a request to `POST /v1/events` carries, and what its answer must say. */
export interface Delivery {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
  /** Events that the log cannot have yet, unless an earlier try of this delivery got through. */
  readonly fresh: number
  /** Events that it has already, or that the body holds twice. */
  readonly repeated: number
  /** The places of what is no event. */
  readonly rejected: readonly number[]
  /** The numbers of all events in it. */
  readonly numbers: readonly number[]
  /** The numbers of those that a realtime handler wants, each once. */
  readonly urgent: readonly number[]
}

interface Item {
  readonly text: string
  /** Undefined where it is no event. */
  readonly number: number | undefined
  readonly isUrgent?: boolean
}

const START_MS = Date.parse('2026-03-01T00:00:00Z')
const BURST_EVENTS = 3_000
/** How many of the events that were acknowledged may be sent once more. */
const REMEMBERED = 2_000
const NO_LINES = ['# a comment', 'not JSON', '{"event_type": "cut', '[1]', '7']
const NO_ITEMS = ['7', 'null', '"text"', '[{}]']
const URGENT: ReadonlySet<string> = new Set(['play_video', 'problem_check'])
const TYPES: readonly (readonly [type: string, weight: number])[] = [
  ['play_video', 25],
  ['pause_video', 5],
  ['seek_video', 5],
  ['problem_check', 8],
  ['transfer', 15],
  ['join', 5],
  ['session_open', 9],
  ['session_close', 6],
  ['room_close', 1],
  ['task', 10],
  ['question', 4],
  ['note', 6],
  ['of no interest', 6],
]

/** Makes the events of a soak, numbered from 0, each of them different, and bodies that hold them. */
export class Mail {
  readonly #random: Random
  readonly #run: string
  #next = 0
  readonly #sent: Item[] = []

  /** @param run names the run, so that ids are its own */
  constructor(random: Random, run: string) {
    this.#random = random
    this.#run = run
  }

  /** How many events there are so far. */
  get events(): number {
    return this.#next
  }

  /** A new body. Once it is acknowledged, {@link Mail.acknowledged} makes its events come again now and then. */
  compose(): Delivery & { readonly items: readonly Item[] } {
    const random = this.#random
    const isLines = random.chance(0.6)
    const isKeyed = random.chance(0.3)
    const most = random.chance(0.005) ? BURST_EVENTS : 1 + random.below(random.chance(0.5) ? 3 : 25)
    const items: Item[] = []
    let repeated = 0
    for (let at = 0; at < most; at++) {
      const again = random.chance(0.1) ? this.#again(items) : undefined
      if (again !== undefined) {
        items.push(again)
        repeated += 1
      } else if (random.chance(0.04) && most > 1)
        items.push({ text: random.pick(isLines ? NO_LINES : NO_ITEMS), number: undefined })
      else items.push(this.#event(isKeyed))
    }
    // One thing alone that is no event is a body that cannot be read.
    if (items.every(({ number }) => number === undefined)) items.push(this.#event(isKeyed))
    const numbers = items.flatMap(({ number }) => number ?? [])
    return {
      ...this.#packed(items, isLines, isKeyed),
      items,
      numbers,
      urgent: [...new Set(items.flatMap(({ number, isUrgent }) => (isUrgent ? (number ?? []) : [])))],
      repeated,
      fresh: numbers.length - repeated,
      rejected: items.flatMap(({ number }, at) => (number === undefined ? [at] : [])),
    }
  }

  acknowledged(items: readonly Item[]): void {
    for (const item of items) {
      if (!hasIdentity(item)) continue
      if (this.#sent.length < REMEMBERED) this.#sent.push(item)
      else this.#sent[this.#random.below(REMEMBERED)] = item
    }
  }

  #packed(items: readonly Item[], isLines: boolean, isKeyed: boolean): Pick<Delivery, 'body' | 'headers'> {
    const random = this.#random
    const texts = items.map(({ text }) => text)
    const text = isLines
      ? texts.join('\n')
      : texts.length === 1 && random.chance(0.5)
        ? (texts[0] ?? '')
        : `[${texts.join(',')}]`
    const isZipped = random.chance(0.3)
    return {
      body: isZipped ? gzipSync(text) : Buffer.from(text),
      headers: {
        'content-type': isLines ? 'application/x-ndjson' : 'application/json',
        ...(isZipped && { 'content-encoding': 'gzip' }),
        ...(isKeyed && { 'idempotency-key': `${this.#run}-${this.#next}` }),
      },
    }
  }

  /** An event that was sent already: in this body or in one that was acknowledged. */
  #again(items: readonly Item[]): Item | undefined {
    const known = this.#random.chance(0.3) ? items.filter(hasIdentity) : this.#sent
    return known.length === 0 ? undefined : this.#random.pick(known)
  }

  /** Known by its own id, by its content, or, in a body with a key, by its place in it. */
  #event(isKeyed: boolean): Item {
    const random = this.#random
    const n = this.#next++
    const [type] = TYPES[random.weighted(TYPES.map(([, weight]) => weight))] ?? ['of no interest']
    const identity = isKeyed && random.chance(0.3) ? 'place' : random.chance(0.6) ? 'id' : 'content'
    const event = {
      ...(identity === 'id' && { id: `${this.#run}-${n}` }),
      ...(identity !== 'place' && { time: new Date(START_MS + n * 60_000).toISOString() }),
      event_type: type,
      username: `learner${random.below(40)}`,
      context: { course_id: `course-v1:Soak+C${random.below(3)}+2026` },
      event: { n, ...this.#payload(type) },
    }
    return { text: JSON.stringify(event), number: n, isUrgent: URGENT.has(type) }
  }

  #payload(type: string): object {
    const random = this.#random
    if (type.endsWith('_video')) return { id: `video${random.below(30)}` }
    if (type === 'transfer') {
      const from = random.below(50)
      const to = (from + 1 + random.below(49)) % 50
      return { from: `a${from}`, to: `a${to}`, amount: 1 + random.below(60) }
    }
    if (type === 'join') return { mail: `m${random.below(5_000)}@example.org` }
    if (/^(session|room)_/.test(type))
      return { session: `s${random.below(120)}`, room: `r${random.below(8)}` }
    if (type === 'task' && random.chance(0.08))
      return { bad: random.pick(['fixable', 'fixable', 'fixable', 'throws', 'duplicate', 'operator']) }
    return {}
  }
}

/** Whether the log would know it again in another body. */
function hasIdentity({ text, number }: Item): boolean {
  return number !== undefined && /^\{"(?:id|time)":/.test(text)
}
