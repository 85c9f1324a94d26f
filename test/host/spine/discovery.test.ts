import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../../host/app.ts'
import { ROUTES } from '../../../host/auth/roles.ts'
import { loadConfig } from '../../../host/config.ts'
import { ERRORS } from '../../../host/errors.ts'
import { openHost } from '../../../host/host.ts'
import { startHost, type TestHost } from '../../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish(
    'grades',
    `import { html, onEvent, query, t, view } from '@lyceum/sdk'
     /** The grades of a learner. */
     export const ofLearner = query({ title: 'Grades', params: {
       from: t.date().optional(), limit: t.number({ default: 10, min: 1, max: 50, integer: true }),
       sort: t.enum(['name', 'grade'], { default: 'grade' }), word: t.string({ max: 20 }), all: t.boolean({ default: false }),
     } }, ({ user, course, params }) => [user, course, params])
     export const everyone = query(() => [])
     export const page = view({ title: 'The page' }, ({ course }) => html\`<p>\${course}</p>\`)
     export const keep = onEvent('x', ({ db }) => { db.collection('a').insertOne({}) })`,
  )
})
afterAll(() => lyceum.dispose())

describe('GET /v1/schema', () => {
  test('lists each view and query with what it needs, and no handlers', async () => {
    const { status, json } = await lyceum.call('GET', '/v1/schema')
    expect(status).toBe(200)
    expect(json).toEqual({
      plugins: [
        {
          id: 'grades',
          version: '1.0.0',
          views: [
            {
              name: 'page',
              title: 'The page',
              description: '',
              dimensions: ['course'],
              params: {},
              asksSelf: false,
              href: '/views/grades/page',
            },
          ],
          queries: expect.arrayContaining([
            {
              name: 'everyone',
              title: 'Everyone',
              description: '',
              dimensions: [],
              params: {},
              asksSelf: false,
              names: [],
              href: '/v1/queries/grades/everyone',
            },
            {
              name: 'ofLearner',
              title: 'Grades',
              description: 'The grades of a learner.',
              dimensions: ['user', 'course'],
              params: {
                from: { type: 'date', required: false },
                limit: { type: 'number', default: 10, min: 1, max: 50, integer: true, required: false },
                sort: { type: 'enum', values: ['name', 'grade'], default: 'grade', required: false },
                word: { type: 'string', max: 20, required: true },
                all: { type: 'boolean', default: false, required: false },
              },
              asksSelf: false,
              names: [],
              href: '/v1/queries/grades/ofLearner',
            },
          ]),
        },
      ],
      names: [],
      properties: [],
    })
  })

  test('leaves out what a narrowed token does not reach', async () => {
    const token = await lyceum.token({ role: 'student', user: 'sam', plugins: ['another'] })
    expect((await lyceum.call('GET', '/v1/schema', { token })).json).toEqual({
      plugins: [],
      names: [],
      properties: [],
    })
  })
})

