import type { Binary, Decimal128, Long, ObjectId } from './ejson.ts'
import type { Document, Filter, Stage } from './types-db.ts'

type SqlScalar = string | number | boolean | null | Date | Long | Decimal128 | Binary | ObjectId

/** What may stand between the texts of a statement. A list stands in `IN (${list})`. */
export type SqlValue = SqlScalar | readonly SqlScalar[]

/**
 * The rows of a query: await them all, or read them with `for await`, which holds a page at a time.
 * The query is asked when either begins.
 */
export interface Rows<Row> extends Promise<Row[]>, AsyncIterable<Row> {
  toArray(): Promise<Row[]>
}

/** What `find` of a replica may be told. */
export interface ReplicaFindOptions {
  readonly projection?: Readonly<Record<string, unknown>>
  readonly sort?: Readonly<Record<string, 1 | -1>>
  readonly skip?: number
  readonly limit?: number
}

/** A collection of a replica that is MongoDB. */
export interface ReplicaCollection<T> {
  find(filter?: Filter<T>, options?: ReplicaFindOptions): Rows<T>
  /** Say what comes out: `aggregate<{ _id: string, n: number }>([…])`. */
  aggregate<U = Document>(pipeline: readonly Stage[]): Rows<U>
}

/** One of the LMS's databases, to read. */
export interface Replica {
  /**
   * One SELECT, in PostgreSQL's spelling whatever the database is. Say what comes back:
   * `lms.sql<{ id: number }>\`SELECT id FROM auth_user WHERE username = ${user}\``.
   * Whole numbers beyond 2^53 come as Long, decimals as text, dates as Date, bytes as Binary.
   *
   * **Common mistake:** quotes around a value. Write `= ${user}` and not `= '${user}'`.
   */
  sql<Row extends object = Record<string, unknown>>(
    texts: TemplateStringsArray,
    ...values: readonly SqlValue[]
  ): Rows<Row>
  /** For a replica that is MongoDB. */
  collection<T extends object = Document>(name: string): ReplicaCollection<T>
}

/** The replicas that an admin configured, by their names. */
export interface Replicas {
  readonly lms: Replica
  readonly [name: string]: Replica
}
