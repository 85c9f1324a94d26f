import { damage, type Entry } from './defects.ts'
import type { Happening, TrackingEvent } from './envelope.ts'
import { Forum } from './forum.ts'
import { Heap } from './heap.ts'
import { createLearner, identity } from './learner.ts'
import { life } from './life.ts'
import { Random } from './random.ts'
import { type Problem, plan, type Syllabus, type Video } from './syllabus.ts'
import { count, type Truth } from './truth.ts'

/** What a sample course may vary in. */
export interface CourseOptions {
  /** How many enrol; default 50. Expect 100 to 200 events of each. */
  learners?: number
  /** How many weeks it lasts; default 6. */
  weeks?: number
  /** Another seed is another cohort in the same course; default 1. */
  seed?: number | string
  /** The first day, in UTC; default 2026-02-02, a Monday. */
  start?: string
  /** Default `course-v1:Lyceum+STAT101+2026`. */
  courseId?: string
  /** The variants and defects of real logs; default true. Without them every line is the clean event. */
  defects?: boolean
}

/** A course with everything that happened in it. Each call of its methods tells the same story again. */
export interface Course {
  readonly id: string
  readonly title: string
  readonly videos: readonly Video[]
  readonly problems: readonly Problem[]
  readonly learners: readonly { username: string; userId: number }[]
  /** The lines of a tracking log, without line ends, in the order in which they were written. */
  lines(): Generator<string>
  /** The same events as in `lines`, each once and clean: what a perfect reader makes of them. */
  events(): Generator<TrackingEvent>
  /** What is in `lines`, counted by the generator itself. */
  truth(): Truth
}

/**
 * The dummy dataset for authors of plugins and for tests: a small online course as an Open edX site
 * would have logged it. Learners enrol, study at their own hours and mostly before deadlines, watch
 * hard passages again, try problems as well as they can, write in the forum, and drop out. Everything
 * follows from the seed, so the same options give the same lines on every machine.
 *
 * Lines are made while they are read, by a merge over the learners by time: memory grows with the
 * number of learners (one event ahead each), not with the number of lines.
 *
 * **Common mistake:** `lines()` is a log as it is in practice, with some lines that are comments, cut
 * off, or there twice. To feed a handler, use `events()`; to test what reads logs, compare with `truth()`.
 *
 * @throws RangeError where a number or the start makes no course.
 * @example
 * const { top } = (await load(import.meta.dirname)).plugins.self
 * const sample = course({ learners: 20, seed: 'exam' })
 * expect(sample.truth().playsByVideo.get(sample.videos[0].id)).toBe(…)
 */
export function course(options: CourseOptions = {}): Course {
  const { learners = 50, weeks = 6, seed = 1, start = '2026-02-02', defects = true } = options
  const { courseId = 'course-v1:Lyceum+STAT101+2026' } = options
  if (!Number.isSafeInteger(learners) || learners < 0) {
    throw new RangeError(`learners is ${learners}; it must be a whole number from 0.`)
  }
  if (!Number.isSafeInteger(weeks) || weeks < 1) {
    throw new RangeError(`weeks is ${weeks}; it must be a whole number from 1.`)
  }
  const startMs = /^\d{4}-\d\d-\d\d$/.test(start) ? Date.parse(start) : Number.NaN
  if (Number.isNaN(startMs)) throw new RangeError(`start is '${start}'; write a day, like 2026-02-02.`)

  const syllabus = plan(courseId, weeks, startMs)
  const happenings = () => happeningsOf(syllabus, learners, String(seed), startMs)
  const entries = () =>
    defects ? damage(happenings(), new Random(`defects of ${seed}`)) : undamaged(happenings())
  let truth: Truth | undefined

  return {
    id: courseId,
    title: syllabus.title,
    videos: syllabus.weeks.flatMap((week) => week.videos),
    problems: syllabus.weeks.flatMap((week) => week.problems),
    learners: Array.from({ length: learners }, (_, index) => identity(index)),
    *lines() {
      for (const entry of entries()) {
        yield entry.kind === 'unreadable' ? entry.line : entry.prefix + JSON.stringify(entry.wire)
      }
    },
    *events() {
      for (const entry of entries()) if (entry.kind === 'event') yield entry.event
    },
    truth() {
      truth ??= count(entries())
      return truth
    },
  }
}

/** All learners' lives as one, by time. */
function* happeningsOf(
  syllabus: Syllabus,
  learners: number,
  seed: string,
  startMs: number,
): Generator<Happening> {
  const forum = new Forum()
  const upcoming = new Heap<{ happening: Happening; rest: Iterator<Happening> }>()
  for (let index = 0; index < learners; index++) {
    const rest = life(createLearner(index, seed, startMs), syllabus, forum)
    const first = rest.next()
    if (!first.done) upcoming.push(first.value.atMs, { happening: first.value, rest })
  }
  for (let next = upcoming.pop(); next !== undefined; next = upcoming.pop()) {
    yield next.happening
    const following = next.rest.next()
    if (following.done) continue
    next.happening = following.value
    upcoming.push(following.value.atMs, next)
  }
}

function* undamaged(happenings: Iterable<Happening>): Generator<Entry> {
  for (const { event } of happenings) yield { kind: 'event', event, wire: { ...event }, prefix: '' }
}
