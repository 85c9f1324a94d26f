/** Turns what queries returned into CSV. A plugin decides how much that is, so it runs where it can be killed. */
import { serve } from '../../process/serve.ts'
import { failureFrom } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { csvOf } from './csv.ts'

const CSV_LIMITS = { columns: LIMITS.csvColumns, cells: LIMITS.csvCells, bytes: LIMITS.csvBytes }

serve(
  LIMITS.frameBytes,
  ({ payload }) => csvOf(payload.toString(), CSV_LIMITS),
  (error) => failureFrom(error, (stack) => process.stderr.write(`${stack}\n`)),
)
