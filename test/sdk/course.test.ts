import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { course, type TrackingEvent, type Truth } from '../../sdk/testing/index.ts'

const sample = course()
const lines = [...sample.lines()]
const events = [...sample.events()]

describe('the sample course', () => {
  test('tells the same story for the same options, and another for another seed', () => {
    expect([...course({ learners: 5, seed: 'a' }).lines()]).toEqual([
      ...course({ learners: 5, seed: 'a' }).lines(),
    ])
    expect([...course({ learners: 5, seed: 'b' }).lines()]).not.toEqual([
      ...course({ learners: 5, seed: 'a' }).lines(),
    ])
  })

  test('keeps its videos, problems and names when only the cohort changes', () => {
    const other = course({ seed: 2, learners: 10, weeks: 3 })
    expect(sample.videos.slice(0, other.videos.length)).toEqual(other.videos)
    expect(sample.problems.slice(0, other.problems.length)).toEqual(other.problems)
    expect(sample.learners.slice(0, 10)).toEqual(other.learners)
  })

  test('accounts for every line, as an independent reader finds it', () => {
    const options = fc.record({
      seed: fc.integer(),
      learners: fc.integer({ min: 0, max: 25 }),
      weeks: fc.integer({ min: 1, max: 8 }),
      defects: fc.boolean(),
      courseId: fc.constantFrom('course-v1:Lyceum+STAT101+2026', 'Lyceum/STAT101/2026', 'ccx-v1:L+S+R+ccx@3'),
    })
    fc.assert(
      fc.property(options, (options) => {
        const generated = course(options)
        expect(read(generated.lines())).toEqual(generated.truth())
      }),
      { numRuns: 25, seed: 1 },
    )
  })

  test('has no two events that an identity by content would take for one', () => {
    expect(new Set(events.map((event) => JSON.stringify(event))).size).toBe(events.length)
  })

  test('shows every variant and defect of real logs at its default size', () => {
    const seen = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length
    expect(seen(/^#/)).toBeGreaterThan(0)
    expect(seen(/^\w{3} \d\d [\d:]+ \S+ \[tracking\].* - \{/)).toBeGreaterThan(10)
    expect(lines.filter((line) => line.length === 2043 && !line.endsWith('}')).length).toBeGreaterThan(0)
    expect(seen(/"event_type":"play_video".*"event":"\{/)).toBeGreaterThan(100)
    expect(seen(/"event_type":"play_video".*"event":\{/)).toBeGreaterThan(10)
    expect(seen(/"event_type":"problem_check".*"event":"input_/)).toBeGreaterThan(100)
    expect(seen(/"event_type":"problem_graded".*"event":\["input_/)).toBeGreaterThan(100)
    expect(seen(/"event_type":"page_close".*"event":""/)).toBeGreaterThan(10)
    expect(seen(/"event_type":"seq_next","name":"edx\.ui\.lms\.sequence\.next_selected"/)).toBeGreaterThan(10)
    expect(seen(/"event_source":"mobile"/)).toBeGreaterThan(50)
    expect(seen(/^\{"id":"[-0-9a-f]{36}","name":"\w/)).toBeGreaterThan(10)
    expect(seen(/"event_type":"\w+".*"id":"[-0-9a-f]{36}","name"/)).toBeGreaterThan(10)
    expect(seen(/"course_id":"".*\/courses\/course-v1:/)).toBeGreaterThan(10)
    expect(seen(/"user_id":""/)).toBeGreaterThan(10)
    expect(seen(/"user_id":"\d+","org_id"/)).toBeGreaterThan(10)
    expect(seen(/"username":"\w+\\n"/)).toBeGreaterThan(5)
    expect(seen(/"id\\?":\\?"[0-9a-f]{32}\\{1,2}n/)).toBeGreaterThan(3)
    expect(lines.some((line) => !line.includes('"agent"') && line.endsWith('}'))).toBe(true)
    const requests = lines.flatMap((line) => /"event":"(\{\\"POST.*?[^\\])"/.exec(line)?.[1] ?? [])
    expect(requests.some((text) => JSON.parse(`"${text}"`).length === 512)).toBe(true)
  })

  test('leaves nothing odd in the clean events, nor in the lines without defects', () => {
    const ids = new Map(sample.learners.map(({ username, userId }) => [username, userId]))
    for (const event of events) {
      expect(ids.get(event.username)).toBe(event.context.user_id)
      expect(event.context.course_id).toBe(event.event_type === '/dashboard' ? '' : sample.id)
    }
    const clean = course({ defects: false })
    expect([...clean.lines()].map((line) => JSON.parse(line))).toEqual([...clean.events()])
  })

  test('sends an event that repeats an id on the same day, so that order cannot change a daily count', () => {
    const times = new Map<string, Set<string>>()
    for (const line of course({ learners: 200 }).lines()) {
      const { id, timestamp } = parse(line) ?? {}
      if (typeof id !== 'string' || typeof timestamp !== 'string') continue
      times.set(id, (times.get(id) ?? new Set()).add(timestamp))
    }
    const repeated = [...times.values()].filter((set) => set.size > 1)
    expect(repeated.length).toBeGreaterThan(0)
    for (const set of repeated) expect(new Set([...set].map((time) => time.slice(0, 10))).size).toBe(1)
  })

  test('refuses what makes no course', () => {
    expect(() => course({ learners: -1 })).toThrow('learners is -1')
    expect(() => course({ weeks: 0 })).toThrow('weeks is 0')
    expect(() => course({ start: 'soon' })).toThrow("start is 'soon'")
    expect(() => course({ start: '2026-13-01' })).toThrow('write a day')
  })
})

describe('its learners', () => {
  const clean = [...course({ learners: 150, defects: false }).events()]

  test('are logged in the order of time', () => {
    const times = clean.map((event) => event.time)
    expect(times.map((time) => Date.parse(time))).toEqual(
      times.map((time) => Date.parse(time)).sort((a, b) => a - b),
    )
  })

  test('enrol first', () => {
    const seen = new Set<string>()
    for (const event of clean) {
      if (seen.has(event.username)) continue
      expect(event.event_type).toBe('edx.course.enrollment.activated')
      seen.add(event.username)
    }
    expect(seen.size).toBe(150)
  })

  test('watch videos at positions that follow from the clock and the speed', () => {
    const tapes = new Map<string, { at: number; position: number; speed: number; playing: boolean }>()
    let checked = 0
    for (const event of clean) {
      if (!/_video$/.test(event.event_type)) continue
      const facts = event.event as Record<string, number>
      const key = `${event.session} ${facts.id}`
      const at = Date.parse(event.time)
      const before = tapes.get(key)
      const says = facts.currentTime ?? facts.old_time ?? facts.current_time ?? 0
      const position = facts.new_time ?? says
      const expected =
        before === undefined
          ? 0
          : before.position + (before.playing ? ((at - before.at) / 1000) * before.speed : 0)
      // After a seek the player buffers before it says play: the position waits.
      expect(Math.abs(says - expected)).toBeLessThan(0.05)
      const speed = event.event_type === 'speed_change_video' ? Number(facts.new_speed) : (before?.speed ?? 1)
      const playing =
        event.event_type === 'play_video' ||
        (event.event_type === 'speed_change_video' && before?.playing === true)
      tapes.set(key, { at, position, speed, playing })
      if (event.event_type === 'load_video') tapes.set(key, { at, position: 0, speed: 1, playing: false })
      checked += 1
    }
    expect(checked).toBeGreaterThan(1000)
  })

  test('solve easy problems more often at once than hard ones', () => {
    const tries = new Map<string, { count: number; solved: number }>()
    for (const event of clean) {
      if (event.event_type !== 'problem_check' || event.event_source !== 'server') continue
      const facts = event.event as { problem_id: string; attempts: number; grade: number }
      if (facts.attempts !== 1) continue
      const item = tries.get(facts.problem_id) ?? { count: 0, solved: 0 }
      tries.set(facts.problem_id, { count: item.count + 1, solved: item.solved + facts.grade })
    }
    const byDifficulty = sample.problems.toSorted((a, b) => a.difficulty - b.difficulty)
    const share = (usageKeys: string[]) => {
      const items = usageKeys.map((key) => tries.get(key) ?? { count: 0, solved: 0 })
      return (
        items.reduce((sum, { solved }) => sum + solved, 0) / items.reduce((sum, { count }) => sum + count, 0)
      )
    }
    const keys = byDifficulty.map(({ usageKey }) => usageKey)
    expect(share(keys.slice(0, 4))).toBeGreaterThan(share(keys.slice(-4)) + 0.15)
  })

  test('come most before the weekly deadline, and fewer each week', () => {
    const visits = new Map<string, Set<string>>()
    for (const event of clean) {
      const day = event.time.slice(0, 10)
      visits.set(day, (visits.get(day) ?? new Set()).add(event.username))
    }
    const active = (day: string) => visits.get(day)?.size ?? 0
    expect(active('2026-02-08')).toBeGreaterThan(2 * active('2026-02-04'))
    expect(active('2026-02-08')).toBeGreaterThan(1.5 * active('2026-03-15'))
  })

  test('answer only threads and responses that others can see', () => {
    const posted = new Set<string>()
    let answers = 0
    for (const { event_type, event } of clean) {
      if (!event_type.startsWith('edx.forum.')) continue
      const { id, discussion, response } = event as Record<'id', string> &
        Partial<Record<'discussion' | 'response', { id: string }>>
      for (const parent of [discussion, response]) {
        if (parent === undefined) continue
        expect(posted.has(parent.id)).toBe(true)
        answers += 1
      }
      posted.add(id)
    }
    expect(answers).toBeGreaterThan(20)
  })
})

/** A reader that knows only the format, not how the generator works. */
function read(lines: Iterable<string>): Truth {
  const truth: Truth = {
    lines: 0,
    rejected: 0,
    duplicates: 0,
    events: 0,
    playsByVideo: new Map(),
    activeByDay: new Map(),
    byType: new Map(),
  }
  const seen = new Set<string>()
  const active = new Map<string, Set<string>>()
  const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const line of lines) {
    truth.lines += 1
    const event = parse(line)
    if (event === undefined) {
      truth.rejected += 1
      continue
    }
    const identity = typeof event.id === 'string' ? event.id : JSON.stringify(event)
    if (seen.has(identity)) {
      truth.duplicates += 1
      continue
    }
    seen.add(identity)
    truth.events += 1
    const context = event.context as TrackingEvent['context'] & { username?: string }
    const type = String(event.name ?? event.event_type)
    add(truth.byType, type)
    if (type === 'play_video') {
      const payload = event.event ?? event.data
      const { id } = typeof payload === 'string' ? JSON.parse(payload) : payload
      add(truth.playsByVideo, id.trim())
    }
    const day = String(event.time ?? event.timestamp).slice(0, 10)
    const username = String(event.username ?? context.username).trim()
    active.set(day, (active.get(day) ?? new Set()).add(username))
  }
  for (const [day, names] of active) truth.activeByDay.set(day, names.size)
  return truth
}

// biome-ignore lint/suspicious/noExplicitAny: the reader takes whatever JSON is there.
function parse(line: string): Record<string, any> | undefined {
  if (line.startsWith('#')) return undefined
  try {
    return JSON.parse(line.slice(line.indexOf('{')))
  } catch {
    return undefined
  }
}
