import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { resultsOf } from '../../workbench/snapshots.ts'
import { readHostSamples, type SampledPlugin, writeHostSamples } from '../../workbench/stand-ins.ts'
import { openWorkbench, type Workbench } from '../../workbench/workbench.ts'
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

  test('is refused where what was kept is not what a host tells', async () => {
    const wrong = { plugins: [{ ...GRADES, id: 'a; process.exit()' }] }
    await expect(writeHostSamples(author.dir, wrong, 'x')).rejects.toThrow('is not what a host tells')
    await mkdir(join(author.dir, '.lyceum'), { recursive: true })
    await author.write('.lyceum/host-samples.json', '{')
    await expect(load(author.dir)).rejects.toThrow('Delete it, and run lyceum types')
  })
})
