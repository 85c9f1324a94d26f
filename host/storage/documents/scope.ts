import { Context, type ProcessingMode } from 'mingo/core'
import * as mingoQuery from 'mingo/operators/query/logical'
import { Query } from 'mingo/query'
import type { Options } from 'mingo/types'
import { compileExpression, varsOf } from './expression-compiler.ts'
import './expression-operators.ts'
import { variables as outermost, type Vars } from './evaluate.ts'
import { isTrue } from './operator-kit.ts'
import { QUERY_OPERATORS } from './query-operators.ts'
import { isDoc } from './values.ts'

const $expr = (_path: string, expression: unknown, options: Options) => {
  const compute = compileExpression(expression, options)
  return (doc: unknown) => isTrue(compute(isDoc(doc) ? doc : {}))
}

/** What mingo may use: only these, so that a name which slips through the checks finds nothing to run. */
const CONTEXT = Context.init({
  query: {
    ...QUERY_OPERATORS,
    $and: mingoQuery.$and,
    $or: mingoQuery.$or,
    $nor: mingoQuery.$nor,
    $not: mingoQuery.$not,
    $expr,
  },
})

/** The scope of an inner pipeline: that around it, and more variables. */
export function bindScope(scope: Options, variables: Readonly<Record<string, unknown>>): Options {
  return newScope(outermost({ ...varsOf(scope), ...variables }))
}

/**
 * The scope of one operation: its `$$NOW` and variables. mingo hands the prepared form of its options only to
 * operators, and copies every operator again for each expression where it does not get that form, so a query of
 * nothing but a capturing operator fetches it.
 */
export function newScope(vars: Vars = outermost({ NOW: new Date() })): Options {
  let scope: Options | undefined
  const capture = (_path: string, _operand: unknown, options: Options) => {
    scope = options
    return () => true
  }
  const context = Context.from(CONTEXT).addQueryOps({ $capture: capture })
  new Query(
    { field: { $capture: 1 } },
    {
      context,
      scriptEnabled: false,
      // mingo copies what it is given: the object inside stays the one that changes.
      variables: { vars },
      processingMode: 0 satisfies ProcessingMode,
    },
  )
  if (!scope) throw new Error('mingo did not prepare its options')
  return scope
}
