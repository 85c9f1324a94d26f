import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LIMITS } from '../limits.ts'

/** A course that events named. */
export interface CourseSeen {
  readonly course: string
  readonly events: number
  /** The seq of its newest event. */
  readonly last: number
}

/** Longer keys are not kept: no LMS has them. */
const MAX_CHARACTERS = 255

/** The migration that makes the table, filled from the events that are there. */
export const COURSES_TABLE = `
  CREATE TABLE courses (
    course TEXT PRIMARY KEY, events INTEGER NOT NULL, last INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO courses
    SELECT text ->> '$.props.course' AS course, count(*), max(seq) FROM events
    WHERE length(course) BETWEEN 1 AND ${MAX_CHARACTERS}
    GROUP BY course ORDER BY max(seq) DESC LIMIT ${LIMITS.coursesKnown};`

/** Counts the events of each course, so that pages can offer courses without reading the log. */
export class CourseCounts {
  #update: StatementSync
  #insert: StatementSync
  #full = false

  constructor(db: DatabaseSync) {
    this.#update = db.prepare('UPDATE courses SET events = events + ?, last = ? WHERE course = ?')
    this.#insert = db.prepare(
      `INSERT INTO courses SELECT ?, ?, ? WHERE (SELECT count(*) FROM courses) < ${LIMITS.coursesKnown}`,
    )
  }

  /** Adds what one transaction appended, within it: one statement a course. */
  add(appended: ReadonlyMap<string, { events: number; last: number }>): void {
    for (const [course, { events, last }] of appended) {
      if (course.length > MAX_CHARACTERS) continue
      if (this.#update.run(events, last, course).changes === 1 || this.#full) continue
      this.#full = this.#insert.run(course, events, last).changes === 0
    }
  }
}
