import type { Options } from 'mingo/types'
import { isNumeric, toDouble } from './arithmetic.ts'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import { isNil, mismatch, namesOf } from './operator-kit.ts'
import { unitOf } from './operators-date.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import type { SortKey } from './sort.ts'
import { sortValue } from './sort.ts'
import { compareValues, type Doc, isDoc } from './values.ts'
import type { Partition, WindowField } from './windows.ts'

type Window = (partition: Partition, at: number) => readonly [first: number, last: number]

function invalid(message: string, mongoCode: number = MONGO.FailedToParse): Error {
  return refusal('query_invalid', mongoCode, message)
}

/** Prepares a window function that is no accumulator: it looks at the order of the partition. */
export function compileWindowFunction(
  operator: string,
  operand: unknown,
  window: Window | undefined,
  keys: readonly SortKey[],
  scope: Options,
): WindowField {
  if (keys.length === 0) throw invalid(`${operator} takes a sortBy.`, 5371602)
  const isWindowed = operator === '$derivative' || operator === '$integral'
  if (window && !isWindowed) throw invalid(`${operator} takes no window.`, 5371601)
  switch (operator) {
    case '$rank':
    case '$denseRank':
    case '$documentNumber':
      if (!isDoc(operand) || Object.keys(operand).length > 0)
        throw invalid(`${operator} takes no operands: {${operator}: {}}.`, 5371603)
      if (operator !== '$documentNumber' && keys.length !== 1)
        throw invalid(`${operator} takes a sortBy of one field.`, 5371602)
      return ranks(operator)
    case '$shift':
      return shift(operand, scope)
    case '$expMovingAvg':
      return movingAverage(operand, scope)
    case '$locf':
      return carriedForward(compileExpression(checkExpression(operand), scope))
    case '$linearFill':
      if (keys.length !== 1) throw invalid('$linearFill takes a sortBy of one field.', 605001)
      return linear(compileExpression(checkExpression(operand), scope))
    default:
      return rate(operator, operand, window, keys, scope)
  }
}

function ranks(operator: string): WindowField {
  return ({ docs, keys }) => {
    let rank = 0
    let dense = 0
    return docs.map((doc, at) => {
      const before = docs[at - 1]
      const isTied =
        before !== undefined &&
        keys.every((key) => compareValues(sortValue(before, key), sortValue(doc, key)) === 0)
      if (!isTied) {
        rank = at + 1
        dense += 1
      }
      return operator === '$documentNumber' ? at + 1 : operator === '$rank' ? rank : dense
    })
  }
}

function shift(operand: unknown, scope: Options): WindowField {
  const named = namesOf('$shift', operand, { required: ['output', 'by'], optional: ['default'] })
  const { by } = named
  if (typeof by !== 'number' || !Number.isInteger(by))
    throw mismatch('$shift', 'a whole number as by', MONGO.FailedToParse)
  const output = compileExpression(checkExpression(named.output), scope)
  const fallback = compileExpression(checkExpression(named.default ?? null), scope)({})
  return ({ docs }) =>
    docs.map((_, at) => {
      const other = docs[at + by]
      return other === undefined ? fallback : output(other)
    })
}

function movingAverage(operand: unknown, scope: Options): WindowField {
  const named = namesOf('$expMovingAvg', operand, { required: ['input'], optional: ['N', 'alpha'] })
  const { N, alpha } = named
  if ((N === undefined) === (alpha === undefined)) throw invalid('$expMovingAvg takes either N or alpha.')
  if (N !== undefined && !(Number.isInteger(N) && Number(N) > 0))
    throw invalid('$expMovingAvg takes a whole N of at least 1.')
  if (alpha !== undefined && !(typeof alpha === 'number' && alpha > 0 && alpha < 1))
    throw invalid('$expMovingAvg takes an alpha between 0 and 1.')
  const weight = N === undefined ? Number(alpha) : 2 / (Number(N) + 1)
  const input = compileExpression(checkExpression(named.input), scope)
  return ({ docs }) => {
    let average: number | null = null
    return docs.map((doc) => {
      meter.tick()
      const value = input(doc)
      if (isNumeric(value))
        average = average === null ? toDouble(value) : toDouble(value) * weight + average * (1 - weight)
      return average
    })
  }
}

