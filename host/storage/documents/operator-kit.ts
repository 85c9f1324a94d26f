import { type Env, type ExpressionOperator, evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { MONGO, refusal } from './refusal.ts'
import { type Doc, isDoc } from './values.ts'

export function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

/** True for what counts as true: all but missing, null, false, 0 and NaN. */
export function isTrue(value: unknown): boolean {
  if (isNil(value) || value === false) return false
  return typeof value === 'number' ? value !== 0 && !Number.isNaN(value) : !isZeroObject(value)
}

function isZeroObject(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && '_bsontype' in value && /^-?0(\.0*)?$/.test(String(value))
  )
}

/** The refusal of an operand that an operator does not take. */
export function mismatch(operator: string, wanted: string, mongoCode: number = MONGO.TypeMismatch): Error {
  return refusal('query_invalid', mongoCode, `${operator} takes ${wanted}.`)
}

/** An operator over the values of its operands: `{$op: [x, …]}`, or `{$op: x}` for one. */
export function onList(
  name: string,
  least: number,
  most: number,
  compute: (values: unknown[]) => unknown,
): ExpressionOperator {
  const wanted =
    most === least
      ? `exactly ${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `${least} to ${most}`
  return (operand, env) => {
    meter.tick()
    const operands: readonly unknown[] = Array.isArray(operand) ? operand : [operand]
    if (operands.length < least || operands.length > most)
      throw mismatch(
        name,
        `${wanted} operands, but has ${operands.length}`,
        least === most ? MONGO.WrongNumberOfOperands : MONGO.OperandsOutOfRange,
      )
    return charged(compute(operands.map((item) => evaluate(item, env))))
  }
}

/** An operator over any number of values. */
export function onAny(name: string, compute: (values: unknown[]) => unknown): ExpressionOperator {
  return onList(name, 0, Number.POSITIVE_INFINITY, compute)
}

/** An operator over one value: `{$op: x}` and `{$op: [x]}`. */
export function onOne(name: string, compute: (value: unknown) => unknown): ExpressionOperator {
  return onList(name, 1, 1, ([value]) => compute(value))
}

/** What an operator with named operands knows of them. */
export interface Names {
  readonly required?: readonly string[]
  readonly optional?: readonly string[]
  /** MongoDB's numbers for an operand that is no object, that lacks a name, and that has an unknown one. */
  readonly codes?: readonly [notObject: number, lacks: number, unknown: number]
}

/** Checks the names of `{$op: {input: …}}`, before any of them is computed. */
export function namesOf(name: string, operand: unknown, { required = [], optional = [], codes }: Names): Doc {
  const [notObject, lacks, unknown] = codes ?? [MONGO.FailedToParse, MONGO.FailedToParse, MONGO.FailedToParse]
  const all = [...required, ...optional.map((option) => `${option}?`)].join(', ')
  if (!isDoc(operand)) throw mismatch(name, `an object {${all}}`, notObject)
  for (const key of required)
    if (!Object.hasOwn(operand, key)) throw mismatch(name, `{${all}}, but lacks '${key}'`, lacks)
  for (const key of Object.keys(operand))
    if (!required.includes(key) && !optional.includes(key))
      throw mismatch(name, `{${all}}, which has no '${key.slice(0, 60)}'`, unknown)
  return operand
}

/** An operator over named operands: `{$op: {input: …}}`. */
export function onNamed(name: string, names: Names, compute: (named: Doc) => unknown): ExpressionOperator {
  return (operand, env) => {
    meter.tick()
    return charged(compute(evaluateNamed(namesOf(name, operand, names), env)))
  }
}

/** The values of named operands; what is missing is left out. */
export function evaluateNamed(operand: Doc, env: Env): Doc {
  const named: Doc = {}
  for (const key of Object.keys(operand)) {
    const value = evaluate(operand[key], env)
    if (value !== undefined) named[key] = value
  }
  return named
}

/** Counts the size of a result, shared parts not followed: each of them was counted when it was made. */
export function charged(value: unknown): unknown {
  if (typeof value === 'string') meter.charge(value.length)
  else if (Array.isArray(value)) meter.charge(value.length * 8)
  return value
}

/** A whole number in 32 bits, as MongoDB wants positions and counts. */
export function isInt(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31
}
