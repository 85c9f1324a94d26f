import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { FILES, PNG } from './plugin.ts'

let lyceum: TestHost
let nowMs = Date.now()
beforeAll(async () => {
  lyceum = await startHost(undefined, () => nowMs)
  for (const id of ['files', 'others']) expect((await lyceum.publish(id, FILES)).status).toBe(201)
})
afterAll(() => lyceum.dispose())

const step = (event: object) => ({ event_type: 'file', event })
const ask = async (name: string, params: Record<string, string> = {}, plugin = 'files') =>
  (await lyceum.call('GET', `/v1/queries/${plugin}/${name}?${new URLSearchParams(params)}`)).json
const open = (address: string) => fetch(lyceum.url + address)

describe('files of a plugin', () => {
  test('are written by handlers, and read by queries of this plugin alone', async () => {
    await lyceum.send([
      step({ op: 'write', path: 'a/b.txt', text: 'Grüße' }),
      step({ op: 'append', path: 'a/b.txt', text: ' an alle' }),
    ])
    expect(await ask('read', { path: 'a/b.txt' })).toBe('Grüße an alle')
    expect(await ask('stat', { path: 'a/b.txt' })).toMatchObject({ bytes: 15, type: 'text/plain' })
    expect(await ask('list', { prefix: 'a/' })).toEqual(['a/b.txt'])
    await lyceum.call('POST', '/v1/plugins/others/pause')
    await lyceum.send([step({ op: 'write', path: 'only/here.txt', text: 'x' })])
    await lyceum.call('POST', '/v1/plugins/others/resume')
    expect(await ask('read', { path: 'a/../a/b.txt' })).toMatchObject({ code: 'file_path_invalid' })
  })

  test('that a query writes expire by the host’s clock', async () => {
    expect(await ask('draw', { path: 'drawn', text: 'here' })).toBe('here')
    nowMs += 60_000
    expect(await ask('read', { path: 'drawn' })).toBeNull()
    await lyceum.host.stores.sweeper.sweep()
    const before = await lyceum.host.plugins.storeOf('files').usage()
    expect(await ask('draw', { path: 'drawn', text: 'again' })).toBe('again')
    const after = await lyceum.host.plugins.storeOf('files').usage()
    expect(after.files).toBe(before.files + 1)
    expect(await ask('draw', { path: 'a/b.txt', text: 'over it' })).toMatchObject({ code: 'write_denied' })
  })

  test('cannot be written by a query that a handler asks: it would wait for what waits for it', async () => {
    const source = `import { onEvent, query } from '@lyceum/sdk'
      export const draw = query(({ fs }) => fs.write('drawn', 'x', { expire: 60 }).then(() => 1))
      export const ask = onEvent('ask', async ({ db, plugins: { self } }) => {
        await db.collection('a').insertOne({ _id: 1 }, { ack: true })
        const code = await self.draw().catch((error) => error.code)
        await db.collection('a').insertOne({ _id: 2, code })
      })
      export const told = query(async ({ db }) => (await db.collection('a').findOne({ _id: 2 }))?.code)`
    await lyceum.publish('circle', source)
    await lyceum.send([{ event_type: 'ask' }])
    expect(await ask('told', {}, 'circle')).toBe('write_denied')
    expect(await ask('draw', {}, 'circle')).toBe(1)
  })

  test('over the quota pause their handler, which says so, and goes on once there is room', async () => {
    const full = `import { onEvent, query } from '@lyceum/sdk'
      export const keep = onEvent('keep', async ({ events, db, fs }) => {
        for (const { event } of events) {
          await db.collection('kept').insertOne({ _id: event.n })
          await fs.write('kept/' + event.n, 'x'.repeat(600 * 1024))
        }
      })
      export const kept = query(async ({ db, fs }) => [await db.collection('kept').countDocuments(), (await fs.list()).length])`
    await lyceum.publish('full', full)
    await lyceum.call('PATCH', '/v1/plugins/full/quota', { body: { fileMb: 1 } })
    await lyceum.call('POST', '/v1/events', {
      body: [1, 2].map((n) => ({ event_type: 'keep', event: { n } })),
    })
    const status = async () => (await lyceum.call('GET', '/v1/plugins/full')).json
    await vi.waitUntil(async () => (await status()).cursors[0].lastError?.code === 'files_full', 10_000)
    expect(await status()).toMatchObject({ deadLetters: 0 })
    expect(await ask('kept', {}, 'full')).toEqual([0, 0])
    await lyceum.call('PATCH', '/v1/plugins/full/quota', { body: { fileMb: 2 } })
    await lyceum.settled()
    expect(await ask('kept', {}, 'full')).toEqual([2, 2])
    expect((await lyceum.host.plugins.storeOf('full').usage()).fileBytes).toBe(1200 * 1024)
  })

  test('are listed for their author and admins, with addresses to take them away', async () => {
    const owner = await lyceum.token({ role: 'author', user: 'ann' })
    const { json } = await lyceum.call('GET', '/v1/plugins/files/files?prefix=a/')
    expect(json.files).toMatchObject([{ path: 'a/b.txt', bytes: 15, type: 'text/plain' }])
    expect(await (await open(json.files[0].url)).text()).toBe('Grüße an alle')
    expect((await lyceum.call('GET', '/v1/plugins/files/files', { token: owner })).status).toBe(403)
    const student = await lyceum.token({ role: 'student', user: 'ann' })
    expect((await lyceum.call('GET', '/v1/plugins/files/files', { token: student })).status).toBe(403)
    const { files } = (await lyceum.call('GET', '/v1/plugins/files/files?limit=1')).json
    const next = (await lyceum.call('GET', `/v1/plugins/files/files?limit=1&after=${files[0].path}`)).json
    expect(next.files[0].path > files[0].path).toBe(true)
  })
})

