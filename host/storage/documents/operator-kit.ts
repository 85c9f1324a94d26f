import { evalExpr } from 'mingo/core'
import type { Options } from 'mingo/types'
import { Decimal128, Long } from '../../../sdk/ejson.ts'
import { meter } from './meter.ts'
import { MONGO, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

/** An expression operator as mingo calls it: the document at hand, the operand unevaluated, the scope. */
export type ExpressionOperator = (doc: unknown, operand: unknown, options: Options) => unknown

export function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

export function mismatch(operator: string, wanted: string): Error {
  return refusal('query_invalid', MONGO.TypeMismatch, `${operator} takes ${wanted}.`)
}

/** An operator over the values of its operands, as a list: `{$op: x}` and `{$op: [x, …]}`. */
export function onList(compute: (values: unknown[], doc: unknown) => unknown): ExpressionOperator {
  return (doc, operand, options) => {
    meter.tick()
    const values: unknown = evalExpr(doc, Array.isArray(operand) ? operand : [operand], options)
    return charged(compute(Array.isArray(values) ? values : [values], doc))
  }
}

/** An operator over one value: `{$op: x}` and `{$op: [x]}`. */
export function onOne(compute: (value: unknown) => unknown): ExpressionOperator {
  return (doc, operand, options) => {
    meter.tick()
    const single = Array.isArray(operand) && operand.length === 1 ? operand[0] : operand
    return charged(compute(evalExpr(doc, single, options)))
  }
}

/** An operator over named operands: `{$op: {input: …}}`. */
export function onNamed(name: string, compute: (named: Doc, doc: unknown) => unknown): ExpressionOperator {
  return (doc, operand, options) => {
    meter.tick()
    const named: unknown = evalExpr(doc, operand, options)
    if (!isDoc(named)) throw mismatch(name, 'an object of named operands')
    return charged(compute(named, doc))
  }
}

/** One of mingo's operators, with its steps and the size of its result counted. */
export function metered(operator: (...args: never[]) => unknown): ExpressionOperator {
  const call = operator as ExpressionOperator
  return (doc, operand, options) => {
    meter.tick()
    return charged(call(doc, operand, options))
  }
}

/** Counts the size of a result, shared parts not followed: each of them was counted when it was made. */
export function charged(value: unknown): unknown {
  if (typeof value === 'string') meter.charge(value.length)
  else if (Array.isArray(value)) meter.charge(value.length * 8)
  return value
}

/** A number for arithmetic. Refuses decimals, and Longs that a number cannot hold exactly. */
export function toNumber(operator: string, value: unknown): number {
  if (typeof value === 'number') return value
  if (value instanceof Long) {
    const number = Number(value.value)
    if (Number.isSafeInteger(number)) return number
    throw refusal('query_invalid', MONGO.Overflow, `${operator} does not take a Long beyond 2^53.`)
  }
  if (value instanceof Decimal128)
    throw mismatch(operator, 'no Decimal128: arithmetic on decimals is not offered')
  throw mismatch(operator, 'numbers')
}

export function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || value instanceof Long || value instanceof Decimal128
}
