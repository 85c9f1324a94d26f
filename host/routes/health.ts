import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import type { Host } from '../host.ts'

const body = z.object({
  status: z.enum(['ok', 'ready', 'not ready']),
  events: z.literal('refused: disk_full').optional(),
})
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
export function addHealth(app: App, host: Pick<Host, 'ready' | 'disk'>): void {
  app.openapi(healthz, (c) => c.json({ status: 'ok' as const }, 200))
  app.openapi(readyz, (c) => {
    if (!host.ready()) return c.json({ status: 'not ready' as const }, 503)
    // Still ready: views and queries are answered, and taking them away would make it worse.
    const events = host.disk.low ? { events: 'refused: disk_full' as const } : {}
    return c.json({ status: 'ready' as const, ...events }, 200)
  })
}
