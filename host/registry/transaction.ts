import type { DatabaseSync } from 'node:sqlite'

/** Does all of some work on a database or, where it throws, nothing. @throws what the work throws, a full disk … */
export function inTransaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    // A full disk has rolled it back already, and to do it again would hide that.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
