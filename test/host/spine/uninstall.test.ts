import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'
import { longTest } from '../../support/long.ts'

const COUNTER = `
  import { collection, onEvent, query } from '@lyceum/sdk'
  export const counts = collection({ indexes: [{ keys: { tag: 1 }, unique: true }] })
  export const count = onEvent('count', async ({ events, db, fs }) => {
    for (const e of events) {
      await db.collection('counts').updateOne({ tag: e.tag }, { $inc: { n: 1 }, $set: { at: new Date(0) } }, { upsert: true })
      await fs.write('last.txt', 'x'.repeat(300_000) + e.tag)
    }
  })
  export const total = query(async ({ db }) =>
    (await db.collection('counts').aggregate([{ $group: { _id: null, n: { $sum: '$n' } } }]).toArray())[0]?.n ?? 0)
  export const endless = query(() => { for (;;); })`
const ASKER =
  "import { query } from '@lyceum/sdk'\nexport const n = query(({ plugins: { counter } }) => counter.total())"

let lyceum: TestHost
let ann: string
let bob: string
beforeAll(async () => {
  lyceum = await startHost()
  ann = await lyceum.token({ role: 'author', user: 'ann' })
  bob = await lyceum.token({ role: 'author', user: 'bob' })
  await lyceum.publish('counter', COUNTER, { token: ann })
  await lyceum.publish('asker', ASKER)
  await lyceum.send(['a', 'b', 'a'].map((tag) => ({ event_type: 'count', tag })))
})
afterAll(() => lyceum.dispose())

const uninstall = (query = '', token = ann) => lyceum.call('DELETE', `/v1/plugins/counter${query}`, { token })
const ask = async (path: string) => {
  const { status, json } = await lyceum.call('GET', `/v1/queries/${path}`)
  return status === 200 ? json : json.code
}
const filesOf = (id: string) =>
  readdirSync(join(lyceum.dataDir, 'plugins')).filter((name) => name.startsWith(`${id}.`))
