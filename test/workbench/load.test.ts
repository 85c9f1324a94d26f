import { course, type Loaded, load } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Author, authorOf } from './author.ts'

const PLAYS = `import { cron, html, onEvent, query, t, view } from '@lyceum/sdk'

export const count = onEvent('play_video', async ({ events, db, log }) => {
  log.info('counting ' + events.length)
  const plays = db.collection('plays')
  for (const e of events) {
    if (e.event.id === 'bad')
      throw new TypeError('no such video')
    await plays.updateOne({ _id: e.event.id }, { $inc: { n: 1 }, $set: { course: e.context.course_id } }, { upsert: true })
  }
})
export const top = query({ params: { limit: t.number({ default: 3 }) } }, ({ db, course, params }) =>
  db.collection('plays').find({ course }).sort({ n: -1, _id: 1 }).limit(params.limit).toArray())
export const mine = query(({ user, viewer }) => ({ user, role: viewer.role }))
export const today = query(({ now }) => now())
export const popular = view(async ({ plugins: { self }, course }) =>
  html\`<ol>\${(await self.top({ course })).map((video) => html\`<li>\${video._id}</li>\`)}</ol>\`)
export const tidy = cron('0 4 * * *', ({ db, now }) => db.collection('plays').updateOne({ _id: 'tidied' }, { $set: { at: now() } }, { upsert: true }))
export const tidied = query(({ db }) => db.collection('plays').findOne({ _id: 'tidied' }))
export const broken = cron('0 4 * * *', () => { throw new Error('out of order') })
`
const REPORT = `import { query } from '@lyceum/sdk'
export const best = query({ names: ['bestVideos'] }, async ({ plugins: { plays }, course }) => (await plays.top({ course, limit: 1 }))[0])
`

interface Play {
  _id: string
  n: number
}

const sample = course({ learners: 5 })
let plays: Author
let report: Author
let p: Loaded

beforeAll(async () => {
  plays = await authorOf('plays', PLAYS)
  report = await authorOf('report', REPORT)
  p = await load(plays.dir)
})
afterAll(async () => {
  await p.close()
  await Promise.all([plays.remove(), report.remove()])
})

describe('load()', () => {
  test('sends a sample course through the handlers, and asks queries and views', async () => {
    const sent = await p.events(sample)
    const truth = sample.truth()
    expect(sent.accepted).toBe([...sample.events()].length)
    expect(sent).toMatchObject({ deadLetters: 0 })
    const [first] = (await p.plugins.self.top?.<Play[]>({ course: sample.id, limit: 1 })) ?? []
    expect(first?.n).toBe(Math.max(...truth.playsByVideo.values()))
    expect(await p.views.popular?.({ course: sample.id })).toContain(`<ol><li>${first?._id}</li>`)
    expect(p.logs()).toContainEqual(
      expect.objectContaining({ by: 'plugin', endpoint: 'count', level: 'info' }),
    )
  })

  test('asks as somebody else, who sees what the host lets them', async () => {
    const ann = p.as({ user: 'ann' })
    expect(await ann.plugins.self.mine?.()).toEqual({ user: 'ann', role: 'student' })
    await expect(ann.plugins.self.mine?.({ user: 'bob' })).rejects.toMatchObject({ code: 'user_denied' })
    await expect(ann.plugins.self.top?.({ course: sample.id })).rejects.toMatchObject({ code: 'role_denied' })
    const teacher = p.as({ role: 'instructor', courses: [sample.id] })
    expect(await teacher.plugins.self.top?.({ course: sample.id })).toHaveLength(3)
    expect(() => p.as({ role: 'instructor' })).toThrow('An instructor has courses')
  })

  test('has a clock that stands where it is put, and jobs that run when they are told', async () => {
    p.at('2026-03-02T10:00:00Z')
    expect(await p.plugins.self.today?.()).toBe('2026-03-02T10:00:00.000Z')
    expect(await p.plugins.self.tidied?.()).toBeNull()
    await p.cron('tidy')
    p.at('2026-03-02T11:00:00Z')
    await p.cron('tidy')
    expect(await p.plugins.self.tidied?.()).toMatchObject({ at: '2026-03-02T11:00:00.000Z' })
    await expect(p.cron('broken')).rejects.toThrow(/out of order.*plugin\.ts:20:\d+.*> 20 \|/s)
    await expect(p.cron('tidi')).rejects.toThrow('It has: broken, tidy')
    expect(() => p.at('soon')).toThrow('"soon" is not a time')
  })

  test('throws where a handler fails, with the author’s line and the line of the test', async () => {
    const bad = { event_type: 'play_video', event: { id: 'bad' }, time: '2026-03-02T10:00:00Z' }
    const error: unknown = await p.events([bad]).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'plugin_failed',
      message: expect.stringMatching(
        /plays\.count failed on an event: TypeError: no such video.*"id":"bad".*plugin\.ts:8:\d+.*> +8 \|/s,
      ),
    })
    const { stack = '' } = error instanceof Error ? error : {}
    expect(stack).toContain(`${plays.dir}/plugin.ts:8:`)
    expect(stack).toContain('load.test.ts')
    expect(await p.deadLetters()).toMatchObject([
      { endpoint: 'count', event: bad, stack: expect.stringContaining('plugin.ts:8:') },
    ])
    const again = { ...bad, time: '2026-03-02T10:00:01Z' }
    expect(await p.events([again], { deadLetters: 'allow' })).toMatchObject({ accepted: 1, deadLetters: 1 })
  })

  test('takes lines that are no events as a log has them, and refuses objects that are none', async () => {
    expect(await p.events(['# a comment', '{"event_type":"x"}'])).toMatchObject({ accepted: 1, rejected: 1 })
    await expect(p.events([{ event_type: 'x' }, []])).rejects.toThrow('Event 1 was not taken')
  })

  test('adds a plugin that it depends on, and shares nothing with another load()', async () => {
    await using other = await load(report.dir)
    await expect(other.plugins.self.best?.({ course: sample.id })).rejects.toThrow(
      "await p.plugin('../plays')",
    )
    await other.plugin(plays.dir)
    const video = { event_type: 'play_video', event: { id: 'v1' }, context: { course_id: sample.id } }
    await other.events([video])
    expect(await other.plugins.self.best?.({ course: sample.id })).toMatchObject({ _id: 'v1', n: 1 })
    expect(await other.plugins.bestVideos?.({ course: sample.id })).toMatchObject({ _id: 'v1' })
    expect(await other.plugins.plays?.top?.({ course: sample.id })).toHaveLength(1)
  })

  test('throws what is wrong with a plugin, with its place', async () => {
    const wrong = await authorOf(
      'wrong',
      "import { query } from '@lyceum/sdk'\nexport const q = query(({ dbb }) => dbb)\n",
    )
    const error: unknown = await load(wrong.dir).catch((thrown: unknown) => thrown)
    await wrong.remove()
    expect(error).toMatchObject({ code: 'manifest_refused', message: expect.stringContaining('> 2 |') })
  })
})
