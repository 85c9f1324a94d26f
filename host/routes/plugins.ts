import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { detailsOf, quickQuotaUse, summaryOf } from '../plugin-report.ts'
import { PublishBody } from '../registry/publish.ts'
import { rebuildOfferOf } from '../registry/rebuild-offer.ts'
import { bodyOf, Done, Id, json } from './shapes.ts'

/** Why a rebuild would make something else of the data. */
const Offer = z
  .object({ reason: z.enum(['handlers_changed', 'rolled_back']), endpoints: z.array(z.string()).readonly() })
  .nullable()

const publish = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/versions',
  summary: 'Publish a version',
  description: 'With `dry=true` it is checked only: nothing is kept, and the answer tells what would change.',
  request: {
    params: Id,
    query: z.object({ dry: z.stringbool().default(false) }),
    body: { ...bodyOf(PublishBody), required: true },
  },
  responses: {
    200: json('What publishing it would do', z.unknown()),
    201: json(
      'Kept, and active where approval is granted',
      z.object({
        version: z.string(),
        needs: z.array(z.string()),
        approval: z.enum(['granted', 'pending']),
        pending: z.unknown().optional(),
        rebuildOffered: Offer,
        warnings: z.array(z.string()).readonly().optional(),
      }),
    ),
  },
})
const list = createRoute({
  method: 'get',
  path: '/v1/plugins',
  summary: 'The plugins that you own, or all of them for an admin',
  responses: { 200: json('Plugins', z.array(z.unknown())) },
})
const show = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}',
  summary: 'State, versions, approvals, quotas and their use, cursors and last errors of a plugin',
  request: { params: Id },
  responses: { 200: json('The plugin', z.unknown()) },
})
const rollback = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/rollback',
  summary: 'Go back to the version before, or to the named one; data are not rolled back',
  request: { params: Id, body: bodyOf(z.object({ version: z.string().optional() })) },
  responses: { 200: json('Active', Done.extend({ rebuildOffered: Offer })) },
})
const pause = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/pause',
  summary: 'Stop a plugin; events wait in the log',
  request: { params: Id },
  responses: { 200: json('Paused', Done) },
})
const resume = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/resume',
  summary: 'Let a plugin run again, after a pause or a quarantine',
  request: { params: Id },
  responses: { 200: json('Running', Done) },
})

/** Plugins for those who own them. */
export function addPlugins(app: App, host: Host): void {
  const { plugins, publishing } = host

  app.openapi(publish, async (c) => {
    const { id } = c.req.valid('param')
    const body = c.req.valid('json')
    if (c.req.valid('query').dry) return c.json(await publishing.plan(id, body, callerOf(c)), 200)
    const { needs, ...published } = await publishing.publish(id, body, callerOf(c))
    return c.json({ ...published, needs: [...needs] }, 201)
  })
  app.openapi(list, (c) => {
    const mine = plugins.ownedBy(callerOf(c))
    return c.json(
      mine.map(({ id, quota }) => ({
        id,
        ...summaryOf(host, id),
        quota,
        quotaUse: quickQuotaUse(host, id),
      })),
      200,
    )
  })
  app.openapi(show, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    return c.json(await detailsOf(host, id), 200)
  })
  app.openapi(rollback, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await plugins.rollback(id, c.req.valid('json')?.version)
    return c.json({ ...stateOf(host, id), rebuildOffered: rebuildOfferOf(host.catalogue, id) ?? null }, 200)
  })
  app.openapi(pause, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await plugins.pause(id)
    return c.json(stateOf(host, id), 200)
  })
  app.openapi(resume, async (c) => {
    const { id } = c.req.valid('param')
    const caller = callerOf(c)
    plugins.owned(id, caller)
    refuseResume(host, id, caller)
    await plugins.resume(id)
    return c.json(stateOf(host, id), 200)
  })
}

/** What a change to a plugin answers with. */
export function stateOf({ catalogue, plugins }: Host, id: string): z.infer<typeof Done> {
  const row = catalogue.plugin(id)
  return {
    plugin: id,
    version: row?.activeVersion ?? null,
    state: row === undefined ? 'unknown' : plugins.state(row),
  }
}

/** What the host itself stopped is an admin's to let run again. @throws {LyceumError} role_denied */
export function refuseResume({ conduct, catalogue }: Host, id: string, { role }: Caller): void {
  if (role === 'admin') return
  if (conduct.of(id).quarantined !== undefined)
    throw new LyceumError(
      'role_denied',
      `${id} is quarantined. Publish a version that stays within its limits, or ask an admin to resume it.`,
    )
  if (catalogue.plugin(id)?.pausedFor !== undefined)
    throw new LyceumError('role_denied', `The host paused ${id}. Ask an admin to resume it.`)
}
