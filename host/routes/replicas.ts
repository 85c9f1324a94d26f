import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import type { Host } from '../host.ts'
import { json } from './shapes.ts'

const Replica = z.object({
  name: z.string(),
  kind: z.enum(['postgres', 'mysql', 'sqlite', 'mongodb']),
  state: z.enum(['checking', 'available', 'refused', 'unreachable']),
  reason: z.string().optional(),
})
const list = createRoute({
  method: 'get',
  path: '/v1/replicas',
  summary: 'The databases that plugins may read, and why one cannot be read',
  responses: { 200: json('Replicas', z.array(Replica)) },
})

/** Which replicas there are. What is wrong with an account is told to admins, who can change it. */
export function addReplicas(app: App, { replicas }: Pick<Host, 'replicas'>): void {
  app.openapi(list, (c) => {
    const isAdmin = callerOf(c).role === 'admin'
    return c.json(
      replicas.status().map(({ reason, ...status }) => ({ ...status, ...(isAdmin && reason && { reason }) })),
      200,
    )
  })
}
