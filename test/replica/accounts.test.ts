import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseReplicas } from '../../host/replicas/config.ts'
import { MysqlSource, mayWrite } from '../../host/replicas/mysql.ts'
import { PostgresSource } from '../../host/replicas/postgres.ts'
import type { Source } from '../../host/replicas/source.ts'
import { hasMariadb, hasPostgres, tellMissing } from '../support/databases.ts'
import { longTests } from '../support/long.ts'
import { asked, type Lms, PASSWORD, READER, ReplicaBench, startLms, until } from './support.ts'

tellMissing('PostgreSQL', hasPostgres)
tellMissing('MariaDB', hasMariadb)

const TABLES = ['CREATE TABLE t (n INTEGER)', 'INSERT INTO t VALUES (1)']
const one = asked`SELECT n FROM t`

/** A new one, as a reader has it: connections that were looked at are not looked at again. */
function sourceOf(lms: Lms): Source {
  const [config] = new Map(
    parseReplicas(JSON.stringify({ lms: lms.config }), { LMS_PASSWORD: PASSWORD }),
  ).values()
  if (config?.kind === 'postgres') return new PostgresSource(config)
  if (config?.kind === 'mysql') return new MysqlSource(config)
  throw new Error('a database of another kind')
}

/** What makes an account write, what takes it back, and what is said of it. */
interface Power {
  readonly name: string
  readonly give: readonly string[]
  readonly take: readonly string[]
  readonly said: RegExp
}

const POSTGRES_POWERS: readonly Power[] = [
  {
    name: 'a superuser',
    give: ['ALTER ROLE lyceum SUPERUSER'],
    take: ['ALTER ROLE lyceum NOSUPERUSER'],
    said: /superuser/,
  },
  {
    name: 'CREATEDB',
    give: ['ALTER ROLE lyceum CREATEDB'],
    take: ['ALTER ROLE lyceum NOCREATEDB'],
    said: /create databases or roles/,
  },
  {
    name: 'CREATEROLE',
    give: ['ALTER ROLE lyceum CREATEROLE'],
    take: ['ALTER ROLE lyceum NOCREATEROLE'],
    said: /create databases or roles/,
  },
  {
    name: 'REPLICATION',
    give: ['ALTER ROLE lyceum REPLICATION'],
    take: ['ALTER ROLE lyceum NOREPLICATION'],
    said: /create databases or roles/,
  },
  ...['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'UPDATE (n)', 'ALL'].map(
    (right) => ({
      name: `${right} on a table`,
      give: [`GRANT ${right} ON t TO lyceum`],
      take: [`REVOKE ${right} ON t FROM lyceum`, 'GRANT SELECT ON t TO lyceum'],
      said: /write to t/,
    }),
  ),
  {
    name: 'INSERT by PUBLIC',
    give: ['GRANT INSERT ON t TO PUBLIC'],
    take: ['REVOKE INSERT ON t FROM PUBLIC'],
    said: /write to t/,
  },
  {
    name: 'a table of its own',
    give: ['ALTER TABLE t OWNER TO lyceum'],
    take: ['ALTER TABLE t OWNER TO postgres', 'GRANT SELECT ON t TO lyceum'],
    said: /write to t/,
  },
  {
    name: 'a role that writes, be it not inherited',
    give: [
      'CREATE ROLE writer',
      'GRANT pg_write_all_data TO writer',
      'GRANT writer TO lyceum',
      'ALTER ROLE lyceum NOINHERIT',
    ],
    take: ['DROP ROLE writer', 'ALTER ROLE lyceum INHERIT'],
    said: /member of pg_write_all_data/,
  },
  {
    name: 'programs',
    give: ['GRANT pg_execute_server_program TO lyceum'],
    take: ['REVOKE pg_execute_server_program FROM lyceum'],
    said: /pg_execute_server_program/,
  },
  {
    name: 'CREATE in a schema',
    give: ['GRANT CREATE ON SCHEMA public TO lyceum'],
    take: ['REVOKE CREATE ON SCHEMA public FROM lyceum'],
    said: /create in the schema public/,
  },
  {
    name: 'CREATE in the database',
    give: ['GRANT CREATE ON DATABASE lms TO lyceum'],
    take: ['REVOKE CREATE ON DATABASE lms FROM lyceum'],
    said: /create in the database/,
  },
  {
    name: 'TEMPORARY',
    give: ['GRANT TEMPORARY ON DATABASE lms TO PUBLIC'],
    take: ['REVOKE TEMPORARY ON DATABASE lms FROM PUBLIC'],
    said: /temporary tables/,
  },
  {
    name: 'a sequence',
    give: ['CREATE SEQUENCE s', 'GRANT USAGE ON s TO lyceum'],
    take: ['DROP SEQUENCE s'],
    said: /move the sequence s/,
  },
]

