import {
  DummyDriver,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { parse, type Statement } from 'pgsql-ast-parser'
import { z } from 'zod'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { DIALECTS, type SqlKind } from './dialects.ts'
import { Tables } from './names.ts'
import { refused } from './refusal.ts'
import { Selects } from './selects.ts'
import { Values } from './values.ts'

/** A statement as a guest sends it: the texts of the template, and the values between them. */
const Template = z.strictObject({ sql: z.array(z.string()).min(1), values: z.array(z.unknown()) })
export type Template = z.infer<typeof Template>

/** @throws {LyceumError} op_malformed */
export function templateOf(request: unknown): Template {
  const parsed = Template.safeParse(request)
  if (parsed.success) return parsed.data
  throw new LyceumError('op_malformed', 'This replica is asked in SQL: lms.sql`SELECT …`')
}

/** A statement as a server gets it. None of its text is the guest's. */
export interface Compiled {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** One more than may come, so that too many are noticed and not cut in silence. */
const MOST_ROWS = LIMITS.replicaRows + 1

/**
 * Reads a statement, holds it against what is offered, and prints it anew for a database.
 *
 * @param tables the tables that may be named; undefined for all that the account may read
 * @throws {LyceumError} statement_refused, op_malformed
 */
export function compileStatement(
  { sql, values }: Template,
  kind: SqlKind,
  tables: readonly string[] | undefined,
): Compiled {
  if (sql.length !== values.length + 1)
    throw new LyceumError('op_malformed', 'Write a statement as a template: lms.sql`SELECT …`')
  const text = sql.reduce((before, part, index) => `${before} $${index} ${part}`)
  const dialect = DIALECTS[kind]
  const given = new Values(values, dialect)
  const selects = new Selects(text, dialect, new Tables(dialect, tables), given)
  const printed = withinStack(() => {
    const place = { depth: 0, named: new Set<string>() }
    return selects.print(asSelect(readOne(text)), place, MOST_ROWS).compile(PRINTERS[kind])
  })
  given.checkAllUsed()
  return { sql: printed.sql, parameters: printed.parameters }
}

function asSelect(statement: Statement) {
  switch (statement.type) {
    case 'select':
    case 'union':
    case 'union all':
    case 'with':
    case 'with recursive':
      return statement
    default:
      throw refused(`The statement is no SELECT but ${statement.type}. A replica is only read.`)
  }
}

function readOne(text: string): Statement {
  checkSize(text)
  refuseOpenings(text)
  let statements: readonly Statement[]
  try {
    statements = parse(text, { locationTracking: true })
  } catch (error) {
    throw refused(syntaxProblem(error))
  }
  const [statement] = statements
  if (statement === undefined) throw refused('The statement is empty.')
  if (statements.length > 1)
    throw refused('There is more than one statement. Send one SELECT at a time, without a semicolon inside.')
  return statement
}

/** What the parser reads as one piece, and two openings that it must not see. */
const PIECES =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/|(?<opening>\$\$|(?<!\w)[eE]')/g

/**
 * Where such a text is not closed, the parser's time doubles with each space in it: forty of them are an hour.
 * Both are other ways to write a text, which nobody needs who can give it as a value.
 */
function refuseOpenings(text: string): void {
  for (const { groups } of text.matchAll(PIECES))
    if (groups?.opening !== undefined)
      throw refused(`Texts in $$ and E'' are not offered. Write '…', or give the text as a value.`)
}

/** Before the parser sees it, whose time grows with length and nesting. */
function checkSize(text: string): void {
  if (text.length > LIMITS.replicaStatementChars)
    throw refused(`The statement has more than ${LIMITS.replicaStatementChars} characters.`)
  let depth = 0
  for (const [bracket] of text.matchAll(/[([{]|[)\]}]|\bcase\b|\bend\b/gi)) {
    depth += /^(?:[([{]|case)$/i.test(bracket) ? 1 : -1
    if (depth > LIMITS.replicaStatementDepth)
      throw refused(`The statement is nested more than ${LIMITS.replicaStatementDepth} levels deep.`)
  }
}

/** The parser's message has pages of what it would have liked instead. */
function syntaxProblem(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  const [, line, column] = /at line (\d+) col (\d+)/.exec(message) ?? []
  const [, found] = /Unexpected (?:\S+ token: )?(".{0,64}?"|input)/.exec(message) ?? []
  if (line === undefined) return 'The statement ends too early.'
  return `The statement cannot be read at line ${line}, column ${column}${found === undefined ? '' : `: ${found} was not expected there`}. It is read as PostgreSQL's SQL, of which docs/replicas.md says what is offered.`
}

function withinStack<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw refused('The statement is nested too deeply.')
    throw error
  }
}

const printer = (
  adapter: () => PostgresAdapter | MysqlAdapter | SqliteAdapter,
  compiler: () => PostgresQueryCompiler | MysqlQueryCompiler | SqliteQueryCompiler,
  introspector: (db: Kysely<unknown>) => PostgresIntrospector | MysqlIntrospector | SqliteIntrospector,
) =>
  new Kysely<unknown>({
    dialect: {
      createAdapter: adapter,
      createDriver: () => new DummyDriver(),
      createQueryCompiler: compiler,
      createIntrospector: introspector,
    },
  })

/** Kysely's compilers quote names and number parameters, each in the way of its database. */
const PRINTERS: Readonly<Record<SqlKind, Kysely<unknown>>> = {
  postgres: printer(
    () => new PostgresAdapter(),
    () => new PostgresQueryCompiler(),
    (db) => new PostgresIntrospector(db),
  ),
  mysql: printer(
    () => new MysqlAdapter(),
    () => new MysqlQueryCompiler(),
    (db) => new MysqlIntrospector(db),
  ),
  sqlite: printer(
    () => new SqliteAdapter(),
    () => new SqliteQueryCompiler(),
    (db) => new SqliteIntrospector(db),
  ),
}
