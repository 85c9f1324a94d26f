import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleSource, startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const SOURCE = `import { query, t } from '@lyceum/sdk'
export const days = query({ sample: [{ day: '2026-02-02', learners: 3 }] }, ({ course }) => [course])
export const total = query(() => 7)
export const none = query(() => 0)
`
/** It asks for somebody's results, so an author's publish of it waits. */
const ASKING = `import { query } from '@lyceum/sdk'
export const both = query(async ({ plugins: { shown } }) => await shown.total())
`
const COURSE = 'course-v1:X'

let host: TestHost
let author: string
let other: string
let student: string

beforeAll(async () => {
  host = await startHost()
  author = await host.token({ role: 'author', user: 'ann', courses: [COURSE] })
  other = await host.token({ role: 'author', user: 'bob' })
  student = await host.token({ role: 'student', user: 'eve', courses: [COURSE] })
  const bundle = await bundleSource('shown', SOURCE)
  const samples = { total: 5, days: ['recorded'], gone: 1 }
  await host.call('POST', '/v1/plugins/shown/versions', { body: { ...bundle, samples } })
})
afterAll(() => host.dispose())

const ask = (path: string, token?: string, prefer?: string) =>
  host.call('GET', `/v1/queries/${path}`, { ...(token && { token }), ...(prefer && { headers: { prefer } }) })

