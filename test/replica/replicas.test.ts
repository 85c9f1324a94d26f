import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import type { SqlKind } from '../../host/replicas/sql/dialects.ts'
import { Binary, Long } from '../../sdk/ejson.ts'
import { course } from '../../sdk/testing/index.ts'
import { hasMariadb, hasPostgres, tellMissing } from '../support/databases.ts'
import { edxRows, edxStatements } from '../support/edx-tables.ts'
import { longTest } from '../support/long.ts'
import { asked, LMS_KINDS, type Lms, ReplicaBench, startLms, until } from './support.ts'

const sample = course({ learners: 40, weeks: 2 })
const rows = edxRows(sample)
const MANY = LIMITS.replicaRows + 5_000
const DIGITS = 'CREATE TABLE digits (d INTEGER)'

const VALUES: Readonly<Record<SqlKind, readonly string[]>> = {
  postgres: [
    `CREATE TABLE kinds (big BIGINT, num NUMERIC(10, 2), day DATE, at TIMESTAMPTZ, bytes BYTEA, flag BOOLEAN, doc JSONB, none TEXT)`,
    `INSERT INTO kinds VALUES (9007199254740993, 1.50, '2026-02-03', '2026-02-03 04:05:06.789+02', '\\x00ff', TRUE, '{"a":[1]}', NULL)`,
    `CREATE TABLE many AS SELECT g AS n, repeat('x', 20) AS t FROM generate_series(1, ${MANY}) AS g`,
    `CREATE TABLE wide AS SELECT repeat('x', ${LIMITS.replicaRowBytes + 1}) AS t`,
  ],
  mysql: [
    'CREATE TABLE kinds (big BIGINT, num DECIMAL(10, 2), day DATE, at DATETIME(3), bytes VARBINARY(10), flag BOOLEAN, doc JSON, none TEXT)',
    `INSERT INTO kinds VALUES (9007199254740993, 1.50, '2026-02-03', '2026-02-03 02:05:06.789', X'00ff', TRUE, '{"a":[1]}', NULL)`,
    `CREATE TABLE many AS SELECT seq AS n, repeat('x', 20) AS t FROM seq_1_to_${MANY}`,
    `CREATE TABLE wide AS SELECT repeat('x', ${LIMITS.replicaRowBytes + 1}) AS t`,
  ],
  sqlite: [
    'CREATE TABLE kinds (big BIGINT, num NUMERIC(10, 2), day DATE, at TEXT, bytes BLOB, flag BOOLEAN, doc TEXT, none TEXT)',
    `INSERT INTO kinds VALUES (9007199254740993, 1.5, '2026-02-03', '2026-02-03 02:05:06.789', X'00ff', TRUE, '{"a":[1]}', NULL)`,
    `CREATE TABLE many AS WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ${MANY}) SELECT n, 'xxxxxxxxxxxxxxxxxxxx' AS t FROM g`,
    `CREATE TABLE wide (t TEXT)`,
    `INSERT INTO wide SELECT replace(hex(zeroblob(${LIMITS.replicaRowBytes / 2 + 1})), '00', 'xx')`,
  ],
}
const KINDS: Readonly<Record<SqlKind, object>> = {
  postgres: {
    big: new Long('9007199254740993'),
    num: '1.50',
    day: new Date('2026-02-03'),
    at: new Date('2026-02-03T02:05:06.789Z'),
    bytes: new Binary(new Uint8Array([0, 255])),
    flag: true,
    doc: { a: [1] },
    none: null,
  },
  mysql: {
    big: new Long('9007199254740993'),
    num: '1.50',
    day: new Date('2026-02-03'),
    at: new Date('2026-02-03T02:05:06.789Z'),
    bytes: new Binary(new Uint8Array([0, 255])),
    flag: 1,
    doc: '{"a":[1]}',
    none: null,
  },
  sqlite: {
    big: new Long('9007199254740993'),
    num: 1.5,
    day: '2026-02-03',
    at: '2026-02-03 02:05:06.789',
    bytes: new Binary(new Uint8Array([0, 255])),
    flag: 1,
    doc: '{"a":[1]}',
    none: null,
  },
}

tellMissing('PostgreSQL', hasPostgres)
tellMissing('MariaDB', hasMariadb)

