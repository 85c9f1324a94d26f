import { constants, DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LyceumError } from '../../host/errors.ts'
import { LIMITS } from '../../host/limits.ts'
import { compileStatement, type Template } from '../../host/replicas/sql/compile.ts'
import type { SqlKind } from '../../host/replicas/sql/dialects.ts'
import { type Database, hasPostgres, startPostgres, tellMissing } from '../support/databases.ts'

const KINDS: readonly SqlKind[] = ['postgres', 'mysql', 'sqlite']
const asked = (sql: TemplateStringsArray, ...values: unknown[]): Template => ({ sql: [...sql], values })
const plain = (text: string): Template => ({ sql: [text], values: [] })
const compile = (text: string, kind: SqlKind = 'postgres', tables?: string[]) =>
  compileStatement(plain(text), kind, tables).sql

function refusal(template: Template, kind: SqlKind = 'postgres', tables?: string[]): string {
  try {
    return `not refused: ${compileStatement(template, kind, tables).sql}`
  } catch (error) {
    if (error instanceof LyceumError) return error.message
    throw error
  }
}

describe('a statement is printed anew', () => {
  test('with names quoted, and values and texts as parameters, in the way of its database', () => {
    const statement = asked`
      SELECT name AS "Full name", 'it''s' FROM t -- a comment
      WHERE course = ${"x' OR '1'='1"} AND mode IN (${['a', 'b']}) /* another */ ORDER BY 1 DESC LIMIT ${5}`
    expect(compileStatement(statement, 'postgres', undefined)).toEqual({
      sql: `SELECT "name" AS "Full name", $1 FROM "t" WHERE (("course" = $2) AND ("mode" IN ($3, $4))) ORDER BY 1 DESC LIMIT 5`,
      parameters: ["it's", "x' OR '1'='1", 'a', 'b'],
    })
    expect(compileStatement(statement, 'mysql', undefined).sql).toBe(
      'SELECT `name` AS `Full name`, ? FROM `t` WHERE ((`course` = ?) AND (`mode` IN (?, ?))) ORDER BY 1 DESC LIMIT 5',
    )
    expect(compileStatement(statement, 'sqlite', undefined).parameters).toEqual(
      compileStatement(statement, 'mysql', undefined).parameters,
    )
  })

  test('with a LIMIT, the smaller of its own and that of the host, a union too', () => {
    const most = LIMITS.replicaRows + 1
    expect(compile('SELECT a FROM t')).toBe(`SELECT "a" FROM "t" LIMIT ${most}`)
    expect(compile('SELECT a FROM t LIMIT 7 OFFSET 3')).toBe('SELECT "a" FROM "t" LIMIT 7 OFFSET 3')
    expect(compile('SELECT a FROM t LIMIT 999999999')).toBe(`SELECT "a" FROM "t" LIMIT ${most}`)
    expect(compile('SELECT a FROM t UNION SELECT b FROM u')).toBe(
      `SELECT * FROM (SELECT "a" FROM "t" UNION SELECT "b" FROM "u") AS lyceum LIMIT ${most}`,
    )
    expect(compile('WITH x AS (SELECT 1 AS n) SELECT n FROM x')).toBe(
      `WITH "x" AS (SELECT (1) AS "n") SELECT "n" FROM "x" LIMIT ${most}`,
    )
  })

  test('so that a part of a date in GROUP BY is the same expression as in SELECT', () => {
    expect(compile("SELECT date_trunc('day', at) FROM t GROUP BY date_trunc('day', at)")).toContain(
      `GROUP BY date_trunc('day', "at")`,
    )
  })

  test('with an empty list that holds nothing', () => {
    expect(compileStatement(asked`SELECT 1 FROM t WHERE a IN (${[]})`, 'sqlite', undefined).sql).toContain(
      '(1 = 0)',
    )
    expect(
      compileStatement(asked`SELECT 1 FROM t WHERE a NOT IN (${[]})`, 'sqlite', undefined).sql,
    ).toContain('(1 = 1)')
  })

  test('|| joins texts in MariaDB too, where it would else be OR', () => {
    expect(compile('SELECT a || b FROM t', 'mysql')).toContain('concat(`a`, `b`)')
  })
})

