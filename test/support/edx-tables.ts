import type { Course } from '../../sdk/testing/index.ts'

/** A few tables as an Open edX site has them, filled from what happened in a sample course. */
export interface EdxRows {
  readonly auth_user: readonly { id: number; username: string; email: string }[]
  readonly student_courseenrollment: readonly {
    id: number
    user_id: number
    course_id: string
    mode: string
    created: string
  }[]
  readonly grades_persistentcoursegrade: readonly {
    id: number
    user_id: number
    course_id: string
    percent_grade: number
    letter_grade: string
  }[]
}

/** The statements that make the tables; they are the same for every database. */
export const EDX_SCHEMA: readonly string[] = [
  'CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username VARCHAR(150) NOT NULL UNIQUE, email VARCHAR(254) NOT NULL)',
  `CREATE TABLE student_courseenrollment (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,
     course_id VARCHAR(255) NOT NULL, mode VARCHAR(100) NOT NULL, created TIMESTAMP NOT NULL)`,
  `CREATE TABLE grades_persistentcoursegrade (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,
     course_id VARCHAR(255) NOT NULL, percent_grade DOUBLE PRECISION NOT NULL, letter_grade VARCHAR(255) NOT NULL)`,
]

/** What the databases of the site hold after the course. */
export function edxRows(course: Course): EdxRows {
  const enrolled = new Map<number, { mode: string; created: string }>()
  const points = new Map<number, Map<string, number>>()
  for (const { event_type, event, time, context } of course.events()) {
    const told: Readonly<Record<string, unknown>> =
      typeof event === 'object' && event !== null ? { ...event } : {}
    const userId = Number(context.user_id)
    if (event_type === 'edx.course.enrollment.activated')
      enrolled.set(userId, { mode: String(told.mode), created: time.slice(0, 19).replace('T', ' ') })
    if (event_type === 'problem_check' && typeof told.grade === 'number') {
      const of = points.get(userId) ?? new Map<string, number>()
      points.set(userId, of.set(String(told.problem_id), told.grade / Number(told.max_grade)))
    }
  }
  const problems = course.problems.length
  return {
    auth_user: course.learners.map(({ userId, username }) => ({
      id: userId,
      username,
      email: `${username}@example.org`,
    })),
    student_courseenrollment: [...enrolled].map(([userId, { mode, created }], index) => ({
      id: index + 1,
      user_id: userId,
      course_id: course.id,
      mode,
      created,
    })),
    grades_persistentcoursegrade: [...points].map(([userId, of], index) => {
      const percent = [...of.values()].reduce((sum, point) => sum + point, 0) / problems
      return {
        id: index + 1,
        user_id: userId,
        course_id: course.id,
        percent_grade: Math.round(percent * 1_000) / 1_000,
        letter_grade: percent >= 0.5 ? 'Pass' : '',
      }
    }),
  }
}

/** Statements that fill the tables. The values are the generator's own, and hold no quotes. */
export function edxStatements(rows: EdxRows): string[] {
  const inserts = Object.entries(rows).flatMap(([table, all]: [string, readonly object[]]) => {
    const [first] = all
    if (first === undefined) return []
    const tuples = all.map(
      (row) =>
        `(${Object.values(row)
          .map((value) => (typeof value === 'number' ? String(value) : `'${value}'`))
          .join(', ')})`,
    )
    return [`INSERT INTO ${table} (${Object.keys(first).join(', ')}) VALUES ${tuples.join(', ')}`]
  })
  return [...EDX_SCHEMA, ...inserts]
}
