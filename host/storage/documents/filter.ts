import { Binary, Long } from '../../../sdk/ejson.ts'
import { isNumeric, toWhole } from './arithmetic.ts'
import { checkExpression } from './expressions.ts'
import { unknownOperator } from './nearest.ts'
import { FIELD_OPERATORS, LOGICAL_OPERATORS } from './operators.ts'
import { typeTest } from './query-operators.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { safeRegExp } from './regex.ts'
import { type Doc, isDoc } from './values.ts'

/**
 * Checks an admitted filter against the list of operators and rewrites its regular expressions to safe ones. What
 * comes back is what mingo's `Query` may see. Throws `operator_unknown` and `query_invalid`.
 */
export function checkFilter(filter: unknown): Doc {
  if (!isDoc(filter)) throw refusal('query_invalid', MONGO.TypeMismatch, 'A filter is an object.')
  const checked: Doc = {}
  for (const key of Object.keys(filter)) {
    const operand = filter[key]
    if (!key.startsWith('$')) checked[key] = checkCondition(key, operand)
    else if (key === '$expr') checked.$expr = checkExpression(operand)
    else if (key === '$sampleRate') checked.$expr = sampling(operand, checked.$expr)
    else if (key === '$comment') continue
    else if (LOGICAL_OPERATORS.has(key)) checked[key] = checkClauses(key, operand)
    else throw unknownOperator(key, 'at the top of a filter', LOGICAL_OPERATORS, MONGO.BadValue)
  }
  return checked
}

function sampling(rate: unknown, other: unknown): Doc {
  if (typeof rate !== 'number' || rate < 0 || rate > 1)
    throw refusal('query_invalid', MONGO.BadValue, '$sampleRate takes a number from 0 to 1.')
  return { $and: [{ $lt: [{ $rand: {} }, rate] }, ...(other === undefined ? [] : [other])] }
}

function badOperand(
  operator: string,
  field: string,
  wanted: string,
  mongoCode: number = MONGO.BadValue,
): Error {
  return refusal('query_invalid', mongoCode, `${operator} of ${quote(field)} takes ${wanted}.`)
}

function checkClauses(operator: string, operand: unknown): Doc[] {
  if (!Array.isArray(operand) || operand.length === 0)
    throw refusal('query_invalid', MONGO.BadValue, `${operator} takes a list of at least one filter.`)
  return operand.map(checkFilter)
}

/** True where an object is a set of operators, not a document to be equal to: MongoDB looks at its first key. */
export function isOperators(value: unknown): value is Doc {
  return isDoc(value) && Object.keys(value)[0]?.startsWith('$') === true
}

function checkCondition(field: string, condition: unknown): unknown {
  if (condition instanceof RegExp) return { $regex: safeRegExp(condition) }
  if (isOperators(condition)) return checkOperators(field, condition)
  return { $eq: condition }
}

function checkOperators(field: string, condition: Doc): Doc {
  const checked: Doc = {}
  for (const operator of Object.keys(condition)) {
    if (!FIELD_OPERATORS.has(operator))
      throw unknownOperator(operator, `for the field ${quote(field)}`, FIELD_OPERATORS, MONGO.BadValue)
    if (operator === '$options') {
      if (!('$regex' in condition)) throw badOperand('$options', field, 'a $regex beside it')
    } else checked[operator] = checkOperand(field, operator, condition)
  }
  return checked
}

function checkOperand(field: string, operator: string, condition: Doc): unknown {
  const operand = condition[operator]
  switch (operator) {
    case '$in':
    case '$nin':
    case '$all':
      return checkList(field, operator, operand)
    case '$not':
      if (operand instanceof RegExp) return { $regex: safeRegExp(operand) }
      if (!isOperators(operand)) throw badOperand('$not', field, 'operators or a regular expression')
      return checkOperators(field, operand)
    case '$elemMatch':
      if (!isDoc(operand)) throw badOperand('$elemMatch', field, 'a filter')
      return checkElement(field, operand)
    case '$regex': {
      const options = condition.$options ?? ''
      if (typeof options !== 'string' || !(typeof operand === 'string' || operand instanceof RegExp))
        throw badOperand('$regex', field, 'a string or regular expression, and $options a string')
      return safeRegExp(operand, options)
    }
    case '$type':
      if (!(Array.isArray(operand) ? operand : [operand]).every(typeTest))
        throw badOperand('$type', field, "the names of types, such as 'string' or 'number'")
      return operand
    case '$size':
      if (!Number.isInteger(operand) || Number(operand) < 0)
        throw badOperand('$size', field, 'a whole number that is not negative')
      return operand
    case '$bitsAllSet':
    case '$bitsAllClear':
    case '$bitsAnySet':
    case '$bitsAnyClear':
      return bitMask(field, operator, operand)
    case '$mod':
      if (!Array.isArray(operand) || operand.length !== 2 || !operand.every(Number.isFinite))
        throw badOperand('$mod', field, 'a divisor and a remainder')
      if (Math.trunc(Number(operand[0])) === 0) throw badOperand('$mod', field, 'a divisor that is not 0')
      return operand
    default:
      if (operand instanceof RegExp && operator !== '$eq' && operator !== '$ne')
        throw badOperand(operator, field, 'a value that is not a regular expression')
      return operand
  }
}

/** The bits that are asked about, from a number, binary data or a list of positions. */
function bitMask(field: string, operator: string, operand: unknown): Long {
  if (operand instanceof Binary)
    return mask(
      field,
      operator,
      operand.bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
    )
  if (Array.isArray(operand)) {
    if (!operand.every((at) => Number.isInteger(at) && at >= 0 && at < 64))
      throw badOperand(operator, field, 'positions of bits')
    return mask(
      field,
      operator,
      operand.reduce((sum: bigint, at: number) => sum | (1n << BigInt(at)), 0n),
    )
  }
  const whole = isNumeric(operand) ? toWhole(operand) : undefined
  if (whole === undefined || whole < 0n)
    throw badOperand(operator, field, 'a bit mask or a list of positions', MONGO.FailedToParse)
  return mask(field, operator, whole)
}

function mask(field: string, operator: string, bits: bigint): Long {
  if (bits >= 2n ** 64n) throw badOperand(operator, field, 'at most 64 bits')
  return new Long(BigInt.asIntN(64, bits))
}

function checkElement(field: string, criteria: Doc): Doc {
  const first = Object.keys(criteria)[0] ?? ''
  const isOfOperators = first.startsWith('$') && !LOGICAL_OPERATORS.has(first)
  return isOfOperators ? checkOperators(field, criteria) : checkFilter(criteria)
}

function checkList(field: string, operator: string, operand: unknown): unknown[] {
  if (!Array.isArray(operand)) throw badOperand(operator, field, 'a list')
  return operand.map((item) => {
    if (item instanceof RegExp) return safeRegExp(item)
    if (!isOperators(item)) return item
    const isElemMatch = operator === '$all' && isDoc(item.$elemMatch) && Object.keys(item).length === 1
    if (!isElemMatch || !isDoc(item.$elemMatch)) throw badOperand(operator, field, 'values, not operators')
    return { $elemMatch: checkElement(field, item.$elemMatch) }
  })
}
