import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

const layer = (from: string, names = "['courseGrades', 'gradesOf']") => `
  import { query, t } from '@lyceum/sdk'
  /** The grades of a course. */
  export const list = query({ names: ${names}, params: { limit: t.number({ default: 3 }) } },
    ({ course, params }) => '${from} ' + course + ' ' + params.limit)
  export const whole = query(() => '${from}')
`
const REPORT = `
  import { query, view, html } from '@lyceum/sdk'
  export const asks = query(({ plugins: { courseGrades }, course }) => courseGrades({ course }))
  export const both = query(async ({ plugins: { courseGrades, gradesOf } }) =>
    [await courseGrades({ course: 'c', limit: 1 }), await gradesOf({ course: 'c' })])
  export const wrong = query(({ plugins: { courseGrades } }) => courseGrades.list({ course: 'c' }))
  export const wrongToo = query(({ plugins: { edx } }) => edx({ course: 'c' }))
  export const noRows = query(({ plugins: { courseGrades } }) => courseGrades.collection('x').countDocuments())
`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('edx', layer('edx'))
  expect((await lyceum.publish('report', REPORT)).json).toMatchObject({
    needs: ['plugins.courseGrades', 'plugins.edx', 'plugins.gradesOf'],
  })
})
afterAll(() => lyceum.dispose())

