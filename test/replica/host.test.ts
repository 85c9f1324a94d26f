import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encode } from '../../sdk/ejson.ts'
import { course } from '../../sdk/testing/index.ts'
import { edxRows, edxStatements } from '../support/edx-tables.ts'
import { forge } from '../support/forge.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { type Lms, startLms, until } from './support.ts'

const sample = course({ learners: 30, weeks: 2 })
const rows = edxRows(sample)
const MANY = 30_000

const SOURCE = `
  import { html, onEvent, query, t, view } from '@lyceum/sdk'

  /** Who is enrolled in a course. */
  export const enrolled = query(({ replica: { lms }, course }) => lms.sql\`
    SELECT u.username, e.mode, e.created FROM student_courseenrollment AS e JOIN auth_user AS u ON u.id = e.user_id
    WHERE e.course_id = \${course} ORDER BY e.id\`)

  export const counted = query(async ({ replica: { lms } }) => {
    let n = 0
    let last = 0
    for await (const row of lms.sql\`SELECT n FROM many ORDER BY n\`) {
      n += 1
      last = row.n
    }
    return { n, last }
  })

  export const first = query(async ({ replica: { lms } }) => {
    const firsts = []
    for (let i = 0; i < 20; i++)
      for await (const row of lms.sql\`SELECT n FROM many ORDER BY n\`) {
        firsts.push(row.n)
        break
      }
    return firsts
  })

  export const told = query({ params: { table: t.string() } }, ({ replica: { lms }, params }) =>
    lms.sql(Object.assign(['SELECT * FROM ' + params.table], { raw: [] })))
  export const whole = query({ params: { who: t.string() } }, ({ replica: { lms }, params }) =>
    lms.sql('SELECT * FROM auth_user WHERE username = ' + params.who))
  export const forgotten = query(({ replica: { lms } }) => ({ rows: lms.sql\`SELECT 1 AS one\` }))
  export const nothing = query(({ replica: { lms } }) => lms.sql\`SELECT \${undefined} AS one\`)
  export const endless = query(({ replica: { lms } }) => lms.sql\`
    SELECT count(*) FROM many AS a, many AS b, many AS c\`)
  export const caught = query(async ({ replica: { lms } }) => {
    try { await lms.sql\`SELECT pg_sleep(1)\` } catch (error) { return { code: error.code, message: error.message } }
  })
  export const aggregated = query(({ replica: { lms } }) => lms.collection('a').find({}))

  export const page = view(async ({ replica: { lms }, course }) => {
    const [row] = await lms.sql\`SELECT count(*) AS n FROM student_courseenrollment WHERE course_id = \${course}\`
    return html\`<p>\${row.n} enrolled</p>\`
  })

  export const grade = onEvent('grade_wanted', async ({ events, replica: { lms }, db }) => {
    for (const event of events)
      for (const row of await lms.sql\`SELECT percent_grade FROM grades_persistentcoursegrade WHERE user_id = \${event.user}\`)
        await db.collection('grades').insertOne({ _id: event.user, grade: row.percent_grade })
  })
  export const grades = query(({ db }) => db.collection('grades').find().sort({ _id: 1 }).toArray())`

