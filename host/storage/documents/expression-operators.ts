import { type ExpressionOperator, OPERATORS } from './evaluate.ts'
import { ARRAY_OPERATORS } from './operators-array.ts'
import { DATE_OPERATORS } from './operators-date.ts'
import { LOGIC_OPERATORS } from './operators-logic.ts'
import { NUMBER_OPERATORS } from './operators-number.ts'
import { OBJECT_OPERATORS } from './operators-object.ts'
import { STRING_OPERATORS } from './operators-string.ts'
import { TYPE_OPERATORS } from './operators-type.ts'
import { PERCENTILE_OPERATORS } from './percentiles.ts'

const EXPRESSIONS: Readonly<Record<string, ExpressionOperator>> = {
  ...NUMBER_OPERATORS,
  ...LOGIC_OPERATORS,
  ...STRING_OPERATORS,
  ...ARRAY_OPERATORS,
  ...OBJECT_OPERATORS,
  ...DATE_OPERATORS,
  ...TYPE_OPERATORS,
  ...PERCENTILE_OPERATORS,
}

for (const [name, operator] of Object.entries(EXPRESSIONS)) OPERATORS.set(name, operator)

/** The names of all expression operators that have code: a test holds them against the written list. */
export const IMPLEMENTED_EXPRESSIONS: readonly string[] = [...OPERATORS.keys()]
