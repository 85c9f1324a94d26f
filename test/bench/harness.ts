/** One measured property of the host, with what it should be. */
export interface Figure {
  readonly name: string
  readonly unit: 'ratio' | 'ms' | 'MB'
  readonly goal: number
  readonly better: 'higher' | 'lower'
  /** The command that installs what the figure needs and does not find; then it is left out. */
  readonly missing?: () => string | undefined
  measure(): Promise<number>
}

/** A figure that was measured. */
export interface Measured {
  readonly name: string
  readonly value: number
  readonly unit: Figure['unit']
  readonly goal: number
  readonly holds: boolean
}

export async function measured(figure: Figure): Promise<Measured> {
  const { name, unit, goal, better } = figure
  const value = Number((await figure.measure()).toPrecision(3))
  return { name, value, unit, goal, holds: better === 'higher' ? value >= goal : value <= goal }
}

export interface Pair {
  readonly a: number
  readonly b: number
}

/**
 * Measures two things in turns, so that what the machine does meanwhile hits both alike. The first turn of
 * each only warms up.
 * @returns one pair a turn
 */
export async function pairs(
  turns: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<Pair[]> {
  await a()
  await b()
  const found: Pair[] = []
  for (let turn = 0; turn < turns; turn++) found.push({ a: await a(), b: await b() })
  return found
}

/** The median of a ÷ b over pairs. */
export function ratio(measurements: readonly Pair[]): number {
  return median(measurements.map(({ a, b }) => a / b))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @param share between 0 and 1: 0.99 is the value that one in a hundred is above */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share))
  const value = sorted[at]
  if (value === undefined) throw new Error('nothing was measured')
  return value
}

/** How many of something a second, for work that resolves when they are done. */
export async function perSecond(count: number, work: () => Promise<unknown> | unknown): Promise<number> {
  const startMs = performance.now()
  await work()
  return (count * 1_000) / (performance.now() - startMs)
}

/** Milliseconds that work takes until it resolves. */
export async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

/** Makes something at the first call, and hands the same to all others. */
export function once<Value>(make: () => Value): () => Value {
  const made: Value[] = []
  return () => {
    const [value = make()] = made
    made[0] = value
    return value
  }
}
