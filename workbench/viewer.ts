import { type Caller, claimsSchema, type Role, toCaller } from '../host/auth/tokens.ts'
import { LyceumError } from '../host/errors.ts'

/** Who looks at a result. */
export interface Viewer {
  /** `student` where only a user is named. */
  readonly role?: Role
  readonly user?: string
  /** The courses that they take or teach. */
  readonly courses?: readonly string[]
}

/** The caller that somebody is. @throws {LyceumError} bad_parameter, where there is nobody like that */
export function callerFor({ role = 'student', user, courses }: Viewer): Caller {
  const claims = claimsSchema.safeParse({ role, user, courses })
  if (claims.success) return toCaller(claims.data)
  const missing =
    role === 'student' && user === undefined
      ? 'A student has a name: { user: "ann" }.'
      : role === 'instructor' && courses === undefined
        ? 'An instructor has courses: { role: "instructor", courses: ["course-v1:…"] }.'
        : 'Write such as { role: "student", user: "ann", courses: ["course-v1:…"] }.'
  throw new LyceumError('bad_parameter', `There is no such viewer. ${missing}`, { parameter: 'as' })
}
