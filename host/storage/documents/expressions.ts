import { unknownOperator } from './nearest.ts'
import { EXPRESSION_OPERATORS } from './operators.ts'
import { MONGO, quote, refusal } from './refusal.ts'
import { isDoc } from './values.ts'

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
    throw refusal('query_invalid', 15983, `${quote(operator)} stands alone in its object.`)
  if (!EXPRESSION_OPERATORS.has(operator))
    throw unknownOperator(operator, 'in expressions', EXPRESSION_OPERATORS, MONGO.InvalidPipelineOperator)
  if (operator !== '$literal') checkExpression(expression[operator])
  return expression
}
