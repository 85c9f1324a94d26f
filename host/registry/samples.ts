import { z } from 'zod'
import { LIMITS } from '../limits.ts'
import { nameProblem } from './manifest-names.ts'

/** What a query returns, made up or recorded from made-up data: any JSON that is not large. */
export const Sample = z
  .json({ error: 'not JSON' })
  .refine((value) => value !== null, 'a sample cannot be null')
  .refine(
    (value) => JSON.stringify(value).length <= LIMITS.sampleBytes,
    `larger than ${LIMITS.sampleBytes} bytes as JSON; a few rows are enough`,
  )
export type Sample = z.infer<typeof Sample>

/** Samples by the name of their query. */
export const Samples = z
  .record(z.string(), Sample, { error: 'not an object of samples by the names of queries' })
  .superRefine((samples, context) => {
    for (const name of Object.keys(samples)) {
      const problem = nameProblem(name, 64)
      if (problem)
        context.addIssue({ code: 'custom', path: [name.slice(0, 64)], message: `the name ${problem}` })
    }
    if (JSON.stringify(samples).length > LIMITS.samplesBytes)
      context.addIssue({ code: 'custom', message: `all together larger than ${LIMITS.samplesBytes} bytes` })
  })
export type Samples = z.infer<typeof Samples>
