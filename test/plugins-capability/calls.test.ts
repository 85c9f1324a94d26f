import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const COURSE = 'course-v1:edX+DemoX+2026'

const GRADES = `
  import { html, query, view } from '@lyceum/sdk'
  /** The grades. */
  export const chart = view({ title: 'Grades & "marks"' }, ({ course }) => html\`<b>\${course}</b><script>1</script>\`)
  export const mine = view(({ user }) => html\`<i>grade of \${user}</i>\`)
  export const fails = view(() => { throw new Error('secret line') })
  export const large = view(() => '<p>' + 'x'.repeat(5000))
  export const slow = view(() => new Promise(() => {}))
  export const ofUser = query(({ user }) => 'grade of ' + user)
  export const whoAsks = query(({ viewer }) => viewer)
  export const passedOn = query(({ user, plugins: { deeper } }) => deeper.ofUser({ user }))
  export const another = query(({ user, plugins: { deeper } }) => deeper.ofUser({ user: 'eve' }).catch((e) => e.code))
  export const ofCourse = query(({ course, plugins: { deeper } }) => deeper.ofUser({ user: 'eve' }).catch((e) => e.code))
`
const DEEPER = `
  import { query, view } from '@lyceum/sdk'
  export const ofUser = query(({ user }) => 'deep ' + user)
  export const y = query(({ plugins: { report } }) => report.x())
  export const page = view(({ plugins: { report } }) => report.circle())
`
const REPORT = `
  import { html, query, view, onEvent, cron, t } from '@lyceum/sdk'
  export const page = view(async ({ plugins: { grades, self }, course }) =>
    html\`<h1>Report</h1>\${await self.part({ course })}\${await grades.chart({ course })}\`)
  export const part = view(({ course }) => html\`<em>\${course}</em>\`)
  export const person = view(async ({ plugins: { grades }, user }) => html\`\${await grades.mine({ user })}\`)
  export const forged = view(async ({ plugins: { grades } }) => html\`\${await grades.mine({ user: 'tom' })}\`)
  export const broken = view(async ({ plugins: { grades } }) =>
    html\`\${await grades.fails().catch((error) => error.message)}\`)
  export const large = view(async ({ plugins: { grades } }) => html\`\${await grades.large()}\`)
  export const slow = view(({ plugins: { grades } }) => grades.slow())
  export const missing = view(({ plugins: { grades } }) => grades.nothing())

  export const x = query(({ plugins: { deeper } }) => deeper.y())
  export const circle = view(({ plugins: { deeper } }) => deeper.page())
  export const same = query({ params: { n: t.number() } }, ({ plugins: { self }, params: { n } }) => self.same({ n }))
  export const down = query({ params: { n: t.number() } }, ({ plugins: { self }, params: { n } }) =>
    n === 0 ? 'end' : self.down({ n: n - 1 }))

  const code = (asked) => asked.catch((error) => error.code)
  export const asUsers = onEvent({ where: { event_type: 'users' }, asUsers: true }, async ({ plugins: { grades }, db }) => {
    await db.collection('said').insertOne({
      _id: 'granted',
      user: await grades.ofUser({ user: 'tom' }),
      passedOn: await grades.passedOn({ user: 'tom' }),
      another: await grades.another({ user: 'tom' }),
      ofCourse: await grades.ofCourse({ course: 'c' }),
      viewer: await code(grades.whoAsks()),
      nobody: await code(grades.ofUser()),
    })
  })
  export const without = onEvent('users', async ({ plugins: { grades }, db }) => {
    await db.collection('said').insertOne({ _id: 'plain', user: await code(grades.ofUser({ user: 'tom' })) })
  })
  export const nightly = cron({ schedule: '0 4 1 1 *', asUsers: true }, () => {})
  export const said = query(({ db }) => db.collection('said').find().sort({ _id: 1 }).toArray())
`
const WAITS = `
  import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent('wait', async ({ events, plugins: { grades }, db }) => {
    const grade = await grades.chart({ course: 'c' })
    for (const e of events) await db.collection('kept').insertOne({ _id: e.id })
  })
  export const kept = query(({ db }) => db.collection('kept').countDocuments())
`
const WATCHER = `
  import { query } from '@lyceum/sdk'
  export const kept = query(({ plugins: { waits } }) => waits.kept())
`

