import { type RawBuilder, sql } from 'kysely'
import type { DataTypeDef, Expr, ExprBinary, ExprCall, ExprCast, OrderByStatement } from 'pgsql-ast-parser'
import { LIMITS } from '../../limits.ts'
import { DATE_PARTS, type Dialect, type Feature } from './dialects.ts'
import { printName } from './names.ts'
import { checkKeys, type Refuse, refuseAt } from './refusal.ts'
import type { Values } from './values.ts'

export type Sql = RawBuilder<unknown>

/** Where an expression stands: how deep, and which names WITH has defined there. */
export interface Place {
  readonly depth: number
  readonly named: ReadonlySet<string>
}

const UNARY: ReadonlySet<string> = new Set(['+', '-', 'NOT'])
const TESTS: ReadonlySet<string> = new Set([
  'IS NULL',
  'IS NOT NULL',
  'IS TRUE',
  'IS FALSE',
  'IS NOT TRUE',
  'IS NOT FALSE',
])
const KEYWORDS: ReadonlySet<string> = new Set(['current_date', 'current_time', 'current_timestamp'])
/**
 * Texts that are printed as they are: nothing in them could end a literal. Everything else becomes a parameter,
 * but two parameters are never the same expression to a server, and `GROUP BY date_trunc('day', …)` needs that.
 */
const PLAIN_TEXT = /^[A-Za-z0-9 _.,:%/+-]{0,64}$/
const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/

/**
 * Prints expressions anew from their syntax tree, for one database. What is not on the dialect's lists is
 * refused, so what a server reads holds only what was understood here.
 */
export class Expressions {
  readonly #text: string
  readonly #dialect: Dialect
  readonly #values: Values
  readonly #select: (statement: Expr, place: Place) => Sql

  /** @param select prints a statement that stands in an expression */
  constructor(
    text: string,
    dialect: Dialect,
    values: Values,
    select: (statement: Expr, place: Place) => Sql,
  ) {
    this.#text = text
    this.#dialect = dialect
    this.#values = values
    this.#select = select
  }

