import { serve } from '../../process/serve.ts'

/** Answers with what it was sent; at `hang` it never does. */
serve(
  1_000,
  ({ payload }) => {
    while (payload.toString() === 'hang');
    return payload.toString()
  },
  (error) => ({ message: String(error) }),
)
