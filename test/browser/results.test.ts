import type { Browser, BrowserContextOptions, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Stranger, signedIn, startBrowser, startStranger } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { barriersOf } from './accessibility.ts'

const PLUGIN = `
import { chart, html, t, table, view } from '@lyceum/sdk'
const videos = [{ video: 'Intro', n: 9, at: '2026-02-03' }, { video: 'Limits', n: 120, at: '2026-02-01' }, { video: 'Series', n: 33, at: null }]
export const bar = view(() => chart.bar(videos, { x: 'video', y: 'n', title: 'Plays', labels: { n: 'Times played' } }))
export const all = view(() => [chart.bar(videos, { x: 'video', y: 'n' }), table(videos, { title: 'Videos' })])
const sections = Array.from({ length: 7 }, (_, i) => ({ day: '2026-02-0' + (i + 1), n: 1000000 * i, section: 'Section of tutor ' + i }))
export const sectioned = view(() => [chart.bar(sections, { x: 'day', y: 'n', color: 'section' }), chart.heatmap(sections, { x: 'day', y: 'day', color: 'n' })])
export const narrow = view(() => [chart.bar(sections.map(({ n }, i) => ({ n, week: 'Week ' + i })), { x: 'week', y: 'n' }),
  chart.spec({ data: { values: sections }, mark: 'bar', encoding: { column: { field: 'section' }, x: { field: 'n', type: 'quantitative' } } }, { description: 'By section.' })])
const watched = Array.from({ length: 64 }, (_, i) => ({ video: 'video-of-a-long-name-' + (i % 2), second: 30 * (i >> 1), n: 20 + i }))
export const heat = view(() => chart.heatmap(watched, { x: 'second', y: 'video', color: 'n' }))
export const wide = view(() => table([{ id: 'amara_1', ...Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, 123456789])) }]))
const words = 'a sentence that is broken into more lines on paper than on a screen '.repeat(3)
export const long = view(() => [html\`<div style="height: 1300px"></div>\`, table([{ words }, { words }, { words }, { words }]),
  table([Object.fromEntries(Array.from({ length: 20 }, (_, i) => ['column' + i, 123456789]))])])
export const plain = view(() => html\`<p>Nothing to see</p>\`)
export const shouting = view(() => '<script>for (let n = 0; n < 30; n++) parent.postMessage({ lyceumCharts: true }, "*")</script>')
export const folded = view(() => html\`<details><summary>More</summary>\${chart.bar(videos, { x: 'video', y: 'n' })}</details>\`)
export const zoom = view(() => chart.spec({
  params: [{ name: 'grid', select: 'interval', bind: 'scales' }],
  data: { values: videos.map(({ n }, x) => ({ n, x })) },
  mark: 'point', encoding: { x: { field: 'x', type: 'quantitative' }, y: { field: 'n', type: 'quantitative' } } }, { description: 'Plays.' }))
export const leaks = view({ params: { port: t.string() } }, ({ params }) => {
  const to = 'http://127.0.0.1:' + params.port + '/leak'
  const vega = { width: 50, height: 50, signals: [{ name: 's', init: 'warn("' + to + '")' }],
    data: [{ name: 'd', url: to }], usermeta: { embedOptions: { loader: { http: to } } },
    marks: [{ type: 'image', encode: { enter: { url: { value: to }, width: { value: 9 }, height: { value: 9 }, href: { value: to } } } }] }
  return html\`<lyceum-chart data-vega="\${JSON.stringify(vega)}"><svg class="before"></svg></lyceum-chart>
    \${chart.bar(videos, { x: 'video', y: 'n' })}\`
})
`
const OTHER = `import { html, view } from '@lyceum/sdk'
export const report = view(async ({ plugins: { results } }) => html\`<h1>Report</h1>\${await results.bar()}\${await results.all()}\`)
export const beside = view(async ({ plugins: { results } }) => html\`\${await results.shouting()}\${await results.bar()}\`)`

