import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueToken } from '../../../host/auth/tokens.ts'
import { ERRORS } from '../../../host/errors.ts'
import { type Answer, startHost, type TestHost } from '../../support/host.ts'

const ROOT = join(import.meta.dirname, '../../..')

let lyceum: TestHost
let expired: string
beforeAll(async () => {
  lyceum = await startHost()
  expired = await issueToken(lyceum.host.keys, { role: 'admin' }, -60)
  await lyceum.publish(
    'plain',
    `import { onEvent, query, t } from '@lyceum/sdk'
     export const one = query({ params: { n: t.number() } }, ({ params }) => params.n)
     export const mine = query(({ user }) => user)
     export const fails = query(() => { throw new Error('mine') })
     export const big = query(() => 'x'.repeat(5e6))
     export const wrongDb = query(({ db }) => db.collection('a').find({ $where: '1' } as never).toArray())
     export const wrongPipe = query(({ db }) => db.collection('a').aggregate([{ $out: 'b' }] as never).toArray())
     export const wrongName = query(({ db }) => db.collection('__proto__').find().toArray())
     export const proxies = query(() => new Proxy({}, { ownKeys() { throw new Error('trap') } }))
     export const bad = onEvent('bad', async ({ db }) => { await db.collection('a').updateOne({ _id: 1 }, { $nope: 1 } as never) })`,
  )
})
afterAll(() => lyceum.dispose())

const json = { 'content-type': 'application/json' }

/** What is asked, the answer's status and code, and words of the sentence that say what to do. */
const CASES: readonly (readonly [string, Ask, number, string, string])[] = [
  // addresses
  ['an unknown address', ['GET', '/v1/nothing'], 404, 'not_found', '/openapi.json'],
  ['a path that climbs', ['GET', '/v1/..%2f..%2fetc/passwd'], 404, 'not_found', '/openapi.json'],
  ['a wrong method', ['PUT', '/v1/plugins/plain'], 405, 'method_not_allowed', 'takes GET'],
  ['a broken escape', ['GET', '/v1/queries/%E0%A4%A/one'], 404, 'plugin_unknown', 'There is no plugin'],
  // bodies
  [
    'a body that is not JSON',
    ['PATCH', '/v1/plugins/plain/quota', { body: '{"wallMs":', headers: json }],
    400,
    'body_unreadable',
    'JSON',
  ],
  ['no body', ['POST', '/v1/plugins/plain/versions'], 400, 'bad_parameter', 'bundle'],
  [
    'a publish without a bundle',
    ['POST', '/v1/plugins/plain/versions', { body: { package: {} } }],
    400,
    'bad_parameter',
    'bundle',
  ],
  [
    'a bundle that is no text',
    ['POST', '/v1/plugins/plain/versions', { body: { bundle: 7 } }],
    400,
    'bad_parameter',
    'bundle',
  ],
  [
    'a list in place of an object',
    ['POST', '/v1/plugins/plain/approve', { body: [] }],
    400,
    'bad_parameter',
    'object',
  ],
  [
    'a body of another type',
    ['PATCH', '/v1/plugins/plain/quota', { body: 'a=1', headers: { 'content-type': 'text/plain' } }],
    400,
    'body_unreadable',
    'Content-Type',
  ],
  ['events that are not JSON', ['POST', '/v1/events', { body: '{"a":' }], 400, 'body_unreadable', 'not JSON'],
  [
    'a body over the limit',
    ['POST', '/v1/events', { body: ' '.repeat(33 * 1024 * 1024) }],
    413,
    'body_too_large',
    'several requests',
  ],
  // plugins and endpoints
  ['an unknown plugin', ['GET', '/v1/plugins/plian'], 404, 'plugin_unknown', 'Did you mean `plain`?'],
  ['an unknown query', ['GET', '/v1/queries/plain/onee'], 404, 'endpoint_unknown', 'Did you mean `one`?'],
  ['a missing parameter', ['GET', '/v1/queries/plain/one'], 400, 'bad_parameter', 'Give a number'],
  ['a wrong parameter', ['GET', '/v1/queries/plain/one?n=x'], 400, 'bad_parameter', 'Give a number'],
  ['a missing person', ['GET', '/v1/queries/plain/mine'], 400, 'bad_parameter', 'say which, user='],
  ['a wrong limit', ['GET', '/v1/plugins/plain/logs?limit=0'], 400, 'bad_parameter', 'limit'],
  [
    'an unknown version',
    ['POST', '/v1/plugins/plain/rollback', { body: { version: '7.0.0' } }],
    404,
    'version_unknown',
    '7.0.0',
  ],
  // who asks
  ['no token', ['GET', '/v1/plugins', { token: '' }], 401, 'token_invalid', 'Bearer TOKEN'],
  [
    'a token cut short',
    ['GET', '/v1/plugins', { token: 'eyJhbGciOiJIUzI1NiJ9.e30' }],
    401,
    'token_invalid',
    'npx lyceum token',
  ],
  // plugins that fail
  ['an error of a plugin', ['GET', '/v1/queries/plain/fails'], 502, 'plugin_failed', 'mine'],
  ['a result too large', ['GET', '/v1/queries/plain/big'], 502, 'over_output', 'bytes'],
  [
    'an operator that is not offered',
    ['GET', '/v1/queries/plain/wrongDb'],
    400,
    'operator_unknown',
    '$where',
  ],
  ['a stage that is not offered', ['GET', '/v1/queries/plain/wrongPipe'], 400, 'operator_unknown', '$out'],
  ['a collection with a bad name', ['GET', '/v1/queries/plain/wrongName'], 400, 'op_malformed', 'collection'],
  ['a result that traps', ['GET', '/v1/queries/plain/proxies'], 502, 'plugin_failed', 'trap'],
]
type Ask = readonly [method: string, path: string, options?: Parameters<TestHost['call']>[2]]