const ask = async (path: string, token?: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${path}`, token ? { token } : {})
  return status === 200 ? json : [status, json.code, json.detail]
}
const choose = (name: string, plugin: string) => lyceum.call('PUT', `/v1/names/${name}`, { body: { plugin } })

describe('a common name', () => {
  test('is called like a function, and asked for like a query', async () => {
    expect(await ask('report/asks?course=c')).toBe('edx c 3')
    expect(await ask('report/both')).toEqual(['edx c 1', 'edx c 3'])
    const { headers, json } = await lyceum.call('GET', '/v1/queries/courseGrades?course=c&limit=5')
    expect([json, headers.get('lyceum-plugin'), headers.get('lyceum-version')]).toEqual([
      'edx c 5',
      'edx',
      '1.0.0',
    ])
  })

  test('answers nobody who may not ask that query', async () => {
    const student = await lyceum.token({ role: 'student', user: 'sam' })
    expect(await ask('courseGrades?course=c', student)).toEqual([403, 'role_denied', expect.any(String)])
    const narrowed = await lyceum.token({ role: 'admin', plugins: ['report'] })
    expect((await ask('courseGrades?course=c', narrowed))[1]).toBe('plugin_denied')
  })

  test('says what it is where it is taken for a plugin, and a plugin where that is taken for a name', async () => {
    expect(await ask('report/wrong')).toEqual([
      400,
      'op_malformed',
      expect.stringContaining('courseGrades({ … })'),
    ])
    expect(await ask('report/wrongToo')).toEqual([
      400,
      'op_malformed',
      expect.stringContaining('edx.top({ … })'),
    ])
    expect((await ask('report/noRows'))[1]).toBe('op_denied')
    expect(await ask('edx')).toEqual([404, 'name_unknown', expect.stringContaining('/v1/queries/edx/NAME')])
    expect(await ask('courseGrade')).toEqual([
      404,
      'name_unknown',
      expect.stringContaining('Did you mean `courseGrades`?'),
    ])
  })

  test('is not redirected by who publishes it next, until an admin chooses', async () => {
    const author = await lyceum.token({ role: 'author', user: 'mallory' })
    expect((await lyceum.publish('sakai', layer('sakai'), { token: author })).json.approval).toBe('granted')
    expect(await ask('report/asks?course=c')).toBe('edx c 3')
    const put = (token: string) =>
      lyceum.call('PUT', '/v1/names/courseGrades', { body: { plugin: 'sakai' }, token })
    expect((await put(author)).json.code).toBe('role_denied')

    expect((await choose('courseGrades', 'sakai')).json.names).toMatchObject([
      {
        name: 'courseGrades',
        plugin: 'sakai',
        query: 'list',
        chosen: true,
        implementers: [{ plugin: 'edx' }, { plugin: 'sakai' }],
      },
      { name: 'gradesOf', plugin: 'edx', chosen: false },
    ])
    expect(await ask('report/both')).toEqual(['sakai c 1', 'edx c 3'])
  })

  test('belongs to nobody else when its plugin gives it up', async () => {
    await lyceum.publish('sakai', layer('sakai', '[]'), { version: '1.1.0' })
    expect(await ask('report/asks?course=c')).toEqual([
      409,
      'name_unresolved',
      expect.stringContaining('An admin chooses'),
    ])
    const [row] = (await lyceum.call('GET', '/v1/names')).json.names
    expect(row).toMatchObject({ name: 'courseGrades', plugin: 'sakai', query: null })
    expect((await choose('courseGrades', 'sakai')).json.code).toBe('bad_parameter')
    expect((await choose('nobody', 'edx')).json.code).toBe('name_unknown')
    expect((await choose('courseGrades', 'edx')).status).toBe(200)
    expect(await ask('report/asks?course=c')).toBe('edx c 3')
  })

  longTest(
    'is nobody’s once its plugin is uninstalled for good, and not the next one’s who publishes it',
    async () => {
      const source = (from: string) => layer(from, "['lent']")
      await lyceum.publish('first', source('first'))
      await lyceum.publish('second', source('second'))
      expect(await ask('lent?course=c')).toBe('first c 3')
      expect((await lyceum.call('DELETE', '/v1/plugins/first?data=delete')).status).toBe(200)
      expect((await ask('lent?course=c'))[1]).toBe('name_unresolved')
      await lyceum.publish('third', source('third'))
      await lyceum.publish('first', source('forged'))
      expect((await ask('lent?course=c'))[1]).toBe('name_unresolved')
      const names = (await choose('lent', 'second')).json.names
      expect(names.find(({ name }: { name: string }) => name === 'lent').implementers).toHaveLength(3)
      expect(await ask('lent?course=c')).toBe('second c 3')
    },
  )

  test('keeps its plugin from being uninstalled while others may ask for it', async () => {
    expect((await lyceum.call('DELETE', '/v1/plugins/edx')).json).toMatchObject({
      code: 'plugin_needed',
      plugins: ['report'],
    })
    await lyceum.publish('needy', layer('needy', "['needed']"))
    const source = `import { query } from '@lyceum/sdk'
      export const q = query(({ plugins: { needed } }) => needed({ course: 'c' }))`
    await lyceum.publish('needing', source)
    expect((await lyceum.call('DELETE', '/v1/plugins/needy')).json.code).toBe('plugin_needed')
    await lyceum.call('DELETE', '/v1/plugins/needing')
    expect((await lyceum.call('DELETE', '/v1/plugins/needy?data=delete')).status).toBe(200)
  })

  test('is paused with its plugin', async () => {
    await lyceum.call('POST', '/v1/plugins/edx/pause')
    expect((await ask('courseGrades?course=c'))[1]).toBe('plugin_paused')
    await lyceum.call('POST', '/v1/plugins/edx/resume')
  })

  longTest('is never a plugin’s id, nor a plugin’s id a common name', async () => {
    const codeOf = async (id: string, names: string) => {
      const { status, json } = await lyceum.publish(id, layer(id, names))
      return [status, json.code, json.detail]
    }
    expect(await codeOf('other', "['edx']")).toEqual([
      422,
      'options_refused',
      expect.stringContaining('There is a plugin "edx"'),
    ])
    expect((await codeOf('other', "['other']"))[1]).toBe('options_refused')
    expect((await codeOf('other', "['not a name']"))[2]).toMatch(/names\.0: .*notAName/)
    expect(await codeOf('courseGrades', '[]')).toEqual([
      422,
      'package_invalid',
      expect.stringContaining('common name'),
    ])
    const twice = await lyceum.publish(
      'other',
      `import { query } from '@lyceum/sdk'
       export const a = query({ names: ['x'] }, () => 1)
       export const b = query({ names: ['x'] }, () => 2)`,
    )
    expect(twice.json.detail).toContain('Two queries have the common name "x"')
    const many = Array.from(
      { length: 9 },
      (_, at) =>
        `export const q${at} = query({ names: [${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `'n${at}x${n}'`)}] }, () => 1)`,
    )
    const greedy = await lyceum.publish('greedy', `import { query } from '@lyceum/sdk'\n${many.join('\n')}`)
    expect([greedy.json.code, greedy.json.detail]).toEqual([
      'options_refused',
      expect.stringContaining('at most 64'),
    ])
  })

  test('needs an approval like a plugin', async () => {
    const author = await lyceum.token({ role: 'author', user: 'mallory' })
    const source = `import { query } from '@lyceum/sdk'
      export const q = query(({ plugins: { courseGrades } }) => courseGrades({ course: 'c' }))`
    const { json } = await lyceum.publish('curious', source, { token: author })
    expect(json).toMatchObject({ approval: 'pending', needs: ['plugins.courseGrades'] })
    await lyceum.call('POST', '/v1/plugins/curious/approve', { body: {} })
    expect(await ask('curious/q')).toBe('edx c 3')
  })

  test('is discovered by those who reach its query', async () => {
    const { names, plugins } = (await lyceum.call('GET', '/v1/schema')).json
    expect(names).toContainEqual({
      name: 'courseGrades',
      plugin: 'edx',
      query: 'list',
      href: '/v1/queries/courseGrades',
    })
    const edx = plugins.find(({ id }: { id: string }) => id === 'edx')
    expect(edx.queries[0]).toMatchObject({ name: 'list', names: ['courseGrades', 'gradesOf'] })
    const narrowed = await lyceum.token({ role: 'admin', plugins: ['report'] })
    expect((await lyceum.call('GET', '/v1/schema', { token: narrowed })).json.names).toEqual([])
  })

  longTest('is kept over a restart, with who has it', async () => {
    await choose('gradesOf', 'edx')
    await lyceum.close()
    lyceum = await startHost(lyceum.dataDir)
    expect((await lyceum.call('GET', '/v1/names')).json.names).toMatchObject([
      { name: 'courseGrades', plugin: 'edx', chosen: true },
      { name: 'gradesOf', plugin: 'edx', chosen: true },
      { name: 'lent', plugin: 'second', chosen: true },
      { name: 'needed', plugin: null, query: null },
    ])
    expect(await ask('report/asks?course=c')).toBe('edx c 3')
  })
})