let lyceum: TestHost
let browser: Browser
let stranger: Stranger
beforeAll(async () => {
  ;[lyceum, browser, stranger] = await Promise.all([startHost(), startBrowser(), startStranger()])
  expect((await lyceum.publish('results', PLUGIN)).status).toBe(201)
  expect((await lyceum.publish('other', OTHER)).status).toBe(201)
})
afterAll(async () => {
  stranger.close()
  await browser.close()
  await lyceum.dispose()
})

interface Shown {
  readonly page: Page
  readonly frame: Frame
  /** What the console said of what the policy refuses, and what scripts threw. */
  readonly complaints: string[]
  /** The files that were asked for. */
  readonly requests: string[]
}

async function show(view: string, options: BrowserContextOptions = {}, plugin = 'results'): Promise<Shown> {
  const context = await signedIn(browser, lyceum, { role: 'admin', user: 'carol' }, options)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  const requests: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => requests.push(new URL(request.url()).pathname))
  await page.goto(`/views/${plugin}/${view}`)
  const frame = page.frames()[1]
  if (frame === undefined) throw new Error('the page has no frame')
  return { page, frame, complaints, requests }
}

/** Resolves when each chart of a frame answers. */
async function live(frame: Frame): Promise<void> {
  await frame.waitForSelector('lyceum-chart[tabindex]', { timeout: 20_000 })
  await vi.waitFor(async () => expect(await frame.locator('lyceum-chart > svg').count()).toBe(0), 20_000)
}