let lyceum: TestHost
let student: string
beforeAll(async () => {
  lyceum = await startHost()
  student = await lyceum.token({ role: 'student', user: 'sam', courses: [COURSE] })
  await lyceum.publish(
    'deeper',
    "import { query } from '@lyceum/sdk'\nexport const ofUser = query(({ user }) => 1)",
  )
  await lyceum.publish('grades', GRADES)
  expect((await lyceum.publish('report', REPORT)).json.needs).toEqual([
    'identities',
    'plugins.deeper',
    'plugins.grades',
  ])
  await lyceum.publish('deeper', DEEPER, { version: '1.0.1' })
})
afterAll(() => lyceum.dispose())

const ask = async (path: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${path}`)
  return status === 200 ? json : [status, json.code, json.detail]
}
/** What is in the frame of a view. */
const show = async (path: string, token?: string) => {
  const page = await lyceum.call('GET', `/views/${path}`, token ? { token } : {})
  const [frame] = /\/frames\/[\w.-]+/.exec(page.text) ?? []
  if (frame === undefined) return page.text
  const { text } = await lyceum.call('GET', frame)
  return text.slice(text.indexOf('<body>') + 6, text.lastIndexOf('</body>')).trim()
}

describe('a view of another plugin', () => {
  test('comes as a document of its own, which scripts of neither leave; an own one comes as it is', async () => {
    const inside = await show(`report/page?course=${encodeURIComponent(COURSE)}`)
    expect(inside).toBe(
      `<h1>Report</h1><em>${COURSE}</em>` +
        '<iframe sandbox="allow-scripts" title="Grades &amp; &quot;marks&quot;" ' +
        `data-lyceum-view="&lt;b&gt;${COURSE}&lt;/b&gt;&lt;script&gt;1&lt;/script&gt;"></iframe>`,
    )
  })

  test('is about the person who looks, whatever is asked', async () => {
    expect(await show('report/person', student)).toContain('grade of sam')
    expect(await show('report/forged', student)).toContain('user_denied')
  })

  test('that fails tells its message, and nothing of the code behind', async () => {
    const inside = await show('report/broken')
    expect(inside).toBe('grades.fails: secret line')
    expect(await show('report/missing')).toContain('endpoint_unknown')
  })

  test('is within the quota of output, and the time, of the whole', async () => {
    expect(await show('report/large')).toContain('x'.repeat(5000))
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { outputBytes: 4_000 } })
    expect(await show('report/large')).toContain('over_output')
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { outputBytes: 100_000, wallMs: 500 } })
    expect(await show('report/slow')).toMatch(/over_wall|plugin_failed/)
    await lyceum.call('PATCH', '/v1/plugins/report/quota', { body: { wallMs: 10_000 } })
  })
})

describe('calls in a circle', () => {
  test('are refused at once, with the way that they went', async () => {
    const [status, code, detail] = await ask('report/x')
    expect([status, code]).toEqual([502, 'call_circle'])
    expect(detail).toContain('report.x → deeper.y → report.x')
    expect(await show('report/circle')).toContain('report.circle → deeper.page → report.circle')
  })

  test('within one plugin are circles only where they ask the same again', async () => {
    expect(await ask('report/down?n=3')).toBe('end')
    const [, code, detail] = await ask('report/same?n=1')
    expect([code, detail]).toEqual(['call_circle', expect.stringContaining('report.same → report.same')])
  })
})

describe('a job', () => {
  test('asks about people where an admin lets it; whom it asks may pass them on, and name no other', async () => {
    await lyceum.send([{ event_type: 'users', id: 'u1' }])
    expect(await ask('report/said')).toEqual([
      {
        _id: 'granted',
        user: 'grade of tom',
        passedOn: 'deep tom',
        another: 'op_denied',
        ofCourse: 'op_denied',
        viewer: 'op_denied',
        nobody: 'bad_parameter',
      },
      { _id: 'plain', user: 'op_denied' },
    ])
  })

  longTest('needs that to be approved, and loses it with the approval', async () => {
    const author = await lyceum.token({ role: 'author', user: 'mallory' })
    const source = `import { cron, onEvent, query } from '@lyceum/sdk'
      export const job = onEvent({ where: { event_type: 'spy' }, asUsers: true }, async ({ plugins: { self }, db }) => {
        await db.collection('said').insertOne({ said: await self.of({ user: 'tom' }).catch((error) => error.code) })
      })
      export const of = query(({ user }) => user)
      export const said = query(({ db }) => db.collection('said').distinct('said'))`
    const { json } = await lyceum.publish('spy', source, { token: author })
    expect(json).toMatchObject({ approval: 'pending', needs: ['identities'] })
    await lyceum.call('POST', '/v1/plugins/spy/approve', { body: {} })
    await lyceum.send([{ event_type: 'spy', id: 's1' }])
    expect(await ask('spy/said')).toEqual(['tom'])
    await lyceum.call('POST', '/v1/plugins/spy/revoke', { body: { needs: ['identities'] } })
    await lyceum.send([{ event_type: 'spy', id: 's2' }])
    const { cursors } = (await lyceum.call('GET', '/v1/plugins/spy')).json
    expect([await ask('spy/said'), cursors[0].cursor < lyceum.host.log.head()]).toEqual([['tom'], true])
    expect((await lyceum.publish('spy2', source.replace('true', "'yes'"))).json.detail).toContain(
      'asUsers: write true',
    )
  })
})

describe('a handler that asks a plugin which may not run', () => {
  const cursor = async () => (await lyceum.call('GET', '/v1/plugins/waits')).json.cursors[0]

  test.each([
    ['is paused', () => lyceum.call('POST', '/v1/plugins/grades/pause')],
    [
      'is quarantined',
      () => {
        for (let n = 0; n < 5; n++)
          lyceum.host.conduct.lost({ reason: 'test', suspects: ['grades'], certain: true })
        return Promise.resolve()
      },
    ],
  ])('waits while it %s, says so, and puts no event aside', async (_, stop) => {
    await lyceum.publish('waits', WAITS)
    await lyceum.publish('watcher', WATCHER)
    await stop()
    const { kept, calls } = { kept: await ask('waits/kept'), calls: await callsOf() }
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'wait', id: `w${kept}` }] })
    await vi.waitFor(async () => expect((await cursor()).state).toBe('waiting'), 30_000)
    const { lastError } = await cursor()
    expect(lastError.code).toMatch(/^plugin_(paused|quarantined)$/)
    expect(lastError.message).toContain('grades')
    const { lines } = (await lyceum.call('GET', '/v1/plugins/waits/logs')).json
    expect(lines.at(-1).line).toContain('grades')
    // What is made of its data is as old as they are.
    const { headers } = await lyceum.call('GET', '/v1/queries/watcher/kept')
    const position = Number(headers.get('lyceum-log-position'))
    expect([position, position < lyceum.host.log.head()]).toEqual([(await cursor()).cursor, true])
    // Longer each time: no busy loop.
    expect((await callsOf()) - calls).toBeLessThan(12)
    await lyceum.call('POST', '/v1/plugins/grades/resume')
    await vi.waitFor(async () => expect(await ask('waits/kept')).toBe(kept + 1), 30_000)
    expect((await lyceum.call('GET', '/v1/plugins/waits')).json.deadLetters).toBe(0)
  })
  const callsOf = async () => (await lyceum.call('GET', '/v1/plugins/waits')).json.usage.calls
})

test('people are told at once, instead of waiting', async () => {
  await lyceum.call('POST', '/v1/plugins/deeper/pause')
  const startedMs = performance.now()
  expect((await ask('report/x'))[1]).toBe('plugin_paused')
  expect(performance.now() - startedMs).toBeLessThan(5_000)
  await lyceum.call('POST', '/v1/plugins/deeper/resume')
})
