import type { Options } from 'mingo/types'
import { compileAccumulator, type Gathering } from './accumulators.ts'
import type { Compute } from './expression-compiler.ts'
import { meter } from './meter.ts'
import { unknownOperator } from './nearest.ts'
import { ACCUMULATORS } from './operators.ts'
import { quote, refusal } from './refusal.ts'
import { canonicalKey, compareValues, type Doc, isDoc, typeRank, weigh } from './values.ts'

interface Field extends Gathering {
  readonly name: string
}

function compileField(name: string, spec: unknown, scope: Options): Field {
  if (name === '' || name.includes('.'))
    throw refusal('query_invalid', 40235, `${quote(name)} cannot name a field of a group.`)
  if (name.startsWith('$'))
    throw refusal(
      'query_invalid',
      40236,
      `${quote(name)} cannot name a field of a group: it starts with '$'.`,
    )
  const keys = isDoc(spec) ? Object.keys(spec) : []
  const [operator = ''] = keys
  if (!isDoc(spec))
    throw refusal('query_invalid', 40234, `The field ${quote(name)} takes an accumulator, such as {$sum: 1}.`)
  if (keys.length !== 1)
    throw refusal(
      'query_invalid',
      40238,
      `The field ${quote(name)} takes one accumulator, such as {$sum: 1}.`,
    )
  if (!ACCUMULATORS.has(operator)) throw unknownOperator(operator, 'in a group', ACCUMULATORS, 15952)
  return { name, ...compileAccumulator(operator, spec[operator], scope) }
}

/** Prepares the accumulators of a `$group` or of the `output` of a `$bucket`. */
export function compileFields(spec: Doc, scope: Options): Field[] {
  return Object.keys(spec).map((name) => compileField(name, spec[name], scope))
}

/** Groups documents by a key; groups come in the order of their first documents. */
export function* groupDocs(docs: Iterable<Doc>, keyOf: Compute, fields: readonly Field[]): Generator<Doc> {
  const groups = new Map<string, { id: unknown; gather: (doc: Doc) => void; result: () => Doc }>()
  for (const doc of docs) {
    meter.tick()
    const id = keyOf(doc) ?? null
    const key = canonicalKey(id)
    let group = groups.get(key)
    if (!group) {
      meter.hold(key.length + 64 + fields.length * 64)
      group = { id, ...gatherer(fields) }
      groups.set(key, group)
    }
    group.gather(doc)
  }
  for (const { id, result } of groups.values()) yield { _id: id, ...result() }
}

function gatherer(fields: readonly Field[]): { gather: (doc: Doc) => void; result: () => Doc } {
  const accumulators = fields.map((field) => field.make())
  return {
    gather: (doc) => {
      for (let i = 0; i < fields.length; i++) accumulators[i]?.add(fields[i]?.compute(doc))
    },
    result: () => {
      const doc: Doc = {}
      fields.forEach(({ name }, i) => {
        doc[name] = accumulators[i]?.result()
      })
      return doc
    },
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

/** Checks the boundaries of a `$bucket`: at least two, of one type, ascending; and that the default is outside. */
export function checkBoundaries(boundaries: unknown, fallback: unknown): unknown[] {
  if (!Array.isArray(boundaries)) throw refusal('query_invalid', 40200, '$bucket takes a list of boundaries.')
  if (boundaries.length < 2) throw refusal('query_invalid', 40192, '$bucket takes at least two boundaries.')
  for (let i = 1; i < boundaries.length; i++) {
    if (typeRank(boundaries[i]) !== typeRank(boundaries[i - 1]))
      throw refusal('query_invalid', 40193, 'The boundaries of $bucket are of one type.')
    if (compareValues(boundaries[i - 1], boundaries[i]) >= 0)
      throw refusal('query_invalid', 40194, 'The boundaries of $bucket ascend.')
  }
  const isInside =
    fallback !== undefined &&
    compareValues(fallback, boundaries[0]) >= 0 &&
    compareValues(fallback, boundaries.at(-1)) < 0
  if (isInside)
    throw refusal(
      'query_invalid',
      40199,
      'The default of $bucket is below its lowest or not below its highest boundary.',
    )
  return boundaries
}

/**
 * `$bucketAuto`: about as many documents in each bucket, those of one value in one bucket. A bucket ends where the
 * next begins; the last one at its largest value.
 */
export function* bucketAuto(
  docs: Iterable<Doc>,
  keyOf: Compute,
  buckets: number,
  fields: readonly Field[],
): Generator<Doc> {
  const rows: { key: unknown; doc: Doc }[] = []
  for (const doc of docs) {
    meter.hold(weigh(doc, meter.limits.intermediateBytes))
    rows.push({ key: keyOf(doc) ?? null, doc })
  }
  rows.sort((a, b) => compareValues(a.key, b.key))
  const size = Math.max(1, Math.round(rows.length / buckets))
  for (let from = 0, bucket = 1; from < rows.length; bucket++) {
    let to = bucket === buckets ? rows.length : Math.min(rows.length, from + size)
    while (to < rows.length && compareValues(rows[to]?.key, rows[to - 1]?.key) === 0) to++
    const { gather, result } = gatherer(fields)
    for (const { doc } of rows.slice(from, to)) gather(doc)
    yield { _id: { min: rows[from]?.key, max: rows[Math.min(to, rows.length - 1)]?.key }, ...result() }
    from = to
  }
}
