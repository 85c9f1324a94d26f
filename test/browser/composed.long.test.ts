import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Stranger, signedIn, startBrowser, startStranger } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

/** A plugin whose views are asked for by another's; what their scripts do is a parameter. */
const INNER = `
  import { html, t, view } from '@lyceum/sdk'
  const params = { inside: t.string({ max: 8000 }) }
  export const markup = view({ title: 'The inner view', params }, ({ params }) => html.raw(params.inside))
  export const deep = view({ params }, async ({ plugins: { innermost }, params }) =>
    html\`<p>middle</p>\${await innermost.markup({ inside: params.inside })}\`)
  export const chart = view({ title: 'Grades' }, () => html\`<h2>Grades of the course</h2>
    <table><thead><tr><th>Learner</th><th>Grade</th></tr></thead>
    <tbody>\${['Ann', 'Ben', 'Cem'].map((n, i) => html\`<tr><td>\${n}</td><td>\${90 - i * 7}</td></tr>\`)}</tbody></table>\`)
`
const OUTER = `
  import { html, t, view } from '@lyceum/sdk'
  const params = { inside: t.string({ max: 8000 }), own: t.string({ max: 8000, default: '' }) }
  export const page = view({ params }, async ({ plugins: { inner }, params }) =>
    html\`<h1 id="secret">of the outer</h1>\${html.raw(params.own)}\${await inner.markup({ inside: params.inside })}<p id="last">after</p>\`)
  export const deep = view({ params }, async ({ plugins: { inner }, params }) =>
    html\`<h1>outer</h1>\${await inner.deep({ inside: params.inside })}\`)
  export const report = view(async ({ plugins: { inner } }) =>
    html\`<h1>Report</h1><p>What another plugin shows stands below.</p>\${await inner.chart()}<p>And what follows.</p>\`)
`

let lyceum: TestHost
let browser: Browser
let stranger: Stranger
beforeAll(async () => {
  ;[lyceum, browser, stranger] = await Promise.all([startHost(), startBrowser(), startStranger()])
  await lyceum.publish(
    'innermost',
    `import { html, t, view } from '@lyceum/sdk'
     export const markup = view({ params: { inside: t.string({ max: 8000 }) } }, ({ params }) => html.raw(params.inside))`,
  )
  await lyceum.publish('inner', INNER)
  expect((await lyceum.publish('outer', OUTER)).status).toBe(201)
})
afterAll(async () => {
  stranger.close()
  await browser.close()
  await lyceum.dispose()
})

async function open(
  view: string,
  given: Record<string, string> = {},
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await signedIn(browser, lyceum, { role: 'admin', user: 'carol' }, options)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  await page.goto(`/views/outer/${view}?${new URLSearchParams(given)}`)
  return page
}
/** The frame at a depth: 1 is the view, 2 the view inside it. */
async function frameAt(page: Page, depth: number): Promise<Frame> {
  return vi.waitFor(async () => {
    const frames = page.frames()
    const frame = frames[depth]
    if (frame === undefined) throw new Error(`there are ${frames.length} frames`)
    await frame.waitForSelector('body.nested, #secret, h1')
    return frame
  }, 20_000)
}
/** What each attempt came to, inside a frame. */
const attempts = `
  (attempts) => Object.fromEntries(Object.entries(attempts).map(([name, attempt]) => {
    try { return [name, String(attempt())] } catch (error) { return [name, error.name] }
  }))`

describe('a view inside a view of another plugin', () => {
  longTest('neither reads nor changes what is around it', async () => {
    const page = await open('page', { inside: '<p>here</p>' })
    const inner = await frameAt(page, 2)
    const found = await inner.evaluate(
      `(${attempts})({
        text: () => parent.document.body.innerText,
        secret: () => parent.document.getElementById('secret'),
        element: () => frameElement && frameElement.ownerDocument,
        address: () => parent.location.href,
        top: () => top.document.title,
        storage: () => localStorage.length,
        cookies: () => document.cookie,
        write: () => { parent.document.body.innerHTML = 'x' },
        move: () => { parent.location = 'about:blank' },
        moveTop: () => { top.location = 'about:blank' },
        open: () => open('about:blank'),
      })`,
    )
    expect(found).toEqual({
      text: 'SecurityError',
      secret: 'SecurityError',
      element: 'null',
      address: 'SecurityError',
      top: 'SecurityError',
      storage: 'SecurityError',
      cookies: 'SecurityError',
      write: 'SecurityError',
      move: 'SecurityError',
      moveTop: 'SecurityError',
      open: 'null',
    })
    expect(await inner.evaluate('[origin, document.referrer]')).toEqual(['null', ''])
    // Its own files it still finds.
    expect(await inner.evaluate("new URL('/files/x', document.baseURI).href")).toBe(`${lyceum.url}/files/x`)
    expect(await (await frameAt(page, 1)).innerText('#secret')).toBe('of the outer')
  })

  test('is not reached by what is around it', async () => {
    const page = await open('page', { inside: '<p>here</p>' })
    await frameAt(page, 2)
    const outer = await frameAt(page, 1)
    const found = await outer.evaluate(
      `(${attempts})({
        document: () => document.querySelector('iframe').contentDocument,
        text: () => frames[0].document.body.innerText,
        storage: () => frames[0].localStorage,
        call: () => frames[0].eval('1'),
      })`,
    )
    expect(found).toEqual({
      document: 'null',
      text: 'SecurityError',
      storage: 'SecurityError',
      call: 'SecurityError',
    })
  })

  longTest('tells nobody what it knows', async () => {
    const to = `http://127.0.0.1:${stranger.port}/`
    const ways = `<img src="${to}img"><link rel="stylesheet" href="${to}css"><iframe src="${to}frame"></iframe>
      <script>
        fetch('${to}fetch', { mode: 'no-cors' }).catch(() => {})
        new WebSocket('${to}'.replace('http', 'ws'))
        navigator.sendBeacon('${to}beacon', 'x')
        document.body.append('tried')
        setTimeout(() => { location = '${to}location' }, 50)
      </script>`
    const page = await open('page', { inside: ways })
    await vi.waitFor(() => expect(page.frames().length).toBeGreaterThanOrEqual(3), 20_000)
    await page.waitForTimeout(600)
    expect(stranger.heard).toEqual([])
    expect(await (await frameAt(page, 1)).innerText('#secret')).toBe('of the outer')
  })

  test('has no WebRTC, however deep it is', async () => {
    const page = await open('deep', { inside: '<p>innermost</p>' })
    const innermost = await frameAt(page, 3)
    expect(await innermost.innerText('p')).toBe('innermost')
    expect(await innermost.evaluate('typeof RTCPeerConnection')).toBe('undefined')
    expect(await innermost.evaluate(`(${attempts})({ text: () => parent.document.body.innerText })`)).toEqual(
      {
        text: 'SecurityError',
      },
    )
  })

  test('is named for those who hear it, and quotes cannot end its frame', async () => {
    const page = await open('page', { inside: '"></iframe><p id="escaped">out</p>' })
    const inner = await frameAt(page, 2)
    const outer = await frameAt(page, 1)
    expect(await outer.locator('iframe').getAttribute('title')).toBe('The inner view')
    expect(await outer.locator('#escaped').count()).toBe(0)
    expect(await inner.locator('#escaped').count()).toBe(1)
  })
})

