import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Logged, logged, RunningPlugin, sample } from './support.ts'

interface Day {
  day: string
  learners: number
}

let plugin: RunningPlugin
const log = logged(sample.lines())

beforeAll(async () => {
  plugin = await RunningPlugin.start('activity')
})
afterAll(() => plugin.stop())

function byDay(days: Day[]): Map<string, number> {
  return new Map(days.map(({ day, learners }) => [day, learners]))
}

function event(user: string, course: string | undefined, time: string): Logged {
  const [one] = logged([
    JSON.stringify({ event_type: 'x', username: user, time, event: {}, context: { course_id: course } }),
  ])
  if (one === undefined) throw new Error('the event was rejected')
  return one
}

test('says what would fill it before anything has happened', async () => {
  expect(await plugin.view('perDay', { course: sample.id })).toContain(
    'Nobody has been active in this course yet.',
  )
  expect(await plugin.view('overall')).toContain('Nobody has been active yet.')
})

test('counts exactly the learners that the sample course had on each day', async () => {
  await plugin.feed('record', log)
  expect(byDay(await plugin.query('dailyAll'))).toEqual(sample.truth().activeByDay)
})

test('counts a course by what lies in it', async () => {
  const learners = new Map<string, Set<string>>()
  for (const { props } of log) {
    if (props.course !== sample.id || props.user === undefined) continue
    const day = (props.time ?? '').slice(0, 10)
    learners.set(day, (learners.get(day) ?? new Set()).add(props.user))
  }
  const expected = new Map([...learners].map(([day, names]) => [day, names.size]))
  expect(byDay(await plugin.query('daily', { course: sample.id }))).toEqual(expected)
})

test('gives the days in order', async () => {
  const days = (await plugin.query<Day[]>('dailyAll')).map(({ day }) => day)
  expect(days).toEqual(days.toSorted())
})

test('counts a learner once a day in all, however many courses and events', async () => {
  const times = ['2031-05-01T00:00:00Z', '2031-05-01T23:59:59Z', '2031-05-02T00:00:00Z']
  const events = ['A/b/c', 'D/e/f'].flatMap((course) => times.map((time) => event('ann', course, time)))
  await plugin.feed('record', events)
  await plugin.feed('record', [event('ann', 'A/b/c', '2031-05-01T12:00:00Z')])
  const expected = [
    { day: '2031-05-01', learners: 1 },
    { day: '2031-05-02', learners: 1 },
  ]
  expect(await plugin.query('daily', { course: 'A/b/c' })).toEqual(expected)
  expect(await plugin.query('daily', { course: 'D/e/f' })).toEqual(expected)
  expect((await plugin.query<Day[]>('dailyAll')).slice(-2)).toEqual(expected)
})

test('tells learners and courses apart whose names hold separators', async () => {
  await plugin.feed('record', [
    event('b/2031-06-01/c', 'a', '2031-06-01T10:00:00Z'),
    event('c', 'a/2031-06-01/b', '2031-06-01T10:00:00Z'),
    event('","', 'a', '2031-06-01T10:00:00Z'),
  ])
  expect((await plugin.query<Day[]>('dailyAll')).at(-1)).toEqual({ day: '2031-06-01', learners: 3 })
})

/** How many bars a view has. */
async function bars(name: string, given: object = {}): Promise<number> {
  return (await plugin.view(name, given)).split('aria-roledescription="bar"').length - 1
}

test('draws the weeks up to the last active day that is not in the future', async () => {
  const markup = await plugin.view('overall')
  const last = [...sample.truth().activeByDay.keys()].sort().at(-1) ?? ''
  expect(markup).toMatch(new RegExp(`aria-label="Bars: Active learners by Day [^"]* to ${last}\\.`))
  expect(markup).toMatch(new RegExp(`<td[^>]*>${last}</td>`))
  expect(markup).not.toContain('2031-06-01')
})

test('draws twelve weeks at most, two at least, empty days too', async () => {
  await plugin.feed('record', [event('a', 'Short/one/1', '2026-03-01T10:00:00Z')])
  await plugin.feed('record', [
    event('a', 'Long/one/1', '2025-03-01T10:00:00Z'),
    event('a', 'Long/one/1', '2026-03-01T10:00:00Z'),
  ])
  expect(await bars('perDay', { course: 'Short/one/1' })).toBe(14)
  expect(await bars('perDay', { course: 'Long/one/1' })).toBe(84)
})
