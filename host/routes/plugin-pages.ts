import type { Context } from 'hono'
import type { App } from '../app.ts'
import { type AppEnv, callerOf } from '../auth/gate.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { LIMITS, QUOTA_NAMES, quotaSchema } from '../limits.ts'
import { ownPage } from '../pages/headers.ts'
import { pluginListPage } from '../pages/plugin-list.ts'
import { pluginPage } from '../pages/plugin-page.ts'
import { type RebuildPart, rebuildSection } from '../pages/plugin-rebuild.ts'
import { quickQuotaUse, quotaUse } from '../plugin-report.ts'
import { pendingOf } from '../registry/approvals.ts'
import { noUsage } from '../registry/plugin.ts'
import { StoredQuota } from '../registry/quota-rules.ts'
import { rebuildOfferOf } from '../registry/rebuild-offer.ts'
import { refuseResume } from './plugins.ts'

/** Lines of the log that a page shows. */
const LOG_LINES = 50

type Act = (host: Host, id: string, form: URLSearchParams, caller: Caller) => Promise<unknown>

/** What the forms of the page do. */
const ACTIONS: ReadonlyMap<string, { readonly done: string; readonly act: Act }> = new Map([
  [
    'approve',
    {
      done: 'What was ticked is approved.',
      act: ({ approvals }, id, form) =>
        approvals.approve(id, { needs: form.getAll('needs'), version: form.get('version') ?? '' }),
    },
  ],
  [
    'deny',
    {
      done: 'Denied. What runs runs on.',
      act: async ({ approvals }, id, form) => {
        const reason = form.get('reason')?.trim().slice(0, LIMITS.reasonChars)
        if (!reason) throw new LyceumError('bad_parameter', 'Say why: its author reads it.')
        await approvals.deny(id, reason)
      },
    },
  ],
  [
    'revoke',
    {
      done: 'The approval is taken back.',
      act: ({ approvals }, id, form) => approvals.revoke(id, form.getAll('needs')),
    },
  ],
  [
    'quota',
    {
      done: 'The quotas are changed.',
      act: (host, id, form) => host.plugins.setQuota(id, changesOf(host, id, form)),
    },
  ],
  ['pause', { done: 'Paused. Its events wait in the log.', act: ({ plugins }, id) => plugins.pause(id) }],
  [
    'resume',
    {
      done: 'It runs again.',
      act: async (host, id, _form, caller) => {
        refuseResume(host, id, caller)
        await host.plugins.resume(id)
      },
    },
  ],
  [
    'rebuild',
    {
      done: 'The rebuild has begun.',
      act: ({ rebuilds }, id) => rebuilds.start(id),
    },
  ],
  ['cancel-rebuild', { done: 'The rebuild has ended.', act: ({ rebuilds }, id) => rebuilds.cancel(id) }],
  [
    'uninstall',
    {
      done: 'Uninstalled. Its data are kept.',
      act: async ({ removal }, id, form) => {
        if (form.get('confirm') !== id)
          throw new LyceumError('bad_parameter', 'Type the id of the plugin, to be sure.')
        await removal.uninstall(id, form.get('data') === 'delete' ? 'delete' : 'keep', false)
      },
    },
  ],
] satisfies [string, { done: string; act: Act }][])

