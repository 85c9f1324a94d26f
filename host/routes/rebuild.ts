import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import type { Host } from '../host.ts'
import { Id, json } from './shapes.ts'

const Status = z.object({
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  generation: z.number(),
  events: z.number(),
  head: z.number(),
  eventsPerSecond: z.number(),
  secondsLeft: z.number().nullable(),
  startedMs: z.number(),
  endedMs: z.number().nullable(),
  deadLetters: z.number(),
  waitsFor: z.string().nullable(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
})

const start = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/rebuild',
  summary: 'Have all handlers of a plugin run from the start of the log, into data that replace its own',
  description:
    'Its data are read as they are until that is done. Where a rebuild is under way, it is told of that.',
  request: { params: Id },
  responses: { 202: json('Under way', Status) },
})
const show = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/rebuild',
  summary: 'How far the rebuild of a plugin is, or how the last one ended',
  request: { params: Id },
  responses: { 200: json('Null where there was none since the host started', Status.nullable()) },
})
const cancel = createRoute({
  method: 'delete',
  path: '/v1/plugins/{id}/rebuild',
  summary: 'Cancel the rebuild of a plugin; its data are what they were',
  request: { params: Id },
  responses: { 200: json('How it ended: it may have been done just then', Status.nullable()) },
})

/** Rebuilds for those who own the plugins. */
export function addRebuilds(app: App, { plugins, rebuilds }: Host): void {
  app.openapi(start, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    return c.json(await rebuilds.start(id), 202)
  })
  app.openapi(show, (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    return c.json(rebuilds.status(id) ?? null, 200)
  })
  app.openapi(cancel, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    return c.json((await rebuilds.cancel(id)) ?? null, 200)
  })
}