describe.each(LMS_KINDS)('a replica that is %s', (kind) => {
  let lms: Lms
  let bench: ReplicaBench
  beforeAll(async () => {
    lms = await startLms(kind, [
      ...edxStatements(rows),
      ...VALUES[kind],
      DIGITS,
      `INSERT INTO digits VALUES ${Array.from({ length: 100 }, (_, n) => `(${n})`).join(', ')}`,
    ])
    bench = new ReplicaBench({ lms: lms.config, few: { ...(lms.config as object), tables: ['auth_user'] } })
    await bench.replicas.settled()
  })
  afterAll(async () => {
    bench.close()
    await lms.stop()
  })
  const killNew = (before: readonly number[]) => {
    for (const pid of bench.replicas.pids) if (!before.includes(pid)) process.kill(pid, 'SIGKILL')
  }
  /** Some hundred million rows to count: nothing that anybody waits for. */
  const endless = asked`SELECT count(*) AS n FROM digits a, digits b, digits c, digits d, digits e, digits f`

  test('is available once its account was found to only read', () => {
    expect(bench.replicas.status()).toEqual([
      { name: 'lms', kind, state: 'available' },
      { name: 'few', kind, state: 'available' },
    ])
  })

  test('tells what the sample course left in it', async () => {
    const enrolled = await bench.rows(asked`
      SELECT u.username, e.mode FROM student_courseenrollment AS e JOIN auth_user AS u ON u.id = e.user_id
      WHERE e.course_id = ${sample.id} ORDER BY e.id`)
    const names = new Map(rows.auth_user.map(({ id, username }) => [id, username]))
    expect(enrolled).toEqual(
      rows.student_courseenrollment.map(({ user_id, mode }) => ({ username: names.get(user_id), mode })),
    )
    const [best] = rows.grades_persistentcoursegrade.map((row) => row.percent_grade).sort((a, b) => b - a)
    expect(
      await bench.rows(asked`
        SELECT letter_grade, count(*) AS learners, max(percent_grade) AS best FROM grades_persistentcoursegrade
        WHERE user_id IN (${rows.auth_user.map(({ id }) => id)}) GROUP BY letter_grade ORDER BY best DESC LIMIT 1`),
    ).toMatchObject([{ best }])
  })

  test('gives values as they are documented', async () => {
    expect(await bench.rows(asked`SELECT * FROM kinds`)).toEqual([KINDS[kind]])
    expect(
      await bench.rows(
        asked`SELECT count(*) AS n FROM kinds WHERE at >= ${new Date('2026-02-03T02:05:06Z')}`,
      ),
    ).toEqual([{ n: 1 }])
    expect(
      await bench.rows(asked`SELECT count(*) AS n FROM kinds WHERE big = ${new Long('9007199254740993')}`),
    ).toEqual([{ n: 1 }])
  })

  test('takes a value for a value, whatever it says', async () => {
    const hostile = "x' OR '1'='1' -- \\'; DROP TABLE auth_user; /*"
    expect(await bench.rows(asked`SELECT username FROM auth_user WHERE username = ${hostile}`)).toEqual([])
    expect(
      await bench.rows(asked`SELECT username FROM auth_user WHERE username IN (${[hostile, '?', '$1']})`),
    ).toEqual([])
  })

  test('gives rows page by page, in order, and can be left in the middle', async () => {
    const query = await bench.replicas.begin('p', 'lms')
    const page = await query.ask(asked`SELECT n FROM many ORDER BY n LIMIT 50000`, 20_000)
    const second = await query.next(20_000)
    expect([page.last, second.last]).toEqual([false, false])
    expect(page.rows + second.rows).toBeLessThanOrEqual(2 * LIMITS.replicaPageRows)
    const both = [...JSON.parse(page.bytes.toString()), ...JSON.parse(second.bytes.toString())].map(
      ({ n }) => n,
    )
    expect(both).toEqual(both.map((_, index) => index + 1))
    query.end()
    await expect(query.next(20_000)).rejects.toThrow()
    // All connections of the pool serve others afterwards.
    const again = Array.from({ length: LIMITS.replicaConnections * 2 }, () =>
      bench.rows(asked`SELECT 1 AS one`),
    )
    expect(await Promise.all(again)).toEqual(again.map(() => [{ one: 1 }]))
  })

  test('gives as many rows as may be, and refuses one more', async () => {
    const all = await bench.rows(asked`SELECT n FROM many ORDER BY n LIMIT ${LIMITS.replicaRows}`)
    expect(all).toHaveLength(LIMITS.replicaRows)
    expect(await bench.refusal(asked`SELECT n FROM many`)).toMatch(
      /^result_too_large: The query has more than 100000 rows/,
    )
    expect(await bench.refusal(asked`SELECT t FROM wide`)).toMatch(/^result_too_large: A row has more than/)
    expect(await bench.rows(asked`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test.runIf(process.env.LYCEUM_SOAK)(
    'ends a query whose one row is larger than its process may be',
    async () => {
      const huge = {
        postgres: asked`SELECT string_agg(a.t || b.d, '') AS s FROM many AS a, digits AS b`,
        mysql: asked`SELECT group_concat(a.t, b.d) AS s FROM many AS a, digits AS b`,
        sqlite: asked`SELECT group_concat(a.t || b.d) AS s FROM many AS a, digits AS b`,
      }
      // MariaDB cuts what it joins.
      const answer = kind === 'mysql' ? /^1 rows$/ : /^result_too_large: /
      expect(await bench.refusal(huge[kind], { timeMs: 60_000 })).toMatch(answer)
      expect(await bench.rows(asked`SELECT 1 AS one`)).toEqual([{ one: 1 }])
    },
  )

  longTest('ends a query at its deadline in the database itself, and serves the next', async () => {
    expect(await bench.refusal(endless, { timeMs: 300 })).toMatch(
      /^time_limit: The query of the replica took too long/,
    )
    await until(async () => (await underWay(lms)) === 0)
    expect(await bench.rows(asked`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  longTest('ends a query when nobody waits for it any more', async () => {
    const before = bench.replicas.pids
    const query = await bench.replicas.begin('leaver', 'lms')
    const ended = query.ask(endless, 60_000).then(
      () => 'answered',
      () => 'ended',
    )
    if (kind !== 'sqlite') await until(async () => (await underWay(lms)) === 1)
    query.end()
    // SQLite knows no way to stop: its process ends at the deadline, or here.
    if (kind === 'sqlite') killNew(before)
    expect(await ended).toBe('ended')
    await until(async () => (await underWay(lms)) === 0)
  })

  longTest('ends a query in the database too when the process that reads is killed', async () => {
    if (kind === 'sqlite') return
    const before = bench.replicas.pids
    const query = await bench.replicas.begin('killed', 'lms')
    const ended = query.ask(endless, 3_000).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    )
    await until(async () => (await underWay(lms)) === 1)
    killNew(before)
    expect(await ended).toBe('replica_lost')
    await until(async () => (await underWay(lms)) === 0)
  })

  test('says what the database says against a query, and goes on', async () => {
    expect(await bench.refusal(asked`SELECT nothing FROM auth_user`)).toMatch(/^query_invalid: .*nothing/)
    expect(await bench.refusal(asked`SELECT pg_sleep(1)`)).toMatch(/^statement_refused: /)
    expect(await bench.refusal(Buffer.from('not json'))).toMatch(/^op_malformed: /)
    expect(await bench.refusal(Buffer.from('{"sql":"SELECT 1","values":[]}'))).toMatch(/^op_malformed: /)
    expect(await bench.refusal(Buffer.from('{"op":"find","collection":"a","filter":{}}'))).toMatch(
      /^op_malformed: /,
    )
    expect(await bench.rows(asked`SELECT 1 AS one`)).toEqual([{ one: 1 }])
  })

  test('offers only the tables that an admin listed, where one did', async () => {
    expect(await bench.rows(asked`SELECT count(*) AS n FROM auth_user`, { name: 'few' })).toEqual([
      { n: rows.auth_user.length },
    ])
    expect(await bench.refusal(asked`SELECT * FROM digits`, { name: 'few' })).toMatch(
      /^statement_refused: .*auth_user/,
    )
  })

  longTest(
    'reads for each plugin in a process of its own: one that is killed takes nobody else’s queries along',
    async () => {
      const before = bench.replicas.pids
      await bench.rows(asked`SELECT 1 AS one`, { plugin: 'a' })
      const ofA = bench.replicas.pids.filter((pid) => !before.includes(pid))
      expect(ofA).toHaveLength(1)
      const query = await bench.replicas.begin('b', 'lms')
      await query.ask(asked`SELECT n FROM many LIMIT 20000`, 20_000)
      for (const pid of ofA) process.kill(pid, 'SIGKILL')
      await until(() => !ofA.some((pid) => bench.replicas.pids.includes(pid)))
      expect((await query.next(20_000)).rows).toBeGreaterThan(0)
      query.end()
      expect(await bench.rows(asked`SELECT 1 AS one`, { plugin: 'a' })).toEqual([{ one: 1 }])
    },
  )

  test.runIf(process.env.LYCEUM_SOAK && kind === 'sqlite')(
    'is read for so many plugins at a time, and for others when those are done',
    async () => {
      const plugins = Array.from({ length: LIMITS.replicaReaders + 3 }, (_, index) => `plugin${index}`)
      const read = async (plugin: string) =>
        expect(await bench.rows(asked`SELECT 1 AS one`, { plugin })).toEqual([{ one: 1 }])
      await Promise.all(plugins.slice(0, LIMITS.replicaReaders).map(read))
      for (const plugin of plugins.slice(LIMITS.replicaReaders)) await read(plugin)
      expect(bench.replicas.pids.length).toBeLessThanOrEqual(LIMITS.replicaReaders)
      const held = []
      for (const plugin of plugins.slice(0, LIMITS.replicaReaders))
        held.push(await bench.replicas.begin(plugin, 'lms'))
      expect(await bench.refusal(asked`SELECT 1 AS one`, { plugin: 'late' })).toMatch(/^over_concurrency: /)
      held[0]?.end()
      expect(await bench.rows(asked`SELECT 1 AS one`, { plugin: 'late' })).toEqual([{ one: 1 }])
      for (const query of held) query.end()
    },
  )

  test('has its rows, whatever plugins asked', async () => {
    const [counted] = await lms.admin('SELECT count(*) AS n FROM auth_user')
    expect(Number(counted?.n)).toBe(rows.auth_user.length)
    expect(bench.log.join('')).not.toContain('w:rd')
  })
})

/** Queries of the account that the server works on. */
async function underWay(lms: Lms): Promise<number> {
  if (lms.kind === 'sqlite') return 0
  const [found] = await lms.admin(
    lms.kind === 'postgres'
      ? `SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'lyceum' AND state = 'active'`
      : `SELECT count(*) AS n FROM information_schema.processlist WHERE user = 'lyceum' AND command = 'Execute'`,
  )
  return Number(found?.n)
}
