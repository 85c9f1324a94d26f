import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { course } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSamples, recordSamples } from '../../workbench/samples.ts'
import { withoutDrawings } from '../../workbench/snapshot-charts.ts'
import { compareSnapshots, keepSnapshots, type Results, resultsOf } from '../../workbench/snapshots.ts'
import { textDiff } from '../../workbench/text-diff.ts'
import { writeTypes } from '../../workbench/types-file.ts'
import { run } from '../cli/run.ts'
import { longTest } from '../support/long.ts'
import { type Author, authorOf } from './author.ts'

const SOURCE = `import { cron, html, onEvent, query, t, view } from '@lyceum/sdk'

export const count = onEvent('play_video', async ({ events, db }) => {
  for (const e of events)
    await db.collection('plays').updateOne({ _id: e.event.id }, { $inc: { n: 1 } }, { upsert: true })
})
export const most = query({ params: { limit: t.number({ min: 2 }) } }, ({ db, course, params }) =>
  db.collection('plays').find().sort({ n: -1, _id: 1 }).limit(params.limit).toArray())
export const mine = query(({ user }) => 'of ' + user)
export const popular = view(({ course }) => html\`<ol id="0123456789abcdef01234567"><li>\${course}</li></ol>\`)
export const digest = cron('0 4 * * *', ({ db, now }) => db.collection('digests').insertOne({ at: now() }))
export const last = query(({ db }) => db.collection('digests').findOne())
export const inSection = query(({ section }) => section)
export const named = query({ params: { name: t.string() } }, ({ params }) => params.name)
export const choosy = query(({ viewer }) => {
  if (viewer.role === 'student') throw new Error('Not for students.')
  return 'for ' + viewer.role
})
export const failing = query(({ course }) => course.nothing.at)
export const misspelt = view(({ course, plugins: { self } }) => self.msot({ course, limit: 2 }))
export const alike = query(({ user }) => user.length > 0)
query(() => 'nobody asks')
`
const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
test('holds', () => assert.equal(1, 1))
`

/** A plugin that comes with it, and whose handler fails on what one learner did. */
const OTHER = `import { onEvent } from '@lyceum/sdk'