/** What no statement may hold, and what the refusal says of it. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['', /ends too early|is empty/],
  ['SELECT 1; SELECT 2', /more than one statement/],
  ['SELECT 1; DROP TABLE t', /more than one statement/],
  ['DELETE FROM t', /no SELECT but delete/],
  ['INSERT INTO t VALUES (1)', /no SELECT but insert/],
  ['UPDATE t SET a = 1', /no SELECT but update/],
  ['DROP TABLE t', /no SELECT but drop table/],
  ['TRUNCATE t', /no SELECT but truncate table/],
  ['SET ROLE admin', /cannot be read|no SELECT/],
  ['SHOW work_mem', /no SELECT|cannot be read/],
  ['COPY t TO PROGRAM $$x$$', /not offered/],
  // Each of these would keep the parser for longer than anybody lives.
  [`SELECT n FROM t WHERE name = $$${' x'.repeat(200)}`, /not offered/],
  [`SELECT n FROM t WHERE name = E'${' '.repeat(400)}`, /not offered/],
  [`SELECT n FROM t WHERE name = 'x'e'${' '.repeat(400)}`, /not offered/],
  [`SELECT n FROM t -- '\rWHERE name = E'${' '.repeat(400)}`, /not offered/],
  ['CALL p()', /cannot be read/],
  ['WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x', /it has delete/],
  ['WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x', /it has insert/],
  ['WITH x AS (SELECT 1) DELETE FROM t', /it has delete/],
  ['SELECT * INTO u FROM t', /cannot be read at line 1, column 10/],
  ['SELECT * FROM t FOR UPDATE', /locks rows with FOR/],
  ['SELECT * FROM t FOR SHARE', /locks rows with FOR/],
  ['SELECT * FROM pg_class', /pg_class, which belongs to the database itself, at line 1, column 15/],
  ['SELECT * FROM pg_catalog.pg_authid', /belongs to the database/],
  ['SELECT * FROM "PG_shadow"', /belongs to the database/],
  ['SELECT * FROM information_schema.tables', /belongs to the database/],
  ['SELECT * FROM mysql.user', /belongs to the database/],
  ['SELECT * FROM performance_schema.threads', /belongs to the database/],
  ['SELECT * FROM sqlite_master', /belongs to the database/],
  ['SELECT * FROM pragma_database_list', /belongs to the database/],
  ['SELECT (SELECT max(name) FROM sqlite_schema)', /belongs to the database/],
  ['SELECT * FROM t WHERE EXISTS (SELECT 1 FROM pg_roles)', /belongs to the database/],
  ['SELECT * FROM t JOIN pg_user ON TRUE', /belongs to the database/],
  ['SELECT 1 UNION SELECT usename FROM pg_user', /belongs to the database/],
  ['WITH x AS (SELECT * FROM pg_user) SELECT * FROM x', /belongs to the database/],
  ['WITH pg_user AS (SELECT 1) SELECT * FROM pg_user', /belongs to the database/],
  ['SELECT * FROM "ınformation_schema".tables', /characters other than/],
  ['SELECT pg_sleep(10)', /calls pg_sleep/],
  ['SELECT pg_catalog.pg_sleep(10)', /calls pg_catalog.pg_sleep/],
  ['SELECT "Count"(a) FROM t', /calls Count/],
  ["SELECT pg_read_file('/etc/passwd')", /calls pg_read_file/],
  ["SELECT set_config('statement_timeout', '0', false)", /calls set_config/],
  ["SELECT dblink('x', 'y')", /calls dblink/],
  ["SELECT lo_import('/etc/passwd')", /calls lo_import/],
  ["SELECT nextval('s')", /calls nextval/],
  ['SELECT sleep(10)', /calls sleep/],
  ['SELECT benchmark(1, 1)', /calls benchmark/],
  ["SELECT load_file('/etc/passwd')", /calls load_file/],
  ["SELECT load_extension('x')", /calls load_extension/],
  ['SELECT randomblob(1000000000)', /calls randomblob/],
  ["SELECT repeat('x', 1000000000)", /calls repeat/],
  ['SELECT * FROM generate_series(1, 1000000000) AS g', /reads from a function/],
  ['SELECT current_user', /reads current_user/],
  ['SELECT session_user', /reads session_user/],
  ['SELECT @@version', /cannot be read/],
  ['SELECT $1', /has \$1/],
  ['SELECT a OPERATOR(pg_catalog.+) b FROM t', /has something that is not offered \(opSchema\)/],
  ["SELECT 'pg_authid'::regclass", /casts to regclass/],
  ['SELECT a::pg_catalog.text FROM t', /not offered \(schema\)/],
  ['SELECT DEFAULT', /has default/],
  ['VALUES (1)', /no SELECT but values/],
  ['SELECT 1 UNION SELECT 2 UNION ALL SELECT 3', /mixes UNION and UNION ALL/],
  ['SELECT 1 UNION SELECT 2 ORDER BY 1', /ORDER BY or LIMIT in a UNION/],
  ["SELECT interval '1' day", /interval without a unit/],
  ['SELECT a FROM t LIMIT -1', /no whole number/],
  ['SELECT a FROM t LIMIT a', /no whole number/],
  ['SELECT 99999999999999999999', /number that is too large/],
  ['SELECT a AS "x""y" FROM t', /quotes, backslashes or brackets/],
  [`SELECT ${'('.repeat(200)}1${')'.repeat(200)}`, /nested more than/],
  [`SELECT ${'NOT '.repeat(2_000)}a FROM t`, /nested/],
  [`SELECT ${'a+'.repeat(3_000)}a FROM t`, /nested/],
  [`SELECT '${'x'.repeat(20_000)}'`, /more than 10000 characters/],
]

describe.each(KINDS)('a statement for %s is refused', (kind) => {
  test.each(REFUSED)('%.60s', (text, message) => {
    expect(refusal(plain(text), kind)).toMatch(message)
  })

  test('that has a value inside quotes or a comment, or none for a place', () => {
    expect(refusal(asked`SELECT a FROM t WHERE b = '${1}'`, kind)).toMatch(
      /value 1 inside quotes or a comment/,
    )
    expect(refusal(asked`SELECT a FROM t -- ${1}`, kind)).toMatch(/value 1 inside quotes or a comment/)
    expect(refusal(asked`SELECT a FROM t WHERE b = $1 AND c = ${1}`, kind)).toMatch(/has \$1/)
  })

  test.each([undefined, Number.NaN, { a: 1 }, [[1]], 'a\0b', Symbol('x')])('with the value %o', (value) => {
    expect(refusal(asked`SELECT a FROM t WHERE b = ${value}`, kind)).toMatch(/^The statement has a/)
  })

  test('that reads a table which is not offered, by whatever name it goes', () => {
    const only = (text: string) => refusal(plain(text), kind, ['t'])
    expect(only('SELECT * FROM t')).toMatch(/^not refused/)
    expect(only('WITH u AS (SELECT * FROM t) SELECT * FROM u')).toMatch(/^not refused/)
    expect(only('SELECT * FROM u')).toMatch(
      /reads u, which is not among the tables that this replica offers: t/,
    )
    expect(only('SELECT * FROM "T"')).toMatch(/reads T, which/)
    expect(only('SELECT * FROM t AS u, u')).toMatch(/reads u/)
    expect(only('WITH u AS (SELECT * FROM u) SELECT * FROM u')).toMatch(/reads u/)
    expect(only('SELECT * FROM (WITH u AS (SELECT 1) SELECT * FROM u) AS a, u')).toMatch(/reads u/)
    expect(only('WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a')).toMatch(/reads b/)
    expect(only('SELECT * FROM public.t')).toMatch(/reads public.t|names the table t of public/)
  })
})

describe('what only some databases have', () => {
  test.each([
    [
      'SELECT a FROM t ORDER BY a NULLS LAST',
      'mysql',
      /NULLS FIRST or LAST, which is not offered for MariaDB/,
    ],
    ['SELECT count(*) FILTER (WHERE a > 1) FROM t', 'mysql', /FILTER/],
    ['SELECT a FROM t FULL JOIN u ON TRUE', 'mysql', /FULL JOIN/],
    ['SELECT DISTINCT ON (a) a FROM t', 'sqlite', /DISTINCT ON/],
    ['SELECT a ILIKE $$x$$ FROM t', 'sqlite', /not offered/],
    ['SELECT extract(year FROM a) FROM t', 'sqlite', /EXTRACT/],
    ['SELECT ARRAY[1]', 'sqlite', /array/],
    ["SELECT a ->> 'b' FROM t", 'mysql', /-> and ->>/],
    ["SELECT date_trunc('day', a) FROM t", 'mysql', /calls date_trunc/],
    ["SELECT date_format(a, '%Y') FROM t", 'postgres', /calls date_format/],
  ] as const)('%s is refused for %s', (text, kind, message) => {
    expect(refusal(plain(text), kind)).toMatch(message)
  })
})

/** Statements that are let through, and mean what they say. */
const ALLOWED: readonly string[] = [
  'SELECT * FROM t',
  'SELECT t.*, n + 1 * 2 - 3 AS m FROM t ORDER BY n DESC, name',
  'SELECT count(*), sum(n), avg(n), min(name), max(n) FROM t',
  'SELECT name, count(DISTINCT n) FROM t GROUP BY name HAVING count(*) > 1 ORDER BY 1',
  'SELECT a.n, b.name FROM t AS a LEFT JOIN t b ON a.n = b.n + 1 AND NOT b.name IS NULL ORDER BY 1, 2',
  'SELECT n FROM t WHERE NOT n = 2 AND name <> ' + "'b' OR n IS NULL ORDER BY n",
  'SELECT n FROM t WHERE n BETWEEN 1 AND 2 + 1 OR n NOT IN (3, 4, 5) ORDER BY n',
  'SELECT n FROM t WHERE n IN (SELECT max(n) FROM t) ORDER BY n LIMIT 2 OFFSET 0',
  "SELECT CASE WHEN n > 2 THEN 'many' WHEN n = 2 THEN 'two' ELSE 'few' END AS k, n FROM t ORDER BY n",
  "SELECT CASE n WHEN 1 THEN 'one' END FROM t ORDER BY n",
  "SELECT coalesce(NULL, name || '-' || n, 'x') FROM t ORDER BY n",
  'SELECT - n * - 2, + n, n % 2, 7 / 2, 7 / 2.0, (1 + 2) * 3 FROM t ORDER BY n',
  'SELECT n - 1 - 1, 2 * 3 % 4, 8 / 4 / 2, 1 < 2 = TRUE FROM t ORDER BY n',
  'SELECT row_number() OVER (PARTITION BY name ORDER BY n DESC) AS r, n FROM t ORDER BY n',
  'SELECT sum(n) FILTER (WHERE n > 1) FROM t',
  'WITH a AS (SELECT n FROM t), b AS (SELECT max(n) AS m FROM a) SELECT a.n, b.m FROM a CROSS JOIN b ORDER BY 1',
  'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5) SELECT i FROM c',
  'SELECT n FROM t UNION ALL SELECT 9 UNION ALL SELECT 9',
  'SELECT * FROM (SELECT n FROM t UNION SELECT 9) AS u ORDER BY n DESC LIMIT 3',
  'SELECT CAST(n AS text), CAST(n AS real), substr(name, 1, 1), substring(name, 1, 2) FROM t ORDER BY n',
  "SELECT name LIKE 'a%', name NOT LIKE '%b' FROM t ORDER BY n",
  "SELECT n, name = 'E', name = 'e''' FROM t ORDER BY n",
  'SELECT EXISTS (SELECT 1 FROM t WHERE n > 3), NOT EXISTS (SELECT 1 FROM t AS u WHERE u.n = 0)',
  'SELECT n IS NOT NULL, name IS NULL, (n > 1) IS TRUE FROM t ORDER BY n',
  'SELECT (SELECT count(*) FROM t AS u WHERE u.n < t.n) FROM t ORDER BY 1',
]

