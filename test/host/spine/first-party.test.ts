import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { course } from '../../../sdk/testing/index.ts'
import { bundlePlugin } from '../../../workbench/bundle.ts'
import { startHost, type TestHost } from '../../support/host.ts'

const ROOT = join(import.meta.dirname, '../../..')
/** Real logs, where this machine has them. */
const EDX = join(ROOT, '../shared/data/edx')

/** A host with the first-party plugins, as `npm start` installs them. */
async function startWithPlugins(): Promise<TestHost> {
  const lyceum = await startHost()
  for (const id of ['hello', 'eventDump', 'activity', 'video']) {
    const bundled = await bundlePlugin(join(ROOT, 'plugins', id))
    const { status } = await lyceum.call('POST', `/v1/plugins/${id}/versions`, { body: bundled })
    expect(status).toBe(201)
  }
  return lyceum
}

async function load(lyceum: TestHost, lines: readonly string[]) {
  const rejected: string[] = []
  let [accepted, duplicates] = [0, 0]
  for (let at = 0; at < lines.length; at += 1000) {
    const body = lines.slice(at, at + 1000).join('\n')
    const headers = { 'content-type': 'application/x-ndjson' }
    const { json } = await lyceum.call('POST', '/v1/events', { body, headers })
    accepted += json.accepted
    duplicates += json.duplicates
    for (const { index } of json.rejected) rejected.push(lines[at + index] ?? '')
  }
  await lyceum.settled()
  return { accepted, duplicates, rejected }
}

interface Video {
  course: string
  video: string
  plays: number
  pauses: number
  seeks: number
}
interface Day {
  day: string
  learners: number
}

describe('the sample course, through the whole pipeline', () => {
  const sample = course({ learners: 40, weeks: 4 })
  const truth = sample.truth()
  const ofCourse = `course=${encodeURIComponent(sample.id)}`
  let lyceum: TestHost
  let counts: Awaited<ReturnType<typeof load>>
  const query = async <T>(path: string): Promise<T> => (await lyceum.call('GET', `/v1/queries/${path}`)).json
  beforeAll(async () => {
    lyceum = await startWithPlugins()
    counts = await load(lyceum, [...sample.lines()])
  })
  afterAll(() => lyceum.dispose())

  test('is taken in as its generator says', () => {
    expect(counts.accepted).toBe(truth.events)
    expect(counts.duplicates).toBe(truth.duplicates)
    expect(counts.rejected).toHaveLength(truth.rejected)
  })

  test('has exactly the plays of each video', async () => {
    const totals = await query<Video[]>('video/totals')
    expect(new Map(totals.map(({ video, plays }) => [video, plays]))).toEqual(truth.playsByVideo)
    expect(new Set(totals.map((video) => video.course))).toEqual(new Set([sample.id]))
    const [first] = await query<Video[]>(`video/top?${ofCourse}&limit=1`)
    expect(first?.plays).toBe(Math.max(...truth.playsByVideo.values()))
  })

  test('has exactly the active learners of each day', async () => {
    const days = async (path: string) =>
      new Map((await query<Day[]>(path)).map(({ day, learners }) => [day, learners]))
    expect(await days('activity/dailyAll')).toEqual(truth.activeByDay)
    expect(await days(`activity/daily?${ofCourse}`)).toEqual(truth.activeByDay)
    expect(await query(`activity/daily?course=another`)).toEqual([])
  })

  test('is in the event dump, each event once', async () => {
    const types = await query<{ type: string; n: number }[]>('eventDump/count')
    expect(new Map(types.map(({ type, n }) => [type, n]))).toEqual(truth.byType)
    expect(await query('eventDump/recent?limit=7')).toHaveLength(7)
  })

  test('counts nothing more when it is sent again', async () => {
    const before = await query('video/totals')
    const again = await load(lyceum, [...sample.lines()])
    expect([again.accepted, again.duplicates]).toEqual([0, truth.events + truth.duplicates])
    expect(await query('video/totals')).toEqual(before)
  })

  test('is shown to students only as far as it is about them', async () => {
    const token = await lyceum.token({ role: 'student', user: sample.learners[0]?.username ?? '' })
    for (const path of [`video/top?${ofCourse}`, `activity/daily?${ofCourse}`, 'eventDump/recent'])
      expect((await lyceum.call('GET', `/v1/queries/${path}`, { token })).status, path).toBeGreaterThan(399)
  })
})