const AT = `${READER}@'127.0.0.1'`
const MYSQL_POWERS: readonly Power[] = [
  ...[
    'INSERT',
    'UPDATE (n)',
    'DELETE',
    'CREATE',
    'DROP',
    'ALTER',
    'INDEX',
    'TRIGGER',
    'CREATE TEMPORARY TABLES',
    'LOCK TABLES',
    'EXECUTE',
    'ALL PRIVILEGES',
  ].map((right) => {
    const on = ['UPDATE (n)', 'TRIGGER'].includes(right) ? 'lms.t' : 'lms.*'
    return {
      name: `${right} on ${on}`,
      give: [`GRANT ${right} ON ${on} TO ${AT}`],
      take: [`REVOKE ${right} ON ${on} FROM ${AT}`, `GRANT SELECT ON lms.* TO ${AT}`],
      said: new RegExp(`it has ${right.replace(/ \(.*/, '')}`),
    }
  }),
  ...['FILE', 'PROCESS', 'SUPER', 'RELOAD', 'CREATE USER'].map((right) => ({
    name: right,
    give: [`GRANT ${right} ON *.* TO ${AT}`],
    take: [`REVOKE ${right} ON *.* FROM ${AT}`],
    said: new RegExp(`it has ${right}`),
  })),
  {
    name: 'GRANT OPTION',
    give: [`GRANT SELECT ON lms.* TO ${AT} WITH GRANT OPTION`],
    take: [`REVOKE GRANT OPTION ON lms.* FROM ${AT}`],
    said: /pass on/,
  },
  {
    name: 'a role',
    give: ['CREATE ROLE writer', `GRANT writer TO ${AT}`],
    take: ['DROP ROLE writer'],
    said: /role/,
  },
]

longTests.each([
  ...(hasPostgres ? ([['postgres', POSTGRES_POWERS]] as const) : []),
  ...(hasMariadb ? ([['mysql', MYSQL_POWERS]] as const) : []),
])('an account of %s', (kind, powers) => {
  let lms: Lms
  beforeAll(async () => {
    lms = await startLms(kind, TABLES)
  })
  afterAll(() => lms.stop())

  test.each(powers)('is refused with $name, and taken without', async ({ give, take, said }) => {
    await lms.admin(...give)
    await expect(sourceOf(lms).check()).rejects.toMatchObject({
      code: 'replica_writable',
      message: expect.stringMatching(said),
    })
    await lms.admin(...take)
    await sourceOf(lms).check()
  })

  test('is told to admins with what to change, to plugins without, and looked at again', async () => {
    const [power] = powers
    await lms.admin(...(power?.give ?? []))
    const bench = new ReplicaBench({ lms: lms.config })
    await bench.replicas.settled()
    const [status] = bench.replicas.status()
    expect(status).toMatchObject({ state: 'refused', reason: expect.stringMatching(power?.said ?? /^$/) })
    expect(status?.reason).toMatch(/GRANT SELECT ON/)
    expect(bench.log.join('')).toMatch(power?.said ?? /^$/)
    const told = await bench.refusal(one)
    expect(told).toMatch(
      /^replica_unavailable: The replica lms cannot be read right now: its account could write/,
    )
    expect(told).not.toMatch(power?.said ?? /^$/)
    await lms.admin(...(power?.take ?? []))
    await until(async () => (await bench.refusal(one)) === '1 rows')
    bench.close()
  })

  test('that turns into one that writes is refused from its next connection on', async () => {
    const bench = new ReplicaBench({ lms: lms.config })
    await bench.replicas.settled()
    expect(await bench.rows(one, { plugin: 'a' })).toEqual([{ n: 1 }])
    const [power] = powers.filter(({ name }) => name.startsWith('INSERT on'))
    await lms.admin(...(power?.give ?? []))
    expect(await bench.refusal(one, { plugin: 'b' })).toMatch(/^replica_unavailable: /)
    expect(bench.replicas.status()).toMatchObject([{ state: 'refused' }])
    await lms.admin(...(power?.take ?? []))
    bench.close()
  })

  test.runIf(kind === 'postgres')(
    'is not out of use for others because a server says no to one plugin in a way that may be about itself',
    async () => {
      await lms.admin(
        `ALTER ROLE ${READER} SET temp_file_limit = '64kB'`,
        `ALTER ROLE ${READER} SET work_mem = '64kB'`,
      )
      const bench = new ReplicaBench({ lms: lms.config })
      await bench.replicas.settled()
      const large = asked`WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000)
        SELECT n FROM g ORDER BY n % 7, n`
      expect(await bench.refusal(large, { plugin: 'hostile' })).toMatch(/^replica_unavailable: /)
      expect(await bench.refusal(one, { plugin: 'other' })).toBe('1 rows')
      await bench.replicas.settled()
      expect(bench.replicas.status()).toMatchObject([{ state: 'available' }])
      expect(bench.log.join('')).not.toContain('cannot be read')
      bench.close()
      await lms.admin(`ALTER ROLE ${READER} RESET ALL`)
    },
  )

  test('of a server that is down keeps nobody from starting; it is tried again, and read when it is there', async () => {
    await lms.crash?.()
    const bench = new ReplicaBench({ lms: lms.config })
    await bench.replicas.settled()
    expect(bench.replicas.status()).toMatchObject([
      { state: 'unreachable', reason: expect.stringMatching(/ECONNREFUSED/) },
    ])
    expect(await bench.refusal(one)).toMatch(/^replica_unavailable: .*ECONNREFUSED/)
    await lms.restart?.()
    await until(async () => (await bench.refusal(one)) === '1 rows')
    // A server that goes away while it is read is found gone, and back.
    await lms.crash?.()
    expect(await bench.refusal(one)).toMatch(/^replica_unavailable: /)
    await bench.replicas.settled()
    expect(bench.replicas.status()).toMatchObject([{ state: 'unreachable' }])
    await lms.restart?.()
    await until(async () => (await bench.refusal(one)) === '1 rows')
    bench.close()
  })

  test('with a wrong password is unreachable, and nothing tells the password', async () => {
    const { url } = lms.config as { url: string }
    // PostgreSQL trusts this machine here, so a role that does not exist stands in for it.
    const wrong = url.replace(READER, 'nobody')
    const bench = new ReplicaBench({ lms: { kind, url: wrong } })
    await bench.replicas.settled()
    const told = [...bench.log, JSON.stringify(bench.replicas.status()), await bench.refusal(one)].join('\n')
    expect(told).toMatch(/28000|ER_ACCESS_DENIED_ERROR/)
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'nobody'])
      expect(told).not.toContain(secret)
    bench.close()
  })
})