describe('GET /openapi.json', () => {
  interface Operation {
    operationId?: string
    summary?: string
    security?: object[]
    parameters?: { name: string; in: string; required?: boolean; schema?: object }[]
    requestBody?: { content: object }
    responses: Record<
      string,
      { description: string; headers?: object; content?: Record<string, { schema: object }> }
    >
  }
  interface Document {
    openapi: string
    info: object
    security: object[]
    paths: Record<string, Record<string, Operation>>
    components: {
      securitySchemes: object
      schemas: Record<string, { properties: { code: { enum: string[] } } }>
    }
  }
  const METHODS = ['get', 'post', 'patch', 'put', 'delete']
  let document: Document
  beforeAll(async () => {
    document = (await lyceum.call('GET', '/openapi.json')).json
  })
  const operations = () =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    )

  test('is OpenAPI 3.1 in its structure', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: 'Lyceum', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
    expect(document.components.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    })
    const ids = new Set<string>()
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`
      expect(METHODS, where).toContain(method)
      expect(path, where).toMatch(/^\//)
      expect(path, where).not.toMatch(/:/)
      expect(operation.summary ?? '', where).not.toBe('')
      expect(Object.keys(operation.responses).length, where).toBeGreaterThan(0)
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(status, where).toMatch(/^([1-5]\d\d|default)$/)
        expect(description, where).not.toBe('')
        for (const { schema } of Object.values(content ?? {})) expect(schema, where).toBeTypeOf('object')
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const parameters = operation.parameters ?? []
      expect(
        parameters
          .filter((p) => p.in === 'path')
          .map(({ name }) => name)
          .sort(),
        where,
      ).toEqual(inPath.sort())
      for (const parameter of parameters) {
        expect(['path', 'query', 'header'], where).toContain(parameter.in)
        expect(parameter.schema, where).toBeTypeOf('object')
        if (parameter.in === 'path') expect(parameter.required, where).toBe(true)
      }
      expect(new Set(parameters.map((p) => `${p.in} ${p.name}`)).size, where).toBe(parameters.length)
      if (operation.operationId) expect(ids.has(operation.operationId), where).toBe(false)
      ids.add(operation.operationId ?? where)
    }
    for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      const target = (ref ?? '')
        .slice(2)
        .split('/')
        .reduce<unknown>((at, key) => Object(at)[key], document)
      expect(target, ref).toBeTypeOf('object')
    }
  })

  test('tells what an answer says of itself', () => {
    const answered = (path: string) => document.paths[path]?.get?.responses['200']
    const headers = ['Age', 'Lyceum-Log-Position', 'Lyceum-Sample', 'Lyceum-Version']
    const names = (path: string) => Object.keys(answered(path)?.headers ?? {}).sort()
    expect(names('/v1/queries/{plugin}/{name}')).toEqual(headers)
    expect(names('/v1/queries/{commonName}')).toEqual([...headers, 'Lyceum-Plugin'].sort())
    for (const { path } of operations().filter(
      ({ path, method }) => method === 'get' && /^\/v1\/queries\//.test(path),
    ))
      expect(Object.keys(answered(path)?.content ?? {}), path).toEqual(['application/json', 'text/csv'])
  })

  test('has every route of the API', () => {
    const documented = new Set(operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`))
    const routes = [...ROUTES.keys()].filter((route) =>
      /^\w+ \/(v1\/|healthz|readyz|metrics|openapi)/.test(route),
    )
    expect(routes.length).toBeGreaterThan(15)
    for (const route of routes) expect(documented).toContain(route.replace(/:(\w+)/g, '{$1}'))
  })

  test('says of every route how it refuses, and with which codes', () => {
    for (const { path, method, operation } of operations())
      expect(operation.responses.default?.content, `${method} ${path}`).toEqual({
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      })
    expect(document.components.schemas.Problem?.properties.code.enum).toEqual(Object.keys(ERRORS))
  })

  test('asks for a token where the route does', () => {
    expect(document.security).toEqual([{ bearer: [] }])
    for (const [route, access] of ROUTES) {
      const [method = '', path = ''] = route.replace(/:(\w+)/g, '{$1}').split(' ')
      const operation = document.paths[path]?.[method.toLowerCase()]
      if (operation) expect(operation.security, route).toEqual(access === 'public' ? [] : undefined)
    }
  })

  test('has each query of each plugin, with its dimensions and parameters', () => {
    const operation = document.paths['/v1/queries/grades/ofLearner']?.get
    expect(operation).toMatchObject({ summary: 'Grades', description: 'The grades of a learner.' })
    expect(operation?.parameters).toEqual([
      { name: 'user', in: 'query', required: false, schema: { type: 'string' } },
      { name: 'course', in: 'query', required: true, schema: { type: 'string' } },
      { name: 'from', in: 'query', required: false, schema: { type: 'string', format: 'date-time' } },
      {
        name: 'limit',
        in: 'query',
        required: false,
        schema: { type: 'integer', default: 10, minimum: 1, maximum: 50 },
      },
      {
        name: 'sort',
        in: 'query',
        required: false,
        schema: { type: 'string', enum: ['name', 'grade'], default: 'grade' },
      },
      { name: 'word', in: 'query', required: true, schema: { type: 'string', maxLength: 20 } },
      { name: 'all', in: 'query', required: false, schema: { type: 'boolean', default: false } },
    ])
    expect(document.paths['/v1/queries/grades/everyone']).toBeDefined()
    expect(document.paths['/v1/queries/grades/page']).toBeUndefined()
  })
})

describe('GET /metrics', () => {
  test('is text that Prometheus parses, with a value for each plugin', async () => {
    await lyceum.send([{ event_type: 'x' }, { event_type: 'x' }])
    const { status, headers, text } = await lyceum.call('GET', '/metrics')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const types = new Map<string, string>()
    const values = new Map<string, number>()
    for (const line of text.split('\n').filter(Boolean)) {
      const type = /^# TYPE (\w+) (counter|gauge)$/.exec(line)
      if (type) types.set(type[1] ?? '', type[2] ?? '')
      else if (!line.startsWith('# HELP ')) {
        const sample =
          /^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)*\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/.exec(
            line,
          )
        expect(sample, line).not.toBeNull()
        expect(types.has(sample?.[1] ?? ''), line).toBe(true)
        values.set(`${sample?.[1]}${sample?.[2] ?? ''}`, Number(sample?.[3]))
      }
    }
    expect(values.get('lyceum_log_position')).toBe(2)
    expect(values.get('lyceum_plugin_events_total{plugin="grades"}')).toBe(2)
    expect(values.get('lyceum_handler_lag_events{plugin="grades",endpoint="keep"}')).toBe(0)
    expect(values.get('lyceum_plugin_quarantined{plugin="grades"}')).toBe(0)
    for (const [name, type] of types) expect(name.endsWith('_total')).toBe(type === 'counter')
  })
})

describe('health', () => {
  test('is told without a token', async () => {
    for (const [path, said] of [
      ['/healthz', 'ok'],
      ['/readyz', 'ready'],
    ]) {
      const answer = await fetch(lyceum.url + path)
      expect([answer.status, await answer.json()]).toEqual([200, { status: said }])
    }
  })

  test('is not ready before all plugins are there, nor once the host stops', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lyceum-'))
    const host = await openHost(loadConfig({}, { data: folder, port: '0', logLevel: 'silent' }))
    const app = createApp(host)
    const ask = async (path: string) => (await app.request(path, { headers: { host: 'localhost' } })).status
    expect([await ask('/healthz'), await ask('/readyz')]).toEqual([200, 503])
    host.markReady()
    expect(await ask('/readyz')).toBe(200)
    const closed = host.close()
    expect([await ask('/healthz'), await ask('/readyz')]).toEqual([200, 503])
    await closed
    await rm(folder, { recursive: true })
  })
})