/** Not in the line that the other folder has here. */
export const choke = onEvent('play_video', ({ event }) => {
  if (event.props.user === '${course().learners[0]?.username}') throw new Error('Not that one.')
})
onEvent('pause_video', () => {})
`

let author: Author
let other: Author
let results: Results

beforeAll(async () => {
  author = await authorOf('plays', SOURCE)
  other = await authorOf('others', OTHER)
  results = await resultsOf(author.dir, [other.dir])
})
afterAll(() => Promise.all([author.remove(), other.remove()]))

const snapshot = (name: string) => JSON.parse(results.files.get(name) ?? '')

describe('results over the sample course', () => {
  test('are those of an admin, an instructor and a student, and refusals are results', () => {
    expect([...results.files.keys()].sort()).toEqual([
      'alike.json',
      'choosy.json',
      'last.json',
      'mine.json',
      'most.json',
      'popular.html',
    ])
    expect(snapshot('most.json')).toMatchObject([
      { as: 'admin, instructor', given: { limit: 2 }, result: [{ n: expect.any(Number) }, {}] },
      { as: 'student', refused: 'role_denied' },
    ])
    expect(snapshot('mine.json')).toMatchObject([
      { as: 'admin, student', result: 'of amara_1' },
      { as: 'instructor', result: 'of instructor' },
    ])
    expect(snapshot('choosy.json')).toMatchObject([
      { as: 'admin' },
      { as: 'instructor' },
      { as: 'student', refused: 'plugin_failed: plays.choosy: Not for students.' },
    ])
    // The same result, but of another question.
    expect(snapshot('alike.json')).toMatchObject([
      { as: 'admin, student', given: { user: 'amara_1' }, result: true },
      { as: 'instructor', result: true },
    ])
    const about = 'course=course-v1:Lyceum+STAT101+2026 -->'
    expect(results.files.get('popular.html')?.split('\n')).toEqual([
      `<!-- as admin, instructor: ${about}`,
      '<ol id="«id 1»">',
      '<li>course-v1:Lyceum+STAT101+2026</li>',
      '</ol>',
      '',
      `<!-- as student: ${about}`,
      '<!-- refused: role_denied -->',
      '',
    ])
    expect(results.byQuery.get('choosy')).toBe('for admin')
    expect([...results.byQuery.keys()].sort()).toEqual(['alike', 'choosy', 'last', 'mine', 'most'])
  })

  test('have a job behind them, a clock that stands still, and ids that are the same each time', () => {
    expect(snapshot('last.json')).toMatchObject([
      { as: 'admin, instructor, student', result: { _id: '«id 1»', at: '2026-03-16T00:00:00.000Z' } },
    ])
  })

  test('come with what is probably not meant in the plugin itself', () => {
    expect(results.warnings).toEqual([expect.stringContaining('plugin.ts:22:1 This query is not exported')])
  })

  test('name what could not be asked, and what failed with its place', () => {
    expect(results.skipped).toEqual([
      { endpoint: 'inSection', reason: 'the sample course has no section to ask for' },
      { endpoint: 'named', reason: expect.stringContaining('write t.string({ default: … })') },
    ])
    expect(results.failed).toMatchObject([
      {
        message: expect.stringMatching(
          /others\.choke failed on .*Not that one.*> 5 \| {3}if \(event\.props/s,
        ),
      },
      { message: expect.stringMatching(/plays\.failing.*> 19 \|/s) },
      { code: 'endpoint_unknown', message: expect.stringMatching(/Did you mean `most`\?.*> 20 \|/s) },
    ])
  })
})

describe('snapshots', () => {
  test('hold what a chart shows, and not how this version of Lyceum draws all charts', () => {
    const chart = (config: object, spec: object) =>
      `<lyceum-chart role="img" data-vega='${JSON.stringify({ config, padding: 4, ...spec })}'><svg>…</svg></lyceum-chart>`
    const kept = withoutDrawings(chart({ axis: 1 }, { marks: ['it&#39;s'], height: 240 }))
    expect(kept).toBe(
      '<lyceum-chart role="img" data-vega=\'{\n  "marks": ["it&#39;s"],\n  "height": 240\n}\'></lyceum-chart>',
    )
    expect(withoutDrawings(chart({ axis: 2 }, { marks: ['it&#39;s'], height: 240 }))).toBe(kept)
    expect(withoutDrawings(chart({ axis: 1 }, { marks: ['rect'], height: 240 }))).not.toBe(kept)
    const drawn = { $schema: 'v9', autosize: 'fit', background: 'red', style: 'cell' }
    expect(withoutDrawings(chart({}, { ...drawn, marks: ['it&#39;s'], height: 240 }))).toBe(kept)
    const one = chart({}, { marks: ['it&#39;s'], height: 240 })
    expect(withoutDrawings(`${one}\n${one}`)).toBe(`${kept}\n${kept}`)
    for (const none of ['{', 'null', '3']) {
      const own = `<p data-vega='${none}'></p>`
      expect(withoutDrawings(own)).toBe(own)
    }
  })

  test('are written where they are new, differ where a result does, and go with their endpoint', async () => {
    const file = join(author.dir, 'snapshots/mine.json')
    const first = await compareSnapshots(author.dir, results)
    expect(first.map(({ state }) => state)).toEqual(Array(6).fill('new'))
    await keepSnapshots(author.dir, results, first)
    const kept = await readFile(file, 'utf8')
    await writeFile(file, kept.replace('of instructor', 'of somebody'))
    await writeFile(join(author.dir, 'snapshots/older.json'), '[]\n')
    // What was skipped is there, and what nobody here has written is nobody's here to delete.
    for (const left of ['named.json', 'README.md']) await writeFile(join(author.dir, 'snapshots', left), '')
    const whole = { ...results, failed: [] }
    const changed = (await compareSnapshots(author.dir, whole)).filter(({ state }) => state !== 'same')
    expect(changed).toEqual([
      {
        file: 'mine.json',
        state: 'changed',
        diff: expect.stringMatching(/- +"result": "of somebody"\n\+ +"result": "of instructor"/),
      },
      { file: 'older.json', state: 'gone' },
    ])
    // While something fails nobody knows what is gone.
    expect(await compareSnapshots(author.dir, results)).not.toContainEqual(changed[1])
    await keepSnapshots(author.dir, whole, changed)
    expect(await readFile(file, 'utf8')).toBe(kept)
    expect((await compareSnapshots(author.dir, whole)).every(({ state }) => state === 'same')).toBe(true)
  })

  test('show a long text that changed by its first line that did', () => {
    const lines = Array.from({ length: 6_000 }, (_, index) => `line ${index}`)
    const after = lines.with(4_000, 'other')
    expect(textDiff(lines.join('\n'), after.join('\n'))).toBe('line 4001:\n- line 4000\n+ other')
  })

  test('long lines begin shortly before what differs', () => {
    const chart = (n: number) => `<h2>\n${'a'.repeat(3_000)}"n":${n}${'b'.repeat(3_000)}\n</h2>`
    const [head, before = '', after = ''] = textDiff(chart(1), chart(2)).split('\n')
    expect(head).toBe('  <h2>')
    expect(before).toMatch(/^- …a{56}"n":1b{100,}…$/)
    expect(after).toMatch(/^\+ …a{56}"n":2b{100,}…$/)
    expect(after.length).toBeLessThan(250)
  })
})

describe('samples', () => {
  test('are the beginning of what was returned, with the same ids each time', async () => {
    const long = [1, 2, 3, 4, 5].map((n) => ({ _id: `${n}`.repeat(24), text: 'x'.repeat(300) }))
    await recordSamples(
      author.dir,
      new Map<string, unknown>([
        ['most', long],
        ['none', null],
        ['deep', { a: { b: { c: { d: { e: { f: { g: 1 }, list: [1] } } } } } }],
        ['wide', Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, n]))],
      ]),
    )
    const samples = (await readSamples(author.dir)) ?? {}
    expect(Object.keys(samples)).toEqual(['most', 'deep', 'wide'])
    expect(samples.deep).toEqual({ a: { b: { c: { d: { e: { f: {}, list: [] } } } } } })
    expect(Object.keys(samples.wide ?? {})).toHaveLength(30)
    expect(samples.most).toHaveLength(3)
    expect(samples.most).toMatchObject([
      { _id: '000000000000000000000001', text: `${'x'.repeat(200)}…` },
      {},
      {},
    ])
  })

  test('beside plugin.ts are the type of a query that asks its own plugin, and those of a host are not', async () => {
    const folder = await authorOf('plays', SOURCE)
    await folder.write('samples.json', '{ "most": 1 }')
    const about = { description: '', dimensions: [], params: {}, asksSelf: true, names: [], sample: 'old' }
    const queries = [
      { ...about, name: 'most' },
      { ...about, name: 'other' },
    ]
    const schema = {
      plugins: [{ id: 'plays', version: '1.0.0', views: [], queries }],
      names: [],
      properties: [],
    }
    const files = ['types.d.ts', 'host.d.ts'].map((file) => join(folder.dir, '.lyceum', file))
    expect(await writeTypes(folder.dir, schema)).toEqual(files)
    expect(await writeTypes(folder.dir, schema)).toEqual([])
    const text = await readFile(join(folder.dir, '.lyceum/types.d.ts'), 'utf8')
    expect(text).toContain('readonly most: OwnQueryCall<Record<string, never>, number>')
    expect(text).toContain('readonly other: OwnQueryCall<Record<string, never>, string>')
    await folder.remove()
  })

  test('that are not JSON are refused with the name of the file', async () => {
    await author.write('samples.json', '{ most: 1')
    await expect(readSamples(author.dir)).rejects.toThrow('samples.json: it is not JSON')
    await author.write('samples.json', '{}')
  })

  test('that are there and cannot be read are not taken for none', async () => {
    const folder = await authorOf('folder', SOURCE)
    await mkdir(join(folder.dir, 'samples.json'))
    await expect(readSamples(folder.dir)).rejects.toThrow(
      'samples.json is there, but cannot be read (EISDIR)',
    )
    await folder.remove()
  })
})

test('a link in a folder from elsewhere has no other file shown, written over or deleted', async () => {
  const [mine, theirs] = [await authorOf('mine', SOURCE), await authorOf('plays', SOURCE)]
  const [file, json] = [join(mine.dir, 'own.txt'), join(mine.dir, 'own.json')]
  for (const own of [file, json]) await writeFile(own, 'mine')
  await symlink(file, join(theirs.dir, 'samples.json'))
  await symlink(mine.dir, join(theirs.dir, 'snapshots'))
  await mkdir(join(theirs.dir, '.lyceum'))
  await symlink(file, join(theirs.dir, '.lyceum/types.d.ts'))

  const whole = { ...results, failed: [] }
  const isLink = (name: string) => `${name} is a link to something else`
  await expect(compareSnapshots(theirs.dir, whole)).rejects.toThrow(isLink('snapshots'))
  const compared = [{ file: 'mine.json', state: 'new' }] as const
  await expect(keepSnapshots(theirs.dir, whole, compared)).rejects.toThrow(isLink('snapshots'))
  await expect(recordSamples(theirs.dir, new Map([['most', 1]]))).rejects.toThrow(isLink('samples.json'))
  await rm(join(theirs.dir, 'samples.json'))
  await expect(writeTypes(theirs.dir, results.schema)).rejects.toThrow(isLink('.lyceum/types.d.ts'))
  await rm(join(theirs.dir, 'snapshots'))
  await mkdir(join(theirs.dir, 'snapshots'))
  await symlink(file, join(theirs.dir, 'snapshots/most.json'))
  await expect(compareSnapshots(theirs.dir, whole)).rejects.toThrow(isLink('snapshots/most.json'))
  for (const own of [file, json]) expect(await readFile(own, 'utf8')).toBe('mine')
  await Promise.all([mine.remove(), theirs.remove()])
})

describe('lyceum test', () => {
  longTest('fails in CI where a snapshot is missing, and writes nothing', async () => {
    const { dir, write, remove } = await authorOf('small', SMALL)
    await write('plugin.test.ts', TEST)
    const missing = await run(dir, ['test', '--json'], { env: { CI: '1' } })
    expect(missing.code).toBe(4)
    expect(JSON.parse(missing.stdout)).toEqual({
      tests: { files: ['plugin.test.ts'], passed: true },
      snapshots: [{ file: 'one.json', state: 'new' }],
      skipped: [],
      standIns: [],
      failed: [],
    })
    expect(missing.stderr).toContain('holds')
    expect(existsSync(join(dir, 'snapshots'))).toBe(false)
    await remove()
  })

  longTest('keeps what is new, shows what has changed, and takes it with --update', async () => {
    const { dir, write, remove } = await authorOf('small', SMALL)
    await write('plugin.test.ts', TEST)
    expect(await run(dir, ['test'])).toMatchObject({ code: 0, stdout: expect.stringContaining('+ one.json') })
    await write('plugin.ts', `${SMALL.replace('1)', '2)')}query(() => 3)\n`)
    await write('snapshots/\u001b[2Jold\n= one.json', '')
    const changed = await run(dir, ['test'])
    expect(changed).toMatchObject({
      code: 4,
      stdout: expect.stringMatching(/-.*"result": 1\n.*\+.*"result": 2/),
    })
    expect(changed.stderr).toMatch(/^warning plugin\.ts:3:1 This query is not exported/m)
    expect(changed.stdout).toContain('  - [2Jold = one.json: nothing makes it any more')
    const update = await run(dir, ['test', '--update'])
    expect([update.code, update.stderr.split('warning').length]).toEqual([0, 2])
    expect(JSON.parse(await readFile(join(dir, 'samples.json'), 'utf8'))).toEqual({ one: 2 })
    expect((await run(dir, ['test'], { env: { CI: '1' } })).code).toBe(0)
    await write('plugin.test.ts', TEST.replace('1, 1', '1, 2'))
    expect((await run(dir, ['test'])).code).toBe(4)
    await remove()
  })
})

const SMALL = `import { query } from '@lyceum/sdk'
export const one = query(() => 1)
`
