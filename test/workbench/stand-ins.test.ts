import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { resultsOf } from '../../workbench/snapshots.ts'
import { readHostSamples, type SampledPlugin, writeHostSamples } from '../../workbench/stand-ins.ts'
import { openWorkbench, type Workbench } from '../../workbench/workbench.ts'
import { bundleSource } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { type Author, authorOf } from './author.ts'

const SOURCE = `import { html, query, view } from '@lyceum/sdk'
export const best = query({ cacheSeconds: 60 }, async ({ plugins: { grades }, course }) =>
  (await grades.list({ course }))[0])
export const page = view(async ({ plugins: { self }, course }) => html\`<p>\${(await self.best({ course })).user}</p>\`)
export const named = query(({ plugins: { roster } }) => roster({ limit: 1 }))
export const own = query(() => 1)
`
const GRADES: SampledPlugin = {
  id: 'grades',
  queries: [
    {
      name: 'list',
      title: 'List',
      dimensions: ['course'],
      params: { limit: { type: 'number', default: 10, required: false } },
      names: [],
      sample: [{ user: 'ann', __proto__x: 1 }],
    },
    { name: 'none', title: 'None', dimensions: [], params: {}, names: [] },
  ],
}
const ROSTER: SampledPlugin = {
  id: 'people',
  queries: [
    {
      name: 'all',
      title: '`${1}`',
      dimensions: [],
      params: { limit: { type: 'number', required: true }, since: { type: 'date', required: false } },
      names: ['roster'],
      sample: ['</script>', '`${1}`'],
    },
  ],
}

const KEEPER = `import { query } from '@lyceum/sdk'
const first = async (grades) => (await grades.list({ course: 'c' }))[0].user
export const take = query(({ plugins: { grades }, cache }) =>
  cache.memoize('taken', 60, () => first(grades)))
export const set = query(async ({ plugins: { grades }, cache }) => {
  const user = await first(grades)
  await cache.set('known', user, { seconds: 60 })
  return user
})
export const known = query(async ({ cache }) => (await cache.get('known')) ?? 'nobody')
export const own = query(({ cache }) => cache.memoize('own', 60, () => 'ann'))
export const plot = query(async ({ plugins: { grades }, fs }) => {
  const user = await first(grades)
  await fs.write('plot.txt', user, { expire: 60 })
  return user
})
export const file = query(async ({ fs }) => ((await fs.readText('plot.txt')) ?? 'none'))
`
const WRITER = `import { collection, onEvent, query } from '@lyceum/sdk'
export const seen = collection({ read: ['reader'] })
export const plain = onEvent('plain', ({ db }) => db.collection('seen').insertOne({ users: 0 }))
export const asks = onEvent('asks', async ({ db, plugins: { grades } }) => {
  await db.collection('seen').insertOne({
    users: (await grades.list({ course: "c" })).length })
})
export const users = query(({ db }) => db.collection('seen').find().toArray())
`
const READER = `import { onEvent, query } from '@lyceum/sdk'
export const copies = onEvent('copies', async ({ db, plugins: { writer } }) => {
  await db.collection('copied').insertOne({ users: (await writer.users()).length })
})
export const users = query(({ plugins: { writer } }) => writer.users())
export const counted = query(({ plugins: { writer } }) => writer.collection('seen').countDocuments())
export const own = query(({ db }) => db.collection('copied').countDocuments())
`

let author: Author
let bench: Workbench

beforeAll(async () => {
  author = await authorOf('asking', SOURCE)
  bench = await openWorkbench({ dir: author.dir, samplesOf: [GRADES, ROSTER] })
})
afterAll(async () => {
  await bench.close()
  await author.remove()
})

const publish = (name: string, source: string) =>
  bundleSource(name, source).then((bundle) => bench.publish(bundle))
const get = async (path: string) => {
  const authorization = `Bearer ${await bench.token({ role: 'admin' })}`
  const answer = await fetch(bench.url + path, { headers: { authorization } })
  return { sample: answer.headers.get('lyceum-sample'), text: await answer.text() }
}

