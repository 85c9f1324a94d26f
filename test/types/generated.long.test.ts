import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SCHEMA_PATH } from '../../workbench/host-schema.ts'
import { ownSchema } from '../../workbench/own-schema.ts'
import { writeHostTypes, writeTypes } from '../../workbench/types-file.ts'
import { run } from '../cli/run.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { type AuthorFolder, announced, authorFolder } from './author-folder.ts'

const GRADES = `
  import { html, property, query, t, view } from '@lyceum/sdk'
  /** The grades of a course. Not a way out: *\\/ export const x = 1 */
  export const list = query({
    names: ['courseGrades'],
    params: { limit: t.number({ default: 10 }), since: t.date().optional(), kind: t.enum(['exam', 'home"work']), all: t.boolean({ default: false }) },
  }, ({ course }) => [course])
  export const rows = query({ sample: [{ user: 'ann', n: 1, at: new Date(0).toISOString() }, { user: 'bob', n: null, late: true, by: {} }] },
    ({ course }) => [course])
  export const total = query({ description: 'Out: */ const hacked = 1 /*' }, ({ user, course }) => [user, course])
  export const chart = view({ params: { height: t.number({ default: 200 }) } }, ({ course }) => html\`<p>\${course}</p>\`)
  export const actor = property({ namespace: 'tincan', when: { event_source: 'server' } }, () => ({ name: 'ann' }))
`

const PLUGIN = `
import { html, onEvent, property, query, t, view } from '@lyceum/sdk'

interface Play { _id: string; n: number; course: string; at: Date }

/** The most played. */
export const top = query({ params: { limit: t.number({ default: 3 }), word: t.string().optional() } },
  ({ db, course }) => db.collection<Play>('plays').find({ course }).toArray())
export const counts = query(async ({ plugins: { self }, user }) =>
  (await self.top({ course: user })).map(({ n }) => n))
export const again = query({ params: { depth: t.number() } }, async ({ plugins: { self }, params }) =>
  params.depth === 0 ? 0 : (await self.again<number>({ depth: params.depth - 1 })) + 1)
export const part = view(({ course }) => html\`<p>\${course}</p>\`)
export const mood = property({ when: { event_type: 'play_video' } }, ({ event }) => ({ video: event.event.id, at: new Date() }))
export const count = onEvent({ where: { event_type: 'play_video' }, props: ['mood', 'tincan.actor'] }, ({ event, log }) => {
  const video: string | undefined = event.props.mood?.video
  const at: string | undefined = event.props.mood?.at
  log(video, at, event.props.tincan?.actor)
})
`

const RIGHT = `
import { cron, html, query, view } from '@lyceum/sdk'

export const page = view(async ({ plugins: { self, grades, courseGrades }, course, user }) => {
  const plays = await self.top({ course, limit: 3 })
  const seen: number = plays.reduce((sum, { n, at }) => sum + n + at.getTime(), 0)
  const counts: number[] = await self.counts<number[]>()
  const list = await grades.list<{ points: number }[]>({ course, kind: 'exam', since: '2026-09-01', all: true })
  const dated: unknown = await grades.list({ course, kind: 'home"work', since: new Date() }, { cache: 'only' })
  const same = await courseGrades<{ points: number }[]>({ course, kind: 'exam', limit: 5 })
  const total = await grades.total<number>({ course })
  const other = await grades.total<number>({ course, user })
  for (const { user, n, at, late } of await grades.rows({ course })) {
    const some: [string, number | null, Date | string | undefined, boolean | undefined] = [user, n, at, late]
    if (some[2] === 'never') return ''
  }
  const part = await self.part({ course })
  return html\`\${part}\${await grades.chart({ course, height: 100 })}\${seen}\${counts.length}\${list.length}\${same.length}\${String(dated)}\${total}\${other}\`
})
export const warm = cron('0 4 * * *', async ({ plugins: { self, video, grades } }) => {
  await self.top.clear()
  await video.top({ course: 'x' }, { cache: 'refresh' })
  await grades.collection<{ _id: string }>('grades').findOne({ _id: 'x' })
  await self.collection('plays').countDocuments()
})
`