describe('the sample of a query', () => {
  test('is given to whoever prefers it and may see the query, and is marked', async () => {
    const total = await ask('shown/total', student, 'sample')
    expect(total).toMatchObject({ status: 200, json: 5 })
    expect(total.headers.get('lyceum-sample')).toBe('true')
    const csv = await ask('shown/days?format=csv', undefined, 'respond-async, Sample')
    expect(csv.text).toBe('day,learners\r\n2026-02-02,3\r\n')
    expect(csv.headers.get('content-disposition')).toContain('days-sample.csv')
    expect(await ask('shown/days', student, 'sample')).toMatchObject({
      status: 403,
      json: { code: 'role_denied' },
    })
    // One whose token lists no course, as most of those who build on it have.
    expect(await ask('shown/days', other, 'sample')).toMatchObject({ status: 200 })
    const narrow = await host.token({ role: 'admin', plugins: ['else'] })
    expect(await ask('shown/total', narrow, 'sample')).toMatchObject({ json: { code: 'plugin_denied' } })
  })

  test('is never given in the place of data', async () => {
    const total = await ask('shown/total', student)
    expect(total.json).toBe(7)
    expect(total.headers.get('lyceum-sample')).toBeNull()
    await host.call('POST', '/v1/plugins/shown/pause')
    expect(await ask('shown/total')).toMatchObject({ status: 409, json: { code: 'plugin_paused' } })
    expect(await ask('shown/total', student, 'sample')).toMatchObject({ status: 409 })
    expect(await ask('shown/total', undefined, 'sample')).toMatchObject({ status: 200, json: 5 })
    await host.call('POST', '/v1/plugins/shown/resume')
  })

  test('is refused with what to do where there is none, or no such query', async () => {
    expect(await ask('shown/none', undefined, 'sample')).toMatchObject({
      status: 404,
      json: { code: 'no_sample' },
    })
    expect(await ask('shown/totl', undefined, 'sample')).toMatchObject({ json: { code: 'endpoint_unknown' } })
    expect(await ask('shwn/total', undefined, 'sample')).toMatchObject({ json: { code: 'plugin_unknown' } })
  })

  longTest('is a new one where the same version is published again with another', async () => {
    const bundle = await bundleSource('shown', SOURCE)
    await host.call('POST', '/v1/plugins/shown/versions', { body: { ...bundle, samples: { total: 6 } } })
    expect((await ask('shown/total', student, 'sample')).json).toBe(6)
    await host.call('POST', '/v1/plugins/shown/versions', { body: { ...bundle, samples: { total: 5 } } })
  })

  test('stands for a version that waits, for its owner and admins alone', async () => {
    const bundle = await bundleSource('asking', ASKING)
    const body = { ...bundle, samples: { both: [1, 2] } }
    const published = await host.call('POST', '/v1/plugins/asking/versions', { body, token: author })
    expect(published.json).toMatchObject({ approval: 'pending' })
    for (const token of [author, undefined]) {
      const both = await ask('asking/both', token)
      expect(both.json).toEqual([1, 2])
      expect(both.headers.get('lyceum-sample')).toBe('true')
    }
    const namesake = await host.token({ role: 'student', user: 'ann', courses: [COURSE] })
    for (const token of [other, student, namesake])
      expect(await ask('asking/both', token)).toMatchObject({ status: 409, json: { code: 'plugin_pending' } })
  })

  test('of a query that only comes with a version that waits is nobody else’s either', async () => {
    const first = await bundleSource(
      'grown',
      "import { query } from '@lyceum/sdk'\nexport const one = query(() => 1)",
    )
    await host.call('POST', '/v1/plugins/grown/versions', { body: first, token: author })
    const next = { ...(await bundleSource('grown', ASKING, '1.1.0')), samples: { both: 3 } }
    const published = await host.call('POST', '/v1/plugins/grown/versions', { body: next, token: author })
    expect(published.json).toMatchObject({ approval: 'pending' })
    for (const prefer of ['sample', undefined]) {
      expect(await ask('grown/both', author, prefer)).toMatchObject({ status: 200, json: 3 })
      expect(await ask('grown/both', undefined, prefer)).toMatchObject({ status: 200, json: 3 })
      for (const token of [other, student])
        expect(await ask('grown/both', token, prefer)).toMatchObject({ json: { code: 'endpoint_unknown' } })
    }
  })

  test('stands in the schema where that is asked for', async () => {
    const queriesOf = async (path: string, token?: string) =>
      (await host.call('GET', path, token === undefined ? {} : { token })).json.plugins.find(
        ({ id }: { id: string }) => id === 'shown',
      ).queries
    expect(await queriesOf('/v1/schema?samples=true')).toMatchObject([
      { name: 'days', sample: [{ day: '2026-02-02', learners: 3 }] },
      { name: 'none' },
      { name: 'total', sample: 5 },
    ])
    expect(JSON.stringify(await queriesOf('/v1/schema'))).not.toContain('"sample"')
    const forStudent = await queriesOf('/v1/schema?samples=true', student)
    expect(forStudent.map(({ sample }: { sample?: unknown }) => sample)).toEqual([undefined, undefined, 5])
    expect((await host.call('GET', '/v1/schema?samples=true')).json.samplesLeftOut).toEqual([])
  })

  test('is left out of the schema where all are too much at once, the large ones before the small', () => {
    const { catalogue, samples } = host.host
    const row = catalogue.version('shown', '1.0.0')
    if (row === undefined) throw new Error('it was published above')
    const code = catalogue.code('shown', '1.0.0')
    const large = Array.from({ length: 17 }, (_, n) => `large${n + 10}`)
    for (const plugin of large)
      catalogue.addVersion('eve', { ...row, plugin }, code, new Map([['total', 'x'.repeat(64_000)]]))
    const versions = [...large, 'shown'].map((plugin) => ({
      plugin,
      version: '1.0.0',
      endpoints: [{ name: 'total', dimensions: [] }],
    }))
    const seen = samples.seenBy({ role: 'author', user: 'ann', courses: [], plugins: 'all' }, versions)
    expect(seen.leftOut).toEqual(['large26'])
    expect(seen.samples.get('shown')).toEqual(new Map([['total', 5]]))
    expect([...seen.samples.keys()].sort()).toEqual([...large.slice(0, -1), 'shown'])
  })
})

describe('samples are refused', () => {
  const publish = async (samples: unknown, source = SOURCE) => {
    const bundle = await bundleSource('shown', source, '1.1.0')
    return host.call('POST', '/v1/plugins/shown/versions?dry=true', { body: { ...bundle, samples } })
  }

  longTest('where one is large or deep, or all are large together', async () => {
    expect((await publish({ total: 'x'.repeat(9_000) })).json.detail).toContain(
      'total: larger than 8192 bytes',
    )
    const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`)
    expect((await publish({ total: deep })).json.detail).toContain('nested more than 32 deep')
    expect((await publish({ total: null })).json.detail).toContain('write what the query returns')
    const many = Array.from({ length: 10 }, (_, n) => `export const q${n} = query(() => 1)\n`).join('')
    const samples = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`q${n}`, 'x'.repeat(8_000)]))
    expect((await publish(samples, SOURCE + many)).json.detail).toContain('larger than 65536 bytes')
  })

  test('where an option is none', async () => {
    const { json } = await publish({}, SOURCE.replace('[{ day:', "'x'.repeat(9_000) + [{ day:"))
    expect(json).toMatchObject({
      code: 'options_refused',
      detail: expect.stringContaining('sample: larger than'),
    })
  })
})
