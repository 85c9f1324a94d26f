import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { authorisePlugin } from '../auth/dimensions.ts'
import { callerOf } from '../auth/gate.ts'
import { ROUTES } from '../auth/roles.ts'
import type { Caller } from '../auth/tokens.ts'
import { ERRORS } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Param } from '../registry/params.ts'
import type { ReadingEndpoint } from '../registry/plugin.ts'
import { isRequired, shownPlugin } from '../registry/shown.ts'

const schema = createRoute({
  method: 'get',
  path: '/v1/schema',
  summary:
    'The views and queries of this host, with what each needs; with `samples=true` a sample of each query, and in `samplesLeftOut` the plugins whose samples were too much',
  request: { query: z.object({ samples: z.enum(['true', 'false']).optional() }) },
  responses: { 200: { description: 'Plugins', content: { 'application/json': { schema: z.unknown() } } } },
})

const description = createRoute({
  method: 'get',
  path: '/openapi.json',
  summary: 'This description',
  responses: {
    200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: z.unknown() } } },
  },
})

/** The views and queries that a caller's token reaches. Whose data they show is decided when they are asked. */
export function reachable(
  host: Host,
  caller: Caller,
): { plugin: string; version: string; endpoint: ReadingEndpoint }[] {
  const found = []
  for (const [plugin, { version, endpoints }] of host.plugins.active()) {
    if (!covers(caller, plugin) || !host.plugins.mayRun(plugin)) continue
    for (const endpoint of endpoints.values())
      if (endpoint.kind === 'view' || endpoint.kind === 'query') found.push({ plugin, version, endpoint })
  }
  return found
}

/** Whether a token is for a plugin. */
function covers(caller: Caller, plugin: string): boolean {
  try {
    authorisePlugin(caller, plugin)
    return true
  } catch {
    return false
  }
}

/** Discovery: what there is, for people's programs and for tools. */
export function addDiscovery(app: App, host: Host): void {
  app.openapi(schema, (c) => {
    const { samples } = c.req.valid('query')
    return c.json(schemaFor(host, callerOf(c), samples === 'true'), 200)
  })
  app.openAPIRegistry.registerPath(description)
  app.get('/openapi.json', (c) => c.json(openApi(app, host, callerOf(c)), 200))
}

/** @param withSamples with what queries return, made up, as far as that is not too much at once */
function schemaFor(host: Host, caller: Caller, withSamples: boolean) {
  const found = new Map<string, { version: string; endpoints: ReadingEndpoint[] }>()
  for (const { plugin, version, endpoint } of reachable(host, caller)) {
    const entry = found.get(plugin) ?? { version, endpoints: [] }
    found.set(plugin, entry)
    entry.endpoints.push(endpoint)
  }
  const versions = [...found].map(([plugin, of]) => ({ plugin, ...of }))
  const seen = withSamples ? host.samples.seenBy(caller, versions) : undefined
  const plugins = versions.map(({ plugin, version, endpoints }) =>
    shownPlugin(plugin, version, endpoints, seen?.samples.get(plugin)),
  )
  const names = host.catalogue.names.all().flatMap(({ name, plugin = '' }) => {
    const queries = plugins.find(({ id }) => id === plugin)?.queries
    const query = queries?.find((known) => known.names.includes(name))
    return query === undefined ? [] : [{ name, plugin, query: query.name, href: `/v1/queries/${name}` }]
  })
  return {
    plugins,
    names,
    properties: propertiesFor(host, caller),
    ...(seen !== undefined && { samplesLeftOut: seen.leftOut }),
  }
}

/** The derived properties that handlers may ask for, each with the plugins that are asked for it, in their order. */
export function propertiesFor(host: Host, caller: Caller) {
  return host.properties.list().flatMap(({ name, provided }) => {
    const providers = provided
      .filter(([plugin]) => covers(caller, plugin.id))
      .map(([plugin, { title, description }]) => ({ plugin: plugin.id, title, description }))
    return providers.length === 0 ? [] : [{ name, providers }]
  })
}

/** The fixed routes, and one path per query of each plugin. */
function openApi(app: App, host: Host, caller: Caller) {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Lyceum',
      version: host.version,
      description: 'Learning-analytics plugins: events in, results out.',
    },
    security: [{ bearer: [] }],
  })
  const paths: Record<string, object> = { ...document.paths }
  for (const { plugin, endpoint } of reachable(host, caller)) {
    if (endpoint.kind !== 'query') continue
    paths[`/v1/queries/${plugin}/${endpoint.name}`] = {
      get: {
        operationId: `${plugin}.${endpoint.name}`,
        tags: [plugin],
        summary: endpoint.title,
        ...(endpoint.description !== '' && { description: endpoint.description }),
        parameters: [
          ...endpoint.dimensions.map((name) => ({
            name,
            in: 'query',
            required: name !== 'user',
            schema: { type: 'string' },
          })),
          ...[...endpoint.options.params].map(([name, param]) => ({
            name,
            in: 'query',
            required: isRequired(param),
            schema: jsonSchemaOf(param),
          })),
        ],
        responses: {
          200: {
            description: 'What the query returned',
            content: { 'application/json': { schema: {} }, 'text/csv': { schema: { type: 'string' } } },
          },
        },
      },
    }
  }
  return {
    ...document,
    paths: Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, withCommon(path, item)])),
    components: {
      ...document.components,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { ...document.components?.schemas, Problem: PROBLEM },
    },
  }
}

/** What all operations share: how they refuse, and no token where the table of roles asks for none. */
function withCommon(path: string, item: object): object {
  const route = path.replace(/\{(\w+)\}/g, ':$1')
  const operations = Object.entries(item).map(([method, operation]) => [
    method,
    {
      ...operation,
      ...(ROUTES.get(`${method.toUpperCase()} ${route}`) === 'public' && { security: [] }),
      responses: { ...operation.responses, default: REFUSED },
    },
  ])
  return Object.fromEntries(operations)
}

const REFUSED = {
  description: 'Refused, and why',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const PROBLEM = {
  type: 'object',
  description: 'Every refusal, as application/problem+json (RFC 9457). `code` is stable.',
  required: ['title', 'status', 'code', 'detail'],
  properties: {
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    detail: { type: 'string' },
  },
}

function jsonSchemaOf(param: Param): object {
  const common = param.default === undefined ? {} : { default: param.default }
  switch (param.type) {
    case 'string':
      return { type: 'string', ...common, ...(param.max !== undefined && { maxLength: param.max }) }
    case 'number':
      return {
        type: param.integer === true ? 'integer' : 'number',
        ...common,
        ...(param.min !== undefined && { minimum: param.min }),
        ...(param.max !== undefined && { maximum: param.max }),
      }
    case 'boolean':
      return { type: 'boolean', ...common }
    case 'date':
      return { type: 'string', format: 'date-time', ...common }
    case 'enum':
      return { type: 'string', enum: param.values, ...common }
  }
}
