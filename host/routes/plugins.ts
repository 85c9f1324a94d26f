import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import { DeadLetterRetries } from '../dispatch/dead-letters.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { QUOTA_DEFAULTS, quotaSchema } from '../limits.ts'
import { PublishBody } from '../registry/publish.ts'
import { missingOf, needsOf } from '../registry/version.ts'

const Id = z.object({ id: z.string().max(100) })
const Done = z.object({ plugin: z.string(), version: z.string().nullable(), state: z.string() })
const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})
const bodyOf = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })

const publish = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/versions',
  summary: 'Publish a version',
  request: { params: Id, body: { ...bodyOf(PublishBody), required: true } },
  responses: {
    201: json(
      'Kept, and active where approval is granted',
      z.object({ version: z.string(), needs: z.array(z.string()), approval: z.enum(['granted', 'pending']) }),
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
  summary: 'State, versions, quota, usage, cursors and last errors of a plugin',
  request: { params: Id },
  responses: { 200: json('The plugin', z.unknown()) },
})
const approve = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/approve',
  summary: 'Approve what the newest version asks for, all of it or the named needs',
  request: { params: Id, body: bodyOf(z.strictObject({ needs: z.array(z.string()).optional() })) },
  responses: {
    200: json('Active, or still pending for what `needs` says', Done.extend({ needs: z.array(z.string()) })),
  },
})
const rollback = createRoute({
  method: 'post',
  path: '/v1/plugins/{id}/rollback',
  summary: 'Go back to the version before, or to the named one; data are not rolled back',
  request: { params: Id, body: bodyOf(z.object({ version: z.string().optional() })) },
  responses: { 200: json('Active', Done) },
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
const quota = createRoute({
  method: 'patch',
  path: '/v1/plugins/{id}/quota',
  summary: 'Change limits of a plugin, from its next call on',
  request: { params: Id, body: { ...bodyOf(quotaSchema), required: true } },
  responses: { 200: json('All limits', z.unknown()) },
})
const deadLetters = createRoute({
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
/** Publishing and administration of plugins. */
export function addPlugins(app: App, host: Host): void {
  const { plugins, catalogue } = host
  const retries = new DeadLetterRetries(host.window, host.invoker, host.properties)
  const state = (id: string) => {
    const row = catalogue.plugin(id)
    return {
      plugin: id,
      version: row?.activeVersion ?? null,
      state: row === undefined ? 'unknown' : plugins.state(row),
    }
  }

  app.openapi(publish, async (c) => {
    const { version, needs, approval } = await plugins.publish(
      c.req.valid('param').id,
      c.req.valid('json'),
      callerOf(c),
    )
    return c.json({ version, needs: [...needs], approval }, 201)
  })
  app.openapi(list, (c) => {
    const caller = callerOf(c)
    const mine = catalogue.plugins().filter((row) => {
      try {
        return plugins.owned(row.id, caller) !== undefined
      } catch {
        return false // somebody else's
      }
    })
    return c.json(
      mine.map((row) => ({ id: row.id, ...summaryOf(host, row.id) })),
      200,
    )
  })
  app.openapi(show, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    return c.json(await detailsOf(host, id), 200)
  })
  app.openapi(approve, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const needs = await plugins.approve(id, c.req.valid('json')?.needs)
    return c.json({ ...state(id), needs: [...needs] }, 200)
  })
  app.openapi(rollback, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await plugins.rollback(id, c.req.valid('json')?.version)
    return c.json(state(id), 200)
  })
  app.openapi(pause, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    await plugins.pause(id)
    return c.json(state(id), 200)
  })
  app.openapi(resume, async (c) => {
    const { id } = c.req.valid('param')
    const caller = callerOf(c)
    plugins.owned(id, caller)
    if (caller.role !== 'admin' && host.conduct.of(id).quarantined !== undefined)
      throw new LyceumError(
        'role_denied',
        `${id} is quarantined. Publish a version that stays within its limits, or ask an admin to resume it.`,
      )
    await plugins.resume(id)
    return c.json(state(id), 200)
  })
  app.openapi(quota, async (c) => {
    const { id } = c.req.valid('param')
    const row = plugins.owned(id, callerOf(c))
    const changed = { ...QUOTA_DEFAULTS, ...row.quota, ...c.req.valid('json') }
    await plugins.setQuota(id, changed)
    return c.json(changed, 200)
  })
  app.openapi(deadLetters, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const { endpoint, limit } = c.req.valid('query')
    const { total, letters } = await host.plugins.storeOf(id).deadLetters(endpoint, limit)
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

function summaryOf({ catalogue, plugins, conduct }: Host, id: string) {
  const row = catalogue.plugin(id)
  const { strikes, onProbation, quarantined } = conduct.of(id)
  return {
    owner: row?.owner,
    state: row === undefined ? 'unknown' : plugins.state(row),
    version: row?.activeVersion ?? null,
    usage: plugins.active().get(id)?.usage ?? null,
    conduct: { strikes, onProbation, quarantined: quarantined ?? null },
  }
}

async function detailsOf(host: Host, id: string) {
  const { catalogue, lane, cron, log, plugins } = host
  const row = catalogue.plugin(id)
  const deadLetters = plugins.active().has(id)
    ? await plugins
        .storeOf(id)
        .deadLetters(undefined, 0)
        .then(
          ({ total }) => total,
          () => null, // its database is lost, or damaged: what its handlers fail with says more
        )
    : 0
  return {
    id,
    ...summaryOf(host, id),
    quota: row?.quota,
    granted: row?.granted,
    pending: pendingOf(host, id),
    versions: catalogue.versions(id).map((version) => ({
      version: version.version,
      hash: version.hash,
      publishedMs: version.publishedMs,
      publishedBy: version.publishedBy,
      needs: needsOf(version),
      endpoints: version.endpoints.map(({ name, kind, facilities, dimensions }) => ({
        name,
        kind,
        facilities,
        dimensions,
      })),
    })),
    cursors: lane.status(id).map((status) => ({ ...status, lag: log.head() - status.cursor })),
    cron: cron.next(id),
    running: host.progress.of(id),
    deadLetters,
  }
}

/** The newest version, where it waits for an admin, with what is missing. */
function pendingOf({ catalogue }: Host, id: string) {
  const [newest] = catalogue.versions(id)
  if (newest === undefined) return null
  const needs = missingOf(newest, catalogue.plugin(id))
  return needs.length === 0 ? null : { version: newest.version, needs }
}