describe('a plugin that is asked for and not there', () => {
  test('is stood for by its samples, which is told', async () => {
    expect(await bench.publish()).toMatchObject({ approval: 'granted', standIns: ['grades', 'people'] })
    expect((await bench.publish()).standIns).toEqual([])
  })

  test('and of which no samples are known is to be brought along', async () => {
    const other = await authorOf(
      'other',
      `import { query } from '@lyceum/sdk'\nexport const a = query(({ plugins: { nowhere } }) => nowhere.list())`,
    )
    onTestFinished(() => other.remove())
    await expect(bench.publish(other.dir)).rejects.toThrow(/--with \.\.\/nowhere; .*lyceum types --url HOST/)
  })

  test('marks everything that is made of its answers, also what is kept, and nothing else', async () => {
    const best = { sample: 'true', text: '{"user":"ann","__proto__x":1}' }
    expect(await get('/v1/queries/asking/best?course=c')).toEqual(best)
    expect(await get('/v1/queries/asking/best?course=c')).toEqual(best)
    expect(await get('/v1/queries/asking/named')).toEqual({ sample: 'true', text: '["</script>","`${1}`"]' })
    expect(await get('/v1/queries/grades/list?course=c&limit=3')).toMatchObject({ sample: 'true' })
    expect(await get('/v1/queries/asking/own')).toEqual({ sample: null, text: '1' })
    const page = await get('/views/asking/page?course=c')
    const frame = /src="(\/frames\/[^"]+)"/.exec(page.text)?.[1] ?? ''
    expect(await get(frame)).toMatchObject({ sample: 'true', text: expect.stringContaining('Sample data.') })
  })

  test('marks what is made of what was kept of its answers, and nothing else', async () => {
    await publish('keeper', KEEPER)
    const kept = (name: string) => get(`/v1/queries/keeper/${name}`)
    const [made, real] = ['true', null].map((sample) => ({ sample, text: '"ann"' }))
    expect(await kept('known')).toEqual({ sample: null, text: '"nobody"' })
    for (const name of ['take', 'take', 'set', 'known']) expect(await kept(name)).toEqual(made)
    expect(await kept('own')).toEqual(real)
    expect(await kept('own')).toEqual(real)
    expect(await kept('file')).toEqual({ sample: null, text: '"none"' })
    expect(await kept('plot')).toEqual(made)
    expect(await kept('file')).toEqual(made)
  })

  test('marks what is made of what handlers and jobs wrote of its answers, until the data are made anew', async () => {
    const { host } = bench
    const marksOf = async (...names: string[]) =>
      Promise.all(names.map(async (name) => (await get(`/v1/queries/${name}`)).sample))
    await publish('writer', WRITER)
    await publish('reader', READER)
    const send = async (type: string) => {
      await bench.send([JSON.stringify({ event_type: type })])
      await bench.settled()
    }
    const all = ['writer/users', 'reader/users', 'reader/counted', 'reader/own'] as const
    await send('plain')
    expect(await marksOf(...all)).toEqual([null, null, null, null])
    await send('asks')
    expect(await marksOf(...all)).toEqual(['true', 'true', 'true', null])
    // A version that asks no more has the same data.
    await publish('writer', WRITER.replace('plugins: { grades }', '').replace(/users: \(.*/, 'users: 1 })'))
    await send('copies')
    expect(await marksOf(...all)).toEqual(['true', 'true', 'true', 'true'])
    await host.rebuilds.start('writer')
    await vi.waitFor(() => expect(host.rebuilds.status('writer')?.state).toBe('done'), 20_000)
    // The reader has what it copied.
    expect(await marksOf(...all)).toEqual([null, 'true', 'true', 'true'])
  })

  longTest('is found among what was kept of a host', async () => {
    const schema = { plugins: [GRADES, ROSTER, { ...ROSTER, id: 'asking' }] }
    const file = join(author.dir, '.lyceum/host-samples.json')
    expect(await writeHostSamples(author.dir, schema, 'asking')).toEqual([file])
    expect(await writeHostSamples(author.dir, schema, 'asking')).toEqual([])
    expect((await readHostSamples(author.dir)).map(({ id }) => id)).toEqual(['grades', 'people'])
    await using p = await load(author.dir)
    expect(await p.plugins.self.best?.({ course: 'c' })).toMatchObject({ user: 'ann' })
  })

  test('has no views and collections, so what is made of them is in no snapshot, and no failure', async () => {
    const reader = await authorOf(
      'reader',
      `import { query, view } from '@lyceum/sdk'
      export const page = view(({ plugins: { grades }, course }) => grades.chart({ course }))
      export const rows = query(({ plugins: { grades } }) => grades.collection('grades').countDocuments())
      export const list = query(({ plugins: { grades }, course }) => grades.list({ course }))
      export const wrong = query(({ db }) => db.collection('a').find({ $where: '1' }).toArray())`,
    )
    onTestFinished(() => reader.remove())
    await writeHostSamples(reader.dir, { plugins: [GRADES] }, 'reader')
    const { files, skipped, failed } = await resultsOf(reader.dir)
    expect([...files.keys()]).toEqual(['list.json'])
    expect(skipped).toMatchObject([
      { endpoint: 'page', reason: expect.stringMatching(/no query or view "chart".*lyceum test --with/) },
      { endpoint: 'rows', reason: expect.stringContaining('Of grades there are only the samples') },
    ])
    expect(failed.map(({ code }) => code)).toEqual(['operator_unknown'])
  })

  test('is asked for with what to do where there are no samples of it either', async () => {
    const lonely = await authorOf('lonely', SOURCE)
    onTestFinished(() => lonely.remove())
    await expect(resultsOf(lonely.dir)).rejects.toThrow(/--with \.\.\/grades; .*> 2 \|/s)
  })

  test('is refused where what was kept is not what a host tells', async () => {
    const wrong = { plugins: [{ ...GRADES, id: 'a; process.exit()' }] }
    await expect(writeHostSamples(author.dir, wrong, 'x')).rejects.toThrow('is not what a host tells')
    await mkdir(join(author.dir, '.lyceum'), { recursive: true })
    await author.write('.lyceum/host-samples.json', '{')
    await expect(load(author.dir)).rejects.toThrow('Delete it, and run lyceum types')
  })
})
