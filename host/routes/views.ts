import type { Context } from 'hono'
import type { App } from '../app.ts'
import { type AppEnv, callerOf } from '../auth/gate.ts'
import { mayReadStack } from '../auth/roles.ts'
import { issueTicket, readTicket, type Ticket } from '../auth/tickets.ts'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { LIMITS } from '../limits.ts'
import { assetOf } from '../pages/assets.ts'
import { coursesFor, fieldsOf, labelOf } from '../pages/fields.ts'
import { frameDocument, frameHeaders, frameProblem } from '../pages/frame.ts'
import { ownPage } from '../pages/headers.ts'
import { homePage, type PluginOffer } from '../pages/home.ts'
import { type ViewContent, viewPage } from '../pages/view.ts'
import { ViewProgress } from '../pages/view-progress.ts'
import { toProblem, toRefusal } from '../problem.ts'
import { HOST_PARAMS } from '../registry/params.ts'
import type { ActivePlugin } from '../registry/plugin.ts'
import { propertiesFor, reachable } from './discovery.ts'
import { addViewProgress } from './view-progress.ts'

/** The pages: what there is, a view with its frame, and the frame. */
export function addViews(app: App, host: Host): void {
  const progress = new ViewProgress()
  addViewProgress(app, host, progress)

  app.get('/', (c) => {
    const caller = callerOf(c)
    const offer = coursesFor(host, caller)
    const course = c.req.query('course') || (offer.courses[0] ?? '')
    ownPage(c)
    return c.html(
      homePage({
        caller,
        plugins: pluginsFor(host, caller),
        offer,
        course,
        showsQueries: mayReadStack(caller),
        address: new URL(c.req.url).origin,
        properties: propertiesFor(host, caller),
      }),
    )
  })

  app.get('/views/:plugin/:name', async (c) => {
    const { plugin, name } = c.req.param()
    const caller = callerOf(c)
    const { endpoint } = host.questions.find('view', plugin, name, caller)
    const asked = askedOf(c)
    ownPage(c)
    const fields = fieldsOf(endpoint, caller, coursesFor(host, caller), new Map(asked))
    try {
      const content = contentOf(host, { caller, plugin, view: name, asked })
      return c.html(viewPage({ caller, endpoint, fields, content }))
    } catch (error) {
      if (!(error instanceof LyceumError && error.code === 'bad_parameter')) throw error
      return c.html(
        viewPage({ caller, endpoint, fields, content: { problem: problemOf(error, asked) } }),
        400,
      )
    }
  })

  app.get('/frames/:ticket', async (c) => {
    for (const [name, value] of frameHeaders(c.req.header('host'))) c.header(name, value)
    try {
      refuseOutsideFrame(c)
      const ticket = c.req.param('ticket')
      const { caller, plugin, view, asked } = readTicket(host.keys, ticket)
      const answer = await progress
        .during(ticket, (onProgress) =>
          host.questions.answer('view', plugin, view, asked, caller, { onProgress }),
        )
        .catch(async (error) => {
          throw error instanceof LyceumError ? await host.explain(error, mayReadStack(caller)) : error
        })
      if (answer.isSample) c.header('Lyceum-Sample', 'true')
      return c.body(frameDocument(answer.result, answer.isSample))
    } catch (error) {
      const problem = toProblem(toRefusal(c, error, host.logger))
      return c.body(frameDocument(await frameProblem(problem)), problem.status)
    }
  })

  app.get('/assets/:file', async (c) => {
    const asset = assetOf(c.req.param('file'))
    if (asset === undefined) throw new LyceumError('not_found', 'There is no such file. Reload the page.')
    c.header('Content-Type', asset.type)
    c.header('Cache-Control', 'public, max-age=31536000, immutable')
    c.header('Vary', 'Accept-Encoding')
    if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(asset.body)
    c.header('Content-Encoding', 'gzip')
    return c.body(await asset.gzipped())
  })
}

/** As a page of its own a view could send its reader, and what it knows, anywhere. */
function refuseOutsideFrame(c: Context<AppEnv>): void {
  const place = c.req.header('sec-fetch-dest')
  if (place !== undefined && place !== 'iframe')
    throw new LyceumError('bad_request', 'A view opens only inside its page. Start from the first page.')
}

function pluginsFor(host: Host, caller: Caller): PluginOffer[] {
  const byPlugin = Map.groupBy(reachable(host, caller), ({ plugin }) => plugin)
  const offers = [...byPlugin].map(([id, found]) => {
    const plugin = host.plugins.active().get(id)
    return {
      id,
      title: plugin?.title ?? id,
      description: plugin?.description ?? '',
      endpoints: found.map(({ endpoint }) => endpoint),
    }
  })
  return offers.sort((a, b) => a.title.localeCompare(b.title, 'en'))
}

/** Dimensions and parameters of the query string, without what is the host's own. */
function askedOf(c: Context<AppEnv>): [string, string][] {
  const own = new Set<string>(HOST_PARAMS)
  return [...new URL(c.req.url).searchParams].filter(([name]) => !own.has(name))
}

function contentOf(host: Host, ticket: Ticket): ViewContent {
  const { plugin: id, view, asked, caller } = ticket
  const { plugin, endpoint, named } = host.questions.check('view', id, view, asked, caller)
  const frame = `/frames/${issueTicket(host.keys, ticket)}`
  if (frame.length > LIMITS.frameAddressChars)
    throw new LyceumError('bad_parameter', 'The parameters are too long together. Shorten what is filled in.')
  return {
    frame,
    about: endpoint.dimensions.map((name) => [labelOf(name), String(named[name])]),
    version: `${plugin.title} ${plugin.version}`,
    position: host.logPosition(id),
    head: host.log.head(),
    olderSeconds: Math.max(0, ...endpoint.plugins.map((name) => keptSeconds(host, plugin, name))),
  }
}

/** How old answers may be that a view of `plugin` gets from what it names: twice as old as they say while one is renewed. */
function keptSeconds({ plugins, catalogue }: Host, plugin: ActivePlugin, name: string): number {
  const asked = name === 'self' ? plugin : plugins.active().get(catalogue.names.get(name)?.plugin ?? name)
  let most = 0
  for (const { kind, options } of asked?.endpoints.values() ?? [])
    if (kind === 'query') most = Math.max(most, 2 * (options.cacheSeconds ?? 0))
  return most
}

/** A refusal in the words of a form, where something has not been filled in yet. */
function problemOf({ message, details }: LyceumError, asked: readonly (readonly [string, string])[]): string {
  const parameter = details?.parameter
  const isMissing =
    typeof parameter === 'string' && !asked.some(([name, value]) => name === parameter && value)
  return isMissing ? `Fill in “${labelOf(parameter)}” to see this.` : message
}