const exported = async (token = ann) => {
  const answer = await lyceum.call('GET', '/v1/plugins/counter/export', { token })
  expect(answer.status).toBe(200)
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('an export', () => {
  test('holds documents, indexes, files, cursors and about the versions, and says where it ends', async () => {
    const lines = await exported()
    expect(lines[0].lyceumExport).toMatchObject({
      format: 1,
      plugin: 'counter',
      owner: 'ann',
      version: '1.0.0',
    })
    const find = (key: string) => lines.filter((line) => key in line)
    expect(find('version')).toMatchObject([{ version: { version: '1.0.0', needs: [] } }])
    expect(find('cursor')).toMatchObject([{ cursor: { id: 'count/0', seq: 3 } }])
    expect(find('indexes')).toEqual([
      { collection: 'counts', indexes: [{ keys: [['tag', 1]], unique: true }] },
    ])
    const documents = find('documents').flatMap((line) => line.documents)
    expect(documents).toMatchObject([
      { tag: 'a', n: 2, at: { $date: 0 } },
      { tag: 'b', n: 1 },
    ])
    expect(find('file')).toMatchObject([{ file: { path: 'last.txt', bytes: 300_001 } }])
    const content = Buffer.concat(find('base64').map((line) => Buffer.from(line.base64, 'base64')))
    expect(content.toString()).toBe(`${'x'.repeat(300_000)}a`)
    expect(lines.at(-1)).toEqual({ end: { pages: 1, files: 1 } })
  })

  test('comes compressed to those who can read that, and as it is to others', async () => {
    const read = async (encoding: string) => {
      const answer = await fetch(`${lyceum.url}/v1/plugins/counter/export`, {
        headers: { authorization: `Bearer ${ann}`, 'accept-encoding': encoding },
      })
      return [answer.headers.get('content-encoding'), (await answer.text()).length > 300_000]
    }
    expect([await read('gzip'), await read('identity')]).toEqual([
      ['gzip', true],
      [null, true],
    ])
  })

  longTest('that nobody reads keeps nobody else from theirs', async () => {
    await lyceum.publish(
      'large',
      `import { onEvent } from '@lyceum/sdk'
       export const fill = onEvent('fill', async ({ fs }) => {
         for (let i = 0; i < 8; i++) await fs.write(i + '.txt', String(i).repeat(2_000_000))
       })`,
      { token: bob },
    )
    await lyceum.send([{ event_type: 'fill' }])
    const begin = (id: string, token: string) =>
      fetch(`${lyceum.url}/v1/plugins/${id}/export`, { headers: { authorization: `Bearer ${token}` } })
    const stalled = [await begin('large', bob), await begin('large', bob)]
    expect((await begin('large', bob)).status).toBe(429)
    expect((await exported()).at(-1)).toHaveProperty('end')
    await Promise.all(stalled.map(({ body }) => body?.cancel()))
    await expect.poll(async () => (await begin('large', bob)).status).toBe(200)
  })

  test('is for its owner and admins', async () => {
    const codes = await Promise.all(
      [bob, await lyceum.token({ role: 'researcher', user: 'eve' })].map(
        async (token) => (await lyceum.call('GET', '/v1/plugins/counter/export', { token })).json.code,
      ),
    )
    expect(codes).toEqual(['plugin_denied', 'role_denied'])
  })
})

describe('uninstalling', () => {
  test('is refused to others, and where another plugin may ask it', async () => {
    expect((await uninstall('', bob)).json.code).toBe('plugin_denied')
    const answer = await uninstall()
    expect([answer.status, answer.json.code]).toEqual([409, 'plugin_needed'])
    expect(answer.json.detail).toContain('asker may ask counter')
    expect(await ask('counter/total')).toBe(3)
  })

  test('ends calls under way at once, and whoever depends on it is told that it is not there', async () => {
    await lyceum.call('PATCH', '/v1/plugins/counter/quota', {
      body: { cpuMsPerCall: 60_000, wallMs: 60_000 },
    })
    const endless = ask('counter/endless')
    while (lyceum.host.invoker.underWay('counter') === 0)
      await new Promise((resolve) => setTimeout(resolve, 1))
    const answer = await uninstall('?force=true')
    expect(answer.json).toEqual({ plugin: 'counter', version: null, state: 'uninstalled' })
    expect(await endless).toBe('plugin_unknown')
    expect([await ask('counter/total'), await ask('asker/n')]).toEqual(['plugin_unknown', 'plugin_unknown'])
  })

  test('keeps the data for its owner, who goes on where it stood; nobody else gets them by its name', async () => {
    await lyceum.send([{ event_type: 'count', tag: 'b', n: 2 }])
    const { json } = await lyceum.call('GET', '/v1/plugins/counter', { token: ann })
    expect(json).toMatchObject({ state: 'uninstalled', version: null, granted: [], versions: [] })
    expect((await exported()).at(-1)).toEqual({ end: { pages: 1, files: 1 } })
    expect((await lyceum.publish('counter', COUNTER, { token: bob })).json.code).toBe('plugin_denied')
    expect((await lyceum.publish('counter', COUNTER, { token: ann })).json.approval).toBe('granted')
    await lyceum.settled()
    expect(await ask('counter/total')).toBe(4)
    expect(await ask('asker/n')).toBe(4)
  })

  test('with its data leaves nothing: files, quotas, usage, log; installed again it begins anew', async () => {
    expect(filesOf('counter')).not.toEqual([])
    expect((await uninstall('?force=true&data=delete')).status).toBe(200)
    expect(filesOf('counter')).toEqual([])
    expect((await lyceum.call('GET', '/v1/plugins/counter')).json.code).toBe('plugin_unknown')
    expect(lyceum.host.usage.recent().get('counter')).toBeUndefined()
    expect((await lyceum.publish('counter', COUNTER, { token: bob })).json.approval).toBe('granted')
    await lyceum.settled()
    expect(await ask('counter/total')).toBe(4)
    const { owner, quota } = (await lyceum.call('GET', '/v1/plugins/counter')).json
    expect([owner, quota.wallMs]).toEqual(['bob', 10_000])
  })

  test('with its data takes back who may ask it: its name may be somebody else’s', async () => {
    expect(await ask('asker/n')).toBe('op_denied')
    expect((await lyceum.call('GET', '/v1/plugins/asker')).json.granted).toEqual([])
    await lyceum.call('POST', '/v1/plugins/asker/approve')
    expect(await ask('asker/n')).toBe(4)
  })

  test('with its data leaves nothing to whoever asks to change it just then', async () => {
    await lyceum.publish('brief', "import { view } from '@lyceum/sdk'\nexport const v = view(() => '<p>')")
    const { removal, plugins } = lyceum.host
    const [gone, ...changes] = await Promise.allSettled([
      removal.uninstall('brief', 'delete', false),
      plugins.setQuota('brief', { wallMs: 1_000 }),
      plugins.pause('brief'),
      plugins.resume('brief'),
    ])
    expect(gone.status).toBe('fulfilled')
    const refused = { status: 'rejected', reason: { code: 'plugin_unknown' } }
    expect(changes).toMatchObject([refused, refused, refused])
  })

  longTest('ends what follows its log, which nobody else’s lines come to', async () => {
    await lyceum.publish('chatty', COUNTER, { token: ann })
    const following = await fetch(`${lyceum.url}/v1/plugins/chatty/logs/follow`, {
      headers: { authorization: `Bearer ${ann}` },
    })
    await lyceum.call('DELETE', '/v1/plugins/chatty?data=delete', { token: ann })
    await lyceum.publish(
      'chatty',
      "import { query } from '@lyceum/sdk'\nexport const say = query(({ log }) => log.info('for bob'))",
      { token: bob },
    )
    await ask('chatty/say')
    expect((await lyceum.call('GET', '/v1/plugins/chatty/logs')).text).toContain('for bob')
    expect(await following.text()).toBe('\n')
  })

  longTest(
    'makes addresses of its files good for nothing, though another file is there by the same name',
    async () => {
      const source = `import { query } from '@lyceum/sdk'
      export const address = query(({ fs }) => fs.url('grades.csv', { seconds: 86_400 }))
      export const write = query(({ fs }) => fs.write('grades.csv', 'for bob', { expire: 3_600 }))`
      const read = async (address: string) => (await fetch(lyceum.url + address)).text()
      await lyceum.publish('filed', source, { token: ann })
      const old = await ask('filed/address')
      await lyceum.call('DELETE', '/v1/plugins/filed?data=delete', { token: ann })
      await lyceum.publish('filed', source, { token: bob })
      await ask('filed/write')
      expect(await read(await ask('filed/address'))).toBe('for bob')
      expect(await read(old)).toContain('file_unknown')
    },
  )

  test('while a handler works undoes its batch, and a later one finds nothing of it', async () => {
    await lyceum.publish(
      'busy',
      `import { onEvent, query } from '@lyceum/sdk'
       export const work = onEvent('work', async ({ db }) => {
         await db.collection('a').insertOne({ n: 1 }, { ack: true })
         for (;;) await db.collection('a').findOne()
       })
       export const n = query(({ db }) => db.collection('a').countDocuments())`,
    )
    await lyceum.call('PATCH', '/v1/plugins/busy/quota', { body: { wallMs: 60_000, opsPerCall: 1_000_000 } })
    await lyceum.call('POST', '/v1/events', { body: [{ event_type: 'work' }] })
    while (lyceum.host.invoker.underWay('busy') === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    await lyceum.call('DELETE', '/v1/plugins/busy')
    const quiet =
      "import { query } from '@lyceum/sdk'\nexport const n = query(({ db }) => db.collection('a').countDocuments())"
    await lyceum.publish('busy', quiet, { version: '2.0.0' })
    expect(await ask('busy/n')).toBe(0)
  })

  longTest('that was interrupted is finished by the next start', async () => {
    await lyceum.publish('doomed', COUNTER)
    await lyceum.send([{ event_type: 'count', tag: 'z' }])
    expect(filesOf('doomed')).not.toEqual([])
    // What stands in the registry once it is decided, and nothing of what follows.
    lyceum.host.catalogue.remove('doomed', 'delete')
    await lyceum.close()
    lyceum = await startHost(lyceum.dataDir)
    expect(filesOf('doomed')).toEqual([])
    expect((await lyceum.call('GET', '/v1/plugins/doomed')).json.code).toBe('plugin_unknown')
    expect(await ask('counter/total')).toBe(5)
  })
})
