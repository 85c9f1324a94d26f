import {
  ACCUMULATORS,
  FIELD_OPERATORS,
  LOGICAL_OPERATORS,
  PROJECTION_OPERATORS,
  PUSH_MODIFIERS,
  STAGES,
  UPDATE_OPERATORS,
  UPDATE_STAGES,
  WINDOW_FUNCTIONS,
} from '../../host/storage/documents/operators.ts'
import { GROUPS, WINDOWS } from './cases/accumulators.ts'
import { QUERIES } from './cases/queries.ts'
import { PROJECTIONS, STAGES_CASES } from './cases/stages.ts'
import { UPDATES } from './cases/updates.ts'
import { holdTo, type OperatorList } from './operator-lists.ts'

/** All but expressions, which stand in a file of their own: there are as many of them, and files run beside each other. */
const LISTS: Readonly<Record<string, OperatorList>> = {
  filters: { offered: [...FIELD_OPERATORS, ...LOGICAL_OPERATORS], cases: QUERIES },
  projections: { offered: PROJECTION_OPERATORS, cases: PROJECTIONS },
  updates: {
    offered: [
      ...UPDATE_OPERATORS,
      ...PUSH_MODIFIERS,
      ...['positional $', 'positional $[]', 'positional $[name]'],
      ...[...UPDATE_STAGES].map((name) => `update ${name}`),
    ],
    cases: UPDATES,
  },
  stages: { offered: STAGES, cases: STAGES_CASES },
  accumulators: { offered: ACCUMULATORS, cases: GROUPS },
  'window functions': { offered: WINDOW_FUNCTIONS, cases: WINDOWS },
}

holdTo(LISTS, (list, operator) => `${list} ${operator}`)
