import { randomUUID } from 'node:crypto'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type AppEnv, gate } from './auth/gate.ts'
import { methodsAt } from './auth/roles.ts'
import { boundedJson } from './bounded-json.ts'
import { type Config, isLoopback } from './config.ts'
import { LyceumError } from './errors.ts'
import type { Host } from './host.ts'
import { LIMITS } from './limits.ts'
import { answerError } from './problem.ts'
import { addAdministration } from './routes/administration.ts'
import { addDeadLetters } from './routes/dead-letters.ts'
import { addDiscovery } from './routes/discovery.ts'
import { addDocs } from './routes/docs.ts'
import { addEvents } from './routes/events.ts'
import { addExport } from './routes/export.ts'
import { addFiles } from './routes/files.ts'
import { addHealth } from './routes/health.ts'
import { addLogs } from './routes/logs.ts'
import { addMetrics } from './routes/metrics.ts'
import { addNames } from './routes/names.ts'
import { addPluginPages } from './routes/plugin-pages.ts'
import { addPlugins } from './routes/plugins.ts'
import { addQueries } from './routes/queries.ts'
import { addRebuilds } from './routes/rebuild.ts'
import { addReplicas } from './routes/replicas.ts'
import { addSdkPackage } from './routes/sdk-package.ts'
import { addSignIn } from './routes/sign-in.ts'
import { addViews } from './routes/views.ts'

/** The app, as the files in routes/ and pages/ add to it. */
export type App = OpenAPIHono<AppEnv>

/** Builds the HTTP side of the host: the shell, and the routes in it. */
export function createApp(host: Host): App {
  const app = createShell(host)
  addHealth(app, host)
  addSignIn(app, host)
  addEvents(app, host)
  addQueries(app, host)
  addReplicas(app, host)
  addPlugins(app, host)
  addRebuilds(app, host)
  addAdministration(app, host)
  addDeadLetters(app, host)
  addExport(app, host)
  addNames(app, host)
  addLogs(app, host)
  addDiscovery(app, host)
  addDocs(app)
  addMetrics(app, host)
  addViews(app, host)
  addPluginPages(app, host)
  addFiles(app, host)
  addSdkPackage(app, host)
  return app
}

/** What every request passes through before it reaches a route, and what every answer gets on its way out. */
export function createShell({ config, keys, logger }: Pick<Host, 'config' | 'keys' | 'logger'>): App {
  const app: App = new OpenAPIHono<AppEnv>({ defaultHook: refuseParameters })
  app.onError((error, c) => answerError(c, error, logger))
  app.notFound((c) => answerError(c, absent(app, c), logger))

  app.use(requestId, securityHeaders(config))
  if (isLoopback(config.bind)) app.use(ownNamesOnly(config.bind))
  app.use(gate(keys, (c) => absent(app, c)))
  app.use(limitBody)
  app.use('/v1/plugins/*', boundedJson)
  return app
}

const requestId: MiddlewareHandler<AppEnv> = async (c, next) => {
  c.set('requestId', randomUUID())
  c.header('X-Request-Id', c.get('requestId'))
  await next()
}

/** For our own pages. A handler that needs other rules (a view's inner page) sets its own. */
const PAGE_CSP =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-src 'self'; " +
  "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/** What every answer gets that does not say otherwise itself. */
export function securityHeaders(config: Config): MiddlewareHandler<AppEnv> {
  const defaults = new Map([
    ['Content-Security-Policy', PAGE_CSP],
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', 'no-referrer'],
    // What is shown depends on who asks: no cache between may keep it.
    ['Cache-Control', 'no-store'],
  ])
  if (!isLoopback(config.bind)) defaults.set('Strict-Transport-Security', 'max-age=31536000')
  return async (c, next) => {
    await next()
    for (const [name, value] of defaults) if (!c.res.headers.has(name)) c.res.headers.set(name, value)
  }
}

/**
 * A page of any site can point its own name at 127.0.0.1 and then read this host as its own origin (DNS
 * rebinding). It cannot choose the `Host` header, which still carries that name.
 */
export function ownNamesOnly(bind: string): MiddlewareHandler<AppEnv> {
  const names = new Set(['127.0.0.1', 'localhost', '[::1]', bind])
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    if (!names.has(host.toLowerCase().replace(/:\d+$/, '')))
      throw new LyceumError(
        'host_unknown',
        'This host listens on this machine only. Open it as http://127.0.0.1 or http://localhost with its port; to serve another name, start it with --bind.',
      )
    await next()
  }
}

function absent(app: App, c: Context<AppEnv>): LyceumError {
  const allowed = methodsAt(app, c.req.path)
  if (allowed.length === 0 || allowed.includes(c.req.method))
    return new LyceumError('not_found', 'There is nothing at this address. Check it against /openapi.json.')
  c.header('Allow', allowed.join(', '))
  return new LyceumError('method_not_allowed', `This address takes ${allowed.join(', ')}.`, { allowed })
}

const limitWhileRead = bodyLimit({ maxSize: LIMITS.bodyBytes, onError: refuseBody })

/**
 * Hono's own limit asks for the body first, which makes a second request object around it. Most need none: they
 * have no body, or say how long it is, and the HTTP parser holds them to that.
 */
const limitBody: MiddlewareHandler = (c, next) => {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
  const declared = c.req.header('content-length')
  if (declared === undefined || c.req.header('transfer-encoding') !== undefined)
    return limitWhileRead(c, next)
  return Number(declared) > LIMITS.bodyBytes ? refuseBody() : next()
}

function refuseBody(): never {
  throw new LyceumError(
    'body_too_large',
    `A body may have ${LIMITS.bodyBytes / 1024 / 1024} MB. Send it in several requests.`,
    { limitBytes: LIMITS.bodyBytes },
  )
}

/** A route's schemas refuse what does not fit; the first misfit is named. */
function refuseParameters(result: { success: boolean; error?: { issues: readonly Issue[] } }): void {
  if (result.success) return
  const [issue] = result.error?.issues ?? []
  const parameter = issue?.path.map(String).join('.') || 'the request'
  throw new LyceumError('bad_parameter', `${parameter}: ${issue?.message ?? 'does not fit'}.`, { parameter })
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}
