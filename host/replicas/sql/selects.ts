import { sql } from 'kysely'
import type {
  Expr,
  From,
  LimitStatement,
  SelectedColumn,
  SelectFromStatement,
  WithStatementBinding,
} from 'pgsql-ast-parser'
import type { Dialect } from './dialects.ts'
import { commas, deeper, Expressions, type Place, type Sql } from './expressions.ts'
import { checkTableName, printName, type Tables } from './names.ts'
import { checkKeys, type Refuse, refuseAt } from './refusal.ts'
import type { Values } from './values.ts'

type Statement = Expr | WithStatementBinding

const JOINS: ReadonlySet<string> = new Set([
  'INNER JOIN',
  'LEFT JOIN',
  'RIGHT JOIN',
  'FULL JOIN',
  'CROSS JOIN',
])

/** Prints SELECT statements anew, with all that stands in them. */
export class Selects {
  readonly #text: string
  readonly #tables: Tables
  readonly #values: Values
  readonly #expressions: Expressions

  constructor(text: string, dialect: Dialect, tables: Tables, values: Values) {
    this.#text = text
    this.#tables = tables
    this.#values = values
    this.#expressions = new Expressions(text, dialect, values, (statement, place) =>
      this.print(statement, place, undefined),
    )
  }

  /**
   * @param most the rows that the statement may give; undefined where it stands in another
   * @throws {LyceumError} statement_refused, with the place
   */
  print(statement: Statement, outer: Place, most: number | undefined): Sql {
    const refuse = refuseAt(this.#text, statement)
    const place = deeper(outer, refuse)
    switch (statement.type) {
      case 'select':
        return this.#select(statement, place, most)
      case 'union':
      case 'union all': {
        const union = this.#union(statement, statement.type, place)
        return most === undefined
          ? union
          : sql`SELECT * FROM (${union}) AS lyceum LIMIT ${sql.raw(String(most))}`
      }
      case 'with': {
        checkKeys(statement, refuse, 'bind', 'in')
        const named = new Set(place.named)
        const bound = statement.bind.map(({ alias, statement: inner }) => {
          checkTableName(alias.name, refuse)
          const printed = sql`${sql.id(alias.name)} AS (${this.print(inner, { ...place, named: new Set(named) }, undefined)})`
          named.add(alias.name)
          return printed
        })
        return sql`WITH ${commas(bound)} ${this.print(statement.in, { ...place, named }, most)}`
      }
      case 'with recursive': {
        checkKeys(statement, refuse, 'alias', 'columnNames', 'bind', 'in')
        const { alias, columnNames, bind } = statement
        checkTableName(alias.name, refuse)
        const within = { ...place, named: new Set([...place.named, alias.name]) }
        const columns = commas(columnNames.map(({ name }) => printName(refuse, name)))
        return sql`WITH RECURSIVE ${sql.id(alias.name)} (${columns}) AS (${this.print(bind, within, undefined)}) ${this.print(statement.in, within, most)}`
      }
      default:
        return refuse(`is not one SELECT: it has ${statement.type}. A replica is only read`)
    }
  }

  #select(select: SelectFromStatement, place: Place, most: number | undefined): Sql {
    const refuse = refuseAt(this.#text, select)
    if (select.for) refuse('locks rows with FOR, which only a write needs. Leave it out')
    checkKeys(
      select,
      refuse,
      ...['columns', 'from', 'where', 'groupBy', 'having', 'limit', 'orderBy', 'distinct'],
    )
    const { columns, from, where, groupBy, having, orderBy } = select
    if (!columns?.length) return refuse('selects no column')
    const expressions = this.#expressions
    const parts = [
      sql`SELECT ${this.#distinct(select, place, refuse)}${commas(columns.map((column) => this.#column(column, place)))}`,
    ]
    if (from?.length) parts.push(sql`FROM ${this.#from(from, place)}`)
    if (where) parts.push(sql`WHERE ${expressions.print(where, place)}`)
    if (groupBy?.length)
      parts.push(sql`GROUP BY ${commas(groupBy.map((expr) => expressions.column(expr, place)))}`)
    if (having) parts.push(sql`HAVING ${expressions.print(having, place)}`)
    if (orderBy?.length) parts.push(sql`ORDER BY ${expressions.order(orderBy, place)}`)
    parts.push(...this.#limit(select.limit ?? undefined, most))
    return sql.join(parts, sql` `)
  }

  #distinct({ distinct }: SelectFromStatement, place: Place, refuse: Refuse): Sql {
    if (!distinct || distinct === 'all') return sql``
    if (distinct === 'distinct') return sql.raw('DISTINCT ')
    this.#expressions.need('DISTINCT ON', refuse)
    return sql`DISTINCT ON (${commas(distinct.map((expr) => this.#expressions.print(expr, place)))}) `
  }

  #column(column: SelectedColumn, place: Place): Sql {
    const refuse = refuseAt(this.#text, column)
    checkKeys(column, refuse, 'expr', 'alias')
    const printed = this.#expressions.print(column.expr, place)
    return column.alias ? sql`${printed} AS ${printName(refuse, column.alias.name)}` : printed
  }

  #from(items: readonly From[], place: Place): Sql {
    const printed = items.map((item, index) => {
      const refuse = refuseAt(this.#text, item)
      const source = this.#source(item, place, refuse)
      if (!item.join) return index === 0 ? source : sql`, ${source}`
      const { type, on, using } = item.join
      if (!JOINS.has(type)) refuse(`has ${type}, which is not offered`)
      if (type === 'FULL JOIN') this.#expressions.need('FULL JOIN', refuse)
      const condition = on
        ? sql` ON ${this.#expressions.print(on, place)}`
        : using?.length
          ? sql` USING (${commas(using.map(({ name }) => printName(refuse, name)))})`
          : sql``
      return sql` ${sql.raw(type)} ${source}${condition}`
    })
    return sql.join(printed, sql``)
  }

  #source(item: From, place: Place, refuse: Refuse): Sql {
    if (item.type === 'call')
      return refuse('reads from a function. Only tables and statements in parentheses can be read from')
    if (item.lateral) this.#expressions.need('LATERAL', refuse)
    const lateral = item.lateral ? sql.raw('LATERAL ') : sql``
    if (item.type === 'statement') {
      checkKeys(item, refuse, 'statement', 'alias', 'lateral', 'columnNames', 'join')
      const inner = this.print(item.statement, place, undefined)
      return sql`${lateral}(${inner}) AS ${printName(refuse, item.alias)}${this.#columnNames(item.columnNames, refuse)}`
    }
    checkKeys(item, refuse, 'name', 'lateral', 'join')
    checkKeys(item.name, refuse, 'name', 'schema', 'alias', 'columnNames')
    const table = this.#tables.print(item.name, place.named, refuse)
    const alias = item.name.alias ? sql` AS ${printName(refuse, item.name.alias)}` : sql``
    return sql`${table}${alias}${this.#columnNames(item.name.columnNames, refuse)}`
  }

  #columnNames(names: readonly { readonly name: string }[] | null | undefined, refuse: Refuse): Sql {
    if (!names?.length) return sql``
    this.#expressions.need('column aliases of a table', refuse)
    return sql` (${commas(names.map(({ name }) => printName(refuse, name)))})`
  }

  /**
   * The parts of a union side by side. The parser groups them from the right and gives the last what belongs to
   * all, so only what means the same either way is let through.
   */
  #union(statement: Statement, type: 'union' | 'union all', place: Place): Sql {
    const refuse = refuseAt(this.#text, statement)
    if (statement.type === 'union' || statement.type === 'union all') {
      if (statement.type !== type)
        refuse('mixes UNION and UNION ALL. Put one of them in parentheses: SELECT * FROM (…) AS part')
      checkKeys(statement, refuse, 'left', 'right')
      const within = deeper(place, refuse)
      return sql`${this.#union(statement.left, type, within)} ${sql.raw(type.toUpperCase())} ${this.#union(statement.right, type, within)}`
    }
    if (statement.type !== 'select') return refuse(`has ${statement.type} in a UNION, which is not offered`)
    if (statement.limit || statement.orderBy?.length)
      refuse(
        'has ORDER BY or LIMIT in a UNION. Put the UNION in parentheses: SELECT * FROM (… UNION …) AS all_of_it ORDER BY …',
      )
    return this.#select(statement, place, undefined)
  }

  #limit(limit: LimitStatement | undefined, most: number | undefined): Sql[] {
    const refuse = refuseAt(this.#text, limit)
    if (limit !== undefined) checkKeys(limit, refuse, 'limit', 'offset')
    const rows = limit?.limit ? this.#count(limit.limit) : undefined
    const skipped = limit?.offset ? this.#count(limit.offset) : undefined
    const bounded = Math.min(rows ?? Number.POSITIVE_INFINITY, most ?? Number.POSITIVE_INFINITY)
    if (skipped !== undefined && bounded === Number.POSITIVE_INFINITY) refuse('has OFFSET without LIMIT')
    return [
      ...(bounded === Number.POSITIVE_INFINITY ? [] : [sql.raw(`LIMIT ${bounded}`)]),
      ...(skipped === undefined ? [] : [sql.raw(`OFFSET ${skipped}`)]),
    ]
  }

  #count(expr: Expr): number {
    const refuse = refuseAt(this.#text, expr)
    const count =
      expr.type === 'integer'
        ? expr.value
        : expr.type === 'parameter'
          ? this.#values.count(expr.name, refuse)
          : Number.NaN
    if (!Number.isSafeInteger(count) || count < 0) refuse('has a LIMIT or OFFSET that is no whole number')
    return count
  }
}
