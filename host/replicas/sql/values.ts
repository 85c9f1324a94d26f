import { sql } from 'kysely'
import { Binary, Decimal128, Long, ObjectId } from '../../../sdk/ejson.ts'
import type { Dialect } from './dialects.ts'
import type { Sql } from './expressions.ts'
import { type Refuse, refused } from './refusal.ts'

/** The values that an author put between the texts of a statement: each becomes a parameter of it. */
export class Values {
  readonly #values: readonly unknown[]
  readonly #dialect: Dialect
  readonly #used = new Set<number>()

  constructor(values: readonly unknown[], dialect: Dialect) {
    this.#values = values
    this.#dialect = dialect
  }

  /** A text of the statement itself that is no plain word. */
  literal(text: string, refuse: Refuse): Sql {
    return this.#one(text, refuse)
  }

  print(name: string, refuse: Refuse): Sql {
    const value = this.#take(name, refuse)
    if (Array.isArray(value)) refuse('has a list for one value. Write IN (${list})')
    return this.#one(value, refuse)
  }

  /** A parameter for each item of a list; undefined where the value is none. */
  list(name: string, refuse: Refuse): Sql[] | undefined {
    const value = this.#values[numberOf(name) - 1]
    if (!Array.isArray(value)) return undefined
    this.#take(name, refuse)
    return value.map((item) => this.#one(item, refuse))
  }

  /** A list as one array. */
  array(name: string, refuse: Refuse): Sql {
    const value = this.#take(name, refuse)
    if (!Array.isArray(value)) return refuse('has no list in any(…)')
    return sql`${value.map((item) => this.#plain(item, refuse))}`
  }

  /** A whole number that is printed as it is. */
  count(name: string, refuse: Refuse): number {
    const value = this.#take(name, refuse)
    return typeof value === 'number' ? value : refuse('has a LIMIT or OFFSET that is no number')
  }

  /** Refuses values that the statement does not use as such. */
  checkAllUsed(): void {
    this.#values.forEach((_, index) => {
      if (!this.#used.has(index + 1))
        throw refused(
          `The statement has value ${index + 1} inside quotes or a comment. Write the value alone: WHERE a = \${value}.`,
        )
    })
  }

  #take(name: string, refuse: Refuse): unknown {
    const number = numberOf(name)
    if (!(number >= 1 && number <= this.#values.length) || this.#used.has(number))
      return refuse(`has ${name.slice(0, 16)}. Write values as \${value}`)
    this.#used.add(number)
    return this.#values[number - 1]
  }

  #one(value: unknown, refuse: Refuse): Sql {
    return sql`${this.#plain(value, refuse)}`
  }

  /** As the driver of the database takes it. */
  #plain(value: unknown, refuse: Refuse): unknown {
    switch (typeof value) {
      case 'string':
        return value.includes('\0') ? refuse('has a text with a NUL in it') : value
      case 'number':
        return Number.isFinite(value) ? value : refuse('has a number that is not finite')
      case 'boolean':
        return this.#dialect.kind === 'postgres' ? value : Number(value)
      case 'undefined':
        return refuse('has a value that is undefined')
      default:
        break
    }
    if (value === null) return null
    if (value instanceof Date) return this.#date(value)
    if (value instanceof Long || value instanceof Decimal128 || value instanceof ObjectId)
      return String(value)
    if (value instanceof Binary) return Buffer.from(value.bytes)
    return refuse('has a value that is neither text, number, date, bytes nor a list of them')
  }

  #date(value: Date): string {
    const text = value.toISOString()
    // Without a zone: what these databases keep is in UTC.
    return this.#dialect.kind === 'postgres' ? text : text.slice(0, 23).replace('T', ' ').replace('.000', '')
  }
}

function numberOf(name: string): number {
  return /^\$[1-9]\d{0,4}$/.test(name) ? Number(name.slice(1)) : 0
}
