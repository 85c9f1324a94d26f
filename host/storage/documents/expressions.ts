import { EXPRESSION_OPERATORS } from './operators.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { isDoc } from './values.ts'

/** Shapes that mingo takes for granted. */
const SHAPES: ReadonlyMap<
  string,
  { readonly isRight: (operand: unknown) => boolean; readonly shape: string }
> = new Map([
  [
    '$switch',
    {
      isRight: (operand) =>
        isDoc(operand) && Array.isArray(operand.branches) && operand.branches.every(isDoc),
      shape: '{branches: [{case, then}], default}',
    },
  ],
  ['$let', { isRight: (operand) => isDoc(operand) && isDoc(operand.vars), shape: '{vars: {…}, in}' }],
  ['$ifNull', { isRight: Array.isArray, shape: 'a list' }],
])

/**
 * Checks an admitted expression against the list of operators, and returns it. Throws `operator_unknown` and
 * `query_invalid`.
 */
export function checkExpression(expression: unknown): unknown {
  if (Array.isArray(expression)) for (const item of expression) checkExpression(item)
  if (!isDoc(expression)) return expression
  const keys = Object.keys(expression)
  const operator = keys.find((key) => key.startsWith('$'))
  if (operator === undefined) {
    for (const key of keys) {
      if (key.includes('.') || key === '')
        throw refusal(
          'query_invalid',
          MONGO.FailedToParse,
          `The field ${quote(key)} of an expression has a '.' or no name.`,
        )
      checkExpression(expression[key])
    }
    return expression
  }
  if (keys.length !== 1)
    throw refusal('query_invalid', MONGO.FailedToParse, `${quote(operator)} stands alone in its object.`)
  if (!EXPRESSION_OPERATORS.has(operator))
    throw refusal(
      'operator_unknown',
      MONGO.InvalidPipelineOperator,
      `The operator ${quote(operator)} is not offered in expressions.`,
      {
        operator: operator.slice(0, 60),
      },
    )
  const shape = SHAPES.get(operator)
  if (shape && !shape.isRight(expression[operator]))
    throw refusal('query_invalid', MONGO.FailedToParse, `${operator} takes ${shape.shape}.`)
  if (operator !== '$literal') checkExpression(expression[operator])
  return expression
}
