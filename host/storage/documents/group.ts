import type { Options } from 'mingo/types'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import { isNil, isNumeric, mismatch, toNumber } from './operator-kit.ts'
import { ACCUMULATORS } from './operators.ts'
import { standardDeviation } from './operators-number.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { canonicalKey, compareValues, type Doc, isDoc, weigh } from './values.ts'

/** Gathers the documents of one group into one value. */
interface Accumulator {
  add(value: unknown): void
  result(): unknown
}

/** Counts what a group keeps, so that grouping cannot hold more than the operation may. */
function held(value: unknown): unknown {
  meter.hold(weigh(value, meter.limits.intermediateBytes))
  return value
}

function sum(operator: string, result: (total: number, count: number) => unknown): () => Accumulator {
  return () => {
    let total = 0
    let count = 0
    return {
      add(value) {
        if (!isNumeric(value)) return
        total += toNumber(operator, value)
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

function deviation(isSample: boolean): () => Accumulator {
  return () => {
    const numbers: number[] = []
    return {
      add(value) {
        if (!isNumeric(value)) return
        meter.hold(8)
        numbers.push(toNumber('$stdDev', value))
      },
      result: () => standardDeviation(numbers, isSample),
    }
  }
}

function push(): Accumulator {
  const items: unknown[] = []
  return {
    add(value) {
      if (value !== undefined) items.push(held(value))
    },
    result: () => items,
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
    result: () => kept,
  }
}

function merge(): Accumulator {
  const merged: Doc = {}
  return {
    add(value) {
      if (isNil(value)) return
      if (!isDoc(value)) throw mismatch('$mergeObjects', 'documents')
      held(value)
      Object.assign(merged, value)
    },
    result: () => merged,
  }
}

const MAKERS = new Map<string, () => Accumulator>([
  ['$sum', sum('$sum', (total) => total)],
  ['$avg', sum('$avg', (total, count) => (count === 0 ? null : total / count))],
  ['$count', sum('$count', (total) => total)],
  ['$min', extreme(-1)],
  ['$max', extreme(1)],
  ['$first', edge(true)],
  ['$last', edge(false)],
  ['$push', push],
  ['$addToSet', addToSet],
  ['$stdDevPop', deviation(false)],
  ['$stdDevSamp', deviation(true)],
  ['$mergeObjects', merge],
])

interface Field {
  readonly name: string
  readonly compute: Compute
  readonly make: () => Accumulator
}

function compileField(name: string, spec: unknown, scope: Options): Field {
  if (name === '' || name.includes('.') || name.startsWith('$'))
    throw refusal('query_invalid', 40235, `${quote(name)} cannot name a field of a group.`)
  const keys = isDoc(spec) ? Object.keys(spec) : []
  const [operator = ''] = keys
  if (!isDoc(spec) || keys.length !== 1)
    throw refusal(
      'query_invalid',
      40234,
      `The field ${quote(name)} takes one accumulator, such as {$sum: 1}.`,
    )
  if (!ACCUMULATORS.has(operator))
    throw refusal('operator_unknown', 15952, `The operator ${quote(operator)} is not offered in a group.`, {
      operator: operator.slice(0, 60),
    })
  const operand = spec[operator]
  if (operator === '$firstN' || operator === '$lastN') {
    const n = isDoc(operand) ? operand.n : undefined
    if (!isDoc(operand) || typeof n !== 'number' || !Number.isInteger(n) || n < 1)
      throw mismatch(operator, '{input, n} with n a whole number of at least 1')
    const compute = compileExpression(checkExpression(operand.input), scope)
    return { name, compute, make: () => edgeN(operator === '$firstN', n) }
  }
  const expression = operator === '$count' ? 1 : checkExpression(operand)
  const make = MAKERS.get(operator)
  if (!make) throw new Error(`${operator} is on the list but has no code`)
  return { name, compute: compileExpression(expression, scope), make }
}

/** Prepares the accumulators of a `$group` or of the `output` of a `$bucket`. */
export function compileFields(spec: Doc, scope: Options): Field[] {
  return Object.keys(spec).map((name) => compileField(name, spec[name], scope))
}

/** Groups documents by a key; groups come in the order of their first documents. */
export function* groupDocs(docs: Iterable<Doc>, keyOf: Compute, fields: readonly Field[]): Generator<Doc> {
  const groups = new Map<string, { id: unknown; accumulators: Accumulator[] }>()
  for (const doc of docs) {
    meter.tick()
    const id = keyOf(doc) ?? null
    const key = canonicalKey(id)
    let group = groups.get(key)
    if (!group) {
      meter.hold(key.length + 64 + fields.length * 64)
      group = { id, accumulators: fields.map((field) => field.make()) }
      groups.set(key, group)
    }
    for (let i = 0; i < fields.length; i++) group.accumulators[i]?.add(fields[i]?.compute(doc))
  }
  for (const { id, accumulators } of groups.values()) {
    const doc: Doc = { _id: id }
    fields.forEach((field, i) => {
      doc[field.name] = accumulators[i]?.result()
    })
    yield doc
  }
}

/** The key of `$bucket`: the lower bound of the bucket that a value falls in, or the default. */
export function bucketKey(compute: Compute, boundaries: readonly unknown[], fallback: unknown): Compute {
  return (doc) => {
    const value = compute(doc)
    let low = 0
    let high = boundaries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareValues(value, boundaries[middle]) < 0) high = middle
      else low = middle + 1
    }
    if (low > 0 && low < boundaries.length) return boundaries[low - 1]
    if (fallback === undefined)
      throw refusal(
        'query_invalid',
        7158204,
        '$bucket meets a value outside of its boundaries: give it a default.',
      )
    return fallback
  }
}

/** Checks the boundaries of a `$bucket`: at least two, of one type, ascending. */
export function checkBoundaries(boundaries: unknown): unknown[] {
  if (!Array.isArray(boundaries) || boundaries.length < 2)
    throw refusal('query_invalid', 40192, '$bucket takes at least two boundaries.')
  for (let i = 1; i < boundaries.length; i++)
    if (compareValues(boundaries[i - 1], boundaries[i]) >= 0)
      throw refusal('query_invalid', MONGO.BadValue, 'The boundaries of $bucket ascend.')
  return boundaries
}
