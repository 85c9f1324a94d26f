import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { course } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { writeHostSamples } from '../../workbench/stand-ins.ts'
import { run } from '../cli/run.ts'
import { longTest } from '../support/long.ts'
import { type Author, authorOf } from './author.ts'

const SOURCE = `import { onEvent, query, t } from '@lyceum/sdk'
export const count = onEvent('play_video', async ({ events, db }) => {
  for (const e of events) {
    if (e.event.id === 'bad') throw new Error('no such video')
    await db.collection('plays').updateOne({ _id: e.event.id }, { $inc: { n: 1 } }, { upsert: true })
  }
})
export const top = query({ params: { limit: t.number({ default: 100 }) } }, ({ db, params }) =>
  db.collection('plays').find().sort({ n: -1, _id: 1 }).limit(params.limit).toArray())
export const mine = query(({ user }) => ({ user }))
`
const ASKING = `import { query } from '@lyceum/sdk'
export const rows = query(async ({ plugins: { self } }) => [await self.asked()])
export const asked = query(({ plugins: { grades } }) => grades.list())
export const one = query(() => 1)
`
const GRADES = {
  id: 'grades',
  queries: [
    { name: 'list', title: 'List', dimensions: [], params: {}, names: [], sample: [{ user: 'ann' }] },
  ],
}
const sample = course({ learners: 6 })

let author: Author

beforeAll(async () => {
  author = await authorOf('plays', SOURCE)
  await writeFile(join(author.dir, 'events.log.gz'), gzipSync([...sample.lines()].join('\n')))
})
afterAll(() => author.remove())

