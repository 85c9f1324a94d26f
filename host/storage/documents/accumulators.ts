import type { Options } from 'mingo/types'
import { add, isNumeric, type Numeric, toDouble } from './arithmetic.ts'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import { isNil, mismatch, namesOf } from './operator-kit.ts'
import { countOf } from './operators-array.ts'
import { meanOf, standardDeviation } from './operators-number.ts'
import { percentileSpec, percentiles } from './percentiles.ts'
import { type SortKey, sortDocs, sortKeys } from './sort.ts'
import { canonicalKey, compareValues, type Doc, isDoc, weigh } from './values.ts'

/** Gathers the documents of one group or window into one value. The result may be asked for before the end. */
export interface Accumulator {
  add(value: unknown): void
  result(): unknown
}

/** An accumulator that has been checked: what it takes of each document, and how it starts. */
export interface Gathering {
  readonly compute: Compute
  readonly make: () => Accumulator
}

/** Counts what a group keeps, so that grouping cannot hold more than the operation may. */
function held(value: unknown): unknown {
  meter.hold(weigh(value, meter.limits.intermediateBytes))
  return value
}

function sum(result: (total: Numeric, count: number) => unknown): () => Accumulator {
  return () => {
    let total: Numeric = 0
    let count = 0
    return {
      add(value) {
        if (!isNumeric(value)) return
        total = typeof total === 'number' && typeof value === 'number' ? total + value : add(total, value)
        count++
      },
      result: () => result(total, count),
    }
  }
}

function extreme(sign: 1 | -1): () => Accumulator {
  return () => {
    let best: unknown = null
    return {
      add(value) {
        if (!isNil(value) && (best === null || compareValues(value, best) * sign > 0)) best = value
      },
      result: () => best,
    }
  }
}

/** The numbers themselves, for what can only be computed of all of them. */
function numbers(result: (numbers: number[]) => unknown): () => Accumulator {
  return () => {
    const kept: number[] = []
    return {
      add(value) {
        if (!isNumeric(value)) return
        meter.hold(8)
        kept.push(toDouble(value))
      },
      result: () => result(kept),
    }
  }
}

function push(): Accumulator {
  const items: unknown[] = []
  return {
    add(value) {
      if (value !== undefined) items.push(held(value))
    },
    result: () => [...items],
  }
}

function addToSet(): Accumulator {
  const items = new Map<string, unknown>()
  return {
    add(value) {
      if (value === undefined) return
      const key = canonicalKey(value)
      if (!items.has(key)) items.set(key, held(value))
    },
    result: () => [...items.values()],
  }
}

function edge(isFirst: boolean): () => Accumulator {
  return () => {
    let isSet = false
    let kept: unknown = null
    return {
      add(value) {
        if (!isSet || !isFirst) kept = value ?? null
        isSet = true
      },
      result: () => kept,
    }
  }
}

function edgeN(isFirst: boolean, n: number): Accumulator {
  const kept: unknown[] = []
  return {
    add(value) {
      if (isFirst && kept.length >= n) return
      kept.push(held(value ?? null))
      if (kept.length > n) kept.shift()
    },
    result: () => [...kept],
  }
}

/** Keeps the first so many in an order; of what is equal those that came first. */
function firstInOrder(n: number, compare: (a: unknown, b: unknown) => number): () => Accumulator {
  return () => {
    let kept: unknown[] = []
    const sorted = () => {
      kept = kept.sort(compare).slice(0, n)
      return kept
    }
    return {
      add(value) {
        if (value === undefined) return
        kept.push(held(value))
        if (kept.length > n * 2 + 100) sorted()
      },
      result: () => [...sorted()],
    }
  }
}

function merge(): Accumulator {
  const merged: Doc = {}
  return {
    add(value) {
      if (isNil(value)) return
      if (!isDoc(value)) throw mismatch('$mergeObjects', 'documents', 40400)
      held(value)
      Object.assign(merged, value)
    },
    result: () => ({ ...merged }),
  }
}

/** Covariance of pairs over n (population) or n - 1 (sample); null where there is none. */
function covariance(isSample: boolean): () => Accumulator {
  return () => {
    let count = 0
    let meanX = 0
    let meanY = 0
    let products = 0
    return {
      add(value) {
        const [x, y]: readonly unknown[] = Array.isArray(value) ? value : []
        if (!isNumeric(x) || !isNumeric(y)) return
        count++
        const delta = toDouble(x) - meanX
        meanX += delta / count
        meanY += (toDouble(y) - meanY) / count
        products += delta * (toDouble(y) - meanY)
      },
      result: () => {
        const divisor = isSample ? count - 1 : count
        return divisor > 0 ? products / divisor : null
      },
    }
  }
}

