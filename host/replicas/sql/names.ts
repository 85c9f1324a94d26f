import { type RawBuilder, sql } from 'kysely'
import type { Dialect } from './dialects.ts'
import type { Refuse } from './refusal.ts'

/**
 * Schemas and tables in which a database keeps what it knows of itself and of its accounts. Names of tables are
 * ASCII, since some databases take others for the same.
 */
const SYSTEM = /^(?:pg_|sqlite_|pragma_|information_schema|performance_schema|mysql$|sys$|dbstat$)/i
const TABLE = /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/
/** Columns and aliases: no quotes, which the parser keeps doubled, nothing that ends or escapes a name. */
const COLUMN = /^[^"'`\\[\]\p{C}]{1,63}$/u

/** Tables that a statement may name. */
export class Tables {
  readonly #dialect: Dialect
  readonly #allowed: ReadonlySet<string> | undefined

  /** @param allowed undefined for all that the account may read */
  constructor(dialect: Dialect, allowed: readonly string[] | undefined) {
    this.#dialect = dialect
    this.#allowed = allowed && new Set(allowed)
  }

  /** The name of a table, checked. @param named those that the statement itself defines by WITH */
  print(
    { schema, name }: { readonly schema?: string; readonly name: string },
    named: ReadonlySet<string>,
    refuse: Refuse,
  ): RawBuilder<unknown> {
    checkTableName(name, refuse)
    if (schema === undefined && named.has(name)) return sql.id(name)
    if (schema !== undefined) {
      checkTableName(schema, refuse)
      if (!this.#dialect.features.has('schema') && !this.#allowed?.has(`${schema}.${name}`))
        return refuse(`names the table ${name} of ${schema}. Only tables of the replica itself can be read`)
    }
    const full = schema === undefined ? name : `${schema}.${name}`
    if (this.#allowed !== undefined && !this.#allowed.has(full))
      return refuse(
        `reads ${full}, which is not among the tables that this replica offers: ${[...this.#allowed].slice(0, 20).join(', ')}`,
      )
    return schema === undefined ? sql.id(name) : sql.id(schema, name)
  }
}

/** Refuses what no table of an application is called. */
export function checkTableName(name: string, refuse: Refuse): void {
  if (!TABLE.test(name)) refuse('names a table with characters other than letters, digits and _')
  if (SYSTEM.test(name)) refuse(`reads ${name}, which belongs to the database itself`)
}

/** The name of a column or an alias, checked and quoted. */
export function printName(refuse: Refuse, ...names: readonly string[]): RawBuilder<unknown> {
  for (const name of names)
    if (!COLUMN.test(name))
      refuse('has a name with quotes, backslashes or brackets in it, or one that is too long')
  return sql.id(...names)
}