const WRONG = `
import { cron, html, onEvent, query, view } from '@lyceum/sdk'
export const a1 = query(({ plugins: { self } }) => self.top()) //! TS2554: Expected 1-2 arguments, but got 0
export const a2 = query(({ plugins: { self } }) => self.top({})) //! TS2741: Property 'course' is missing
export const a3 = query(({ plugins: { self }, course }) => self.top({ course, limt: 3 })) //! Did you mean to write 'limit'?
export const a4 = query(({ plugins: { self }, course }) => self.top({ course, limit: '3' })) //! TS2322: Type 'string' is not assignable to type 'number
export const a5 = query(({ plugins: { self }, course }) => self.tpo({ course })) //! TS2339: Property 'tpo' does not exist
export const a6 = query(({ plugins: { self }, course, user }) => self.top({ course, user })) //! 'user' does not exist in type
export const a7 = query(({ plugins: { self } }) => self.count()) //! Type 'NeitherQueryNorView' has no call signatures
export const a8 = query(async ({ plugins: { self }, course }) => (await self.top({ course })).length.n) //! Property 'n' does not exist on type 'number'
export const a9 = query(async ({ plugins: { self }, course }) => (await self.top({ course }))[0]?.m) //! Property 'm' does not exist on type 'Play'
export const a10 = query(({ plugins: { self }, course }) => self.part({ course, x: 1 })) //! 'x' does not exist in type
export const a11 = query(({ plugins: { self }, course }) => self.top({ course }, { cache: 'never' })) //! '"never"' is not assignable
export const a12 = query(({ plugins: { self }, course }) => self.top(course)) //! Argument of type 'string' is not assignable

export const b1 = query(({ plugins: { grdes } }) => grdes.list()) //! Property 'grdes' does not exist on type 'Plugins'
export const b2 = query(({ plugins: { grades } }) => grades.lst()) //! Did you mean 'list'?
export const b3 = query(({ plugins: { grades }, course }) => grades.list({ course })) //! Property 'kind' is missing
export const b4 = query(({ plugins: { grades }, course }) => grades.list({ course, kind: 'quiz' })) //! Type '"quiz"' is not assignable to type '"exam" | "home\\"work"'
export const b5 = query(({ plugins: { grades }, course }) => grades.list({ course, kind: 'exam', since: 2026 })) //! Type 'number' is not assignable to type 'string | Date
export const b6 = query(({ plugins: { grades }, course }) => grades.list({ course, kind: 'exam', all: 'yes' })) //! Type 'string' is not assignable to type 'boolean
export const b7 = query(({ plugins: { courseGrades }, course }) => courseGrades.list({ course })) //! Property 'list' does not exist
export const b8 = query(({ plugins: { courseGrades }, course }) => courseGrades({ course })) //! Property 'kind' is missing
export const b9 = query(({ plugins: { grades }, course }) => grades({ course, kind: 'exam' })) //! This expression is not callable
export const b10 = query(({ plugins: { grades } }) => grades.total.clear()) //! Property 'clear' does not exist
export const b11 = query(async ({ plugins: { grades }, course }) => (await grades.total({ course })).points) //! is of type 'unknown'
export const b15 = query(async ({ plugins: { grades }, course }) => (await grades.rows({ course }))[0]?.m) //! Property 'm' does not exist
export const b12 = view(async ({ plugins: { grades }, course }) => grades.chart<string>({ course })) //! Type 'string' does not satisfy the constraint 'Html'
export const b13 = query(({ plugins: { grades } }) => grades.collection('grades').insertOne({})) //! Property 'insertOne' does not exist
export const b14 = view(({ plugins: { grades }, course }) => html\`\${grades.chart({ course })}\`) //! type 'Promise<Html>' is not assignable

export const c1 = onEvent({ props: ['tincan.acter'] }, () => {}) //! Type '"tincan.acter"' is not assignable
export const c2 = onEvent({ props: ['mood'] }, ({ event }) => event.props.mood?.vidoe) //! Did you mean 'video'?
export const c3 = cron('0 4 * * *', ({ plugins: { self } }) => self.clear()) //! Property 'clear' does not exist
`

let lyceum: TestHost
let author: AuthorFolder
const schema = async () => (await lyceum.call('GET', SCHEMA_PATH)).json
const generated = (file: string) => readFile(join(author.dir, '.lyceum', file), 'utf8')
const said = async () => (await author.check()).map(({ file, line, message }) => `${file}:${line} ${message}`)

beforeAll(async () => {
  lyceum = await startHost()
  const { status } = await lyceum.publish('grades', GRADES)
  expect(status).toBe(201)
  author = await authorFolder('video')
  await author.write('plugin.ts', PLUGIN)
})
afterAll(async () => {
  await author.remove()
  await lyceum.dispose()
})

describe('before anything is written', () => {
  test('a plugin may call what it likes, if it says what comes back', async () => {
    expect(await said()).toEqual([
      expect.stringMatching(/^plugin\.ts:10 .*'unknown'/s),
      expect.stringMatching(/^plugin\.ts:10 .*'n' implicitly/s),
      expect.stringMatching(/^plugin\.ts:16 .*'video' does not exist/s),
      expect.stringMatching(/^plugin\.ts:17 .*'at' does not exist/s),
    ])
  })
})