/** Accumulators that take one expression. */
const SIMPLE = new Map<string, () => Accumulator>([
  ['$sum', sum((total) => total)],
  ['$avg', sum(meanOf)],
  ['$min', extreme(-1)],
  ['$max', extreme(1)],
  ['$first', edge(true)],
  ['$last', edge(false)],
  ['$push', push],
  ['$addToSet', addToSet],
  ['$stdDevPop', numbers((kept) => standardDeviation(kept, false))],
  ['$stdDevSamp', numbers((kept) => standardDeviation(kept, true))],
  ['$mergeObjects', merge],
  ['$covariancePop', covariance(false)],
  ['$covarianceSamp', covariance(true)],
])

/** Prepares an accumulator that is on the list. Throws `query_invalid`. */
export function compileAccumulator(operator: string, operand: unknown, scope: Options): Gathering {
  const expression = (value: unknown) => compileExpression(checkExpression(value), scope)
  const simple = SIMPLE.get(operator)
  if (simple) {
    if (Array.isArray(operand) && !operator.startsWith('$covariance') && operand.length !== 1)
      throw mismatch(operator, 'one expression', 40237)
    const isList = Array.isArray(operand) && !operator.startsWith('$covariance')
    return { compute: expression(isList ? operand[0] : operand), make: simple }
  }
  switch (operator) {
    case '$count':
      if (!isDoc(operand) || Object.keys(operand).length > 0)
        throw mismatch('$count', 'no operands: {$count: {}}')
      return { compute: () => 1, make: sum((total) => total) }
    case '$median':
    case '$percentile': {
      const { ranks, input } = percentileSpec(operator, operand)
      const result = (kept: number[]) => {
        const found = percentiles([...kept], ranks)
        return operator === '$median' ? (found[0] ?? null) : found
      }
      return { compute: expression(input), make: numbers(result) }
    }
    case '$firstN':
    case '$lastN':
    case '$minN':
    case '$maxN':
      return compileN(operator, operand, scope)
    default:
      return compileTop(operator, operand, scope)
  }
}

function constantN(operator: string, n: unknown, scope: Options): number {
  return countOf(operator, compileExpression(checkExpression(n), scope)({}))
}

function compileN(operator: string, operand: unknown, scope: Options): Gathering {
  const named = namesOf(operator, operand, { required: ['input', 'n'], codes: [5787900, 5787906, 5787901] })
  const n = constantN(operator, named.n, scope)
  const compute = compileExpression(checkExpression(named.input), scope)
  if (operator === '$firstN' || operator === '$lastN')
    return { compute, make: () => edgeN(operator === '$firstN', n) }
  const sign = operator === '$minN' ? 1 : -1
  return {
    compute: (doc) => compute(doc) ?? undefined,
    make: firstInOrder(n, (a, b) => compareValues(a, b) * sign),
  }
}

/** `$top`, `$topN`, `$bottom` and `$bottomN`: outputs of the documents that come first or last in an order. */
function compileTop(operator: string, operand: unknown, scope: Options): Gathering {
  const isMany = operator.endsWith('N')
  const required = isMany ? ['n', 'sortBy', 'output'] : ['sortBy', 'output']
  const named = namesOf(operator, operand, { required, codes: [5788001, 5788005, 5788002] })
  if (!isDoc(named.sortBy)) throw mismatch(operator, 'an object as sortBy', 5788604)
  const keys = sortKeys(named.sortBy)
  const n = isMany ? constantN(operator, named.n, scope) : 1
  const output = compileExpression(checkExpression(named.output), scope)
  const isTop = operator.startsWith('$top')
  return {
    compute: (doc) => ({ doc, output: output(doc) ?? null }),
    make: () => inOrder(keys, n, isTop, isMany),
  }
}

function inOrder(keys: readonly SortKey[], n: number, isTop: boolean, isMany: boolean): Accumulator {
  let kept: Doc[] = []
  const paths = keys.map(({ path, direction }) => ({ path: `doc.${path}`, direction }))
  const sorted = () => {
    const all = sortDocs(kept, paths).filter(isDoc)
    kept = isTop ? all.slice(0, n) : all.slice(-n)
    return kept
  }
  return {
    add(value) {
      if (!isDoc(value)) return
      held(value)
      kept.push(value)
      if (kept.length > n * 2 + 100) sorted()
    },
    result: () => {
      const outputs = sorted().map(({ output }) => output)
      return isMany ? outputs : (outputs[0] ?? null)
    },
  }
}
