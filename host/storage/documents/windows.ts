import type { Options } from 'mingo/types'
import { compileAccumulator, type Gathering } from './accumulators.ts'
import { isNumeric, toDouble } from './arithmetic.ts'
import { type Compute, compileExpression } from './expression-compiler.ts'
import { checkExpression } from './expressions.ts'
import { meter } from './meter.ts'
import { unknownOperator } from './nearest.ts'
import { WINDOW_ACCUMULATORS, WINDOW_FUNCTIONS } from './operators.ts'
import { dateAdd, unitOf } from './operators-date.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { type SortKey, sortDocs, sortKeys, sortValue } from './sort.ts'
import { fieldPath, withField } from './unwind.ts'
import { canonicalKey, compareValues, type Doc, isDoc, weigh } from './values.ts'
import { compileWindowFunction } from './window-functions.ts'

function invalid(message: string, mongoCode: number = MONGO.FailedToParse): Error {
  return refusal('query_invalid', mongoCode, message)
}

/** The documents of a partition in order, and what they are sorted by. */
export interface Partition {
  readonly docs: readonly Doc[]
  readonly keys: readonly SortKey[]
  /** What a document sorts by, of the first field. */
  readonly place: (doc: Doc) => unknown
}

/** Computes one field for all documents of a partition. */
export type WindowField = (partition: Partition) => readonly unknown[]

/** The first and the last document of a window, by their places in the partition; empty where the last is lower. */
type Bounds = (partition: Partition, at: number) => readonly [first: number, last: number]

/** Prepares `$setWindowFields`. */
export function compileWindows(spec: unknown, scope: Options): (docs: Iterable<Doc>) => Iterable<Doc> {
  if (!isDoc(spec)) throw invalid('$setWindowFields takes {partitionBy, sortBy, output}.')
  for (const key of Object.keys(spec))
    if (key !== 'partitionBy' && key !== 'sortBy' && key !== 'output')
      throw invalid(`$setWindowFields has no ${quote(key)}.`, 40415)
  if (!isDoc(spec.output)) throw invalid('$setWindowFields takes an object of fields as output.', 40414)
  const { output } = spec
  const keys = spec.sortBy === undefined ? [] : sortKeys(spec.sortBy)
  const partitionOf = compileExpression(checkExpression(spec.partitionBy ?? null), scope)
  const fields = Object.keys(output).map((name) => ({
    path: fieldPath('$setWindowFields', name),
    compute: compileWindowField(name, output[name], keys, scope),
  }))
  return (docs) => setWindowFields(docs, partitionOf, keys, fields)
}

function* setWindowFields(
  docs: Iterable<Doc>,
  partitionOf: Compute,
  keys: readonly SortKey[],
  fields: readonly { readonly path: readonly string[]; readonly compute: WindowField }[],
): Generator<Doc> {
  for (const { docs: sorted } of partitions(docs, partitionOf, keys)) {
    const [key] = keys
    const place = key === undefined ? () => null : (doc: Doc) => sortValue(doc, key)
    const partition: Partition = { docs: sorted, keys, place }
    const values = fields.map(({ compute }) => compute(partition))
    for (let at = 0; at < sorted.length; at++) {
      meter.tick()
      let doc = sorted[at] ?? {}
      fields.forEach(({ path }, i) => {
        doc = withField(doc, path, values[i]?.[at] ?? null)
      })
      yield doc
    }
  }
}

/** Documents by a key, in its order, those of each sorted. All of them are held. */
export function partitions(
  docs: Iterable<Doc>,
  partitionOf: Compute,
  keys: readonly SortKey[],
): { readonly key: unknown; readonly docs: readonly Doc[] }[] {
  const found = new Map<string, { key: unknown; docs: Doc[] }>()
  for (const doc of docs) {
    meter.hold(weigh(doc, meter.limits.intermediateBytes))
    const key = partitionOf(doc) ?? null
    if (Array.isArray(key)) throw invalid('A partition is by no array.', MONGO.TypeMismatch)
    const name = canonicalKey(key)
    const partition = found.get(name)
    if (partition) partition.docs.push(doc)
    else found.set(name, { key, docs: [doc] })
  }
  return [...found.values()]
    .sort((a, b) => compareValues(a.key, b.key))
    .map(({ key, docs: of }) => ({ key, docs: keys.length === 0 ? of : sortDocs(of, keys).filter(isDoc) }))
}

function compileWindowField(
  name: string,
  spec: unknown,
  keys: readonly SortKey[],
  scope: Options,
): WindowField {
  if (!isDoc(spec)) throw invalid(`The field ${quote(name)} takes a window function.`)
  const operators = Object.keys(spec).filter((key) => key !== 'window')
  const [operator = ''] = operators
  if (operators.length !== 1) throw invalid(`The field ${quote(name)} takes one window function.`)
  if (!WINDOW_FUNCTIONS.has(operator))
    throw unknownOperator(operator, 'in $setWindowFields', WINDOW_FUNCTIONS, MONGO.FailedToParse)
  const operand = spec[operator]
  if (!WINDOW_ACCUMULATORS.has(operator)) {
    const window = spec.window === undefined ? undefined : compileWindow(spec.window, keys)
    return compileWindowFunction(operator, operand, window, keys, scope)
  }
  const gathering = compileAccumulator(operator, operand, scope)
  if (spec.window === undefined) return (partition) => gatherAll(gathering, partition)
  return gatherWindows(gathering, compileWindow(spec.window, keys))
}