describe('the address of a file', () => {
  test('opens that file for whoever has it: images to be shown, all else to be kept', async () => {
    const html = '<script>alert(1)</script>'
    await lyceum.send([
      step({ op: 'write', path: 'plot.png', base64: PNG.toString('base64') }),
      step({ op: 'write', path: 'false.png', text: html }),
      step({ op: 'write', path: 'page.html', text: html }),
      step({ op: 'write', path: 'image.svg', text: '<svg xmlns="http://www.w3.org/2000/svg"/>' }),
      step({ op: 'write', path: 'ta"ble,ü.csv', text: 'a,b' }),
      step({
        op: 'write',
        path: 'named.txt',
        base64: PNG.toString('base64'),
        options: { type: 'text/html' },
      }),
    ])
    const heads = async (path: string) => {
      const answer = await open(await ask('url', { path }))
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      await answer.bytes()
      return [answer.headers.get('content-type'), answer.headers.get('content-disposition')]
    }
    expect(await heads('plot.png')).toEqual(['image/png', "inline; filename*=UTF-8''plot.png"])
    expect(await heads('named.txt')).toEqual(['image/png', "inline; filename*=UTF-8''named.txt"])
    const octets = 'application/octet-stream'
    expect(await heads('false.png')).toEqual([octets, "attachment; filename*=UTF-8''false.png"])
    expect(await heads('page.html')).toEqual([octets, "attachment; filename*=UTF-8''page.html"])
    expect(await heads('image.svg')).toEqual([octets, "attachment; filename*=UTF-8''image.svg"])
    expect(await heads('ta"ble,ü.csv')).toEqual([
      'text/csv; charset=utf-8',
      "attachment; filename*=UTF-8''ta%22ble%2C%C3%BC.csv",
    ])
    const image = await open(await ask('url', { path: 'plot.png' }))
    expect(Buffer.from(await image.bytes()).equals(PNG)).toBe(true)
  })

  test('gives long files whole', async () => {
    const parts = ['a', 'b', 'c'].map((n) => `x€${n}`)
    await lyceum.send(parts.map((text) => step({ op: 'append', path: 'long.txt', text, times: 200_000 })))
    const answer = await open(await ask('url', { path: 'long.txt' }))
    expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(2 * LIMITS.filePageBytes)
    expect((await answer.text()) === parts.map((part) => part.repeat(200_000)).join('')).toBe(true)
  })

  test('opens nothing once it has expired, was changed, or belongs to another plugin', async () => {
    const address: string = await ask('url', { path: 'a/b.txt' })
    const [, , , ticket = ''] = address.split('/')
    const codeOf = async (changed: string) => {
      const answer = await open(changed)
      return [answer.status, (await answer.json()).code]
    }
    expect(await codeOf(`/files/others/${ticket}`)).toEqual([401, 'token_invalid'])
    expect(await codeOf(`/files/files/${ticket.slice(0, -2)}AA`)).toEqual([401, 'token_invalid'])
    expect(await codeOf('/files/files/x')).toEqual([401, 'token_invalid'])
    const frame = (await lyceum.call('GET', '/views/files/page?path=a/b.txt')).text
    const [, frameTicket = ''] = /\/frames\/([\w.-]+)/.exec(frame) ?? []
    expect(frameTicket).not.toBe('')
    expect(await codeOf(`/files/files/${frameTicket}`)).toEqual([401, 'token_invalid'])
    expect((await open(`/frames/${ticket}`)).status).toBe(401)
    const short = await ask('url', { path: 'a/b.txt', seconds: '0.001' })
    await vi.waitUntil(async () => (await codeOf(short))[1] === 'token_expired', 20_000)
    expect(await codeOf(await ask('url', { path: 'not/there' }))).toEqual([404, 'file_unknown'])
    expect(await ask('url', { path: 'a', seconds: '86401' })).toMatchObject({ code: 'op_malformed' })
    await lyceum.send([step({ op: 'delete', path: 'a/b.txt' })])
    expect(await codeOf(address)).toEqual([404, 'file_unknown'])
  })

  test('tells nobody the path', async () => {
    const address: string = await ask('url', { path: 'secret-name.txt' })
    expect(Buffer.from(address.split('.').at(-1) ?? '', 'base64url').toString('latin1')).not.toContain(
      'secret',
    )
  })
})

