import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import type { Host } from '../host.ts'

const body = z.object({ status: z.enum(['ok', 'ready', 'not ready']) })
const json = (description: string) => ({ description, content: { 'application/json': { schema: body } } })

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Does the host live?',
  responses: { 200: json('It does') },
})
const readyz = createRoute({
  method: 'get',
  path: '/readyz',
  summary: 'Does the host take work?',
  responses: { 200: json('It does'), 503: json('It is starting or stopping') },
})

/** For machines: a probe that fails `/healthz` restarts the host, one that fails `/readyz` sends it no work. */
export function addHealth(app: App, host: Pick<Host, 'ready'>): void {
  app.openapi(healthz, (c) => c.json({ status: 'ok' as const }, 200))
  app.openapi(readyz, (c) =>
    host.ready() ? c.json({ status: 'ready' as const }, 200) : c.json({ status: 'not ready' as const }, 503),
  )
}
