import type { Options } from 'mingo/types'
import { evaluate, type Vars } from './evaluate.ts'
import { type Doc, own } from './values.ts'

/** Computes an expression for a document. */
export type Compute = (doc: Doc) => unknown

/** The variables of a scope: one object, which a $lookup changes from document to document. */
export function varsOf(scope: Options): Vars {
  const vars: unknown = scope.variables?.vars
  return typeof vars === 'object' && vars !== null ? (vars as Vars) : {}
}

/** Prepares a checked expression: plain fields and constants are most. */
export function compileExpression(expression: unknown, scope: Options): Compute {
  if (typeof expression === 'string' && expression.startsWith('$')) {
    const field = expression.slice(1)
    if (field !== '' && !field.startsWith('$') && !field.includes('.')) return (doc) => own(doc, field)
  } else if (typeof expression !== 'object' || expression === null) return () => expression
  const vars = varsOf(scope)
  return (doc) => evaluate(expression, { root: doc, vars })
}
