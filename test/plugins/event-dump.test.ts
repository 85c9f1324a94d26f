import type { Viewer } from '@lyceum/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { logged, RunningPlugin, sample } from './support.ts'

let plugin: RunningPlugin
const log = logged(sample.lines()).slice(0, 1500)

beforeAll(async () => {
  plugin = await RunningPlugin.start('eventDump')
})
afterAll(() => plugin.stop())

test('says what would fill it before an event has arrived', async () => {
  expect(await plugin.view('dump')).toContain('No events have arrived yet.')
})

test('keeps every event whole, whatever its keys', async () => {
  const odd = logged([
    '{"event_type":"odd","event":{"a.b":1,"$set":{"__proto__":2},"":3},"_id":"mine","time":"2026-03-01T10:00:00Z"}',
  ])
  await plugin.feed('keep', odd)
  expect((await plugin.query<object[]>('recent')).map((event) => JSON.stringify(event))).toEqual(
    odd.map(({ text }) => JSON.stringify(JSON.parse(text))),
  )
})

test('keeps an event that comes again once', async () => {
  const [event] = logged(['{"event_type":"again","time":"2026-03-01T10:00:00Z"}'])
  if (event === undefined) throw new Error('the event was rejected')
  await plugin.feed('keep', [event])
  await plugin.feed('keep', [event])
  const kept = await plugin.query<{ event_type: string }[]>('recent')
  expect(kept.filter(({ event_type }) => event_type === 'again')).toHaveLength(1)
})

test('counts the events of each type', async () => {
  await plugin.feed('keep', log)
  const expected = new Map<string, number>()
  for (const { props } of log) expected.set(props.type, (expected.get(props.type) ?? 0) + 1)
  const counts = await plugin.query<{ type: string; n: number }[]>('count')
  const found = new Map(counts.map(({ type, n }) => [type, n]))
  for (const [type, n] of expected) expect([type, found.get(type)]).toEqual([type, n])
  expect(counts.map(({ n }) => n)).toEqual(counts.map(({ n }) => n).sort((a, b) => b - a))
})

test('gives as many of the newest as were asked for', async () => {
  expect(await plugin.query('recent', { limit: 7 })).toHaveLength(7)
  expect((await plugin.view('dump', { limit: 7 })).match(/<details>/g)).toHaveLength(7)
})

test.each<[string, Viewer]>([
  ['a student', { user: 'a', role: 'student', courses: [] }],
  ['an instructor', { user: 'a', role: 'instructor', courses: [sample.id] }],
  ['a researcher of one course', { user: 'a', role: 'researcher', courses: [sample.id] }],
])('shows %s no raw events, which name other people', async (_, viewer) => {
  await expect(plugin.query('recent', {}, viewer)).rejects.toThrow('Raw events name people')
  const markup = await plugin.view('dump', {}, viewer)
  expect(markup).toContain('Raw events name people')
  expect(markup).not.toContain('username')
})

test('puts what was received together in the order in which it happened, newest first', async () => {
  await plugin.feed('keep', log)
  const times = (await plugin.query<{ time: string }[]>('recent')).map(({ time }) => time)
  expect(times.map(Date.parse)).toEqual(times.map(Date.parse).sort((a, b) => b - a))
  const latest = Math.max(...log.map(({ props }) => Date.parse(props.time ?? '')))
  expect(times.map((time) => Math.trunc(Date.parse(time)))).toContain(latest)
})