/** The pages on which admins and owners look after plugins. */
export function addPluginPages(app: App, host: Host): void {
  const { plugins, catalogue } = host

  app.get('/plugins', (c) => {
    const caller = callerOf(c)
    const recent = host.usage.recent()
    ownPage(c)
    return c.html(
      pluginListPage(
        caller,
        plugins.ownedBy(caller).map((row) => ({
          id: row.id,
          title: plugins.active().get(row.id)?.title ?? row.id,
          owner: row.owner,
          version: row.activeVersion,
          state: plugins.state(row),
          day: recent.get(row.id)?.day ?? noUsage(),
          month: recent.get(row.id)?.month ?? noUsage(),
          minuteMs: quickQuotaUse(host, row.id).cpuMsPerMinute ?? 0,
          minuteQuotaMs: row.quota.cpuMsPerMinute,
          pending: pendingOf(catalogue, row.id),
        })),
      ),
    )
  })

  app.get('/plugins/:id', async (c) => {
    const { id } = c.req.param()
    plugins.owned(id, callerOf(c))
    return page(c, id, ACTIONS.get(c.req.query('done') ?? '')?.done, undefined)
  })

  // What the page of the plugin shows anew while a rebuild is under way.
  app.get('/plugins/:id/rebuild', (c) => {
    const { id } = c.req.param()
    plugins.owned(id, callerOf(c))
    ownPage(c)
    return c.html(rebuildSection(rebuildPart(host, id)))
  })

  for (const [action, { act }] of ACTIONS)
    app.post(`/plugins/:id/${action}`, async (c) => {
      const { id } = c.req.param()
      const caller = callerOf(c)
      plugins.owned(id, caller)
      try {
        await act(host, id, new URLSearchParams(await c.req.text()), caller)
        return c.redirect(
          catalogue.plugin(id) === undefined ? '/plugins' : `/plugins/${id}?done=${action}`,
          303,
        )
      } catch (error) {
        if (!(error instanceof LyceumError)) throw error
        return page(c, id, undefined, error)
      }
    })

  async function page(
    c: Context<AppEnv>,
    id: string,
    done: string | undefined,
    problem: LyceumError | undefined,
  ) {
    const caller = callerOf(c)
    const row = plugins.owned(id, caller)
    const head = host.log.head()
    const deadLetters = await plugins
      .storeOf(id)
      .deadLetters(undefined, 0)
      .then(
        ({ total }) => total,
        () => 0, // its database is lost, or damaged: what its handlers fail with says more
      )
    ownPage(c)
    const markup = pluginPage({
      caller,
      id,
      title: plugins.active().get(id)?.title ?? id,
      owner: row.owner,
      version: row.activeVersion,
      state: plugins.state(row),
      stoppedFor: host.conduct.of(id).quarantined ?? row.pausedFor,
      pending: pendingOf(catalogue, id),
      granted: row.granted,
      recent: host.usage.recent(id).get(id) ?? { day: noUsage(), month: noUsage() },
      quotas: { quota: row.quota, use: await quotaUse(host, id), ceilings: host.config.quotas.ceilings },
      handlers: host.lane.status(id).map((status) => ({ ...status, lag: head - status.cursor })),
      jobs: host.cron.next(id),
      running: host.progress.of(id),
      deadLetters,
      guarantee: host.stores.guarantee,
      rebuild: rebuildPart(host, id),
      log: host.pluginLogs.tail(id, LOG_LINES),
      done,
      problem: problem?.message,
    })
    return c.html(markup, problem?.status === 403 ? 403 : problem === undefined ? 200 : 400)
  }
}

function rebuildPart({ plugins, rebuilds, catalogue }: Host, id: string): RebuildPart {
  const endpoints = [...(plugins.active().get(id)?.endpoints.values() ?? [])]
  return {
    id,
    canStart: plugins.mayRun(id) && endpoints.some(({ kind }) => kind === 'onEvent'),
    status: rebuilds.status(id),
    offer: rebuildOfferOf(catalogue, id),
  }
}

/** The quotas of a form that differ from what holds. @throws {LyceumError} bad_parameter */
function changesOf({ config, catalogue }: Host, id: string, form: URLSearchParams): StoredQuota {
  const quota = catalogue.plugin(id)?.quota
  const changed = QUOTA_NAMES.flatMap((name) => {
    const given = form.get(name)
    return given === null || Number(given) === quota?.[name] ? [] : [[name, Number(given)] as const]
  })
  const parsed = quotaSchema(config.quotas.ceilings).safeParse(Object.fromEntries(changed))
  if (parsed.success) return StoredQuota.parse(parsed.data)
  const [issue] = parsed.error.issues
  throw new LyceumError('bad_parameter', `${issue?.path.join('.')}: ${issue?.message}.`)
}
