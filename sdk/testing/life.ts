import { type Happening, request, server, type Visit, wait } from './envelope.ts'
import type { Forum } from './forum.ts'
import type { Learner } from './learner.ts'
import { closePage, nextUnit, openSequence, readBook } from './reading.ts'
import { solve } from './solving.ts'
import type { Syllabus, Week } from './syllabus.ts'
import { watch } from './watching.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** How likely a visit is at each local hour: asleep at night, a dip at dinner, busiest in the evening. */
const HOURS = [3, 1, 0.5, 0.3, 0.2, 0.4, 1, 2, 4, 6, 7, 7, 6, 6, 7, 7, 7, 6, 6, 8, 10, 11, 9, 6]
/** From Monday to Sunday, for a learner who does not put things off. */
const DAYS = [8, 8, 7, 6, 4, 4, 6]

/** Everything that a learner does in the course, made as late as possible: one event ahead. */
export function* life(learner: Learner, syllabus: Syllabus, forum: Forum): Generator<Happening> {
  const { random } = learner
  const visit = arrive(learner, syllabus, learner.enrolMs)
  yield enrolment(visit, 'activated')
  if (random.chance(0.12 * (1.5 - learner.engagement))) return

  let nowMs = visit.nowMs
  for (const week of syllabus.weeks) {
    for (const startMs of visitTimes(learner, week)) {
      if (startMs < nowMs) continue
      const visit = arrive(learner, syllabus, startMs)
      yield* study(visit, week, forum)
      nowMs = visit.nowMs + HOUR_MS / 4
    }
    if (random.chance(0.02 + 0.45 * (1 - learner.engagement) ** 2)) {
      const visit = arrive(learner, syllabus, Math.max(nowMs, week.deadlineMs + random.below(3 * DAY_MS)))
      if (random.chance(0.3)) yield enrolment(visit, 'deactivated')
      return
    }
  }
}

/** One visit: the start page, some of what is due, perhaps the forum or the book, and away. */
function* study(visit: Visit, week: Week, forum: Forum): Generator<Happening> {
  const { learner, syllabus } = visit
  const { random } = learner
  if (random.chance(0.3)) {
    visit.path = '/dashboard'
    yield request(visit, '/dashboard')
    wait(visit, random.pause(10))
  }
  if (learner.mode === 'audit' && random.chance(0.04 * learner.engagement)) {
    learner.mode = 'verified'
    yield enrolment(visit, 'mode_changed')
  }
  visit.path = `/courses/${syllabus.courseId}/course/`
  yield request(visit, visit.path)
  wait(visit, random.pause(8))

  yield* work(visit, week)
  if (random.chance(0.12)) yield* readBook(visit, week)
  if (random.chance(0.05 + 0.2 * learner.engagement)) yield* forum.visit(visit, week)
  if (random.chance(0.1)) yield request(visit, `/courses/${syllabus.courseId}/progress`)
  yield* closePage(visit)
}

/** Goes on where the learner stopped; whoever is a week behind skips to this one. */
function* work(visit: Visit, week: Week): Generator<Happening> {
  const { learner, syllabus } = visit
  const { random } = learner
  const patience = 1 + random.below(2 + Math.round(3 * learner.engagement))
  const thisWeek = itemsBefore(syllabus, week)
  if (learner.itemsDone < thisWeek && random.chance(0.5)) learner.itemsDone = thisWeek

  let open: Week | undefined
  for (let done = 0; done < patience; done++) {
    const next = itemAt(syllabus, learner.itemsDone)
    if (next === undefined || next.week.number > week.number) {
      // All done: a look back at something hard, now and then.
      if (done === 0 && random.chance(0.4)) yield* watch(visit, random.pick(week.videos))
      return
    }
    learner.itemsDone += 1
    if (open !== next.week) yield* openSequence(visit, next.week, next.unit)
    else yield* nextUnit(visit, next.week, next.unit)
    open = next.week
    if (random.chance(0.25 * (1 - learner.engagement))) continue
    if (next.video !== undefined) yield* watch(visit, next.video)
    if (next.problem !== undefined) yield* solve(visit, next.problem)
  }
}

function arrive(learner: Learner, syllabus: Syllabus, nowMs: number): Visit {
  const { random } = learner
  const path = `/courses/${syllabus.courseId}/about`
  return { learner, syllabus, device: random.pick(learner.devices), session: random.hex(32), path, nowMs }
}

function enrolment(visit: Visit, change: 'activated' | 'deactivated' | 'mode_changed'): Happening {
  const { learner, syllabus } = visit
  const event = { course_id: syllabus.courseId, user_id: learner.userId, mode: learner.mode }
  return server(visit, `edx.course.enrollment.${change}`, event, { path: '/change_enrollment' })
}

/** When the learner comes in this week, in order. */
function visitTimes(learner: Learner, week: Week): number[] {
  const { random, engagement, procrastination, utcOffsetHours } = learner
  const wanted = 4 * engagement * Math.exp(0.4 * random.normal())
  const count = Math.floor(wanted + random.float())
  const days = DAYS.map(
    (weight, day) => weight * (1 - procrastination) + procrastination * 40 * 0.35 ** (6 - day),
  )
  const times: number[] = []
  for (let left = count; left > 0; left--) {
    const localHour = random.weighted(HOURS) + random.float()
    const hour = 24 * random.weighted(days) + localHour - utcOffsetHours
    times.push(Math.round(week.startMs + hour * HOUR_MS))
  }
  return times.sort((a, b) => a - b)
}

interface Item {
  week: Week
  /** Its place in the sequence, from 1. */
  unit: number
  video?: Week['videos'][number] | undefined
  problem?: Week['problems'][number] | undefined
}

function itemAt(syllabus: Syllabus, index: number): Item | undefined {
  let rest = index
  for (const week of syllabus.weeks) {
    const { videos, problems } = week
    if (rest < videos.length) return { week, unit: rest + 1, video: videos[rest] }
    const problem = problems[rest - videos.length]
    if (problem !== undefined) return { week, unit: rest + 1, problem }
    rest -= videos.length + problems.length
  }
  return undefined
}

function itemsBefore(syllabus: Syllabus, week: Week): number {
  let count = 0
  for (const { number, videos, problems } of syllabus.weeks) {
    if (number < week.number) count += videos.length + problems.length
  }
  return count
}
