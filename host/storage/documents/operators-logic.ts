import { bind, type ExpressionOperator, evaluate } from './evaluate.ts'
import { meter } from './meter.ts'
import { isNil, isTrue, mismatch, namesOf, onList, onOne } from './operator-kit.ts'
import { MONGO, refusal } from './refusal.ts'
import { compareValues, isDoc } from './values.ts'

/** Comparison, logic, conditions and variables: most compute only the operands that they need. */

function comparison(name: string, result: (order: number) => unknown): ExpressionOperator {
  return onList(name, 2, 2, ([a, b]) => result(compareValues(a, b)))
}

function listOf(operand: unknown): readonly unknown[] {
  return Array.isArray(operand) ? operand : [operand]
}

const $cond: ExpressionOperator = (operand, env) => {
  meter.tick()
  if (Array.isArray(operand)) {
    if (operand.length !== 3) throw mismatch('$cond', 'exactly 3 operands', MONGO.WrongNumberOfOperands)
    return evaluate(isTrue(evaluate(operand[0], env)) ? operand[1] : operand[2], env)
  }
  if (!isDoc(operand)) throw mismatch('$cond', '{if, then, else}', MONGO.WrongNumberOfOperands)
  for (const [key, code] of [
    ['if', 17080],
    ['then', 17081],
    ['else', 17082],
  ] as const)
    if (!Object.hasOwn(operand, key)) throw mismatch('$cond', `{if, then, else}, but lacks '${key}'`, code)
  namesOf('$cond', operand, { required: ['if', 'then', 'else'], codes: [17083, 17083, 17083] })
  return evaluate(isTrue(evaluate(operand.if, env)) ? operand.then : operand.else, env)
}

const $ifNull: ExpressionOperator = (operand, env) => {
  meter.tick()
  const operands = listOf(operand)
  if (operands.length < 2) throw mismatch('$ifNull', 'at least two operands', 1257300)
  let value: unknown
  for (const item of operands) {
    value = evaluate(item, env)
    if (!isNil(value)) break
  }
  return value
}

const $switch: ExpressionOperator = (operand, env) => {
  meter.tick()
  if (!isDoc(operand)) throw mismatch('$switch', '{branches, default}', 40060)
  const { branches } = operand
  if (!Array.isArray(branches)) throw mismatch('$switch', 'a list of branches', 40061)
  if (branches.length === 0) throw mismatch('$switch', 'at least one branch', 40068)
  for (const key of Object.keys(operand))
    if (key !== 'branches' && key !== 'default')
      throw mismatch('$switch', 'branches and a default only', 40067)
  for (const branch of branches) {
    if (!isDoc(branch)) throw mismatch('$switch', 'branches {case, then}', 40062)
    if (!Object.hasOwn(branch, 'case')) throw mismatch('$switch', "branches with a 'case'", 40064)
    if (!Object.hasOwn(branch, 'then')) throw mismatch('$switch', "branches with a 'then'", 40065)
  }
  for (const branch of branches) if (isTrue(evaluate(branch.case, env))) return evaluate(branch.then, env)
  if (Object.hasOwn(operand, 'default')) return evaluate(operand.default, env)
  throw refusal('query_invalid', 40066, '$switch found no branch that applies: give it a default.')
}

const $let: ExpressionOperator = (operand, env) => {
  meter.tick()
  const named = namesOf('$let', operand, { required: ['vars', 'in'], codes: [16874, 16876, 16875] })
  if (!isDoc(named.vars)) throw mismatch('$let', 'an object of variables', 10065)
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(named.vars)) {
    checkVariable(name)
    values[name] = evaluate(named.vars[name], env)
  }
  return evaluate(named.in, bind(env, values))
}

/** Refuses a name that a variable may not have. */
export function checkVariable(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[a-z\u0080-\uffff]\w*$/.test(name) || name.length > 100)
    throw refusal(
      'query_invalid',
      16867,
      'A variable starts with a small letter and goes on with letters and digits.',
    )
}

export const LOGIC_OPERATORS: Record<string, ExpressionOperator> = {
  $cmp: comparison('$cmp', (order) => order),
  $eq: comparison('$eq', (order) => order === 0),
  $ne: comparison('$ne', (order) => order !== 0),
  $gt: comparison('$gt', (order) => order > 0),
  $gte: comparison('$gte', (order) => order >= 0),
  $lt: comparison('$lt', (order) => order < 0),
  $lte: comparison('$lte', (order) => order <= 0),
  $and: (operand, env) => listOf(operand).every((item) => isTrue(evaluate(item, env))),
  $or: (operand, env) => listOf(operand).some((item) => isTrue(evaluate(item, env))),
  $not: onOne('$not', (value) => !isTrue(value)),
  $cond,
  $ifNull,
  $switch,
  $let,
  $literal: (operand) => operand,
}
