import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { intake } from './intake.ts'

const EDX = join(import.meta.dirname, '../../../../shared/data/edx')

describe.skipIf(!existsSync(EDX))('real tracking logs (skipped where ../shared/data/edx is absent)', () => {
  const logs = existsSync(EDX) ? globSync('**/*.log', { cwd: EDX }) : []

  test.each(logs)('%s loads with nothing rejected but comments', (name) => {
    const log = readFileSync(join(EDX, name), 'utf8')
    const lines = log.split('\n').filter((line) => line.trim() !== '')
    const comments = lines.filter((line) => line.startsWith('#'))
    const parts = []
    for (let at = 0; at < lines.length; at += 500) parts.push(intake(lines.slice(at, at + 500).join('\n')))
    expect(parts.flatMap(({ rejected }) => rejected.map(({ code }) => code))).toEqual(
      comments.map(() => 'event_comment'),
    )
    const events = parts.flatMap((part) => part.events)
    expect(events).toHaveLength(lines.length - comments.length)
    for (const event of events) expect(event.props).toMatchObject({ time: expect.stringMatching(/Z$/) })
  })

  test('a video event has its course, user and video', () => {
    const lines = readFileSync(join(EDX, 'video/input/video_timeline.log'), 'utf8')
    expect(intake(lines).events[0]).toMatchObject({
      event: { id: 'i4x-edX-DemoX-video-3cb54a11efae4ccc8a0aade24d14b255', currentTime: 0 },
      props: {
        type: 'play_video',
        time: '2014-05-02T16:44:35.901Z',
        course: 'edX/DemoX/Demo_Course',
        user: 'dummy_username_1',
      },
    })
  })

  test('the documented examples are understood', () => {
    const examples: { event: object }[] = JSON.parse(
      readFileSync(join(EDX, 'docs-events/examples.json'), 'utf8'),
    )
    const { events, rejected } = intake(JSON.stringify(examples.map(({ event }) => event)))
    expect(rejected).toEqual([])
    for (const { props, event, context } of events) {
      expect(props).toMatchObject({ type: expect.stringMatching(/\S/) })
      expect(event).toBeTypeOf('object')
      expect(context).toBeTypeOf('object')
    }
  })
})