const CANARY = 'a secret that nobody may read'
/** Pieces that would do harm if any of them reached a server as it is. */
const PIECES: readonly string[] = [
  ...['; DELETE FROM t', "; INSERT INTO t VALUES (99, 'x')", '; DROP TABLE t; --', '; COMMIT; BEGIN'],
  ...[' FROM canary', ', canary', ' UNION SELECT secret FROM canary', '(SELECT secret FROM canary)'],
  ...['WITH x AS (DELETE FROM t RETURNING *) ', ' INTO outcome', ' FOR UPDATE', ' RETURNING *'],
  ...['--', '/*', '*/', "'", '"', '`', '\\', "\\'", '$$', '$x$', "E'\\''", "U&'\\0027'", '\0', '\n'],
  ...['pg_sleep(1)', 'sqlite_master', 'pg_class', '@@x', ':x', '?', '$1', '||', 'OR 1=1', '(', ')', ';'],
  ...[
    'SELECT',
    'DELETE FROM t',
    'TABLE canary',
    'VALUES (1)',
    "load_extension('x')",
    'canary',
    'main.canary',
  ],
]
const statement = fc
  .tuple(
    fc.constantFrom(...ALLOWED),
    fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 8 })),
        fc.double({ min: 0, max: 1, noNaN: true }),
      ),
      { minLength: 0, maxLength: 4 },
    ),
  )
  .map(([base, splices]) =>
    splices.reduce((text, [piece, where]) => {
      const at = Math.floor(where * text.length)
      return text.slice(0, at) + piece + text.slice(at)
    }, base),
  )
