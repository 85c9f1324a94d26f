import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../../host/limits.ts'
import { bundleSource, startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

let lyceum: TestHost
let ann: string
let bob: string
beforeAll(async () => {
  lyceum = await startHost()
  ann = await lyceum.token({ role: 'author', user: 'ann' })
  bob = await lyceum.token({ role: 'author', user: 'bob' })
})
afterAll(() => lyceum.dispose())

const says = (text: string) => `
  import { query } from '@lyceum/sdk'
  export const said = query(() => ${JSON.stringify(text)})`
const said = async (id: string) => (await lyceum.call('GET', `/v1/queries/${id}/said`)).json
const shown = async (id: string) => (await lyceum.call('GET', `/v1/plugins/${id}`)).json

describe('a publish', () => {
  test('makes the first version active at once', async () => {
    const answer = await lyceum.publish('first', says('one'), { token: ann })
    expect(answer.status).toBe(201)
    expect(answer.json).toEqual({ version: '1.0.0', needs: [], approval: 'granted', rebuildOffered: null })
    expect(await said('first')).toBe('one')
    expect(await shown('first')).toMatchObject({
      owner: 'ann',
      state: 'active',
      version: '1.0.0',
      pending: null,
    })
  })

  test('may be repeated: the same version with the same content changes nothing', async () => {
    await lyceum.publish('again', says('one'))
    const before = lyceum.host.catalogue.plugin('again')
    const answer = await lyceum.publish('again', says('one'))
    expect(answer.status).toBe(201)
    expect(answer.json).toEqual({ version: '1.0.0', needs: [], approval: 'granted', rebuildOffered: null })
    expect(lyceum.host.catalogue.plugin('again')).toEqual(before)
    expect((await shown('again')).versions).toHaveLength(1)
  })

  test('changes samples under a version that exists, which a dry run tells', async () => {
    const body = await bundleSource('sampled', says('one'))
    const send = (query: string, samples: object) =>
      lyceum.call('POST', `/v1/plugins/sampled/versions${query}`, { body: { ...body, samples } })
    expect((await send('?dry=true', { said: 'first' })).json.samples).toEqual([])
    expect((await send('', { said: 'first' })).status).toBe(201)
    expect((await send('?dry=true', { said: 'first' })).json.samples).toEqual([])
    for (const other of [{ said: 'second' }, {}])
      expect((await send('?dry=true', other)).json).toMatchObject({ replaces: '1.0.0', samples: ['said'] })
  })

  test('says that a description under a version that exists stays as it was', async () => {
    const described = (about: string) => says('one').replace('export', `/** ${about} */ export`)
    expect((await lyceum.publish('described', described('One.'))).json.warnings).toBeUndefined()
    const { status, json } = await lyceum.publish('described', described('The first.'))
    expect([status, json.warnings]).toEqual([
      201,
      [expect.stringMatching(/^described 1\.0\.0 keeps the descriptions .* of said are .* to 1\.0\.1\.$/)],
    ])
    expect((await lyceum.publish('described', described('One.'))).json.warnings).toBeUndefined()
  })

  test('refuses other content under a version that exists, and leaves the first running', async () => {
    await lyceum.publish('fixed', says('one'))
    const answer = await lyceum.publish('fixed', says('two'))
    expect([answer.status, answer.json.code]).toEqual([409, 'version_exists'])
    expect(answer.json.detail).toContain('Raise "version" in package.json')
    expect(await said('fixed')).toBe('one')
  })

  test('replaces the version before, also in what is asked next', async () => {
    await lyceum.publish('grows', says('one'))
    await lyceum.publish('grows', says('two'), { version: '1.1.0' })
    expect(await said('grows')).toBe('two')
    expect((await shown('grows')).versions.map((row: { version: string }) => row.version)).toEqual([
      '1.1.0',
      '1.0.0',
    ])
  })

  test('that is rolled back runs the version before, and says so with every result', async () => {
    await lyceum.publish('steps', says('one'))
    await lyceum.publish('steps', says('two'), { version: '2.0.0' })
    await lyceum.publish('steps', says('three'), { version: '3.0.0' })
    const back = await lyceum.call('POST', '/v1/plugins/steps/rollback')
    expect(back.json).toMatchObject({ plugin: 'steps', version: '2.0.0', state: 'active' })
    const answer = await lyceum.call('GET', '/v1/queries/steps/said')
    expect([answer.json, answer.headers.get('lyceum-version')]).toEqual(['two', '2.0.0'])
    const named = await lyceum.call('POST', '/v1/plugins/steps/rollback', { body: { version: '1.0.0' } })
    expect([named.json.version, await said('steps')]).toEqual(['1.0.0', 'one'])
    const none = await lyceum.call('POST', '/v1/plugins/steps/rollback')
    expect([none.status, none.json.code]).toEqual([404, 'version_unknown'])
    const unknown = await lyceum.call('POST', '/v1/plugins/steps/rollback', { body: { version: '9.9.9' } })
    expect(unknown.json).toMatchObject({
      code: 'version_unknown',
      detail: 'There is no version 9.9.9 of steps.',
    })
    expect(await said('steps')).toBe('one')
  })

  test('after a rollback can be activated again by publishing it again', async () => {
    await lyceum.publish('forth', says('one'))
    await lyceum.publish('forth', says('two'), { version: '2.0.0' })
    await lyceum.call('POST', '/v1/plugins/forth/rollback')
    await lyceum.publish('forth', says('two'), { version: '2.0.0' })
    expect(await said('forth')).toBe('two')
  })
})

describe('a plugin belongs to who published it first', () => {
  test('nobody else may publish, read or change it', async () => {
    await lyceum.publish('anns', says('mine'), { token: ann })
    const foreign = await lyceum.publish('anns', says('stolen'), { version: '2.0.0', token: bob })
    expect([foreign.status, foreign.json.code]).toEqual([403, 'plugin_denied'])
    expect(foreign.json.detail).toContain('Choose another name in package.json')
    for (const [method, path] of [
      ['GET', '/v1/plugins/anns'],
      ['GET', '/v1/plugins/anns/logs'],
      ['GET', '/v1/plugins/anns/dead-letters'],
      ['POST', '/v1/plugins/anns/dead-letters/retry'],
      ['POST', '/v1/plugins/anns/rollback'],
      ['POST', '/v1/plugins/anns/pause'],
      ['POST', '/v1/plugins/anns/resume'],
    ] as const) {
      const answer = await lyceum.call(method, path, { token: bob })
      expect([path, answer.status, answer.json.code]).toEqual([path, 403, 'plugin_denied'])
    }
    expect(await said('anns')).toBe('mine')
  })

  test('an author lists their own, an admin all', async () => {
    await lyceum.publish('bobs', says('b'), { token: bob })
    const ids = async (token?: string) =>
      (await lyceum.call('GET', '/v1/plugins', token ? { token } : {})).json.map(
        (row: { id: string }) => row.id,
      )
    expect(await ids(bob)).toEqual(['bobs'])
    expect(await ids()).toEqual(expect.arrayContaining(['anns', 'bobs']))
  })

  test('an admin may publish it too; it stays the property of its author', async () => {
    await lyceum.publish('shared', says('one'), { token: ann })
    expect((await lyceum.publish('shared', says('two'), { version: '1.0.1' })).status).toBe(201)
    expect((await shown('shared')).owner).toBe('ann')
  })

  test('a person who is called like a role owns nothing of those whose tokens name nobody', async () => {
    await lyceum.publish('official', says('ours'))
    expect((await shown('official')).owner).toBe('admin')
    const impostor = await lyceum.token({ role: 'author', user: 'admin' })
    const taken = await lyceum.publish('official', says('mine'), { version: '2.0.0', token: impostor })
    expect([taken.status, taken.json.code]).toEqual([403, 'plugin_denied'])
    const paused = await lyceum.call('POST', '/v1/plugins/official/pause', { token: impostor })
    expect([paused.status, paused.json.code]).toEqual([403, 'plugin_denied'])
    expect(await said('official')).toBe('ours')
  })

  test('a token narrowed with --plugin publishes that plugin and no other', async () => {
    const narrow = await lyceum.token({ role: 'author', user: 'ann', plugins: ['onlyThis'] })
    expect((await lyceum.publish('onlyThis', says('yes'), { token: narrow })).status).toBe(201)
    const other = await lyceum.publish('notThis', says('no'), { token: narrow })
    expect([other.status, other.json.code]).toEqual([403, 'plugin_denied'])
    expect(other.json.detail).toContain('--plugin notThis')
  })

  test('quotas and approvals are not for its author', async () => {
    for (const [method, path] of [
      ['PATCH', '/v1/plugins/anns/quota'],
      ['POST', '/v1/plugins/anns/approve'],
    ] as const) {
      const answer = await lyceum.call(method, path, { token: ann, body: {} })
      expect([answer.status, answer.json.code]).toEqual([403, 'role_denied'])
      expect(answer.json.detail).toContain('admin')
    }
  })
})

describe('a version that asks for other plugins', () => {
  const asks = (names: string[], text: string) => `
    import { query } from '@lyceum/sdk'
    export const said = query(async ({ plugins: { ${names.join(', ')} } }) =>
      [${JSON.stringify(text)}, ${names.map((name) => `await ${name}.said()`).join(', ')}])`

  test('waits for an admin, while the version before it runs on', async () => {
    await lyceum.publish('source', says('s'))
    await lyceum.publish('asker', says('alone'), { token: ann })
    const answer = await lyceum.publish('asker', asks(['source'], 'asks'), { version: '2.0.0', token: ann })
    expect(answer.status).toBe(201)
    expect(answer.json).toEqual({
      version: '2.0.0',
      needs: ['plugins.source'],
      approval: 'pending',
      pending: {
        version: '2.0.0',
        needs: ['plugins.source'],
        approved: [],
        endpoints: { added: [], removed: [], changed: ['said'] },
      },
      rebuildOffered: null,
    })
    expect(await said('asker')).toBe('alone')
    expect(await shown('asker')).toMatchObject({
      state: 'active',
      version: '1.0.0',
      granted: [],
      pending: { version: '2.0.0', needs: ['plugins.source'] },
    })
  })

  test('runs as soon as an admin has approved it', async () => {
    const approved = await lyceum.call('POST', '/v1/plugins/asker/approve')
    expect(approved.json).toEqual({ plugin: 'asker', version: '2.0.0', state: 'active', needs: [] })
    expect(await said('asker')).toEqual(['asks', 's'])
    expect(await shown('asker')).toMatchObject({ granted: ['plugins.source'], pending: null })
  })

  test('needs no approval again for what was approved', async () => {
    const answer = await lyceum.publish('asker', asks(['source'], 'new'), { version: '2.1.0', token: ann })
    expect(answer.json).toEqual({
      version: '2.1.0',
      needs: ['plugins.source'],
      approval: 'granted',
      rebuildOffered: null,
    })
    expect(await said('asker')).toEqual(['new', 's'])
  })

  longTest('can be approved in parts: it stays pending until the last, and says for what', async () => {
    await lyceum.publish('other', says('o'))
    const source = asks(['source', 'other'], 'both')
    const first = await lyceum.publish('parts', source, { token: ann })
    expect(first.json).toMatchObject({
      version: '1.0.0',
      needs: ['plugins.other', 'plugins.source'],
      approval: 'pending',
    })
    const waiting = await lyceum.call('GET', '/v1/queries/parts/said')
    expect([waiting.status, waiting.json.code]).toEqual([409, 'plugin_pending'])
    const half = await lyceum.call('POST', '/v1/plugins/parts/approve', {
      body: { needs: ['plugins.source'] },
    })
    expect(half.status).toBe(200)
    expect(half.json).toEqual({ plugin: 'parts', version: null, state: 'pending', needs: ['plugins.other'] })
    expect(await shown('parts')).toMatchObject({
      state: 'pending',
      granted: ['plugins.source'],
      pending: { version: '1.0.0', needs: ['plugins.other'] },
    })
    const whole = await lyceum.call('POST', '/v1/plugins/parts/approve', {
      body: { needs: ['plugins.other'] },
    })
    expect(whole.json).toEqual({ plugin: 'parts', version: '1.0.0', state: 'active', needs: [] })
    expect(await said('parts')).toEqual(['both', 's', 'o'])
  })

  test('is not approved by a name that it does not ask for', async () => {
    await lyceum.publish('typo', asks(['source'], 'x'), { token: ann })
    const answer = await lyceum.call('POST', '/v1/plugins/typo/approve', {
      body: { needs: ['plugins.sorce'] },
    })
    expect([answer.status, answer.json.code]).toEqual([400, 'bad_parameter'])
    expect(answer.json.detail).toContain('Did you mean `plugins.source`?')
    expect((await shown('typo')).granted).toEqual([])
  })

  longTest('is not brought back by an approval after a rollback', async () => {
    await lyceum.publish('calm', says('one'), { token: ann })
    await lyceum.publish('calm', says('two'), { version: '2.0.0', token: ann })
    await lyceum.call('POST', '/v1/plugins/calm/rollback')
    const approved = await lyceum.call('POST', '/v1/plugins/calm/approve')
    expect(approved.json).toMatchObject({ version: '1.0.0', state: 'active' })
    expect(await said('calm')).toBe('one')
  })

  longTest('cannot be reached by rolling forward around the admin', async () => {
    await lyceum.publish('sly', says('one'), { token: ann })
    await lyceum.publish('sly', asks(['other'], 'sly'), { version: '2.0.0', token: ann })
    const answer = await lyceum.call('POST', '/v1/plugins/sly/rollback', {
      body: { version: '2.0.0' },
      token: ann,
    })
    expect([answer.status, answer.json.code]).toEqual([409, 'plugin_pending'])
    expect(await said('sly')).toBe('one')
  })

  test('asking for a plugin that does not exist is refused, with what to do', async () => {
    const answer = await lyceum.publish('lost', asks(['nowhere'], 'x'), { token: ann })
    expect([answer.status, answer.json.code]).toEqual([422, 'manifest_refused'])
    expect(answer.json.detail).toMatch(
      /^plugin\.ts:3:25: There is no plugin or common name "nowhere" here, which `\w+` asks for\. Publish it first/,
    )
    expect((await lyceum.call('GET', '/v1/plugins/lost')).json.code).toBe('plugin_unknown')
  })

  test('published by an admin is approved with that', async () => {
    const answer = await lyceum.publish('admins', asks(['source'], 'a'))
    expect(answer.json).toEqual({
      version: '1.0.0',
      needs: ['plugins.source'],
      approval: 'granted',
      rebuildOffered: null,
    })
    expect(await said('admins')).toEqual(['a', 's'])
  })
})

describe('declared indexes', () => {
  const plugin = (collection: string) => `
    import { collection, onEvent, query } from '@lyceum/sdk'
    ${collection}
    export const keep = onEvent('kept', ({ events, db }) => {
      for (const e of events) db.collection('kept').insertOne({ name: e.event.name })
    })
    export const said = query(({ db }) => db.collection('kept').find().sort({ name: 1 }).toArray()
      .then((rows) => rows.map((row) => row.name)))`
  const unique = 'export const kept = collection({ indexes: [{ keys: { name: 1 }, unique: true }] })'
  const kept = (name: string, n: number) => ({ event_type: 'kept', event: { name }, id: `${name}${n}` })

  longTest('exist from the activation on', async () => {
    await lyceum.publish('indexed', plugin(unique))
    await lyceum.send([kept('a', 1), kept('b', 1), kept('a', 2)])
    expect(await said('indexed')).toEqual(['a', 'b'])
    const { total, letters } = (await lyceum.call('GET', '/v1/plugins/indexed/dead-letters')).json
    expect([total, letters[0].code, letters[0].event.id]).toEqual([1, 'duplicate_key', 'a2'])
  })

  longTest('that the data break refuse the publish and leave the old version running', async () => {
    await lyceum.publish('doubled', plugin(''))
    await lyceum.send([kept('x', 1), kept('x', 2)])
    const answer = await lyceum.publish('doubled', plugin(unique), { version: '2.0.0' })
    expect([answer.status, answer.json.code]).toEqual([409, 'duplicate_key'])
    expect(answer.json.detail).toMatch(/kept/)
    expect(answer.json.detail).toMatch(/name/)
    expect(await shown('doubled')).toMatchObject({ state: 'active', version: '1.0.0', pending: null })
    await lyceum.send([kept('x', 3)])
    expect(await said('doubled')).toEqual(expect.arrayContaining(['x', 'x', 'x']))
  })

  longTest('of a version that is pending are not built yet', async () => {
    await lyceum.publish('target', says('t'))
    await lyceum.publish('patient', plugin(unique), { token: ann })
    const without = `${plugin('')}
      export const asks = query(({ plugins: { target } }) => target.said())`
    const answer = await lyceum.publish('patient', without, { version: '2.0.0', token: ann })
    expect(answer.json.approval).toBe('pending')
    await lyceum.send([kept('p', 1), kept('p', 2)])
    expect((await said('patient')).filter((name: string) => name === 'p')).toEqual(['p'])
  })
})

test('an author has a few versions checked or published at once, and others have theirs meanwhile', async () => {
  const body = await bundleSource('many', says('many'))
  const check = (id: string, token: string) =>
    lyceum.call('POST', `/v1/plugins/${id}/versions?dry=true`, {
      body: { ...body, package: { name: id, version: '1.0.0' } },
      token,
    })
  const ids = Array.from({ length: LIMITS.publishesAtOnce + 2 }, (_, n) => `many${n}`)
  const [other, ...answers] = await Promise.all([check('meanwhile', bob), ...ids.map((id) => check(id, ann))])
  expect(other?.status).toBe(200)
  const refused = answers.filter(({ status }) => status !== 200)
  expect(refused.map(({ json }) => json.code)).toEqual(['over_concurrency', 'over_concurrency'])
  expect((await check('afterwards', ann)).status).toBe(200)
})

describe('a bundle is refused', () => {
  const post = async (id: string, body: object) => lyceum.call('POST', `/v1/plugins/${id}/versions`, { body })

  test('where package.json names another plugin', async () => {
    const bundled = await bundleSource('named', says('x'))
    const answer = await post('unlike', bundled)
    expect([answer.status, answer.json.code]).toEqual([422, 'package_invalid'])
    expect(answer.json.detail).toContain('"name": "named"')
  })

  test('where another plugin is called the same but for capitals: files of both may be the same', async () => {
    expect((await post('capitalLetters', await bundleSource('capitalLetters', says('x')))).status).toBe(201)
    const answer = await post('capitalletters', await bundleSource('capitalletters', says('x')))
    expect([answer.status, answer.json.code]).toEqual([422, 'package_invalid'])
    expect(answer.json.detail).toContain('"capitalLetters"')
    expect(
      (await post('capitalLetters', await bundleSource('capitalLetters', says('x'), '2.0.0'))).status,
    ).toBe(201)
  })

  test('where package.json has no usable name or version', async () => {
    const { bundle } = await bundleSource('good', says('x'))
    const cases = [
      [{ name: 'not-camel', version: '1.0.0' }, '`notCamel`'],
      [{ name: 'good', version: '1.0' }, '"version": "1.0.0"'],
      [{ name: 'good' }, '"version"'],
      [{ version: '1.0.0' }, '"name"'],
      [null, 'package.json'],
    ] as const
    for (const [about, expected] of cases) {
      const answer = await post('good', { bundle, package: about })
      expect([answer.status, answer.json.code]).toEqual([422, 'package_invalid'])
      expect(answer.json.detail).toContain(expected)
    }
  })

  test('where it is not JavaScript', async () => {
    const answer = await post('broken', {
      bundle: 'export const a = (((',
      package: { name: 'broken', version: '1.0.0' },
    })
    expect([answer.status, answer.json.code]).toEqual([422, 'bundle_broken'])
    expect(answer.json.detail).toMatch(/plugin\.js|line/i)
  })

  test('where it, its source map or the body is too large', async () => {
    const about = { name: 'large', version: '1.0.0' }
    const { bundle } = await bundleSource('large', says('x'))
    const large = await post('large', {
      bundle: `${bundle}\n//${'x'.repeat(2 * 1024 * 1024)}`,
      package: about,
    })
    expect([large.status, large.json.code]).toEqual([413, 'bundle_too_large'])
    const map = await post('large', { bundle, sourceMap: ' '.repeat(8 * 1024 * 1024 + 1), package: about })
    expect([map.status, map.json.code]).toEqual([413, 'bundle_too_large'])
    expect(map.json.detail).toContain('source map')
    const body = await post('large', { bundle, sourceMap: ' '.repeat(33 * 1024 * 1024), package: about })
    expect([body.status, body.json.code]).toEqual([413, 'body_too_large'])
  })

  test('where its options are large together, which stand in everybody’s pages', async () => {
    const wide = `import { query, t } from '@lyceum/sdk'
      const values = Array.from({ length: 100 }, (_, n) => String(n).padStart(100, 'x'))
      const params = Object.fromEntries(Array.from({ length: 20 }, (_, n) => ['p' + n, t.enum(values)]))
      export const said = query({ params }, ({ params }) => params)`
    const answer = await lyceum.publish('wide', wide)
    expect([answer.status, answer.json.code]).toEqual([422, 'options_refused'])
    expect(answer.json.detail).toContain(`larger than ${LIMITS.optionsBytes} bytes`)
  })

  test('where its source map is none', async () => {
    const { bundle } = await bundleSource('mapped', says('x'))
    const about = { name: 'mapped', version: '1.0.0' }
    const answer = await post('mapped', { bundle, sourceMap: '{"version":3', package: about })
    expect([answer.status, answer.json.code]).toEqual([422, 'source_map_invalid'])
  })

  test('where its top level throws, with the stack of the author', async () => {
    const answer = await lyceum.publish(
      'throws',
      "import { query } from '@lyceum/sdk'\n\nconst limit: number = JSON.parse('{').limit\nexport const said = query(() => limit)",
    )
    expect([answer.status, answer.json.code]).toEqual([422, 'bundle_broken'])
    expect(answer.json.stack).toContain('plugin.ts:3')
  })

  longTest('where its top level never ends, which disturbs nobody', async () => {
    await lyceum.publish('neighbour', says('here'))
    const endless = lyceum.publish(
      'endless',
      "import { query } from '@lyceum/sdk'\nfor (;;) {}\nexport const said = query(() => 1)",
    )
    expect(await said('neighbour')).toBe('here')
    const answer = await endless
    // Which of the two ends first is for the machine to say.
    expect(['over_cpu', 'over_wall']).toContain(answer.json.code)
    expect(answer.json.detail).toMatch(/^Loading the plugin .*Look for a loop outside the handlers/)
    expect(await said('neighbour')).toBe('here')
  })

  test('where endpoints cannot be read: each with the line of the author', async () => {
    const answer = await lyceum.publish(
      'unreadable',
      [
        "import { onEvent, query, view } from '@lyceum/sdk'",
        'export const whole = query((context) => context)',
        'export const rest = query(({ db, ...others }) => others)',
        'export const unknown = view(({ databse }) => databse)',
        'export const number = 7',
      ].join('\n'),
    )
    expect([answer.status, answer.json.code]).toEqual([422, 'manifest_refused'])
    const problems: { source: string; line: number; endpoint: string }[] = answer.json.problems
    expect(problems.map(({ source, line, endpoint }) => [source, line, endpoint])).toEqual([
      ['plugin.ts', 2, 'whole'],
      ['plugin.ts', 3, 'rest'],
      ['plugin.ts', 4, 'unknown'],
      ['plugin.ts', 5, 'number'],
    ])
    expect(answer.json.detail).toMatch(/plugin\.ts:2:\d+ `whole`/)
  })

  test('where nothing is exported, naming the file that the author has', async () => {
    const answer = await lyceum.publish('silent', "import { query } from '@lyceum/sdk'\nquery(() => 1)")
    expect(answer.json.code).toBe('manifest_refused')
    expect(answer.json.detail).toContain('plugin.ts:1:1 The plugin exports no endpoint')
  })

  test('where options are wrong, with what to write', async () => {
    const answer = await lyceum.publish(
      'optional',
      "import { onEvent } from '@lyceum/sdk'\nexport const on = onEvent({ mode: 'fast' } as never, ({ log }) => log(1))",
    )
    expect([answer.status, answer.json.code]).toEqual([422, 'options_refused'])
    expect(answer.json).toMatchObject({ endpoint: 'on' })
    expect(answer.json.detail).toMatch(/^plugin\.ts:2:19: .*write "realtime", "soft" or "queued"/)
  })

  test('and nothing of it stays', async () => {
    for (const id of ['broken', 'large', 'throws', 'endless', 'unreadable', 'silent', 'optional'])
      expect((await lyceum.call('GET', `/v1/plugins/${id}`)).json.code).toBe('plugin_unknown')
  })
})