describe('a chart', () => {
  longTest('is there without JavaScript, with its words and its data', async () => {
    const { frame } = await show('bar', { javaScriptEnabled: false })
    const chart = frame.locator('lyceum-chart')
    expect(await chart.getAttribute('aria-label')).toContain('the highest 120 (Limits)')
    expect(await frame.locator('lyceum-chart > svg [aria-roledescription="bar"]').count()).toBe(3)
    await frame.getByText('Data as a table').click()
    expect(await frame.getByRole('cell', { name: 'Series' }).isVisible()).toBe(true)
  })

  longTest(
    'answers with JavaScript: to a mouse and to the keyboard, and the policy has nothing to refuse',
    async () => {
      const { page, frame, complaints } = await show('bar')
      await live(frame)
      await frame.locator('[aria-roledescription="bar"]').nth(1).hover()
      const tip = frame.locator('.lyceum-tip')
      await vi.waitFor(
        async () => expect(await tip.innerText()).toBe('Video: Limits\nTimes played: 120'),
        20_000,
      )
      await page.mouse.move(0, 0)
      await frame.locator('lyceum-chart').focus()
      await page.keyboard.press('ArrowRight')
      await vi.waitFor(
        async () => expect(await tip.innerText()).toBe('Video: Intro\nTimes played: 9'),
        20_000,
      )
      await page.keyboard.press('ArrowLeft')
      await vi.waitFor(
        async () => expect(await tip.innerText()).toBe('Video: Series\nTimes played: 33'),
        20_000,
      )
      await page.keyboard.press('Escape')
      await vi.waitFor(async () => expect(await tip.isHidden()).toBe(true), 20_000)
      expect(complaints).toEqual([])
    },
  )

  test('fits on paper that is narrower than the window that it was drawn for', async () => {
    const { page, frame } = await show('bar')
    await live(frame)
    await page.emulateMedia({ media: 'print' })
    const widthPx = await frame.locator('lyceum-chart svg').evaluate((svg) => {
      document.body.style.width = '300px'
      return svg.getBoundingClientRect().width
    })
    expect(widthPx).toBeLessThanOrEqual(300)
  })

  test('is as wide as a phone, and its text keeps its size', async () => {
    const { frame } = await show('bar', { viewport: { width: 340, height: 640 } })
    await live(frame)
    const { width, size } = await frame.locator('lyceum-chart svg').evaluate((svg) => ({
      width: svg.getBoundingClientRect().width,
      size: svg.querySelector('text')?.getBoundingClientRect().height ?? 0,
    }))
    expect(width).toBeLessThan(340)
    expect(size).toBeGreaterThan(10)
    expect(await frame.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
  })

  test('has as many columns in its legend as a phone has room for', async () => {
    const { frame } = await show('sectioned', { viewport: { width: 340, height: 640 } })
    await live(frame)
    await frame.waitForFunction("document.querySelectorAll('lyceum-chart[tabindex]').length === 2")
    const right = await frame
      .locator('.role-legend-label text')
      .evaluateAll((texts) => Math.max(...texts.map((text) => text.getBoundingClientRect().right)))
    expect(right).toBeLessThan(340)
  })

  test('slants names that have no room beside each other, and scrolls by itself where it has a width of its own', async () => {
    const { frame } = await show('narrow', { viewport: { width: 340, height: 640 } })
    await vi.waitFor(async () => expect(await frame.locator('lyceum-chart[tabindex]').count()).toBe(2))
    const turned = await frame
      .locator('lyceum-chart text', { hasText: /^Week \d/ })
      .evaluateAll((texts) => texts.map((text) => text.getAttribute('transform')?.includes('rotate')))
    expect(turned).toEqual(Array.from({ length: 7 }, () => true))
    expect(await frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
  })

  test('has its legend inside of its picture, and no numbers on each other, however little is left for it', async () => {
    const { frame } = await show('heat', { viewport: { width: 360, height: 640 } })
    await live(frame)
    const { below, covered } = await frame.locator('lyceum-chart svg').evaluate((svg) => {
      const boxes = (of: string) => [...svg.querySelectorAll(of)].map((text) => text.getBoundingClientRect())
      const bottom = svg.getBoundingClientRect().bottom
      const seen = [...svg.querySelectorAll('.role-axis-label text')].filter(
        (text) => getComputedStyle(text).opacity !== '0' && /^\d+$/.test(text.textContent),
      )
      const numbers = seen.map((text) => text.getBoundingClientRect())
      return {
        below: boxes('.role-legend text').filter((box) => box.bottom > bottom).length,
        covered: numbers.filter((box, at) => box.left < (numbers[at - 1]?.right ?? 0)).length,
      }
    })
    expect({ below, covered }).toEqual({ below: 0, covered: 0 })
  })

  longTest('zooms where its specification lets it', async () => {
    const { page, frame } = await show('zoom')
    await live(frame)
    const labels = () => frame.locator('.role-axis-label').first().textContent()
    const before = await labels()
    await frame.locator('lyceum-chart svg').hover()
    await page.mouse.wheel(0, -400)
    await vi.waitFor(async () => expect(await labels()).not.toBe(before), 20_000)
  })

  test('answers when the part that it stands in is opened', async () => {
    const { frame } = await show('folded')
    await frame.getByText('More').click()
    await live(frame)
    expect(
      await frame.locator('lyceum-chart svg').evaluate((svg) => svg.getBoundingClientRect().width),
    ).toBeGreaterThan(300)
  })

  longTest('inside of a view of another plugin does the same', async () => {
    const { page, complaints } = await show('report', {}, 'other')
    await vi.waitFor(() => expect(page.frames()).toHaveLength(4), 10_000)
    for (const inner of page.frames().slice(2)) {
      await live(inner)
      await inner.locator('[aria-roledescription="bar"]').first().hover()
      await vi.waitFor(
        async () => expect(await inner.locator('.lyceum-tip').innerText()).toContain('Video: Intro'),
        20_000,
      )
    }
    expect(complaints).toEqual([])
  })

  longTest('beside a view that asks for all that draws charts does so, too', async () => {
    const { page } = await show('beside', {}, 'other')
    await vi.waitFor(() => expect(page.frames()).toHaveLength(4), 10_000)
    const chart = page.frames().at(-1)
    if (chart !== undefined) await live(chart)
  })

  longTest('costs nothing where there is none, and its script is kept by the browser', async () => {
    const charts = (requests: readonly string[]) =>
      requests.filter((path) => path.startsWith('/assets/charts'))
    const { frame, requests } = await show('plain')
    await frame.getByText('Nothing to see').waitFor()
    expect(charts(requests)).toEqual([])
    const drawn = await show('bar')
    await live(drawn.frame)
    const [path] = charts(drawn.requests)
    const answer = await lyceum.call('GET', path ?? '')
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  })

  test('tells nobody anything, and loads nothing, whatever its specification is', async () => {
    stranger.heard.length = 0
    const { frame } = await show(`leaks?port=${stranger.port}`)
    // The honest chart answers; the other one keeps its picture, or shows nothing.
    await frame.waitForSelector('figure lyceum-chart[tabindex]', { timeout: 20_000 })
    expect(stranger.heard).toEqual([])
  })
})

describe('a view on paper', () => {
  test('begins below its title, with all that is on the screen', async () => {
    const { page, frame } = await show('long', { viewport: { width: 1200, height: 800 } })
    const shown = page.locator('#view')
    await vi.waitFor(async () => expect(await shown.getAttribute('style')).toContain('--paper'))
    const pages = (await page.pdf({ format: 'A4' })).toString('latin1').match(/\/Type \/Page\b/g)
    expect(pages).toHaveLength(2)
    await page.emulateMedia({ media: 'print' })
    const givenPx = await shown.evaluate((view) => view.clientHeight)
    const needed = await frame.evaluate(() => {
      document.documentElement.style.width = '640px'
      const { height } = document.documentElement.getBoundingClientRect()
      return { height, width: document.documentElement.scrollWidth }
    })
    expect(needed.width).toBeLessThanOrEqual(640)
    expect(givenPx).toBeGreaterThanOrEqual(needed.height)
    expect(givenPx).toBeLessThan(needed.height + 150)
  })
})

describe('a table', () => {
  test('writes no name from top to bottom, however many numbers stand beside it', async () => {
    const { frame } = await show('wide', { viewport: { width: 340, height: 640 } })
    const { width } = (await frame.locator('td').first().boundingBox()) ?? { width: 0 }
    expect(width).toBeGreaterThan(70)
  })

  test('is sorted by its heads, with the mouse and the keyboard', async () => {
    const { page, frame } = await show('all')
    const table = frame.locator('.lyceum-table').last()
    const column = (at: number) => table.locator(`tbody td:nth-child(${at})`).allInnerTexts()
    expect(await column(1)).toEqual(['Intro', 'Limits', 'Series'])
    await table.getByRole('button', { name: 'N' }).click()
    expect(await column(2)).toEqual(['9', '33', '120'])
    expect(await table.locator('th').nth(1).getAttribute('aria-sort')).toBe('ascending')
    await page.keyboard.press('Enter')
    expect(await column(2)).toEqual(['120', '33', '9'])
    // An arrow would be read aloud beside it.
    expect(await table.getByRole('button', { name: 'N', exact: true }).count()).toBe(1)
    expect(await table.locator('th').nth(1).getAttribute('aria-sort')).toBe('descending')
    await table.getByRole('button', { name: 'At' }).click()
    expect(await column(3)).toEqual(['2026-02-01', '2026-02-03', ''])
    expect(await table.locator('th').nth(1).getAttribute('aria-sort')).toBeNull()
  })
})

describe('charts and tables can be read', () => {
  test('in one colour where somebody wants more contrast, and a chart says how it is read by keys', async () => {
    const { frame } = await show('all', { contrast: 'more' })
    await live(frame)
    expect(await frame.locator('lyceum-chart').getAttribute('aria-description')).toContain('arrow keys')
    const colourOf = (element: Element) => getComputedStyle(element).color
    const words = await frame.getByText('Data as a table').evaluate(colourOf)
    expect(words).toBe(await frame.locator('body').evaluate(colourOf))
  })

  test.each<[string, BrowserContextOptions]>([
    ['in the light', {}],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 360, height: 640 } }],
  ])('%s', async (_, options) => {
    const { frame } = await show('all', options)
    await live(frame)
    await frame.getByText('Data as a table').click()
    // The page around has the headings, and Vega places what it draws by styles.
    const ofFrames = /^(?:there is not one (?:main|h1)|an inline style)$/
    expect((await barriersOf(frame)).filter((barrier) => !ofFrames.test(barrier))).toEqual([])
  })
})
