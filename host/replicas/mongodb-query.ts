import { LyceumError } from '../errors.ts'
import { admitQuery } from '../storage/documents/admit.ts'
import { DEFAULT_DOCUMENT_LIMITS } from '../storage/documents/limits.ts'
import {
  ACCUMULATORS,
  EXPRESSION_OPERATORS,
  FIELD_OPERATORS,
  LOGICAL_OPERATORS,
  STAGES,
} from '../storage/documents/operators.ts'

/** Everything that the embedded engine offers too; a server knows many more that write or run JavaScript. */
const OFFERED: ReadonlySet<string> = new Set([
  ...FIELD_OPERATORS,
  ...LOGICAL_OPERATORS,
  ...EXPRESSION_OPERATORS,
  ...ACCUMULATORS,
])

/** A safe copy of a filter or projection. @throws {LyceumError} operator_unknown, query_invalid */
export function checkQuery(query: unknown): unknown {
  const safe = admitQuery(query, DEFAULT_DOCUMENT_LIMITS)
  checkOperators(safe, OFFERED)
  return safe
}

/**
 * A safe copy of a pipeline.
 * @param checkCollection refuses the collections that a `$lookup` may not read
 * @throws {LyceumError} operator_unknown, query_invalid
 */
export function checkPipeline(pipeline: unknown, checkCollection: (name: string) => void): unknown[] {
  const safe = admitQuery(pipeline, DEFAULT_DOCUMENT_LIMITS)
  if (!Array.isArray(safe)) throw invalid('A pipeline is an array of stages.')
  checkStages(safe, checkCollection)
  return safe
}

function checkStages(stages: readonly unknown[], checkCollection: (name: string) => void): void {
  for (const stage of stages) {
    const [name, ...more] = isObject(stage) ? Object.keys(stage) : []
    if (!isObject(stage) || name === undefined || more.length > 0)
      throw invalid('A stage of a pipeline is an object with one operator, such as { $match: … }.')
    if (!STAGES.has(name)) throw unknownOperator(name)
    const operand = stage[name]
    if (name === '$facet' && isObject(operand)) {
      for (const inner of Object.values(operand)) checkInner(inner, checkCollection)
    } else if (name === '$lookup' && isObject(operand)) {
      const { from, pipeline, ...rest } = operand
      if (typeof from !== 'string') throw invalid('$lookup says which collection it reads: from.')
      checkCollection(from)
      if (pipeline !== undefined) checkInner(pipeline, checkCollection)
      checkOperators(rest, OFFERED)
    } else checkOperators(operand, OFFERED)
  }
}

function checkInner(pipeline: unknown, checkCollection: (name: string) => void): void {
  if (!Array.isArray(pipeline)) throw invalid('A pipeline is an array of stages.')
  checkStages(pipeline, checkCollection)
}

function checkOperators(value: unknown, offered: ReadonlySet<string>): void {
  if (Array.isArray(value)) for (const item of value) checkOperators(item, offered)
  else if (isObject(value))
    for (const [key, item] of Object.entries(value)) {
      if (key.startsWith('$') && !offered.has(key)) throw unknownOperator(key)
      checkOperators(item, offered)
    }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function unknownOperator(name: string): LyceumError {
  return new LyceumError('operator_unknown', `"${name.slice(0, 64)}" is not offered for replicas.`)
}

function invalid(message: string): LyceumError {
  return new LyceumError('query_invalid', message)
}
