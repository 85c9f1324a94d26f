import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import { DeadLetterRetries } from '../dispatch/dead-letters.ts'
import type { Host } from '../host.ts'
import { bodyOf, Id, json } from './shapes.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/dead-letters',
  summary: 'Events that a handler failed on',
  request: {
    params: Id,
    query: z.object({
      endpoint: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
  },
  responses: { 200: json('Dead letters', z.unknown()) },
})
const retry = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/dead-letters/retry',
  summary: 'Run the handlers again on dead letters: all of them, of one endpoint, or by id',
  request: {
    params: Id,
    body: bodyOf(z.object({ endpoint: z.string().optional(), ids: z.array(z.int()).max(1_000).optional() })),
  },
  responses: { 200: json('What became of each', z.unknown()) },
})

/** The events that handlers failed on. */
export function addDeadLetters(app: App, host: Host): void {
  const { plugins } = host
  const retries = new DeadLetterRetries(host.window, host.invoker, host.properties)

  app.openapi(list, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const { endpoint, limit } = c.req.valid('query')
    const { total, letters } = await plugins.storeOf(id).deadLetters(endpoint, limit)
    const shown = letters.map(async (letter) => ({
      ...letter,
      ...(letter.stack !== undefined && { stack: await host.authorStack(id, letter.stack, letter.version) }),
      event: JSON.parse(host.window.row(letter.seq)?.text ?? 'null'),
    }))
    return c.json({ total, letters: await Promise.all(shown) }, 200)
  })
  app.openapi(retry, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const retried = await retries.retry(id, c.req.valid('json') ?? {}, () => plugins.get(id))
    return c.json({ retried }, 200)
  })
}