describe.skipIf(!existsSync(EDX))('real logs (skipped where ../shared/data/edx is absent)', () => {
  const logs = existsSync(EDX) ? globSync('**/*.log', { cwd: EDX }).sort() : []
  const linesOf = (name: string) =>
    readFileSync(join(EDX, name), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
  const events = (name: string): Record<string, never>[] =>
    linesOf(name).flatMap((line) => (line.startsWith('#') ? [] : [JSON.parse(line.slice(line.indexOf('{')))]))
  let lyceum: TestHost
  const query = async <T>(path: string): Promise<T> => (await lyceum.call('GET', `/v1/queries/${path}`)).json
  beforeAll(async () => {
    lyceum = await startWithPlugins()
  })
  afterAll(() => lyceum?.dispose())

  test.each(logs)('%s loads with nothing rejected but its comment lines', async (name) => {
    const lines = linesOf(name)
    const { accepted, duplicates, rejected } = await load(lyceum, lines)
    expect(rejected).toEqual(lines.filter((line) => line.startsWith('#')))
    expect(accepted + duplicates).toBe(lines.length - rejected.length)
    expect(accepted).toBeGreaterThan(0)
  })

  test('have the plays, pauses and seeks that a recount finds', async () => {
    const counted = new Map<string, number>()
    for (const name of logs)
      for (const event of events(name) as never as VideoEvent[]) {
        const kind = { play_video: 'plays', pause_video: 'pauses', seek_video: 'seeks' }[
          event.event_type ?? ''
        ]
        if (kind === undefined) continue
        const payload = typeof event.event === 'string' ? JSON.parse(event.event) : event.event
        const key = `${event.context.course_id} ${payload.id} ${kind}`
        counted.set(key, (counted.get(key) ?? 0) + 1)
      }
    const found = (await query<Video[]>('video/totals')).flatMap(({ course, video, ...kinds }) =>
      Object.entries(kinds).map(([kind, n]) => [`${course} ${video} ${kind}`, n] as const),
    )
    expect(counted.size).toBeGreaterThan(3)
    expect(new Map(found.filter(([, n]) => n > 0))).toEqual(counted)
  })

  test('have the active learners per day that a recount finds', async () => {
    const users = new Map<string, Set<string>>()
    for (const name of logs)
      for (const event of events(name) as never as UserEvent[]) {
        const user = nameOf(event)
        const time = event.time ?? event.timestamp
        if (user === undefined || time === undefined) continue
        const day = new Date(/Z$|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`).toISOString().slice(0, 10)
        users.set(day, (users.get(day) ?? new Set()).add(user))
      }
    const days = await query<Day[]>('activity/dailyAll')
    expect(new Map(days.map(({ day, learners }) => [day, learners]))).toEqual(
      new Map([...users].map(([day, names]) => [day, names.size])),
    )
  })

  test('have the active users per week that a published pipeline found', async () => {
    const csv = readFileSync(
      join(EDX, 'active_users_weekly/expected/expected_active_users_per_week.csv'),
      'utf8',
    )
    const expected = csv.trim().split('\n').slice(1).sort()
    const weeks = new Set(expected.map((row) => row.slice(0, 21)))
    const log = linesOf('active_users_weekly/input/active_users_tracking.log')
    const ids = new Set(log)
    expect(ids.size).toBe(log.length)
    await lyceum.publish(
      'weekly',
      `import { onEvent, query } from '@lyceum/sdk'
       const DAY = 86_400_000
       const iso = (ms: number) => new Date(ms).toISOString().slice(0, 10)
       export const count = onEvent({ where: { 'props.time': { $gte: '2017-07-01', $lt: '2017-08-01' } } }, async ({ events, db }) => {
         for (const { props: { user, time } } of events) {
           if (user === undefined || time === undefined) continue
           const at = Date.parse(time.slice(0, 10))
           const monday = at - ((new Date(at).getUTCDay() + 6) % 7) * DAY
           const _id = [iso(monday), iso(monday + 7 * DAY), user].join(',')
           await db.collection('active').updateOne({ _id }, { $inc: { n: 1 } }, { upsert: true })
         }
       })
       export const active = query(async ({ db }) => (await db.collection('active').find().sort({ _id: 1 }).toArray()).map((row) => row._id))`,
    )
    await lyceum.settled()
    const active = await query<string[]>('weekly/active')
    expect(active.filter((row) => weeks.has(row.slice(0, 21)))).toEqual(expected)
  })
})

interface VideoEvent {
  readonly event_type?: string
  readonly event: string | { id: string }
  readonly context: { course_id: string }
}
interface UserEvent {
  readonly username?: string
  readonly time?: string
  readonly timestamp?: string
  readonly context?: { username?: string; user_id?: number | string | null }
  readonly user_id?: number | string | null
}

function nameOf(event: UserEvent): string | undefined {
  const names = [event.username, event.context?.username, event.context?.user_id, event.user_id]
  return names.map((name) => String(name ?? '').trim()).find((name) => name !== '')
}
