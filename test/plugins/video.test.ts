import { afterAll, beforeAll, expect, test } from 'vitest'
import { logged, RunningPlugin, sample } from './support.ts'

interface Video {
  course: string
  video: string
  plays: number
  pauses: number
  seeks: number
}

const TYPES = ['play_video', 'edx.video.played', 'pause_video', 'edx.video.paused', 'seek_video']

let plugin: RunningPlugin

beforeAll(async () => {
  plugin = await RunningPlugin.start('video')
})
afterAll(() => plugin.stop())

const log = logged(sample.lines()).filter(({ props }) => TYPES.includes(props.type))

test('says what would fill the view before a video was played', async () => {
  expect(await plugin.view('popular', { course: sample.id })).toBe(
    '<p>No videos have been played in this course yet.</p>',
  )
})

test('counts exactly the plays, pauses and seeks of the sample course', async () => {
  await plugin.feed('count', log)
  const totals = await plugin.query<Video[]>('totals')
  expect(new Map(totals.map(({ video, plays }) => [video, plays]))).toEqual(sample.truth().playsByVideo)
  const { byType } = sample.truth()
  const sum = (key: 'pauses' | 'seeks') => totals.reduce((n, video) => n + video[key], 0)
  expect([sum('pauses'), sum('seeks')]).toEqual([byType.get('pause_video'), byType.get('seek_video')])
})

test('ranks the videos of one course by their plays', async () => {
  const expected = [...sample.truth().playsByVideo]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([video, plays]) => ({ video, plays }))
  expect(await plugin.query('top', { course: sample.id, limit: 3 })).toMatchObject(expected.slice(0, 3))
  expect(await plugin.query('top', { course: sample.id })).toHaveLength(Math.min(10, expected.length))
  expect(await plugin.query('top', { course: 'another/course/2026' })).toEqual([])
})

test('counts what the app of edX calls by other names', async () => {
  const context = { course_id: 'Mobile/app/1' }
  const time = '2026-03-01T10:00:00Z'
  const sent = [
    { name: 'edx.video.played', event_type: 'play_video', event: { id: 'v' }, username: 'a', time, context },
    { name: 'edx.video.played', data: { id: 'v\n' }, timestamp: time, context },
    { name: 'edx.video.paused', data: { id: 'v' }, timestamp: time, context },
  ]
  await plugin.feed('count', logged(sent.map((event) => JSON.stringify(event))))
  expect(await plugin.query('top', { course: 'Mobile/app/1' })).toEqual([
    { course: 'Mobile/app/1', video: 'v', plays: 2, pauses: 1, seeks: 0 },
  ])
})

test('shows the most played video first, with the longest bar', async () => {
  const [first] = await plugin.query<Video[]>('top', { course: sample.id })
  const markup = await plugin.view('popular', { course: sample.id })
  const bars = [...markup.matchAll(/<rect width="([\d.]+)%"/g)].map(([, width]) => Number(width))
  expect(markup.indexOf(first?.video ?? '?')).toBe(
    Math.min(...sample.videos.map(({ id }) => markup.indexOf(id)).filter((at) => at >= 0)),
  )
  expect(bars[0]).toBe(100)
  expect(bars).toEqual(bars.toSorted((a, b) => b - a))
})

test('shows a hostile id as text', async () => {
  const event = { event_type: 'play_video', event: { id: '<script>' }, context: { course_id: 'X/y/z' } }
  await plugin.feed('count', logged([JSON.stringify(event)]))
  const markup = await plugin.view('popular', { course: 'X/y/z' })
  expect(markup).toContain('&lt;script&gt;')
  expect(markup).not.toContain('<script')
})
