import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import { mayReadStack } from '../auth/roles.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'

const Address = z.object({ plugin: z.string(), name: z.string() })

const get = createRoute({
  method: 'get',
  path: '/v1/queries/{plugin}/{name}',
  summary: 'The result of a query, as JSON',
  description: 'Dimensions (course, user, …) and the parameters of the query go into the query string.',
  request: { params: Address },
  responses: {
    200: {
      description: 'What the query returned',
      headers: z.object({ 'Lyceum-Version': z.string(), 'Lyceum-Log-Position': z.string() }),
      content: { 'application/json': { schema: z.unknown() } },
    },
  },
})

/** Answers queries. The result leaves as the plugin's isolate wrote it. */
export function addQueries(app: App, host: Host): void {
  app.openAPIRegistry.registerPath(get)
  app.get('/v1/queries/:plugin/:name', async (c) => {
    const { plugin, name } = c.req.param()
    const caller = callerOf(c)
    try {
      const asked = new URL(c.req.url).searchParams
      // Before it is asked: what is committed meanwhile may be in the answer or not.
      const position = host.logPosition(plugin)
      const answer = await host.questions.answer('query', plugin, name, asked, caller)
      c.header('Content-Type', 'application/json')
      c.header('Lyceum-Version', answer.version)
      c.header('Lyceum-Log-Position', String(position))
      return c.body(new Uint8Array(answer.result))
    } catch (error) {
      throw error instanceof LyceumError ? await host.explain(error, mayReadStack(caller)) : error
    }
  })
}
