import { LyceumError } from '../errors.ts'
import type { Caller } from './tokens.ts'

/** The dimensions that decide whose data is shown. The others only narrow a result. */
export interface Scope {
  readonly user?: string
  readonly course?: string
}

/**
 * Decides which person and which course a call is about, from what the URL asked for and who asks. The
 * URL alone decides nothing. A dimension that the endpoint does not ask for is left out of the answer.
 *
 * | role | course | user |
 * |---|---|---|
 * | student | one of the token's, any where it lists none; only together with `user` | always their own |
 * | instructor, author | one of the token's | with a course: anyone; alone: only their own |
 * | researcher | one of the token's, any where it lists none | only the one that the token names |
 * | admin | any | any |
 *
 * - A result about a course alone tells about everybody in it, so it is not for students: an endpoint that
 *   shows students something about their course asks for both.
 * - An instructor's choice of a person holds within their courses, and an endpoint about a person alone
 *   spans all courses; so that one stays the person's own.
 * - An author runs their plugin on people's data like an instructor of the courses that the token lists.
 *
 * @param asks the dimensions that the endpoint destructures
 * @throws LyceumError `bad_parameter` where a needed dimension is missing, `user_denied`, `course_denied`,
 * `role_denied`
 */
export function authorise(caller: Caller, asked: Scope, asks: readonly string[]): Scope {
  const needsUser = asks.includes('user')
  const needsCourse = asks.includes('course')
  if (caller.role === 'ingest')
    throw new LyceumError('role_denied', 'A token of role ingest does not open views or queries.')
  if (caller.role === 'student' && needsCourse && !needsUser)
    throw new LyceumError('role_denied', 'This is about a whole course: it is for its instructors.')
  const course = needsCourse ? courseOf(caller, asked.course) : undefined
  const user = needsUser ? userOf(caller, asked.user, needsCourse) : undefined
  return { ...(user !== undefined && { user }), ...(course !== undefined && { course }) }
}

/** Whether there is any way to ask by which this caller gets to see an endpoint. */
export function mayEverOpen(caller: Caller, asks: readonly string[]): boolean {
  return allows(caller, caller.user ?? 'anybody', asks)
}

/** Whether the caller says who a result is about, because it need not be about themselves. */
export function mayChooseUser(caller: Caller, asks: readonly string[]): boolean {
  return asks.includes('user') && allows(caller, `not ${caller.user ?? 'anybody'}`, asks)
}

function allows(caller: Caller, user: string, asks: readonly string[]): boolean {
  try {
    authorise(caller, { user, course: caller.courses[0] ?? 'any' }, asks)
    return true
  } catch {
    return false
  }
}

/**
 * @throws LyceumError `plugin_denied` where the token is narrowed to other plugins. Who owns a plugin is
 * the registry's to know.
 */
export function authorisePlugin(caller: Caller, plugin: string): void {
  if (caller.plugins !== 'all' && !caller.plugins.includes(plugin))
    throw new LyceumError(
      'plugin_denied',
      `Your token does not cover the plugin ${plugin}. Ask an admin for a token with --plugin ${plugin}.`,
    )
}

function courseOf(caller: Caller, asked: string | undefined): string {
  if (!asked) throw missing('course')
  const listsNoneMeansAny = caller.role !== 'instructor' && caller.role !== 'author'
  const allowed =
    caller.role === 'admin' ||
    caller.courses.includes(asked) ||
    (listsNoneMeansAny && caller.courses.length === 0)
  if (!allowed)
    throw new LyceumError(
      'course_denied',
      'Your token does not cover this course. Check its key, or ask an admin for a token with --course.',
    )
  return asked
}

function userOf(caller: Caller, asked: string | undefined, withinCourse: boolean): string {
  switch (caller.role) {
    case 'admin':
      if (!asked) throw missing('user')
      return asked
    case 'instructor':
    case 'author':
      if (!withinCourse) return ownUser(caller, asked)
      if (!asked) throw missing('user')
      return asked
    default:
      return ownUser(caller, asked)
  }
}

function ownUser(caller: Caller, asked: string | undefined): string {
  if (caller.user === undefined)
    throw new LyceumError('user_denied', 'This is about one person, and your token does not name you as one.')
  if (asked && asked !== caller.user)
    throw new LyceumError('user_denied', 'You may see only your own. Leave user= out.')
  return caller.user
}

const QUESTION = {
  user: 'This is about one person: say which, user=… (the user id of the events).',
  course: 'This is about one course: say which, course=… (its key, for example course-v1:edX+DemoX+2026).',
}

function missing(parameter: 'user' | 'course'): LyceumError {
  return new LyceumError('bad_parameter', QUESTION[parameter], { parameter })
}