test('what lies on the disk is named by what is in it, in the folder of its plugin', async () => {
  const folder = join(lyceum.dataDir, 'plugins')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.files'))
  expect(names).toContain('files.1.files')
  const { createHash } = await import('node:crypto')
  const kept = (
    await readdir(join(folder, 'files.1.files'), { recursive: true, withFileTypes: true })
  ).filter((entry) => entry.isFile())
  expect(kept.length).toBeGreaterThan(5)
  for (const { parentPath, name } of kept)
    expect(
      createHash('sha256')
        .update(await readFile(join(parentPath, name)))
        .digest('hex'),
    ).toBe(name)
})

test('the example of the documentation does what it says', async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/fs.md'), 'utf8')
  const [, example = ''] = /```ts\n(.*?)```/s.exec(text) ?? []
  expect((await lyceum.publish('answers', example)).status).toBe(201)
  const check = {
    event_type: 'problem_check',
    event_source: 'server',
    context: { course_id: 'c' },
    event: { grade: 1 },
  }
  await lyceum.send([{ ...check, time: '2026-01-01T00:00:00Z' }])
  const { files } = (await lyceum.call('GET', '/v1/plugins/answers/files')).json
  expect(await (await open(files[0].url)).text()).toMatch(/^2026-01-01T00:00:00\S*,c,1\n$/)
  expect((await lyceum.call('GET', '/v1/queries/answers/days')).json).toEqual([])
  const view = (await lyceum.call('GET', '/views/answers/download')).text
  const [frame = ''] = /\/frames\/[\w.-]+/.exec(view) ?? []
  const [link = ''] = /\/files\/answers\/[\w.-]+/.exec(await (await open(frame)).text()) ?? []
  expect((await open(link)).headers.get('content-disposition')).toContain('attachment')
})

test('files go with their plugin, and only with it', async () => {
  const folders = async () =>
    (await readdir(join(lyceum.dataDir, 'plugins'))).filter((name) => name.endsWith('.files'))
  expect(await folders()).toContain('full.1.files')
  expect((await lyceum.call('DELETE', '/v1/plugins/full?data=delete')).status).toBe(200)
  const left = await folders()
  expect(left).not.toContain('full.1.files')
  expect(left).toContain('files.1.files')
})
