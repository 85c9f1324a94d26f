import { Context, type ProcessingMode } from 'mingo/core'
import * as mingo from 'mingo/operators/expression'
import { $expr } from 'mingo/operators/query/evaluation'
import * as mingoQuery from 'mingo/operators/query/logical'
import { Query } from 'mingo/query'
import type { Options } from 'mingo/types'
import { type ExpressionOperator, metered, mismatch, onList } from './operator-kit.ts'
import { ARRAY_OPERATORS } from './operators-array.ts'
import { DATE_OPERATORS } from './operators-date.ts'
import { NUMBER_OPERATORS } from './operators-number.ts'
import { STRING_OPERATORS } from './operators-string.ts'
import { TYPE_OPERATORS } from './operators-type.ts'
import { QUERY_OPERATORS } from './query-operators.ts'
import { compareValues } from './values.ts'

function comparison(name: string, result: (order: number) => unknown): ExpressionOperator {
  return onList((values) => {
    if (values.length !== 2) throw mismatch(name, 'two operands')
    return result(compareValues(values[0], values[1]))
  })
}

const EXPRESSIONS: Record<string, ExpressionOperator> = {
  ...NUMBER_OPERATORS,
  ...STRING_OPERATORS,
  ...ARRAY_OPERATORS,
  ...DATE_OPERATORS,
  ...TYPE_OPERATORS,
  $cmp: comparison('$cmp', (order) => order),
  $eq: comparison('$eq', (order) => order === 0),
  $ne: comparison('$ne', (order) => order !== 0),
  $gt: comparison('$gt', (order) => order > 0),
  $gte: comparison('$gte', (order) => order >= 0),
  $lt: comparison('$lt', (order) => order < 0),
  $lte: comparison('$lte', (order) => order <= 0),
  $and: metered(mingo.$and),
  $or: metered(mingo.$or),
  $not: metered(mingo.$not),
  $cond: metered(mingo.$cond),
  $ifNull: metered(mingo.$ifNull),
  $switch: metered(mingo.$switch),
  $let: metered(mingo.$let),
  $literal: (_doc, operand) => operand,
}

/** The names of {@link EXPRESSIONS}: a test holds them against the written list. */
export const IMPLEMENTED_EXPRESSIONS: readonly string[] = Object.keys(EXPRESSIONS)

/**
 * What mingo may use: only these, so that a name which slips through the checks finds nothing to run. mingo types
 * operators by the union of its own, hence the one cast.
 */
const CONTEXT = Context.init({
  expression: EXPRESSIONS as NonNullable<Parameters<typeof Context.init>[0]>['expression'] & object,
  query: {
    ...QUERY_OPERATORS,
    $and: mingoQuery.$and,
    $or: mingoQuery.$or,
    $nor: mingoQuery.$nor,
    $not: mingoQuery.$not,
    $expr,
  },
})

/**
 * The scope of one operation: its `$$NOW` and variables. mingo hands the prepared form of its options only to
 * operators, and copies every operator again for each expression where it does not get that form, so a query of
 * nothing but a capturing operator fetches it.
 */
export function newScope(variables: Record<string, unknown> = {}): Options {
  let scope: Options | undefined
  const capture = (_path: string, _operand: unknown, options: Options) => {
    scope = options
    return () => true
  }
  const context = Context.from(CONTEXT).addQueryOps({ $capture: capture })
  new Query(
    { field: { $capture: 1 } },
    { context, scriptEnabled: false, variables, processingMode: 0 satisfies ProcessingMode },
  )
  if (!scope) throw new Error('mingo did not prepare its options')
  if ('now' in scope) void scope.now
  return scope
}