describe('.lyceum/types.d.ts', () => {
  beforeAll(async () => {
    await writeTypes(author.dir, await ownSchema(author.dir))
  })

  test('makes the plugin’s own queries known, with what they resolve with; others are still what a handler says', async () => {
    await author.write(
      'other.ts',
      `import { query } from '@lyceum/sdk'
       export const any = query(({ plugins: { whatever } }) => whatever.it<number>({ course: 'x' }))
       export const own = query(({ plugins: { self } }) => self.topp({ course: 'x' })) //! Did you mean 'top'?`,
    )
    expect(await said()).toEqual([expect.stringMatching(/^other\.ts:3 .*'topp' does not exist/)])
    await author.write('other.ts', '')
  })

  test('knows a query that was written since by its name', async () => {
    await author.write(
      'plugin.ts',
      `${PLUGIN}\nexport const fresh = query(({ plugins: { self } }) => self.top({ course: 'x' }))`,
    )
    await author.write(
      'other.ts',
      `import { query } from '@lyceum/sdk'
       export const asks = query(({ plugins: { self } }) => self.fresh<string[]>({ whatever: 1 }))
       export const not = query(({ plugins: { self } }) => self.frsh<string[]>({ whatever: 1 }))`,
    )
    expect(await said()).toEqual([expect.stringMatching(/^other\.ts:3 .*Did you mean 'fresh'/)])
    await author.write('plugin.ts', PLUGIN)
    await author.write('other.ts', '')
  })

  test('is what the host tells of the plugin, too, once it is published', async () => {
    expect(await generated('types.d.ts')).toContain('again: OwnQueryCall<{ readonly depth: number }>')
    await author.write('samples.json', JSON.stringify({ again: 7 }))
    await writeTypes(author.dir, await ownSchema(author.dir))
    const before = await generated('types.d.ts')
    expect(before).toContain('again: OwnQueryCall<{ readonly depth: number }, number>')
    await lyceum.publish('video', PLUGIN)
    await lyceum.call('POST', '/v1/plugins/video/approve')
    expect(await writeTypes(author.dir, await schema())).toEqual([])
    expect(await generated('types.d.ts')).toBe(before)
  })
})

describe('.lyceum/host.d.ts', () => {
  beforeAll(async () => {
    await writeHostTypes(author.dir, await schema())
    await author.write('right.ts', RIGHT)
    await author.write('wrong.ts', WRONG)
  })

  test('lets what is right compile, and says of each mistake what is wrong', async () => {
    const found = await author.check()
    expect(found.filter(({ file }) => file !== 'wrong.ts')).toEqual([])
    expect(found.map(({ line }) => line)).toEqual(announced(WRONG).map(({ line }) => line))
    for (const [index, { words }] of announced(WRONG).entries())
      expect(found[index]?.message).toContain(words)
  })

  test('says what a query is for, and nothing of it is code', async () => {
    const text = await generated('host.d.ts')
    expect(text).toContain('/** Out: *\\/ const hacked = 1 /* */')
    expect(text).not.toMatch(/^\s*(?:const|export const)/m)
  })

  test('is the same for the same schema, in whatever order that tells it', async () => {
    const told = await schema()
    for (const list of [
      told.plugins,
      told.properties,
      ...told.plugins.map((plugin: { queries: [] }) => plugin.queries),
    ])
      list.reverse()
    expect(await writeHostTypes(author.dir, told)).toEqual([])
  })
})

describe('a schema that is no schema', () => {
  const query = { name: 'a', description: '', dimensions: [], params: {}, asksSelf: false, names: [] }
  const plugin = { id: 'a', version: '1', views: [], queries: [query] }
  const told = { plugins: [plugin], names: [], properties: [] }
  test.each([
    ['a name that is code', { ...told, plugins: [{ ...plugin, id: 'a: never }; const b = {' }] }],
    [
      'a query that is code',
      { ...told, plugins: [{ ...plugin, queries: [{ ...query, name: 'a(): void;' }] }] },
    ],
    [
      'a parameter that is code',
      {
        ...told,
        plugins: [
          { ...plugin, queries: [{ ...query, params: { 'a b': { type: 'string', required: true } } }] },
        ],
      },
    ],
    [
      'a dimension that is code',
      { ...told, plugins: [{ ...plugin, queries: [{ ...query, dimensions: ['a;'] }] }] },
    ],
    ['a property that is code', { ...told, properties: [{ name: "a': 1; 'b", providers: [] }] }],
    ['a common name that is code', { ...told, names: [{ name: 'a;', plugin: 'a', query: 'a' }] }],
    ['nothing', undefined],
  ])('is refused: %s', async (_, hostile) => {
    const before = await generated('host.d.ts')
    await expect(writeHostTypes(author.dir, hostile)).rejects.toMatchObject({ code: 'server_unreachable' })
    expect(await generated('host.d.ts')).toBe(before)
  })

  test('of enums, the words are texts whatever they hold', async () => {
    const words = ['"', '\\', '${1}', '*/', '\u2028', '\u202e', "'", '\n']
    const params = { word: { type: 'enum', values: words, required: true } }
    await writeHostTypes(author.dir, { ...told, plugins: [{ ...plugin, queries: [{ ...query, params }] }] })
    await author.write('wrong.ts', '')
    await author.write(
      'plugin.ts',
      PLUGIN.replaceAll(", 'tincan.actor'", '').replace(', event.props.tincan?.actor', ''),
    )
    await author.write(
      'right.ts',
      `import { query } from '@lyceum/sdk'
       export const all = query(({ plugins: { a } }) => { for (const word of ${JSON.stringify(words)} as const) a.a({ word }); return 0 })`,
    )
    expect(await said()).toEqual([])
    expect(await generated('host.d.ts')).not.toMatch(/[\u2028\u202e]/)
  })
})