function carriedForward(input: Compute): WindowField {
  return ({ docs }) => {
    let last: unknown = null
    return docs.map((doc) => {
      last = input(doc) ?? last
      return last
    })
  }
}

/** A place in the order as a number: dates in milliseconds. */
function position(operator: string, value: unknown): number {
  if (isNumeric(value)) return toDouble(value)
  if (value instanceof Date) return value.getTime()
  throw invalid(`${operator} takes a sortBy of numbers or dates.`, 5429414)
}

function linear(input: Compute): WindowField {
  return ({ docs, place }) => {
    const values = docs.map(input)
    const known: number[] = []
    values.forEach((value, at) => {
      if (isNil(value)) return
      if (!isNumeric(value)) throw mismatch('$linearFill', 'numbers, null or missing')
      known.push(at)
    })
    const made: unknown[] = values.map((value) => value ?? null)
    known.forEach((from, i) => {
      const to = known[i + 1]
      if (to === undefined) return
      const [start, end] = [docs[from] ?? {}, docs[to] ?? {}].map((doc) =>
        position('$linearFill', place(doc)),
      )
      const [low, high] = [values[from], values[to]].map((value) => (isNumeric(value) ? toDouble(value) : 0))
      for (let at = from + 1; at < to; at++) {
        meter.tick()
        const share =
          (position('$linearFill', place(docs[at] ?? {})) - (start ?? 0)) / ((end ?? 0) - (start ?? 0))
        made[at] = (low ?? 0) + ((high ?? 0) - (low ?? 0)) * share
      }
    })
    return made
  }
}

function rate(
  operator: string,
  operand: unknown,
  window: Window | undefined,
  keys: readonly SortKey[],
  scope: Options,
): WindowField {
  const named = namesOf(operator, operand, { required: ['input'], optional: ['unit'] })
  if (operator === '$derivative' && !window) throw invalid('$derivative takes a window.')
  if (keys.length !== 1) throw invalid(`${operator} takes a sortBy of one field.`)
  const { unit } = named
  const { ms } = unitOf(unit)
  if (unit !== undefined && ms === undefined)
    throw invalid(`${operator} takes a unit of 'week' or less, which ${quote(unit)} is not.`, 5490704)
  const input = compileExpression(checkExpression(named.input), scope)
  const bounds: Window = window ?? (({ docs }) => [0, docs.length - 1])
  return (partition) => {
    const points = partition.docs.map((doc) => pointOf(operator, doc, partition.place(doc), input(doc), ms))
    return points.map((_, at) => {
      const [from, to] = bounds(partition, at)
      return operator === '$derivative' ? slope(points[from], points[to], from, to) : area(points, from, to)
    })
  }
}

interface Point {
  readonly at: number
  readonly value: number | undefined
}

function pointOf(
  operator: string,
  _doc: Doc,
  place: unknown,
  value: unknown,
  unitMs: number | undefined,
): Point {
  const isDate = place instanceof Date
  if (isDate !== (unitMs !== undefined))
    throw invalid(
      isDate ? `${operator} over dates takes a unit.` : `${operator} with a unit takes a sortBy of dates.`,
      isDate ? 5624902 : 5624901,
    )
  if (!isNil(value) && !isNumeric(value)) throw mismatch(operator, 'numbers, null or missing', 5624903)
  return {
    at: position(operator, place) / (unitMs ?? 1),
    value: isNumeric(value) ? toDouble(value) : undefined,
  }
}

function slope(first: Point | undefined, last: Point | undefined, from: number, to: number): number | null {
  if (from >= to || first?.value === undefined || last?.value === undefined || last.at === first.at)
    return null
  return (last.value - first.value) / (last.at - first.at)
}

function area(points: readonly Point[], from: number, to: number): number | null {
  let sum = 0
  let before: Point | undefined
  for (let at = from; at <= to; at++) {
    meter.tick()
    const point = points[at]
    if (point?.value === undefined) continue
    if (before?.value !== undefined) sum += ((before.value + point.value) / 2) * (point.at - before.at)
    before = point
  }
  return before === undefined ? null : sum
}
