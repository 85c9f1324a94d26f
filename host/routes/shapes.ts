import { z } from '@hono/zod-openapi'

/** A plugin in an address. */
export const Id = z.object({ id: z.string().max(100) })

/** What a change to a plugin answers with. */
export const Done = z.object({ plugin: z.string(), version: z.string().nullable(), state: z.string() })

/** An answer as JSON. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})

/** A body as JSON. */
export const bodyOf = <Schema extends z.ZodType>(schema: Schema) => ({
  content: { 'application/json': { schema } },
})
