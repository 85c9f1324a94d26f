import { evalExpr } from 'mingo/core'
import type { Options } from 'mingo/types'
import { type Doc, own } from './values.ts'

/** Computes an expression for a document. */
export type Compute = (doc: Doc) => unknown

/** Prepares a checked expression: plain fields and constants, which are most, do without mingo. */
export function compileExpression(expression: unknown, scope: Options): Compute {
  if (typeof expression === 'string' && expression.startsWith('$')) {
    const field = expression.slice(1)
    if (field !== '' && !field.startsWith('$') && !field.includes('.')) return (doc) => own(doc, field)
  } else if (typeof expression !== 'object' || expression === null) return () => expression
  return (doc) => evalExpr(doc, expression, scope)
}