  print(expr: Expr, outer: Place): Sql {
    const refuse = refuseAt(this.#text, expr)
    const place = deeper(outer, refuse)
    const print = (inner: Expr) => this.print(inner, place)
    switch (expr.type) {
      case 'null':
        return sql.raw('NULL')
      case 'boolean':
        return sql.raw(expr.value ? 'TRUE' : 'FALSE')
      case 'integer':
        if (!Number.isSafeInteger(expr.value)) refuse('has a number that is too large. Give it as a value')
        return sql.raw(`(${expr.value})`)
      case 'numeric':
        return printNumber(expr.value, refuse)
      case 'string':
        return PLAIN_TEXT.test(expr.value) ? sql.lit(expr.value) : this.#values.literal(expr.value, refuse)
      case 'parameter':
        return this.#values.print(expr.name, refuse)
      case 'keyword':
        if (!KEYWORDS.has(expr.keyword)) refuse(`reads ${expr.keyword}, which is not offered`)
        return sql.raw(expr.keyword.toUpperCase())
      case 'ref':
        checkKeys(expr, refuse, 'table', 'name')
        return this.#ref(expr.table, expr.name, refuse)
      case 'list':
        return sql`(${commas(expr.expressions.map(print))})`
      case 'array':
        this.need('array', refuse)
        return sql`ARRAY[${commas(expr.expressions.map(print))}]`
      case 'arrayIndex':
        this.need('array', refuse)
        return sql`(${print(expr.array)})[${print(expr.index)}]`
      case 'unary':
        checkKeys(expr, refuse, 'operand', 'op')
        if (UNARY.has(expr.op)) return sql`(${sql.raw(expr.op)} ${print(expr.operand)})`
        if (TESTS.has(expr.op)) return sql`(${print(expr.operand)} ${sql.raw(expr.op)})`
        return refuse(`uses ${expr.op}, which is not offered`)
      case 'binary':
        return this.#binary(expr, place, refuse)
      case 'ternary': {
        const { value, lo, hi, op } = expr
        return sql`(${print(value)} ${sql.raw(op === 'BETWEEN' ? 'BETWEEN' : 'NOT BETWEEN')} ${print(lo)} AND ${print(hi)})`
      }
      case 'case': {
        const whens = expr.whens.map(({ when, value }) => sql`WHEN ${print(when)} THEN ${print(value)}`)
        const value = expr.value ? sql`${print(expr.value)} ` : sql``
        const otherwise = expr.else ? sql` ELSE ${print(expr.else)}` : sql``
        return sql`CASE ${value}${sql.join(whens, sql` `)}${otherwise} END`
      }
      case 'cast':
        return this.#cast(expr, place, refuse)
      case 'member':
        this.need('-> and ->>', refuse)
        return sql`(${print(expr.operand)} ${sql.raw(expr.op === '->' ? '->' : '->>')} ${
          typeof expr.member === 'number'
            ? printNumber(expr.member, refuse)
            : this.#values.literal(expr.member, refuse)
        })`
      case 'extract':
        return this.#extract(expr.field.name, print(expr.from), refuse)
      case 'substring': {
        const length = expr.for ? sql`, ${print(expr.for)}` : sql``
        return sql`substr(${print(expr.value)}, ${expr.from ? print(expr.from) : sql.raw('1')}${length})`
      }
      case 'call':
        return this.#call(expr, place, refuse)
      case 'select':
      case 'union':
      case 'union all':
      case 'with':
      case 'with recursive':
        return sql`(${this.#select(expr, place)})`
      default:
        return refuse(`has ${expr.type}, which is not offered`)
    }
  }

  /** The columns after ORDER BY, of which a plain number is a place among the columns. */
  order(items: readonly OrderByStatement[], place: Place): Sql {
    const printed = items.map((item) => {
      const refuse = refuseAt(this.#text, item)
      checkKeys(item, refuse, 'by', 'order', 'nulls')
      const direction = item.order ? sql.raw(item.order === 'DESC' ? ' DESC' : ' ASC') : sql``
      if (item.nulls) this.need('NULLS FIRST or LAST', refuse)
      const nulls = item.nulls ? sql.raw(item.nulls === 'FIRST' ? ' NULLS FIRST' : ' NULLS LAST') : sql``
      return sql`${this.column(item.by, place)}${direction}${nulls}`
    })
    return commas(printed)
  }

  /** An expression in GROUP BY or ORDER BY. */
  column(expr: Expr, place: Place): Sql {
    if (expr.type === 'integer' && Number.isSafeInteger(expr.value)) return sql.raw(String(expr.value))
    return this.print(expr, place)
  }

  need(feature: Feature, refuse: Refuse): void {
    if (!this.#dialect.features.has(feature))
      refuse(`uses ${feature}, which is not offered for ${this.#dialect.title}`)
  }

  #ref(table: { name: string; schema?: string } | undefined, name: string, refuse: Refuse): Sql {
    const path =
      table === undefined ? [] : [...(table.schema === undefined ? [] : [table.schema]), table.name]
    if (name !== '*') return printName(refuse, ...path, name)
    return path.length === 0 ? sql.raw('*') : sql`${printName(refuse, ...path)}.*`
  }

  #binary(expr: ExprBinary, place: Place, refuse: Refuse): Sql {
    checkKeys(expr, refuse, 'left', 'right', 'op')
    if (!this.#dialect.operators.has(expr.op))
      refuse(`uses ${expr.op}, which is not offered for ${this.#dialect.title}`)
    const left = this.print(expr.left, place)
    if (expr.op === 'IN' || expr.op === 'NOT IN') return this.#in(left, expr.op, expr.right, place)
    const right = this.print(expr.right, place)
    // In MariaDB and MySQL `||` is OR unless a setting says otherwise.
    if (expr.op === '||' && this.#dialect.kind === 'mysql') return sql`concat(${left}, ${right})`
    return sql`(${left} ${sql.raw(expr.op === '!=' ? '<>' : expr.op)} ${right})`
  }

  /** `IN (${list})` has a parameter for each item of the list; an empty list holds nothing. */
  #in(left: Sql, op: 'IN' | 'NOT IN', right: Expr, place: Place): Sql {
    const items = right.type === 'list' ? right.expressions : [right]
    const isSelect = right.type !== 'list' && isStatement(right)
    if (isSelect) return sql`(${left} ${sql.raw(op)} ${this.print(right, place)})`
    const printed = items.flatMap((item) => {
      const list =
        item.type === 'parameter' ? this.#values.list(item.name, refuseAt(this.#text, item)) : undefined
      return list ?? [this.print(item, place)]
    })
    if (printed.length === 0) return sql.raw(op === 'IN' ? '(1 = 0)' : '(1 = 1)')
    return sql`(${left} ${sql.raw(op)} (${commas(printed)}))`
  }

  #cast(expr: ExprCast, place: Place, refuse: Refuse): Sql {
    checkKeys(expr, refuse, 'to', 'operand')
    // The parser takes `interval '1' day` for a column called day.
    if (
      expr.operand.type === 'string' &&
      isNamed(expr.to, 'interval') &&
      /^[\s\d.]*$/.test(expr.operand.value)
    )
      refuse("has an interval without a unit. Write it inside the quotes: interval '1 day'")
    return sql`CAST(${this.print(expr.operand, place)} AS ${this.#type(expr.to, refuse)})`
  }

  #type(type: DataTypeDef, refuse: Refuse): Sql {
    if (type.kind === 'array') {
      this.need('array', refuse)
      return sql`${this.#type(type.arrayOf, refuse)}[]`
    }
    checkKeys(type, refuse, 'name', 'config')
    const printed = this.#dialect.casts.get(type.name)
    if (printed === undefined)
      return refuse(
        `casts to ${type.name.slice(0, 64)}, which is not offered. Choose one of ${[...this.#dialect.casts.keys()].join(', ')}`,
      )
    const sizes = type.config ?? []
    if (sizes.length > 2 || sizes.some((size) => !Number.isInteger(size) || size < 0 || size > 1_000_000))
      refuse('has a type with a size that is not offered')
    return sql.raw(sizes.length === 0 ? printed : `${printed}(${sizes.join(', ')})`)
  }

