import { Long } from '../../../sdk/ejson.ts'
import { increased, isNumeric, multiplied, type Numeric, toWhole } from './arithmetic.ts'
import { MONGO, quote, refusal } from './refusal.ts'

function invalid(
  operator: string,
  path: string,
  what: string,
  mongoCode: number = MONGO.TypeMismatch,
): Error {
  return refusal('update_invalid', mongoCode, `${operator} of ${quote(path)} ${what}.`)
}

/** The new value of `$inc` and `$mul`. A missing field counts as 0. Throws `update_invalid` (14) on other types. */
export function applyNumberOperator(operator: string, path: string, old: unknown, by: unknown): unknown {
  if (!isNumeric(by)) throw invalid(operator, path, 'takes a number')
  if (old !== undefined && !isNumeric(old)) throw invalid(operator, path, 'meets a value that is no number')
  if (typeof by === 'number' && (old === undefined || typeof old === 'number'))
    return operator === '$inc' ? (old ?? 0) + by : (old ?? 0) * by
  if (operator === '$inc' && old === undefined) return by
  const result = operator === '$inc' ? increased(old ?? 0, by) : multiplied(old ?? 0, by)
  if (typeof result === 'number' && isWhole(old ?? 0) && isWhole(by))
    throw invalid(operator, path, 'goes beyond 64 bits', MONGO.BadValue)
  return result
}

function isWhole(value: Numeric): boolean {
  return toWhole(value) !== undefined
}

/** The new value of `$bit`, of `{and: n}`, `{or: n}` or `{xor: n}`; a missing field counts as 0. */
export function applyBits(path: string, old: unknown, operand: Readonly<Record<string, unknown>>): unknown {
  let result = bitsOf(path, old ?? 0)
  let isLong = old instanceof Long
  for (const name of Object.keys(operand)) {
    const by = bitsOf(path, operand[name])
    isLong ||= operand[name] instanceof Long
    result = name === 'and' ? result & by : name === 'or' ? result | by : result ^ by
  }
  return isLong ? new Long(result) : Number(result)
}

function bitsOf(path: string, value: unknown): bigint {
  const isBits = value instanceof Long || Number.isInteger(value)
  if (!isBits || !isNumeric(value))
    throw invalid('$bit', path, 'meets a value that is no whole number', MONGO.BadValue)
  return toWhole(value) ?? 0n
}

/** Checks the operand of `$bit`. */
export function checkBits(path: string, operand: unknown): Readonly<Record<string, unknown>> {
  if (typeof operand !== 'object' || operand === null || Object.keys(operand).length === 0)
    throw invalid('$bit', path, 'takes {and: n}, {or: n} or {xor: n}', MONGO.BadValue)
  const bits: Readonly<Record<string, unknown>> = { ...operand }
  for (const name of Object.keys(bits)) {
    if (name !== 'and' && name !== 'or' && name !== 'xor')
      throw invalid('$bit', path, `knows and, or and xor, not ${quote(name)}`, MONGO.BadValue)
    bitsOf(path, bits[name])
  }
  return bits
}