/** What no answer may hold: paths and frames of the host. */
function leaks(answer: Answer): string[] {
  const patterns = [
    ROOT,
    lyceum.dataDir,
    'node_modules',
    'node:internal',
    '/home/',
    'file://',
    'SqliteError',
    'SQLITE_',
  ]
  const found = patterns.filter((pattern) => answer.text.includes(pattern))
  for (const [frame] of answer.text.matchAll(/at [^"\\]*?\((?!plugin\.[jt]s)[^)]*\.[jt]s:\d+/g))
    found.push(frame)
  return found
}

describe('a refusal says what was wrong and what to do', () => {
  test.each(CASES)('%s', async (_, [method, path, options], status, code, expected) => {
    const answer = await lyceum.call(method, path, options)
    expect([answer.status, answer.json?.code]).toEqual([status, code])
    expect(answer.json.detail).toContain(expected)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(Object.keys(ERRORS)).toContain(code)
    expect(answer.json).toMatchObject({ type: `/docs/errors#${code}`, status, title: expect.any(String) })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(leaks(answer)).toEqual([])
  })

  test('of a token that has expired, was changed, or is for something else', async () => {
    const good = await lyceum.token({ role: 'student', user: 'sam' })
    const [head, body, signature] = good.split('.') as [string, string, string]
    const raised = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), role: 'admin' }),
    ).toString('base64url')
    const unsigned = Buffer.from('{"alg":"none","kid":"x"}').toString('base64url')
    const signIn = await issueToken(lyceum.host.keys, { role: 'admin' }, 60, 'sign-in')
    const cases = [
      [expired, 'token_expired'],
      [`${head}.${raised}.${signature}`, 'token_invalid'],
      [`${unsigned}.${raised}.`, 'token_invalid'],
      [`${good.slice(0, -3)}abc`, 'token_invalid'],
      [signIn, 'token_invalid'],
    ] as const
    for (const [token, code] of cases) {
      const answer = await lyceum.call('GET', '/v1/plugins', { token })
      expect([answer.status, answer.json.code]).toEqual([401, code])
      expect(answer.json.detail).toContain('npx lyceum token')
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      expect(leaks(answer)).toEqual([])
    }
  })

  test('without any token, and then how to get in', async () => {
    const answer = await fetch(`${lyceum.url}/v1/plugins`)
    const problem = await answer.json()
    expect([answer.status, problem.code]).toEqual([401, 'sign_in_required'])
    expect(problem.detail).toContain('npx lyceum token')
  })

  test('of a role that may not, with the roles that may', async () => {
    const token = await lyceum.token({ role: 'student', user: 'sam' })
    for (const [method, path] of [
      ['GET', '/metrics'],
      ['POST', '/v1/events'],
      ['GET', '/v1/plugins'],
      ['PATCH', '/v1/plugins/plain/quota'],
    ] as const) {
      const answer = await lyceum.call(method, path, { token })
      expect([answer.status, answer.json.code]).toEqual([403, 'role_denied'])
      expect(answer.json.detail).toContain('admin')
    }
  })

  test('of an event that a handler could not store', async () => {
    await lyceum.send([{ event_type: 'bad' }])
    const answer = await lyceum.call('GET', '/v1/plugins/plain/dead-letters')
    expect(answer.json.letters).toMatchObject([{ code: 'operator_unknown' }])
    expect(answer.json.letters[0].stack).toContain('plugin.ts:')
    expect(leaks(answer)).toEqual([])
    expect(leaks(await lyceum.call('GET', '/v1/plugins/plain/logs'))).toEqual([])
    expect(leaks(await lyceum.call('GET', '/v1/plugins/plain'))).toEqual([])
  })

  test('to a browser as a page', async () => {
    const answer = await lyceum.call('GET', '/v1/nothing', { headers: { accept: 'text/html' } })
    expect(answer.status).toBe(404)
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(answer.text).toContain('There is nothing at this address')
    expect(leaks(answer)).toEqual([])
  })
})
