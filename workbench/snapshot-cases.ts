import { type Course, course } from '@lyceum/sdk/testing'
import type { Caller } from '../host/auth/tokens.ts'
import type { Param } from '../host/registry/params.ts'
import type { ReadingEndpoint } from '../host/registry/plugin.ts'
import type { Given } from './asking.ts'
import { callerFor } from './viewer.ts'

/** One question of a snapshot: who asks, and what for. */
export interface SnapshotCase {
  readonly as: 'admin' | 'instructor' | 'student'
  readonly caller: Caller
  readonly given: Given
}

/** The dummy dataset: the same on every machine. */
export const SAMPLE: Course = course()
/** The Monday after the last week of the course. */
export const SAMPLE_END_MS = Date.parse('2026-03-16T00:00:00Z')

const STUDENT = SAMPLE.learners[0]?.username ?? ''
const COURSES = [SAMPLE.id]
const CALLERS = [
  ['admin', callerFor({ role: 'admin' })],
  ['instructor', callerFor({ role: 'instructor', user: 'instructor', courses: COURSES })],
  ['student', callerFor({ role: 'student', user: STUDENT, courses: COURSES })],
] as const

const DIMENSION_VALUES: ReadonlyMap<string, string | undefined> = new Map([
  ['course', SAMPLE.id],
  ['user', STUDENT],
  ['video', SAMPLE.videos[0]?.id],
  ['problem', SAMPLE.problems[0]?.id],
])

/** The questions to ask an endpoint; or, as a text, what it needs that nothing is known for. */
export function casesFor(endpoint: ReadingEndpoint): readonly SnapshotCase[] | string {
  const given: Record<string, unknown> = {}
  for (const dimension of endpoint.dimensions) {
    const value = DIMENSION_VALUES.get(dimension)
    if (value === undefined) return `the sample course has no ${dimension} to ask for`
    given[dimension] = value
  }
  for (const [name, param] of endpoint.options.params) {
    if (param.default !== undefined || param.required === false) continue
    const value = valueFor(param)
    if (value === undefined)
      return `its parameter ${name} has no default: write t.${param.type}({ default: … })`
    given[name] = value
  }
  return CALLERS.map(([as, caller]) => ({ as, caller, given: as === 'instructor' ? ofOwn(given) : given }))
}

/** Without a course an instructor sees only what is about themselves. */
function ofOwn(given: Given): Given {
  if (given.course !== undefined) return given
  const { user: _, ...rest } = given
  return rest
}

/** The first value that a parameter allows, where it is plain which that is. */
function valueFor(param: Param): unknown {
  switch (param.type) {
    case 'enum':
      return param.values[0]
    case 'boolean':
      return false
    case 'number':
      return param.min
    default:
      return undefined
  }
}