  #extract(field: string, from: Sql, refuse: Refuse): Sql {
    this.need('EXTRACT', refuse)
    const part = field.toLowerCase()
    if (!DATE_PARTS.has(part)) refuse(`extracts ${part.slice(0, 64)}, which is not offered`)
    return sql`EXTRACT(${sql.raw(part)} FROM ${from})`
  }

  #call(expr: ExprCall, place: Place, refuse: Refuse): Sql {
    checkKeys(expr, refuse, 'function', 'args', 'distinct', 'orderBy', 'filter', 'withinGroup', 'over')
    const { name, schema } = expr.function
    // The parser knows substring as a name of its own.
    const called = name === 'substring' ? 'substr' : name
    if (schema !== undefined || !this.#dialect.functions.has(called))
      refuse(
        `calls ${(schema === undefined ? '' : `${schema}.`) + name.slice(0, 64)}, which is not among the functions that are offered for ${this.#dialect.title}`,
      )
    // Its own parentheses are those of the statement.
    if (called === 'exists') {
      const [statement] = expr.args
      if (statement === undefined || expr.args.length > 1 || !isStatement(statement))
        return refuse('has EXISTS without a SELECT')
      return sql`EXISTS ${this.print(statement, place)}`
    }
    const distinct = expr.distinct === 'distinct' ? sql.raw('DISTINCT ') : sql``
    const args = commas(
      expr.args.map((arg) => (called === 'any' ? this.#anyOf(arg, place) : this.print(arg, place))),
    )
    const order = expr.orderBy?.length ? sql` ORDER BY ${this.order(expr.orderBy, place)}` : sql``
    if (expr.filter) this.need('FILTER', refuse)
    if (expr.withinGroup) this.need('WITHIN GROUP', refuse)
    const filter = expr.filter ? sql` FILTER (WHERE ${this.print(expr.filter, place)})` : sql``
    const within = expr.withinGroup
      ? sql` WITHIN GROUP (ORDER BY ${this.order([expr.withinGroup], place)})`
      : sql``
    return sql`${sql.raw(called)}(${distinct}${args}${order})${within}${filter}${this.#over(expr, place)}`
  }

  /** `= ANY(${list})` takes the list as one array. */
  #anyOf(arg: Expr, place: Place): Sql {
    const refuse = refuseAt(this.#text, arg)
    return arg.type === 'parameter' ? this.#values.array(arg.name, refuse) : this.print(arg, place)
  }

  #over({ over }: ExprCall, place: Place): Sql {
    if (!over) return sql``
    checkKeys(over, refuseAt(this.#text, over), 'partitionBy', 'orderBy')
    const parts: Sql[] = []
    if (over.partitionBy?.length)
      parts.push(sql`PARTITION BY ${commas(over.partitionBy.map((expr) => this.print(expr, place)))}`)
    if (over.orderBy?.length) parts.push(sql`ORDER BY ${this.order(over.orderBy, place)}`)
    return sql` OVER (${sql.join(parts, sql` `)})`
  }
}

export function commas(parts: readonly Sql[]): Sql {
  return sql.join(parts, sql`, `)
}

export function deeper(place: Place, refuse: Refuse): Place {
  if (place.depth >= LIMITS.replicaStatementDepth)
    refuse(`is nested more than ${LIMITS.replicaStatementDepth} levels deep`)
  return { ...place, depth: place.depth + 1 }
}

function isStatement(expr: Expr): boolean {
  return ['select', 'union', 'union all', 'with', 'with recursive'].includes(expr.type)
}

function isNamed(type: DataTypeDef, name: string): boolean {
  return type.kind !== 'array' && type.name === name
}

/** What was written with a point stays a number with a point: `1.0 / 2` is not the division of integers. */
function printNumber(value: number, refuse: Refuse): Sql {
  const text = Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : String(value)
  if (!NUMBER.test(text)) refuse('has a number that cannot be read')
  return sql.raw(`(${text})`)
}
