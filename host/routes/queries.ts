import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { accepts } from 'hono/accepts'
import type { App } from '../app.ts'
import { type AppEnv, callerOf } from '../auth/gate.ts'
import { mayReadStack } from '../auth/roles.ts'
import type { CacheUse } from '../cache/answers.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'

const Address = z.object({ plugin: z.string(), name: z.string() })

/** What a query returned, as OpenAPI tells of it. */
function answerWith(headers: Readonly<Record<string, z.ZodString>>) {
  return {
    description: 'What the query returned',
    headers: z.object({
      ...headers,
      'Lyceum-Version': z.string(),
      /** Of a sample there is no position. */
      'Lyceum-Log-Position': z.string().optional(),
      'Lyceum-Sample': z.literal('true').optional(),
      Age: z.string().optional(),
    }),
    content: {
      'application/json': { schema: z.unknown() },
      'text/csv': { schema: z.string() },
    },
  }
}

const get = createRoute({
  method: 'get',
  path: '/v1/queries/{plugin}/{name}',
  summary: 'The result of a query, as JSON or CSV',
  description:
    'Dimensions (course, user, …) and the parameters of the query go into the query string. `Accept: text/csv` or `format=csv` asks for CSV: a row for each item of a list, the columns in the order in which they are first seen. `Prefer: sample` asks for the sample that the author of the query gave in the place of data; the owner of a plugin that waits for approval gets that without asking. An answer that is a sample has the header `Lyceum-Sample: true`. Where the query keeps its answers, `Cache-Control: no-cache` asks for a new one, and `only-if-cached` for none but a kept one.',
  request: { params: Address },
  responses: { 200: answerWith({}) },
})

const getByName = createRoute({
  method: 'get',
  path: '/v1/queries/{commonName}',
  summary: 'The result of the query that answers to a common name, as JSON or CSV',
  description:
    'The same as asking that query by its plugin; an admin chooses which it is: `PUT /v1/names/{name}`.',
  request: { params: z.object({ commonName: z.string() }) },
  responses: { 200: answerWith({ 'Lyceum-Plugin': z.string() }) },
})

const clear = createRoute({
  method: 'delete',
  path: '/v1/queries/{plugin}/{name}',
  summary: 'Forget the answers of a query that are kept',
  description: 'For the owner of the plugin and for admins. The next who asks gets a new answer.',
  request: { params: Address },
  responses: { 204: { description: 'Forgotten' } },
})

/** Answers queries. The result leaves as the plugin's isolate wrote it. */
export function addQueries(app: App, host: Host): void {
  app.openAPIRegistry.registerPath(get)
  app.openAPIRegistry.registerPath(getByName)
  const answer = async (c: Context<AppEnv>, plugin: string, name: string) => {
    const caller = callerOf(c)
    try {
      const asked = new URL(c.req.url).searchParams
      const asCsv = wantsCsv(c)
      const use = cacheUseOf(c.req.header('cache-control'))
      const sample = prefersSample(c) ? host.samples.answer(plugin, name, caller) : undefined
      const answer =
        sample ??
        (await host.questions.answer('query', plugin, name, asked, caller, { use }).catch((error) => {
          const waiting = host.samples.ofWaiting(plugin, name, caller)
          if (waiting === undefined) throw error
          return waiting
        }))
      const body = asCsv ? await host.csv.convert(plugin, answer.result) : answer.result
      c.header('Content-Type', asCsv ? 'text/csv; charset=utf-8' : 'application/json')
      // A file outlives the header that says what is in it.
      if (asCsv)
        c.header(
          'Content-Disposition',
          `attachment; filename="${answer.isSample ? `${name}-sample` : name}.csv"`,
        )
      c.header('Vary', 'Accept, Prefer')
      c.header('Lyceum-Version', answer.version)
      if (answer.isSample) c.header('Lyceum-Sample', 'true')
      if ('position' in answer) {
        c.header('Lyceum-Log-Position', String(answer.position))
        if (answer.ageMs !== undefined) c.header('Age', String(Math.floor(answer.ageMs / 1_000)))
      }
      return c.body(new Uint8Array(body))
    } catch (error) {
      throw error instanceof LyceumError ? await host.explain(error, mayReadStack(caller)) : error
    }
  }
  app.get('/v1/queries/:plugin/:name', (c) => answer(c, c.req.param('plugin'), c.req.param('name')))
  app.openapi(clear, (c) => {
    const { plugin, name } = c.req.valid('param')
    host.plugins.owned(plugin, callerOf(c))
    host.questions.clear(host.plugins.get(plugin), name)
    return c.body(null, 204)
  })
  app.get('/v1/queries/:commonName', (c) => {
    const { plugin, query } = host.names.resolve(c.req.param('commonName'))
    c.header('Lyceum-Plugin', plugin.id)
    return answer(c, plugin.id, query.name)
  })
}

/** What the address says wins over what the program sends with every request. @throws {LyceumError} bad_parameter */
function wantsCsv(c: Context<AppEnv>): boolean {
  const format = c.req.query('format')
  if (format === undefined)
    return accepts(c, { header: 'Accept', supports: [JSON_TYPE, CSV_TYPE], default: JSON_TYPE }) === CSV_TYPE
  if (format === 'json' || format === 'csv') return format === 'csv'
  throw new LyceumError('bad_parameter', 'format: write ?format=json or ?format=csv.', {
    parameter: 'format',
  })
}

const JSON_TYPE = 'application/json'
const CSV_TYPE = 'text/csv'

/** Whether a request wants a sample in the place of data (RFC 7240). */
function prefersSample(c: Context<AppEnv>): boolean {
  const wishes = c.req.header('prefer')?.toLowerCase().split(',', 8) ?? []
  return wishes.some((wish) => wish.trim() === 'sample')
}

/** What a request says about kept answers (RFC 9111). */
function cacheUseOf(header: string | undefined): CacheUse {
  const wishes =
    header
      ?.toLowerCase()
      .split(',', 8)
      .map((wish) => wish.trim()) ?? []
  if (wishes.includes('only-if-cached')) return 'only'
  return wishes.includes('no-cache') ? 'refresh' : 'any'
}
