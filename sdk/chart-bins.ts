import type { Plain } from './values.ts'

/** Halves of larger numbers are not exact. */
const MOST_WHOLE = 1e15

/** How many values lie in each of some ranges of the same width. */
export interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/**
 * Puts numbers into about `wanted` ranges with round bounds; the last holds its upper bound too. A few whole numbers,
 * such as attempts, have one each, in its middle.
 */
export function binsOf(values: readonly Plain[], wanted: number): Bin[] {
  const numbers = values.filter((value) => typeof value === 'number')
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (const value of numbers) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  if (numbers.length === 0) return []
  const isEach = most - least < wanted && numbers.every(isWhole)
  const step = isEach ? 1 : roundStep((most - least) / wanted || 1)
  // 0.3 by 0.1 is a little less than 3, and still begins the range from 0.3.
  const stepsTo = (value: number) => (isEach ? value : Number((value / step).toPrecision(14)))
  const first = Math.floor(stepsTo(least))
  const length = isEach ? most - least + 1 : Math.max(1, Math.ceil(stepsTo(most) - first))
  const counts = new Array<number>(length).fill(0)
  for (const value of numbers) {
    const at = Math.min(Math.floor(stepsTo(value)) - first, length - 1)
    counts[at] = (counts[at] ?? 0) + 1
  }
  // Multiples, not sums, of the step: 0.1 three times is not 0.3.
  const bound = (index: number) =>
    isEach ? first + index - 0.5 : Number(((first + index) * step).toPrecision(12))
  return counts.map((count, index) => ({ from: bound(index), to: bound(index + 1), count }))
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= MOST_WHOLE
}

/** The number that a range is about, where it is about one. */
export function onlyOf({ from, to }: Bin): number | undefined {
  return to - from === 1 && !Number.isInteger(from) ? from + 0.5 : undefined
}

/** The nearest of 1, 2, 5, 10, 20, 50… from above. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5].find((candidate) => candidate * power >= least * 0.999) ?? 10
  return factor * power
}
