import type { Row } from './kept.ts'

/** A number that a query said, and between what it has to be. */
export interface Bounds {
  readonly name: string
  readonly said: number
  /** In the log up to the position that came with the answer. */
  readonly least: number
  readonly most: number
}

type Wanted = (row: Row) => boolean
const every: Wanted = () => true
const sound: Wanted = ({ type, event }) => type === 'task' && event.bad === undefined
const ofType =
  (...types: readonly string[]): Wanted =>
  ({ type }) =>
    types.includes(type)

/** How many rows up to each seq are wanted, counted once for each kind. */
const prefixes = new Map<Wanted, number[]>()
function upTo(wanted: Wanted, rows: readonly Row[], seq: number): number {
  let counts = prefixes.get(wanted)
  if (counts === undefined) {
    let n = 0
    counts = [0, ...rows.map((row) => (wanted(row) ? ++n : n))]
    prefixes.set(wanted, counts)
  }
  return counts[Math.min(seq, rows.length)] ?? 0
}

const counting: Readonly<Record<string, Wanted>> = {
  loop: ofType('play_video'),
  atOnce: ofType('play_video', 'problem_check'),
  later: ({ type, n }) => n >= 100 && type !== 'play_video',
  step: ({ type, n }) => n < 50 || type === 'pause_video',
  everything: every,
}

/** Of the queries that a soak asks: what their answers have to lie between. */
export const POSITIONS: ReadonlyMap<
  string,
  (value: unknown, rows: readonly Row[], position: number) => Bounds[]
> = new Map([
  ['counting/size', named(counting)],
  ['asking/size', named({ asked: ofType('question') })],
  ['notes/size', named({ kept: ofType('note') })],
  ['fragile/totals', named({ batch: sound, each: sound }, ofType('task'))],
  [
    'eventDump/count',
    (value, rows, position) => {
      const said = (value as { n: number }[]).reduce((sum, { n }) => sum + n, 0)
      return [{ name: 'all', said, least: upTo(every, rows, position), most: rows.length }]
    },
  ],
])

/** @param possible what is counted at most, where that is not what is counted at least */
function named(wanted: Readonly<Record<string, Wanted>>, possible?: Wanted) {
  return (value: unknown, rows: readonly Row[], position: number): Bounds[] =>
    Object.entries(wanted).map(([name, each]) => ({
      name,
      said: (value as Readonly<Record<string, number>>)[name] ?? 0,
      least: upTo(each, rows, position),
      most: upTo(possible ?? each, rows, rows.length),
    }))
}
