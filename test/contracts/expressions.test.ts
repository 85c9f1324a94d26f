import { EXPRESSION_OPERATORS } from '../../host/storage/documents/operators.ts'
import { ARITHMETIC } from './cases/arithmetic.ts'
import { ARRAYS } from './cases/arrays.ts'
import { DATES } from './cases/dates.ts'
import { LOGIC } from './cases/logic.ts'
import { STRINGS } from './cases/strings.ts'
import { TYPES } from './cases/types.ts'
import { holdTo } from './operator-lists.ts'

const cases = [...ARITHMETIC, ...LOGIC, ...STRINGS, ...ARRAYS, ...DATES, ...TYPES]

holdTo({ expressions: { offered: EXPRESSION_OPERATORS, cases } }, (_, operator) => operator)
