import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import type { Host } from '../host.ts'
import { LIMITS, quotaSchema } from '../limits.ts'
import { StoredQuota } from '../registry/quota-rules.ts'
import { stateOf } from './plugins.ts'
import { bodyOf, Done, Id, json } from './shapes.ts'

const Needs = z.array(z.string())

const approve = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/approve',
  summary: 'Approve what the newest version asks for, all of it or the named needs',
  description:
    'With `version` only where that is still the newest: nothing is approved that was not looked at.',
  request: {
    params: Id,
    body: bodyOf(z.strictObject({ needs: Needs.optional(), version: z.string().optional() })),
  },
  responses: {
    200: json('Active, or still pending for what `needs` says', Done.extend({ needs: Needs })),
  },
})
const deny = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/deny',
  summary: 'Say why the newest version will not get what it asks for; its author reads it',
  request: {
    params: Id,
    body: {
      ...bodyOf(z.strictObject({ reason: z.string().trim().min(1).max(LIMITS.reasonChars) })),
      required: true,
    },
  },
  responses: { 200: json('Denied', Done) },
})
const revoke = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/revoke',
  summary: 'Take approvals back, at once, from calls under way too',
  request: { params: Id, body: { ...bodyOf(z.strictObject({ needs: Needs.min(1) })), required: true } },
  responses: { 200: json('What is still approved', Done.extend({ granted: Needs })) },
})
const uninstall = createRoute({
  method: 'delete',
  path: '/v1/plugins/{id}',
  summary: 'Uninstall a plugin; its data are kept for its owner, or deleted for good',
  request: {
    params: Id,
    query: z.object({
      data: z.enum(['keep', 'delete']).default('keep'),
      force: z.stringbool().default(false),
    }),
  },
  responses: { 200: json('Uninstalled', Done) },
})

/** What may be done to plugins by admins, and by those who own them to be rid of them. */
export function addAdministration(app: App, host: Host): void {
  const { plugins, approvals, catalogue, removal, config } = host
  const quota = createRoute({
    method: 'patch',
    path: '/v1/plugins/{id}/quota',
    summary: 'Change limits of a plugin, from its next call on',
    request: { params: Id, body: { ...bodyOf(quotaSchema(config.quotas.ceilings)), required: true } },
    responses: { 200: json('All limits', z.unknown()) },
  })

  app.openapi(approve, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const needs = await approvals.approve(id, c.req.valid('json') ?? {})
    return c.json({ ...stateOf(host, id), needs: [...needs] }, 200)
  })
  app.openapi(deny, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await approvals.deny(id, c.req.valid('json').reason)
    return c.json(stateOf(host, id), 200)
  })
  app.openapi(revoke, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await approvals.revoke(id, c.req.valid('json').needs)
    return c.json({ ...stateOf(host, id), granted: [...(catalogue.plugin(id)?.granted ?? [])] }, 200)
  })
  app.openapi(quota, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await plugins.setQuota(id, StoredQuota.parse(c.req.valid('json')))
    return c.json(catalogue.plugin(id)?.quota, 200)
  })
  app.openapi(uninstall, async (c) => {
    const { id } = c.req.valid('param')
    const { data, force } = c.req.valid('query')
    plugins.owned(id, callerOf(c))
    await removal.uninstall(id, data, force)
    return c.json({ plugin: id, version: null, state: 'uninstalled' }, 200)
  })
}