describe('lyceum run', () => {
  longTest('runs events of a file through the plugin, and prints what a query returns', async () => {
    const { stdout, stderr, code } = await run(author.dir, [
      'run',
      '--events',
      'events.log.gz',
      '--query',
      'top',
    ])
    expect(stderr).toMatch(/^[\d,]+ events, /)
    expect(code).toBe(0)
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line): [string, number] => {
        const { _id, n }: { _id: string; n: number } = JSON.parse(line)
        return [_id, n]
      })
    expect(new Map(rows)).toEqual(sample.truth().playsByVideo)
  })

  longTest('writes nothing that is made of samples', async () => {
    const asking = await authorOf('asking', ASKING)
    onTestFinished(() => asking.remove())
    await writeHostSamples(asking.dir, { plugins: [GRADES] }, 'asking')
    const { stdout, stderr, code } = await run(asking.dir, ['run', '--json', '--events', '-'], {
      input: '{"event_type":"graded"}\n',
    })
    expect(JSON.parse(stdout)).toMatchObject({
      written: ['results/one.ndjson'],
      skipped: ['asked', 'rows'].map((query) => ({
        query,
        reason: `${query} is made of samples, not of data: grades is not here. Run it with --with FOLDER.`,
      })),
    })
    expect(stderr).toMatch(/^grades is not here, but its samples: .* --with\.\n/)
    expect(code).toBe(0)
    expect(await readdir(join(asking.dir, 'results'))).toEqual(['one.ndjson'])
  })

  test('writes all queries into a folder, and tells which it could not ask and what failed', async () => {
    const bad = JSON.stringify({ event_type: 'play_video', event: { id: 'bad' } })
    const good = JSON.stringify({ event_type: 'play_video', event: { id: '=v1' } })
    const { stdout, stderr, code } = await run(
      author.dir,
      ['run', '--json', '--events', '-', '--format', 'csv', '--out', 'tables', '-p', 'limit=1'],
      { input: `${good}\n${bad}\n${good}\n${'x'.repeat(1_000_001)}\n` },
    )
    expect(JSON.parse(stdout)).toEqual({
      accepted: 3,
      duplicates: 0,
      rejected: 1,
      deadLetters: 1,
      failure: expect.stringContaining('> 4 |'),
      written: ['tables/top.csv'],
      skipped: [{ query: 'mine', reason: expect.stringContaining('about one person') }],
    })
    expect(stderr).toBe('stdin:4 is longer than 1,000,000 bytes: left out.\n')
    expect(code).toBe(1)
    expect(await readdir(join(author.dir, 'tables'))).toEqual(['top.csv'])
    expect(await readFile(join(author.dir, 'tables/top.csv'), 'utf8')).toBe("_id,n\r\n'=v1,2\r\n")
  })

  longTest('refuses a place for results, and parameters, before it reads anything', async () => {
    const refused = async (...words: string[]) => {
      const { code, stderr } = await run(author.dir, ['run', '--events', '-', ...words], {
        input: 'no event\n',
      })
      expect([code, stderr]).toEqual([2, expect.not.stringContaining('events, ')])
      return stderr
    }
    const [nowhere, folder, file, unknown, twice] = await Promise.all([
      refused('--query', 'top', '--out', 'none/top.csv'),
      refused('--query', 'top', '--out', '.'),
      refused('--out', 'plugin.ts'),
      refused('-p', 'limits=1'),
      refused('--query', 'top', '-p', 'limit=1', '-p', 'limit=2'),
    ])
    expect(nowhere).toContain('none/top.csv cannot be written. There is no such folder; make it first.')
    expect(folder).toContain('--out . is a folder. With --query it names a file, such as top.csv.')
    expect(file).toContain('There is a file of that name, where a folder has to be.')
    expect(unknown).toContain('--param limits: no query that is asked takes it. They take:')
    expect(twice).toContain('limit is there twice. Give it once.')
  })

  longTest('writes over nothing that a link leads to which is in the way of results', async () => {
    const own = join(author.dir, 'own.txt')
    await writeFile(own, 'mine')
    await mkdir(join(author.dir, 'linked'))
    await symlink(own, join(author.dir, 'linked/top.ndjson'))
    await symlink(author.dir, join(author.dir, 'results'))
    for (const words of [['--out', 'linked'], []])
      expect(
        await run(author.dir, ['run', '--events', '-', ...words], { input: '{"event_type":"x"}\n' }),
      ).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error file_unreadable: .* is a link/m) })
    expect(await readFile(own, 'utf8')).toBe('mine')
    // A link that somebody names is meant.
    await mkdir(join(author.dir, 'elsewhere'))
    await symlink(join(author.dir, 'elsewhere'), join(author.dir, 'named'))
    for (const out of ['named', 'results'])
      expect(
        await run(author.dir, ['run', '--events', '-', '--out', out], { input: '{"event_type":"x"}\n' }),
      ).toMatchObject({ code: 0 })
    expect(await readdir(join(author.dir, 'elsewhere'))).toContain('top.ndjson')
  })

  longTest('refuses a query that is not there before it reads anything', async () => {
    expect(await run(author.dir, ['run', '--events', '-', '--query', 'tops'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It has: mine, top.'),
    })
    expect(await run(author.dir, ['run'])).toMatchObject({ code: 2 })
    expect(await run(author.dir, ['run', '--events', 'none.log'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no such file'),
    })
  })

  longTest('handles events in the order of the file, however much of it is read at once', async () => {
    const ordered = await authorOf(
      'ordered',
      `import { onEvent, query } from '@lyceum/sdk'
       export const line = onEvent('line', async ({ events, db }) => {
         const row = await db.collection('n').findOne({ _id: 'n' })
         await db.collection('n').updateOne({ _id: 'n' }, { $set: { all: [...(row?.all ?? []), ...events.map((e) => e.event.n)] } }, { upsert: true })
       })
       export const all = query(async ({ db }) => (await db.collection('n').findOne({ _id: 'n' })).all)`,
    )
    const numbers = Array.from({ length: 2_003 }, (_, n) => n)
    // The last lines are few and short: nothing of them takes as long as what is before them.
    const lineOf = (n: number) =>
      JSON.stringify({ id: `e${n}`, event_type: 'line', event: { n, text: 'x'.repeat(n < 2_000 ? 400 : 0) } })
    const input = numbers.map(lineOf).join('\n')
    const options = ['run', '--events', '-', '--query', 'all', '--format', 'json']
    const { stdout } = await run(ordered.dir, options, { input })
    await ordered.remove()
    expect(JSON.parse(stdout)).toEqual(numbers)
  })
})