function gatherAll({ compute, make }: Gathering, { docs }: Partition): unknown[] {
  const accumulator = make()
  for (const doc of docs) accumulator.add(compute(doc))
  const result = accumulator.result()
  return docs.map(() => result)
}

/** A window that starts where the one before did only takes what is new; any other is gathered afresh. */
function gatherWindows({ compute, make }: Gathering, bounds: Bounds): WindowField {
  return (partition) => {
    const inputs = partition.docs.map(compute)
    let accumulator = make()
    let first = 0
    let next = 0
    return partition.docs.map((_, at) => {
      const [from, to] = bounds(partition, at)
      if (from !== first || to + 1 < next) {
        accumulator = make()
        first = from
        next = from
      }
      for (; next <= to; next++) {
        meter.tick()
        accumulator.add(inputs[next])
      }
      return accumulator.result()
    })
  }
}

/** Checks the `window` of a field. */
function compileWindow(spec: unknown, keys: readonly SortKey[]): Bounds {
  if (!isDoc(spec)) throw invalid('A window is {documents: […]} or {range: […], unit}.')
  for (const key of Object.keys(spec))
    if (key !== 'documents' && key !== 'range' && key !== 'unit')
      throw invalid(`A window has no ${quote(key)}.`)
  if (spec.documents !== undefined && spec.range !== undefined)
    throw invalid('A window is by documents or by a range, not by both.')
  if (spec.documents !== undefined) {
    if (spec.unit !== undefined) throw invalid('A window by documents has no unit.')
    return documentsWindow(spec.documents, keys)
  }
  if (spec.range !== undefined) return rangeWindow(spec.range, spec.unit, keys)
  return (partition) => [0, partition.docs.length - 1]
}

function boundsOf(value: unknown, isBound: (bound: unknown) => boolean, wanted: string): [unknown, unknown] {
  const isWord = (bound: unknown) => bound === 'unbounded' || bound === 'current' || isBound(bound)
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isWord))
    throw invalid(`A window has two bounds: ${wanted}, 'current' or 'unbounded'.`)
  return [value[0], value[1]]
}

function documentsWindow(value: unknown, keys: readonly SortKey[]): Bounds {
  const [low, high] = boundsOf(value, Number.isInteger, 'whole numbers')
  const isWhole = low === 'unbounded' && high === 'unbounded'
  if (!isWhole && keys.length === 0)
    throw invalid('A window by documents with bounds takes a sortBy.', 5339901)
  const from = low === 'current' ? 0 : Number(low)
  const to = high === 'current' ? 0 : Number(high)
  if (low !== 'unbounded' && high !== 'unbounded' && from > to)
    throw invalid('The lower bound of a window is not above the upper one.', 5339900)
  return ({ docs }, at) => [
    low === 'unbounded' ? 0 : Math.max(0, at + from),
    high === 'unbounded' ? docs.length - 1 : Math.min(docs.length - 1, at + to),
  ]
}

function rangeWindow(value: unknown, unit: unknown, keys: readonly SortKey[]): Bounds {
  const [low, high] = boundsOf(value, isNumeric, 'numbers')
  const [key] = keys
  if (key === undefined || keys.length !== 1 || key.direction !== 1)
    throw invalid('A window by range takes a sortBy of one field, ascending.', 5339902)
  const { ms, months } = unitOf(unit)
  if (unit !== undefined && ms === undefined && months === undefined)
    throw invalid(`A window has no unit ${quote(unit)}.`)
  const moved = (place: unknown, by: unknown): unknown => {
    if (by === 'current') return place
    const amount = isNumeric(by) ? toDouble(by) : 0
    if (unit === undefined) {
      if (!isNumeric(place)) throw invalid('A window by range without a unit is over numbers.', 5429414)
      return toDouble(place) + amount
    }
    if (!(place instanceof Date)) throw invalid('A window by range with a unit is over dates.', 5429513)
    return dateAdd('$setWindowFields', place, String(unit), amount, undefined)
  }
  return ({ docs, place }, at) => {
    const here = place(docs[at] ?? {})
    const first = low === 'unbounded' ? 0 : search(docs, place, moved(here, low), false)
    const last = high === 'unbounded' ? docs.length - 1 : search(docs, place, moved(here, high), true) - 1
    return [first, last]
  }
}

/** The first document whose place is not below a value, or with `isAfter` above it. */
function search(docs: readonly Doc[], place: Compute, value: unknown, isAfter: boolean): number {
  let low = 0
  let high = docs.length
  while (low < high) {
    meter.tick()
    const middle = (low + high) >> 1
    const order = compareValues(place(docs[middle] ?? {}) ?? null, value ?? null)
    if (order < 0 || (isAfter && order === 0)) low = middle + 1
    else high = middle
  }
  return low
}
