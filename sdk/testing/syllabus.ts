import { Random } from './random.ts'
import { TOPICS } from './topics.ts'

/** A stretch of a video, in seconds, that learners tend to watch again. */
export interface Passage {
  from: number
  to: number
  /** Log-odds of wanting it again, for a learner of average ability. */
  difficulty: number
}

/** A video of the sample course; events name it by `id`. */
export interface Video {
  id: string
  usageKey: string
  title: string
  /** The name of the video at its host, as in the `code` of events. */
  code: string
  /** From 1. */
  week: number
  durationSeconds: number
  hardPassages: Passage[]
}

/** A problem of the sample course; a learner's chance follows a two-parameter item response model. */
export interface Problem {
  id: string
  usageKey: string
  title: string
  question: string
  /** From 1. */
  week: number
  kind: 'choice' | 'number' | 'text'
  /** The ability at which half of the learners solve it at once. */
  difficulty: number
  discrimination: number
  maxAttempts: number
}

/** One week: a chapter with one sequence of units, closed by a deadline. */
export interface Week {
  /** From 1. */
  number: number
  title: string
  sequenceKey: string
  /** Where the sequence is, from the site's root. */
  path: string
  /** The forum's name for the week's topic. */
  forumTopic: string
  startMs: number
  deadlineMs: number
  videos: Video[]
  problems: Problem[]
}

/** What the course consists of. It depends on the course, its start and its length, not on the seed. */
export interface Syllabus {
  courseId: string
  org: string
  title: string
  weeks: Week[]
}

const DAY_MS = 86_400_000

/** The course plan: the same course id always gives the same videos and problems, week by week. */
export function plan(courseId: string, weekCount: number, startMs: number): Syllabus {
  const random = new Random(`syllabus of ${courseId}`)
  const weeks: Week[] = []
  for (let index = 0; index < weekCount; index++) weeks.push(week(courseId, index, startMs, random))
  const org = courseId.replace(/^.*?:/, '').split(/[+/]/)[0] ?? ''
  return { courseId, org, title: 'Statistics for everyone', weeks }
}

function week(courseId: string, index: number, startMs: number, random: Random): Week {
  const topic = TOPICS[index % TOPICS.length] ?? TOPICS[0]
  const number = index + 1
  const sequenceId = random.hex(32)
  return {
    number,
    title: topic.title,
    sequenceKey: usageKey(courseId, 'sequential', sequenceId),
    path: `/courses/${courseId}/courseware/${random.hex(32)}/${sequenceId}/`,
    forumTopic: random.hex(32),
    startMs: startMs + index * 7 * DAY_MS,
    deadlineMs: startMs + number * 7 * DAY_MS - 60_000,
    videos: topic.videos.map((title) => video(courseId, number, title, random)),
    problems: topic.problems.map((item) => problem(courseId, number, item, random)),
  }
}

function video(courseId: string, week: number, title: string, random: Random): Video {
  const id = random.hex(32)
  const durationSeconds = Math.round(random.between(180, 780))
  const hardPassages: Passage[] = []
  let at = durationSeconds * random.between(0.1, 0.3)
  for (let left = 1 + random.below(3); left > 0; left--) {
    const to = at + random.between(15, 45)
    if (to > durationSeconds - 10) break
    hardPassages.push({ from: seconds(at), to: seconds(to), difficulty: -1.8 + 0.9 * random.normal() })
    at = to + durationSeconds * random.between(0.08, 0.25)
  }
  const code = random.hex(16).slice(0, 11)
  return { id, usageKey: usageKey(courseId, 'video', id), title, code, week, durationSeconds, hardPassages }
}

function problem(
  courseId: string,
  week: number,
  item: { title: string; question: string; kind: Problem['kind'] },
  random: Random,
): Problem {
  const id = random.hex(32)
  return {
    id,
    usageKey: usageKey(courseId, 'problem', id),
    ...item,
    week,
    // Later weeks build on earlier ones, so that they are harder on average.
    difficulty: -0.9 + 0.15 * (week - 1) + 0.8 * random.normal(),
    discrimination: random.between(0.7, 1.8),
    maxAttempts: item.kind === 'choice' ? 2 : 4,
  }
}

/** Keys of new courses are `block-v1:`; those of courses named `Org/Course/Run` are `i4x://`. */
function usageKey(courseId: string, type: string, id: string): string {
  if (courseId.startsWith('course-v1:')) return `block-v1:${courseId.slice(10)}+type@${type}+block@${id}`
  const [org, course] = courseId.replace(/^.*?:/, '').split(/[+/]/)
  return `i4x://${org}/${course ?? ''}/${type}/${id}`
}

/** The precision of positions in events. */
function seconds(value: number): number {
  return Math.round(value * 1000) / 1000
}