describe('the height of a view inside a view', () => {
  const heightOf = (outer: Frame) =>
    outer.locator('iframe').evaluate((frame) => frame.getBoundingClientRect().height)

  longTest('is its own, follows it, and the page follows both', async () => {
    const page = await open('page', { inside: '<div id="box" style="height: 700px"></div>' })
    const [outer, inner] = [await frameAt(page, 1), await frameAt(page, 2)]
    await vi.waitFor(async () => expect(await heightOf(outer)).toBe(700), 20_000)
    const whole = () => page.locator('iframe').evaluate((frame) => frame.getBoundingClientRect().height)
    await vi.waitFor(async () => expect(await whole()).toBeGreaterThan(750), 20_000)
    await inner.evaluate(() => document.getElementById('box')?.style.setProperty('height', '300px'))
    await vi.waitFor(async () => expect(await heightOf(outer)).toBe(300), 20_000)
    await vi.waitFor(async () => expect(await whole()).toBeLessThan(500), 20_000)
  })

  test.each([
    [1e12, 20_000],
    [-5, 20],
  ])('stays within bounds where it asks for %d', async (asked, given) => {
    const page = await open('page', {
      inside: `<script>addEventListener('load', () => parent.postMessage({ lyceumHeight: ${asked} }, '*'))</script>`,
    })
    const outer = await frameAt(page, 1)
    await vi.waitFor(async () => expect(await heightOf(outer)).toBe(given), 20_000)
  })

  longTest('no longer matters once it floods: it is taken away, and the rest goes on', async () => {
    const page = await open('page', {
      inside: `<script>setTimeout(() => {
        for (let i = 0; i < 100_000; i++) parent.postMessage({ lyceumHeight: i }, '*') }, 100)</script>`,
    })
    const outer = await frameAt(page, 1)
    await outer.getByText('This view was stopped: it flooded the page').waitFor({ timeout: 20_000 })
    expect(await outer.locator('iframe').count()).toBe(0)
    expect(await outer.innerText('#last')).toBe('after')
  })
})

const BLACK_BELOW = 80

describe('a composed view looks like one page', () => {
  test.each<[string, BrowserContextOptions]>([
    ['on a desktop', {}],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 360, height: 640 } }],
  ])('%s', async (name, options) => {
    const page = await open('report', {}, options)
    const [outer, inner] = [await frameAt(page, 1), await frameAt(page, 2)]
    const colors = (frame: Frame) =>
      frame.evaluate(() => {
        const { color, backgroundColor } = getComputedStyle(document.body)
        return { color, backgroundColor, font: getComputedStyle(document.body).fontFamily }
      })
    expect(await colors(inner)).toEqual(await colors(outer))
    const isDark = Number(/\d+/.exec((await colors(inner)).backgroundColor)?.[0]) < BLACK_BELOW
    expect(isDark).toBe(options.colorScheme === 'dark')
    const widths = await outer.evaluate(() => {
      const frame = document.querySelector('iframe')?.getBoundingClientRect()
      const heading = document.querySelector('h1')?.getBoundingClientRect()
      return [frame?.left, frame?.width, heading?.left, heading?.width]
    })
    expect(widths.slice(0, 2)).toEqual(widths.slice(2))
    await vi.waitFor(
      async () =>
        expect(
          await inner.evaluate(
            () => document.documentElement.scrollHeight <= innerHeight && innerHeight > 150,
          ),
        ).toBe(true),
      20_000,
    )
    const shots = process.env.LYCEUM_SHOTS
    if (shots !== undefined)
      await page.screenshot({ path: join(shots, `composed ${name}.png`), fullPage: true })
  })
})