describe('a plugin that reads a replica', () => {
  let lms: Lms
  let lyceum: TestHost
  let author: string
  const ask = (name: string, query = '') => lyceum.call('GET', `/v1/queries/enrolments/${name}${query}`)
  const inCourse = `?course=${encodeURIComponent(sample.id)}`

  beforeAll(async () => {
    lms = await startLms('sqlite', [
      ...edxStatements(rows),
      `CREATE TABLE many AS WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ${MANY}) SELECT n FROM g`,
    ])
    lyceum = await startHost(undefined, undefined, {
      LYCEUM_REPLICAS: JSON.stringify({
        lms: lms.config,
        gone: { kind: 'postgres', url: 'postgres://lyceum:${GONE_PASSWORD}@127.0.0.1:1/lms' },
      }),
      GONE_PASSWORD: 'a secret',
    })
    author = await lyceum.token({ role: 'author', user: 'ada' })
  })
  afterAll(async () => {
    await lyceum.dispose()
    await lms.stop()
  })

  longTest('is told at publish which replicas there are, and how one is named', async () => {
    const publish = async (handler: string) =>
      (
        await lyceum.publish(
          'asking',
          `import { query } from '@lyceum/sdk'; export const a = query(${handler})`,
        )
      ).json
    expect(await publish('({ replica: { lns } }) => lns.sql`SELECT 1`')).toMatchObject({
      code: 'manifest_refused',
      detail: expect.stringMatching(/no replica "lns" here.* There is: lms, gone\. Did you mean `lms`\?/),
    })
    expect(await publish('({ replica }) => replica.lms.sql`SELECT 1`')).toMatchObject({
      detail: expect.stringMatching(
        /takes `replica` whole\. Name the replicas, and nothing inside them: `replica: \{ lms \}`/,
      ),
    })
    expect(await publish('({ replica: { lms: { sql } } }) => sql`SELECT 1`')).toMatchObject({
      detail: expect.stringMatching(/reaches into the replica `lms`/),
    })
  })

  test('waits for an admin, who approves each replica by its name', async () => {
    const published = await lyceum.publish('enrolments', SOURCE, { token: author })
    expect(published.json).toMatchObject({ needs: ['replica.lms'], approval: 'pending' })
    expect((await ask('counted')).json).toMatchObject({ code: 'plugin_pending' })
    await lyceum.call('POST', '/v1/plugins/enrolments/approve', { body: { needs: ['replica.lms'] } })
    expect((await ask('enrolled', inCourse)).json).toHaveLength(rows.student_courseenrollment.length)
  })

  test('reads with values in a template, in queries, views and handlers', async () => {
    const names = new Map(rows.auth_user.map(({ id, username }) => [id, username]))
    expect((await ask('enrolled', inCourse)).json).toEqual(
      rows.student_courseenrollment.map(({ user_id, mode, created }) => ({
        username: names.get(user_id),
        mode,
        created,
      })),
    )
    expect((await ask('enrolled', `?course=${encodeURIComponent("x' OR '1'='1")}`)).json).toEqual([])
    const view = await lyceum.call('GET', `/views/enrolments/page${inCourse}`)
    expect(view.status).toBe(200)
    const [, frame] = /src="(\/frames\/[^"]+)"/.exec(view.text) ?? []
    expect((await lyceum.call('GET', frame ?? '')).text).toContain(
      `<p>${rows.student_courseenrollment.length} enrolled</p>`,
    )
    const [graded] = rows.grades_persistentcoursegrade
    await lyceum.send([
      { event_type: 'grade_wanted', user: graded?.user_id },
      { event_type: 'grade_wanted', user: -1 },
    ])
    expect((await ask('grades')).json).toEqual([{ _id: graded?.user_id, grade: graded?.percent_grade }])
  })

  test('reads many rows page by page, and may leave before the end, again and again', async () => {
    expect((await ask('counted')).json).toEqual({ n: MANY, last: MANY })
    expect((await ask('first')).json).toEqual(Array.from({ length: 20 }, () => 1))
  })

  test('is told what is wrong with a statement, where it is wrong', async () => {
    expect((await ask('caught')).json).toEqual({
      code: 'statement_refused',
      message: expect.stringMatching(/calls pg_sleep, .* offered for SQLite, at line 1, column 8/),
    })
    expect((await ask('told', '?table=sqlite_master')).json).toMatchObject({ code: 'statement_refused' })
    expect((await ask('told', '?table=nowhere')).json).toMatchObject({ code: 'statement_refused' })
    expect((await ask('whole', '?who=x')).json).toMatchObject({
      code: 'op_malformed',
      detail: expect.stringMatching(/Write the statement as a template: lms\.sql`SELECT …`/),
    })
    expect((await ask('nothing')).json).toMatchObject({
      detail: expect.stringMatching(/Value 1 of the statement is undefined/),
    })
    expect((await ask('forgotten')).json).toMatchObject({
      detail: expect.stringMatching(/At "rows" .*replica: await it first/),
    })
    expect((await ask('aggregated')).json).toMatchObject({ code: 'op_malformed' })
  })

  longTest('is held to its quotas of bytes and of time', async () => {
    const quota = (body: object) => lyceum.call('PATCH', '/v1/plugins/enrolments/quota', { body })
    await quota({ bytesPerCall: 100_000 })
    expect((await ask('counted')).json).toMatchObject({ code: 'over_bytes' })
    await quota({ bytesPerCall: 10_000_000, wallMs: 700 })
    expect((await ask('endless')).json.code).toMatch(/^(?:over_wall|time_limit)$/)
    await quota({ wallMs: 10_000 })
    expect((await ask('counted')).json).toEqual({ n: MANY, last: MANY })
  })

  test('gets its answer though the process that reads is killed', async () => {
    for (const pid of lyceum.host.replicas.pids) process.kill(pid, 'SIGKILL')
    expect((await ask('enrolled', inCourse)).json).toHaveLength(rows.student_courseenrollment.length)
  })

  test('is denied again when its approval is taken back', async () => {
    await lyceum.call('POST', '/v1/plugins/enrolments/revoke', { body: { needs: ['replica.lms'] } })
    expect((await ask('enrolled', inCourse)).status).toBeGreaterThanOrEqual(400)
    await lyceum.call('POST', '/v1/plugins/enrolments/approve', { body: {} })
    expect((await ask('enrolled', inCourse)).status).toBe(200)
  })

  test('reads no further once the approval is taken back', async () => {
    await forge(lyceum, 'enrolments/counted', async (send) => {
      const request = `lms\n${encode({ sql: ['SELECT n FROM many'], values: [] })}`
      const [number = ''] = (await send('replicaQuery', request)).split('\n', 1)
      expect(number).toMatch(/^\d+$/)
      await lyceum.call('POST', '/v1/plugins/enrolments/revoke', { body: { needs: ['replica.lms'] } })
      expect(await send('replicaNext', number)).toContain('op_denied')
    })
    await lyceum.call('POST', '/v1/plugins/enrolments/approve')
    expect((await ask('first')).status).toBe(200)
  })

  test('is told of a replica that is down, while the host runs; why, is told at /v1/replicas', async () => {
    await lyceum.host.replicas.settled()
    expect((await lyceum.call('GET', '/v1/replicas')).json).toEqual([
      { name: 'lms', kind: 'sqlite', state: 'available' },
      { name: 'gone', kind: 'postgres', state: 'unreachable', reason: expect.stringMatching(/ECONNREFUSED/) },
    ])
    const seen = await lyceum.call('GET', '/v1/replicas', { token: author })
    expect(seen.json[1]).toEqual({ name: 'gone', kind: 'postgres', state: 'unreachable' })
    await lyceum.publish(
      'down',
      "import { query } from '@lyceum/sdk'; export const a = query(({ replica: { gone } }) => gone.sql`SELECT 1`)",
    )
    const answer = await lyceum.call('GET', '/v1/queries/down/a')
    expect([answer.status, answer.json.code]).toEqual([503, 'replica_unavailable'])
    expect(answer.text).not.toContain('secret')
    // An event is no worse for that: its handler waits.
    await lyceum.publish(
      'waiting',
      "import { onEvent } from '@lyceum/sdk'; export const a = onEvent('waited_for', async ({ replica: { gone } }) => { await gone.sql`SELECT 1` })",
    )
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'waited_for' }] })
    await until(async () =>
      (await lyceum.call('GET', '/v1/plugins/waiting')).text.includes('replica_unavailable'),
    )
    expect((await lyceum.call('GET', '/v1/plugins/waiting/dead-letters')).json).toMatchObject({ total: 0 })
    expect((await lyceum.call('POST', '/v1/plugins/waiting/pause')).status).toBe(200)
  })
})