test('a replica that is a file which is not there, or no database, is unreachable', async () => {
  const bench = new ReplicaBench({
    gone: { kind: 'sqlite', path: '/nowhere/lms.db' },
    text: { kind: 'sqlite', path: import.meta.filename },
  })
  await bench.replicas.settled()
  expect(bench.replicas.status()).toMatchObject([{ state: 'unreachable' }, { state: 'unreachable' }])
  expect(JSON.stringify(bench.replicas.status())).not.toContain('/')
  bench.close()
})

describe('what SHOW GRANTS says', () => {
  test.each([
    [
      [
        "GRANT USAGE ON *.* TO `l`@`%` IDENTIFIED BY PASSWORD '*D'",
        'GRANT SELECT, SHOW VIEW ON `lms`.* TO `l`@`%`',
      ],
    ],
    [['GRANT SELECT (`id`, `name`) ON `lms`.`auth_user` TO `l`@`%`']],
    [['GRANT SELECT ON `a, DELETE ON b`.* TO `l`@`%`']],
  ])('%j only reads', (grants) => {
    expect(mayWrite(grants)).toBeUndefined()
  })

  test.each([
    [['GRANT SELECT, INSERT ON `lms`.* TO `l`@`%`'], /INSERT/],
    [['GRANT SELECT (`id`), UPDATE (`a`, `b`) ON `lms`.`t` TO `l`@`%`'], /UPDATE/],
    [['GRANT ALL PRIVILEGES ON *.* TO `l`@`%`'], /ALL PRIVILEGES/],
    [['GRANT USAGE ON *.* TO `l`@`%`', 'GRANT `writer`@`%` TO `l`@`%`'], /role/],
    [["GRANT PROXY ON ''@'' TO `l`@`%`"], /PROXY/],
    [['SET DEFAULT ROLE writer FOR `l`@`%`'], /role/],
    [['GRANT SELECT ON `lms`.* TO `l`@`%` WITH GRANT OPTION'], /pass on/],
    [['GRANT SELECT, DELETE HISTORY ON `lms`.* TO `l`@`%`'], /DELETE HISTORY/],
    [[], /tells no grants/],
  ])('%j does more', (grants, said) => {
    expect(mayWrite(grants)).toMatch(said)
  })
})