describe('lyceum types', () => {
  test('writes both for a folder, says so, and leaves alone what is as it should be', async () => {
    const token = await lyceum.token({ role: 'author', user: 'ann' })
    const env = { PATH: process.env.PATH ?? '', LYCEUM_TOKEN: token, LYCEUM_URL: lyceum.url }
    const first = await run(author.dir, ['types', '--json'], { env })
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(first.stdout)).toEqual({
      written: expect.arrayContaining(['.lyceum/host.d.ts']),
      host: true,
    })
    expect(await generated('host.d.ts')).toContain('readonly courseGrades: QueryCall')
    expect((await run(author.dir, ['types'], { env })).stdout).toBe('The types in .lyceum/ are up to date.\n')
  })

  test('writes a host for programs outside, which are then held to it', async () => {
    const env = {
      PATH: process.env.PATH ?? '',
      LYCEUM_URL: lyceum.url,
      LYCEUM_TOKEN: await lyceum.token({ role: 'admin' }),
    }
    const { code, stdout } = await run(author.dir, ['types', '--client', 'lyceum.d.ts'], { env })
    expect([code, stdout]).toEqual([0, 'lyceum.d.ts\n'])
    const program = `
      import { connect, HostError, merge } from '@lyceum/sdk/client'
      import type { Plugins } from './lyceum.d.ts'
      const lyceum = connect('http://host', { token: 'x', timeoutMs: 1_000 })
      export const a: Promise<{ points: number }[]> = lyceum.grades.list<{ points: number }[]>({ course: 'c', kind: 'exam', since: new Date() })
      export const b = lyceum.courseGrades({ course: 'c', kind: 'exam' }, { cache: 'only' })
      export const c = lyceum.query<number>('grades', 'total', { course: 'c' }).catch((e) => (e instanceof HostError ? e.code : e))
      export const d = connect<Plugins>('http://other', { token: 'x' }).grades.total({ course: 'c' })
      export const e = merge({ one: lyceum, two: lyceum }).then(async (all) => [await all.grades.total({ course: 'c' }), all.one.grades, all.conflicts[0]?.hosts])
      lyceum.grdes //! Property 'grdes' does not exist
      lyceum.grades.lst({}) //! Did you mean 'list'?
      lyceum.grades.list({ kind: 'exam' }) //! Property 'course' is missing
      lyceum.grades.list({ course: 'c', kind: 'quiz' }) //! Type '"quiz"' is not assignable
      lyceum.grades.total({ course: 'c' }, { cache: 'never' }) //! '"never"' is not assignable
      lyceum.grades.chart({ course: 'c' }) //! Property 'chart' does not exist
      connect('http://host') //! Expected 2 arguments
      lyceum.send([1]) //! Type 'number' is not assignable to type 'Event'
    `
    await author.write('right.ts', program)
    const found = await author.check()
    expect(found.map(({ line }) => line)).toEqual(announced(program).map(({ line }) => line))
    for (const [index, { words }] of announced(program).entries())
      expect(found[index]?.message).toContain(words)
    expect((await run(author.dir, ['types', '--client', 'lyceum.d.ts'], { env })).stdout).toBe(
      'The types in .lyceum/ are up to date.\n',
    )
    await author.write('right.ts', '')
  })

  test('does without a host, and says so; but not without one that was named', async () => {
    const env = { PATH: process.env.PATH ?? '', HOME: author.dir }
    expect(await run(author.dir, ['types'], { env })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('No host was asked'),
    })
    const named = await run(author.dir, ['types', '--url', 'http://127.0.0.1:1', '--token', 'x'], { env })
    expect(named).toMatchObject({ code: 3, stderr: expect.stringContaining('server_unreachable') })
  })
})
