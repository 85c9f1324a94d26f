import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Stranger, signedIn, startBrowser, startStranger } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { FILES, PNG } from './plugin.ts'

let lyceum: TestHost
let browser: Browser
let stranger: Stranger
let context: BrowserContext
let page: Page

const HOSTILE = `
  import { html, t, view } from '@lyceum/sdk'
  export const markup = view({ params: { inside: t.string({ max: 8000 }) } }, ({ params }) => html.raw(params.inside))`

beforeAll(async () => {
  ;[lyceum, browser, stranger] = await Promise.all([startHost(), startBrowser(), startStranger()])
  await lyceum.publish('files', FILES)
  await lyceum.publish('hostile', HOSTILE)
  const step = (event: object) => ({ event_type: 'file', event })
  await lyceum.send([
    step({ op: 'write', path: 'plot.png', base64: PNG.toString('base64') }),
    step({ op: 'write', path: 'table.csv', text: 'a,b' }),
  ])
})
afterAll(async () => {
  stranger.close()
  await browser.close()
  await lyceum.dispose()
})

beforeEach(async () => {
  context = await signedIn(browser, lyceum, { role: 'admin', user: 'carol' }, { acceptDownloads: true })
  page = await context.newPage()
})
afterEach(() => context.close())

const addressOf = async (path: string): Promise<string> =>
  (await lyceum.call('GET', `/v1/queries/files/url?path=${path}`)).json
const show = (inside: string) => page.goto(`/views/hostile/markup?inside=${encodeURIComponent(inside)}`)
const inFrame = () => page.frameLocator('#view')

describe('a view', () => {
  test('shows an image among the files of its plugin', async () => {
    await page.goto('/views/files/page?path=plot.png')
    const width = () =>
      inFrame()
        .locator('#image')
        .evaluate((image) => (image as HTMLImageElement).naturalWidth)
    await vi.waitFor(async () => expect(await width()).toBe(1), 20_000)
  })

  test('loads nothing else by it: no other address, no other use of the address', async () => {
    const address = await addressOf('plot.png')
    const requested: string[] = []
    context.on('requestfinished', (request) => requested.push(new URL(request.url()).pathname))
    const strange = `http://127.0.0.1:${stranger.port}/files/x`
    await show(`<img src="/"><img src="/assets/x"><img src="/frames/x"><img src="${strange}"><img src="/files/../v1/plugins">
      <img src="//127.0.0.1:${stranger.port}/files/x"><img src="/files">
      <script src="${address}"></script><link rel="stylesheet" href="${address}"><iframe src="${address}"></iframe>
      <video src="${address}"></video><embed src="${address}"><object data="${address}"></object>
      <script>
        fetch('${address}').catch(() => {}); navigator.sendBeacon('${address}')
        const x = new XMLHttpRequest(); x.open('GET', '${address}'); try { x.send() } catch {}
        const canvas = document.createElement('canvas').getContext('2d'), image = new Image()
        image.onload = () => {
          canvas.drawImage(image, 0, 0)
          try { canvas.getImageData(0, 0, 1, 1); said.textContent = 'read' } catch (error) { said.textContent = error.name }
        }
        image.src = '${address}'
      </script><p id="said"></p>`)
    // An image may be shown; what is in it stays unknown to the script.
    await vi.waitFor(
      async () => expect(await inFrame().locator('#said').textContent()).toBe('SecurityError'),
      20_000,
    )
    const unexpected = requested.filter(
      (path) => !/^\/(?:views|assets)\//.test(path) && path !== address && !path.startsWith('/frames/'),
    )
    expect(unexpected).toEqual([])
    expect(requested.filter((path) => path === address)).toHaveLength(1)
    expect(stranger.heard).toEqual([])
  })

  test('lets a person keep a file, by a click', async () => {
    await page.goto('/views/files/page?path=table.csv')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      inFrame().getByText('Download').click(),
    ])
    expect(download.suggestedFilename()).toBe('table.csv')
    expect(await readFile(await download.path(), 'utf8')).toBe('a,b')
    expect(new URL(page.url()).pathname).toBe('/views/files/page')
  })

  test('inside another view does the same', async () => {
    const source = `import { html, view } from '@lyceum/sdk'
      export const page = view(async ({ plugins: { files } }) =>
        html\`\${await files.page({ path: 'plot.png' })}\${await files.page({ path: 'table.csv' })}\`)`
    expect((await lyceum.publish('around', source)).status).toBe(201)
    await page.goto('/views/around/page')
    const [image, table] = [0, 1].map((at) => inFrame().locator('iframe').nth(at).contentFrame())
    const width = () => image?.locator('#image').evaluate((shown) => (shown as HTMLImageElement).naturalWidth)
    await vi.waitFor(async () => expect(await width()).toBe(1), { timeout: 10_000 })
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      table?.getByText('Download').click(),
    ])
    expect(download.suggestedFilename()).toBe('table.csv')
  })

  test('has nothing kept that nobody clicked on, and nothing else than files', async () => {
    const downloads: string[] = []
    page.on('download', (download) => downloads.push(download.url()))
    const address = await addressOf('table.csv')
    const say = (data: unknown) => `parent.postMessage(${JSON.stringify(data)}, "*");`
    const hostile = [
      '/v1/plugins',
      '/files/a/../../v1/plugins',
      `${address}?x`,
      '//example.org/files/a/b',
      'x',
      7,
    ]
    await show(`<a id="link" href="${address}">x</a><button onclick='${hostile
      .map((lyceumDownload) => say({ lyceumDownload }))
      .join('')}said.textContent = "clicked"'>go</button><p id="said"></p>
      <script>${say({ lyceumDownload: address })} document.getElementById('link').click()</script>`)
    await inFrame().getByText('go').waitFor()
    await sleep(300)
    expect(downloads).toEqual([])
    await inFrame().getByText('go').click()
    await inFrame().getByText('clicked').waitFor()
    await sleep(300)
    expect(downloads).toEqual([])
    expect(new URL(page.url()).pathname).toBe('/views/hostile/markup')
  })
})
