import { Decimal128, Long } from '../../../sdk/ejson.ts'
import { isNumeric } from './operator-kit.ts'
import { MONGO, quote, refusal } from './refusal.ts'

function invalid(operator: string, path: string, what: string): Error {
  return refusal('update_invalid', MONGO.TypeMismatch, `${operator} of ${quote(path)} ${what}.`)
}

/** The new value of `$inc` and `$mul`. A missing field counts as 0. Throws `update_invalid` (14) on other types. */
export function applyNumberOperator(operator: string, path: string, old: unknown, by: unknown): unknown {
  if (!isNumeric(by)) throw invalid(operator, path, 'takes a number')
  if (old !== undefined && !isNumeric(old)) throw invalid(operator, path, 'meets a value that is no number')
  if (old instanceof Decimal128 || by instanceof Decimal128)
    throw invalid(operator, path, 'meets a Decimal128, on which arithmetic is not offered')
  if (typeof by === 'number' && (old === undefined || typeof old === 'number'))
    return operator === '$inc' ? (old ?? 0) + by : (old ?? 0) * by
  const x = whole(old ?? 0)
  const y = whole(by)
  if (x === undefined || y === undefined) {
    const a = Number(String(old ?? 0))
    const b = Number(String(by))
    return operator === '$inc' ? a + b : a * b
  }
  const result = operator === '$inc' ? x + y : x * y
  if (BigInt.asIntN(64, result) !== result)
    throw refusal('update_invalid', MONGO.BadValue, `${operator} of ${quote(path)} goes beyond 64 bits.`)
  return new Long(result)
}

/** The exact integer of a number, where it has one. */
function whole(value: unknown): bigint | undefined {
  if (value instanceof Long) return value.value
  return Number.isInteger(value) ? BigInt(Number(value)) : undefined
}
