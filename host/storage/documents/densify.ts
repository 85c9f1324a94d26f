import type { Options } from 'mingo/types'
import { isNumeric, toDouble } from './arithmetic.ts'
import { compileExpression } from './expression-compiler.ts'
import { meter } from './meter.ts'
import { isNil } from './operator-kit.ts'
import { dateAdd, unitOf } from './operators-date.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { fieldPath, withField } from './unwind.ts'
import { compareValues, type Doc, isDoc } from './values.ts'
import { partitions } from './windows.ts'

/** Documents that one `$densify` may make: MongoDB's own bound. */
const MOST_MADE = 500_000

function invalid(message: string, mongoCode: number = MONGO.FailedToParse): Error {
  return refusal('query_invalid', mongoCode, message)
}

/** The places of a densified field: from one on, in steps. */
interface Steps {
  readonly isPlace: (value: unknown) => boolean
  /** The place so many steps behind another. */
  readonly after: (start: unknown, steps: number) => unknown
}

/** Prepares `$densify`: documents are made where a field has gaps. */
export function compileDensify(spec: unknown, scope: Options): (docs: Iterable<Doc>) => Iterable<Doc> {
  if (!isDoc(spec) || !isDoc(spec.range)) throw invalid('$densify takes {field, partitionByFields, range}.')
  const { field, partitionByFields = [], range } = spec
  const path = fieldPath('$densify', field)
  if (!Array.isArray(partitionByFields))
    throw invalid('$densify takes a list of fields as partitionByFields.')
  const by = partitionByFields.map((name) => fieldPath('$densify', name))
  const steps = compileSteps(range.step, range.unit)
  const { bounds } = range
  if (bounds !== 'full' && bounds !== 'partition' && !isPair(bounds, steps))
    throw invalid("$densify takes bounds 'full', 'partition' or [from, to].", 5733402)
  if (bounds === 'partition' && by.length === 0)
    throw invalid("$densify takes partitionByFields for the bounds 'partition'.", 5733409)
  const read = compileExpression(`$${path.join('.')}`, scope)
  const partitionOf = compileExpression(
    by.map((parts) => `$${parts.join('.')}`),
    scope,
  )
  const keys = [{ path: path.join('.'), direction: 1 as const }]
  return function* (docs) {
    // The partition's key is a list of the values of its fields, which partitions() takes for one value.
    const parts = partitions(docs, (doc) => ({ by: partitionOf(doc) }), keys)
    const all = parts.flatMap((part) => part.docs.map(read)).filter((value) => !isNil(value))
    for (const value of all)
      if (!steps.isPlace(value)) throw invalid('$densify meets a value of another type.', 5733201)
    const sorted = [...all].sort(compareValues)
    let made = 0
    for (const part of parts) {
      const values = part.docs.map(read)
      const known = values.filter((value) => !isNil(value))
      const [from, to] = Array.isArray(bounds)
        ? [bounds[0], bounds[1]]
        : bounds === 'full'
          ? [sorted[0], sorted.at(-1)]
          : [known[0], known.at(-1)]
      const isOpen = Array.isArray(bounds)
      let step = 0
      let next = from
      const gap = () => {
        if (++made > MOST_MADE) throw invalid(`$densify makes at most ${MOST_MADE} documents.`, 5897900)
        meter.tick()
        let doc: Doc = {}
        by.forEach((name) => {
          const value = part.docs[0] && compileExpression(`$${name.join('.')}`, scope)(part.docs[0])
          if (value !== undefined) doc = withField(doc, name, value)
        })
        return withField(doc, path, next)
      }
      const advance = () => {
        next = steps.after(from, ++step)
      }
      const isBefore = (limit: unknown) => next !== undefined && compareValues(next, limit) < 0
      for (let at = 0; at < part.docs.length; at++) {
        const value = values[at]
        const doc = part.docs[at]
        if (!isNil(value) && next !== undefined)
          for (; isBefore(value) && (!isOpen || isBefore(to)); advance()) yield gap()
        if (!isNil(value) && next !== undefined && compareValues(next, value) === 0) advance()
        if (doc) yield doc
      }
      if (to !== undefined) {
        for (; isBefore(to); advance()) yield gap()
        if (!isOpen && next !== undefined && compareValues(next, to) === 0 && bounds === 'full') yield gap()
      }
    }
  }
}

function isPair(bounds: unknown, { isPlace }: Steps): bounds is [unknown, unknown] {
  return (
    Array.isArray(bounds) &&
    bounds.length === 2 &&
    bounds.every(isPlace) &&
    compareValues(bounds[0], bounds[1]) <= 0
  )
}

function compileSteps(step: unknown, unit: unknown): Steps {
  if (!isNumeric(step) || toDouble(step) <= 0) throw invalid('$densify takes a positive step.', 5733401)
  const size = toDouble(step)
  if (unit === undefined)
    return {
      isPlace: isNumeric,
      after: (start, steps) => (isNumeric(start) ? toDouble(start) + size * steps : undefined),
    }
  const { ms, months } = unitOf(unit)
  if (ms === undefined && months === undefined) throw invalid(`$densify has no unit ${quote(unit)}.`)
  if (!Number.isInteger(size)) throw invalid('$densify takes a whole step where it has a unit.', 6586400)
  return {
    isPlace: (value) => value instanceof Date,
    after: (start, steps) =>
      start instanceof Date ? dateAdd('$densify', start, String(unit), size * steps, undefined) : undefined,
  }
}

/** What `$fill` means in other stages: windows for its methods, then values where there are none. */
export function fillStages(spec: unknown): Doc[] {
  if (!isDoc(spec) || !isDoc(spec.output)) throw invalid('$fill takes {partitionBy, sortBy, output}.')
  const { partitionBy, partitionByFields, sortBy, output } = spec
  if (partitionBy !== undefined && partitionByFields !== undefined)
    throw invalid('$fill takes partitionBy or partitionByFields, not both.', 6050204)
  const windows: Doc = {}
  const values: Doc = {}
  for (const name of Object.keys(output)) {
    const how = output[name]
    if (!isDoc(how) || Object.keys(how).length !== 1 || !('value' in how || 'method' in how))
      throw invalid(`$fill of ${quote(name)} takes {value} or {method}.`, 6050202)
    if ('value' in how) values[name] = { $ifNull: [`$${name}`, how.value] }
    else if (how.method === 'locf') windows[name] = { $locf: `$${name}` }
    else if (how.method === 'linear') windows[name] = { $linearFill: `$${name}` }
    else throw invalid(`$fill knows the methods 'linear' and 'locf', not ${quote(how.method)}.`, 6050203)
  }
  if (Object.keys(windows).length > 0 && sortBy === undefined)
    throw invalid('$fill with a method takes a sortBy.', 6050206)
  const fields = fieldsOf(partitionByFields)
  const by = fields ? Object.fromEntries(fields.map((name, i) => [`f${i}`, `$${name}`])) : partitionBy
  return [
    ...(Object.keys(windows).length > 0
      ? [{ $setWindowFields: { ...(by !== undefined && { partitionBy: by }), sortBy, output: windows } }]
      : []),
    ...(Object.keys(values).length > 0 ? [{ $set: values }] : []),
  ]
}

function fieldsOf(names: unknown): readonly string[] | undefined {
  if (names === undefined) return undefined
  if (Array.isArray(names) && names.every((name) => typeof name === 'string' && !name.startsWith('$')))
    return names
  throw invalid('$fill takes a list of fields as partitionByFields.', 6050201)
}
