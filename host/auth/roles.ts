import type { Hono } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Env } from 'hono/types'
import type { Role } from './tokens.ts'

/** `public` needs no token at all; anything else names the roles that may call. */
export type Access = 'public' | readonly Role[]

const ADMIN: Access = ['admin']
/** The roles of people, who may use a browser. */
export const SIGNED_IN: readonly Role[] = ['student', 'instructor', 'researcher', 'author', 'admin']
const OPERATORS: readonly Role[] = ['author', 'admin']

/**
 * Which role may call which route: the only place that says so. A route that is not here cannot be
 * reached. What a role sees behind the route (which people, courses and plugins) is in dimensions.ts.
 */
export const ROUTES: ReadonlyMap<string, Access> = new Map<string, Access>([
  ['GET /healthz', 'public'],
  ['GET /readyz', 'public'],
  // Plugin names and event rates say much about courses, so a scraper gets an admin's token like anyone.
  ['GET /metrics', ADMIN],

  ['GET /sign-in', 'public'],
  ['POST /sign-out', SIGNED_IN],
  ['GET /assets/:file', 'public'],
  // npm has no token to send; what it gets is the same for everybody.
  ['GET /sdk.tgz', 'public'],
  // Whoever was refused may read why.
  ['GET /docs', 'public'],
  ['GET /docs/errors', 'public'],
  ['GET /', SIGNED_IN],
  ['GET /views/:plugin/:name', SIGNED_IN],
  ['GET /plugins', OPERATORS],
  ['GET /plugins/:id', OPERATORS],
  ['POST /plugins/:id/pause', OPERATORS],
  ['POST /plugins/:id/resume', OPERATORS],
  ['GET /plugins/:id/rebuild', OPERATORS],
  ['POST /plugins/:id/rebuild', OPERATORS],
  ['POST /plugins/:id/cancel-rebuild', OPERATORS],
  ['POST /plugins/:id/uninstall', OPERATORS],
  ['POST /plugins/:id/approve', ADMIN],
  ['POST /plugins/:id/deny', ADMIN],
  ['POST /plugins/:id/revoke', ADMIN],
  ['POST /plugins/:id/quota', ADMIN],
  // A frame has no cookies: the ticket in its address says who may see what.
  ['GET /frames/:ticket', 'public'],
  ['GET /progress/:ticket', 'public'],
  // So may an image in it: the ticket names one file.
  ['GET /files/:plugin/:ticket', 'public'],
  ['GET /v1/queries/:plugin/:name', SIGNED_IN],
  ['DELETE /v1/queries/:plugin/:name', OPERATORS],
  ['GET /v1/queries/:commonName', SIGNED_IN],

  ['POST /v1/events', ['ingest', 'admin']],

  ['GET /v1/schema', SIGNED_IN],
  ['GET /openapi.json', SIGNED_IN],

  ['POST /v1/plugins/:id/versions', OPERATORS],
  ['GET /v1/plugins', OPERATORS],
  ['GET /v1/plugins/:id', OPERATORS],
  ['GET /v1/plugins/:id/logs', OPERATORS],
  ['GET /v1/plugins/:id/files', OPERATORS],
  ['GET /v1/plugins/:id/logs/follow', OPERATORS],
  ['GET /v1/plugins/:id/dead-letters', OPERATORS],
  ['POST /v1/plugins/:id/dead-letters/retry', OPERATORS],
  ['POST /v1/plugins/:id/rollback', OPERATORS],
  ['POST /v1/plugins/:id/rebuild', OPERATORS],
  ['GET /v1/plugins/:id/rebuild', OPERATORS],
  ['DELETE /v1/plugins/:id/rebuild', OPERATORS],
  ['POST /v1/plugins/:id/pause', OPERATORS],
  ['POST /v1/plugins/:id/resume', OPERATORS],
  ['DELETE /v1/plugins/:id', OPERATORS],
  ['GET /v1/plugins/:id/export', OPERATORS],
  // What a plugin may use and reach is for the admin to say, never for its author.
  ['POST /v1/plugins/:id/approve', ADMIN],
  ['POST /v1/plugins/:id/deny', ADMIN],
  ['POST /v1/plugins/:id/revoke', ADMIN],
  ['PATCH /v1/plugins/:id/quota', ADMIN],
  ['GET /v1/replicas', OPERATORS],
  ['GET /v1/names', ADMIN],
  ['PUT /v1/names/:name', ADMIN],
])

/** Whether a caller may see where in a plugin's code an error arose. */
export function mayReadStack({ role }: { readonly role: Role }): boolean {
  return OPERATORS.includes(role)
}

/** Every route of an app as a key of {@link ROUTES}; middleware is left out. */
export function routesOf<E extends Env>(app: Hono<E>): string[] {
  return [...new Set(app.routes.filter(isRoute).map(keyOf))]
}

/**
 * The rules for a request: one per route that it matches, `undefined` for a route that is missing in the
 * table. Usually one; all have to allow the caller, since a handler may pass on to the next.
 */
export function rulesFor(c: Parameters<typeof matchedRoutes>[0]): (Access | undefined)[] {
  return [...new Set(matchedRoutes(c).filter(isRoute).map(keyOf))].map((key) => ROUTES.get(key))
}

/** The methods that an address takes, for `Allow`. */
export function methodsAt<E extends Env>(app: Hono<E>, path: string): string[] {
  return ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => isRoute(route) && ROUTES.has(keyOf(route))),
  )
}

/** Middleware is registered for all methods; a route for one. */
const isRoute = (route: { method: string }): boolean => route.method !== 'ALL'
const keyOf = (route: { method: string; path: string }): string => `${route.method} ${route.path}`