const template = fc
  .tuple(
    statement,
    fc.boolean(),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.oneof(fc.constantFrom(...PIECES), fc.integer()),
  )
  .map(([text, hasValue, where, value]): Template => {
    const at = Math.floor(where * text.length)
    return !hasValue ? plain(text) : { sql: [text.slice(0, at), text.slice(at)], values: [value] }
  })

/** What the host lets through of a statement, if anything. */
function letThrough(
  given: Template,
  kind: SqlKind,
): { sql: string; parameters: readonly unknown[] } | undefined {
  try {
    return compileStatement(given, kind, ['t'])
  } catch (error) {
    // Anything else would be a mistake of ours that a plugin can cause.
    expect(error).toBeInstanceOf(LyceumError)
    return undefined
  }
}

describe('over a real SQLite that could be written', () => {
  let sqlite: DatabaseSync
  const seen: string[] = []
  beforeAll(() => {
    sqlite = new DatabaseSync(':memory:')
    sqlite.exec(`CREATE TABLE t (n INTEGER, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'b'), (4, NULL);
      CREATE TABLE canary (secret TEXT); INSERT INTO canary VALUES ('${CANARY}')`)
    sqlite.setAuthorizer((action, first) => {
      if (action === constants.SQLITE_READ) seen.push(`reads ${first}`)
      else if (
        action !== constants.SQLITE_SELECT &&
        action !== constants.SQLITE_FUNCTION &&
        action !== constants.SQLITE_RECURSIVE
      )
        seen.push(`does ${action}`)
      return constants.SQLITE_OK
    })
  })
  afterAll(() => sqlite.close())
  const contents = () =>
    JSON.stringify([sqlite.prepare('SELECT * FROM t').all(), sqlite.prepare('SELECT * FROM canary').all()])

  test.each(ALLOWED)('%s gives the same rows as it is', (text) => {
    const { sql, parameters } = compileStatement(plain(text), 'sqlite', ['t'])
    const bound = parameters.map((value) => (typeof value === 'number' ? value : String(value)))
    const rows = (source: string, values: readonly (string | number)[]) => {
      const prepared = sqlite.prepare(source)
      prepared.setReturnArrays(true)
      return prepared.all(...values)
    }
    expect(rows(sql, bound)).toEqual(rows(text, []))
  })

  test('whatever text a plugin makes, one statement that only reads what is offered gets there', () => {
    const before = contents()
    let accepted = 0
    fc.assert(
      fc.property(template, (given) => {
        const through = letThrough(given, 'sqlite')
        if (through === undefined) return
        accepted += 1
        seen.length = 0
        let rows: unknown[] = []
        try {
          const prepared = sqlite.prepare(through.sql)
          rows = prepared.all(
            ...through.parameters.map((value) => (typeof value === 'number' ? value : String(value))),
          )
        } catch {
          // That the database refuses it is no harm.
        }
        expect(seen.filter((what) => !/^reads (?:t|a|b|c|u|lyceum|)$/.test(what))).toEqual([])
        expect(JSON.stringify(rows)).not.toContain(CANARY)
      }),
      { numRuns: process.env.LYCEUM_SOAK ? 10_000 : 1_500 },
    )
    expect(contents()).toBe(before)
    // A test that nothing passes shows nothing.
    expect(accepted).toBeGreaterThan(100)
  }, 180_000)
})

