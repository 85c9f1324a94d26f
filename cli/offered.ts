import { z } from 'zod'

/** What `GET /v1/schema` tells, as far as commands read it. */
export const Offered = z.object({
  plugins: z.array(
    z.object({
      id: z.string(),
      queries: z.array(
        z.object({
          name: z.string(),
          title: z.string(),
          dimensions: z.array(z.string()),
          params: z.record(z.string(), z.unknown()),
        }),
      ),
    }),
  ),
  /** Common names, and which query answers to each. */
  names: z.array(z.object({ name: z.string(), plugin: z.string(), query: z.string() })),
})
