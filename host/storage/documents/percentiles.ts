import { isNumeric, toDouble } from './arithmetic.ts'
import { type ExpressionOperator, evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { isNil, mismatch, type Names, namesOf } from './operator-kit.ts'
import { isDoc } from './values.ts'

/** `$percentile` and `$median`: MongoDB's discrete percentiles, each a value that is among the numbers. */

const MEDIAN: Names = { required: ['input', 'method'], codes: [7436100, 7436201, 7436201] }
const PERCENTILE: Names = { required: ['input', 'p', 'method'], codes: [7429703, 7436200, 7436200] }

/** Checks the operand of either; answers the ranks that are asked for, and the expression of the input. */
export function percentileSpec(
  operator: string,
  operand: unknown,
): { ranks: readonly number[]; input: unknown } {
  const isMedian = operator === '$median'
  const named = namesOf(operator, operand, isMedian ? MEDIAN : PERCENTILE)
  if (named.method !== 'approximate') throw mismatch(operator, "the method 'approximate'", 2)
  const ranks: unknown = isMedian ? [0.5] : named.p
  const isRank = (p: unknown): p is number => typeof p === 'number' && p >= 0 && p <= 1
  if (!Array.isArray(ranks) || ranks.length === 0 || !ranks.every(isRank))
    throw mismatch(operator, 'a list p of numbers from 0 to 1', 7750301)
  return { ranks, input: named.input }
}

/** The numbers at some ranks; null where there are none. Sorts `numbers` in place. */
export function percentiles(numbers: number[], ranks: readonly number[]): (number | null)[] {
  numbers.sort((a, b) => a - b)
  return ranks.map((p) => numbers[Math.max(0, Math.ceil(p * numbers.length) - 1)] ?? null)
}

function expression(operator: string): ExpressionOperator {
  return (operand, env) => {
    meter.tick()
    // The ranks are constants, be they of a variable.
    const p = isDoc(operand) && 'p' in operand ? { p: evaluate(operand.p, env) } : {}
    const { ranks, input } = percentileSpec(operator, isDoc(operand) ? { ...operand, ...p } : operand)
    const value = evaluate(input, env)
    const items: readonly unknown[] = Array.isArray(value) ? value : isNil(value) ? [] : [value]
    meter.charge(items.length * 8)
    const found = percentiles(items.filter(isNumeric).map(toDouble), ranks)
    return operator === '$median' ? (found[0] ?? null) : found
  }
}

export const PERCENTILE_OPERATORS: Record<string, ExpressionOperator> = {
  $percentile: expression('$percentile'),
  $median: expression('$median'),
}