describe.skipIf(!hasPostgres)('over a real PostgreSQL, as its superuser', () => {
  let server: Database
  beforeAll(async () => {
    server = await startPostgres()
    await server.admin(
      'CREATE TABLE t (n INTEGER, name TEXT)',
      "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'b'), (4, NULL)",
      'CREATE TABLE canary (secret TEXT)',
      `INSERT INTO canary VALUES ('${CANARY}')`,
    )
  })
  afterAll(() => server.stop())

  test('whatever text a plugin makes, no write and no other table gets there', async () => {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: server.url('postgres') })
    client.on('error', () => {})
    await client.connect()
    await client.query("SET statement_timeout = '2s'")
    const state = async () =>
      (
        await client.query(
          `SELECT (SELECT md5(string_agg(t::text, ',' ORDER BY n)) FROM t) AS t, (SELECT count(*) FROM canary) AS canary,
             (SELECT count(*) FROM pg_class) AS tables`,
        )
      ).rows
    const before = await state()
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(template, async (given) => {
        const through = letThrough(given, 'postgres')
        if (through === undefined) return
        accepted += 1
        const text = await client.query(through.sql, [...through.parameters]).then(
          ({ rows }) => JSON.stringify(rows),
          () => '',
        )
        expect(text).not.toContain(CANARY)
      }),
      { numRuns: process.env.LYCEUM_SOAK ? 5_000 : 500 },
    )
    expect(await state()).toEqual(before)
    expect(accepted).toBeGreaterThan(30)
    await client.end()
  })
})

tellMissing('PostgreSQL', hasPostgres)
