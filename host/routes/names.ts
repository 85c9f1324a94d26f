import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import type { Host } from '../host.ts'

const Name = z.object({
  name: z.string(),
  plugin: z.string().nullable(),
  query: z.string().nullable(),
  chosen: z.boolean(),
  implementers: z.array(z.object({ plugin: z.string(), query: z.string() })),
})

const list = createRoute({
  method: 'get',
  path: '/v1/names',
  summary: 'The common names of queries: who answers to each, and who could',
  responses: {
    200: {
      description: 'Names. `query` is null where the plugin does not answer to its name any more.',
      content: { 'application/json': { schema: z.object({ names: z.array(Name) }) } },
    },
  },
})
const choose = createRoute({
  method: 'put',
  path: '/v1/names/{name}',
  summary: 'Choose the plugin that answers to a common name',
  request: {
    params: z.object({ name: z.string().max(100) }),
    body: {
      content: { 'application/json': { schema: z.strictObject({ plugin: z.string().max(100) }) } },
      required: true,
    },
  },
  responses: {
    200: {
      description: 'Chosen',
      content: { 'application/json': { schema: z.object({ names: z.array(Name) }) } },
    },
  },
})

/** The common names of queries, for those who decide about them. */
export function addNames(app: App, host: Host): void {
  const shown = () => ({
    names: host.names.list().map(({ name, plugin, query, chosen, implementers }) => ({
      name,
      plugin: plugin ?? null,
      query: query ?? null,
      chosen,
      implementers: [...implementers],
    })),
  })
  app.openapi(list, (c) => c.json(shown(), 200))
  app.openapi(choose, (c) => {
    host.names.choose(c.req.valid('param').name, c.req.valid('json').plugin)
    return c.json(shown(), 200)
  })
}
