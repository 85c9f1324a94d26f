import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'

const PLUGIN = `
import { chart, html, Long, query, table, view } from '@lyceum/sdk'

const videos = [
  { video: 'Intro', n: 12, section: 'A' },
  { video: 'Limits', n: 120, section: 'B' },
  { video: 'Series', n: 33, section: 'A' },
]
const days = Array.from({ length: 30 }, (_, i) => ({
  day: '2026-02-' + String(i % 28 + 1).padStart(2, '0'), learners: 20 + i, section: i < 28 ? 'A' : 'B' }))
const sessions = [
  { user: 'ann', began: new Date('2026-02-01T08:00Z'), ended: new Date('2026-02-01T10:30Z') },
  { user: 'ben', began: new Date('2026-02-01T09:00Z'), ended: new Date('2026-02-02T10:30Z') },
]
const hours = ['Mon', 'Tue'].flatMap((weekday) => Array.from({ length: 24 }, (_, hour) => ({ weekday, hour, events: hour })))
const grades = Array.from({ length: 101 }, (_, grade) => ({ grade }))

export const bar = view(() => chart.bar(videos, { x: 'video', y: 'n', title: 'Plays', labels: { n: 'Times played' } }))
export const stacked = view(() => chart.bar(days, { x: 'day', y: 'learners', color: 'section' }))
export const line = view(() => chart.line(days.slice(0, 28), { x: 'day', y: 'learners' }))
export const area = view(() => chart.area(days.slice(0, 28), { x: 'day', y: 'learners' }))
export const heatmap = view(() => chart.heatmap(hours, { x: 'hour', y: 'weekday', color: 'events' }))
export const histogram = view(() => chart.histogram(grades, { x: 'grade', bins: 10 }))
export const timeline = view(() => chart.timeline(sessions, { y: 'user', start: 'began', end: 'ended' }))
export const moments = view(() => chart.timeline(sessions, { y: 'user', start: 'began' }))
export const spec = view(() => chart.spec(
  { data: { values: videos }, mark: 'point', encoding: { x: { field: 'video', type: 'nominal' }, y: { field: 'n', type: 'quantitative' } } },
  { title: 'Points', description: 'Videos against plays.' }))
export const facets = view(() => chart.spec(
  { data: { values: videos }, facet: { field: 'section' }, spec: { mark: 'bar', encoding: { x: { field: 'n', type: 'quantitative' } } } },
  { description: 'By section.' }))
export const beside = view(() => chart.spec(
  { data: { values: videos }, hconcat: [{ mark: 'bar', encoding: { x: { field: 'video' } } }, { mark: 'point', encoding: { y: { field: 'n', type: 'quantitative' } } }] },
  { description: 'Beside each other.' }))
export const columns = view(() => chart.spec(
  { data: { values: videos }, mark: 'bar', encoding: { column: { field: 'section' }, x: { field: 'n', type: 'quantitative' } } },
  { description: 'By section.' }))
export const attempts = view(() => chart.histogram([1, 1, 2, 4, 4, 4].map((tries) => ({ tries })), { x: 'tries' }))
export const zeros = view(() => chart.bar([{ a: 'x', n: 0 }, { a: 'y', n: 0 }], { x: 'a', y: 'n' }))
export const oneCell = view(() => chart.heatmap([{ a: 'x', b: 'y', n: 5 }], { x: 'a', y: 'b', color: 'n' }))
export const many = view(() => chart.bar(Array.from({ length: 40 }, (_, i) => ({ a: 'p' + i, n: i })), { x: 'a', y: 'n' }))
const blocks = ['1f8dce3e2e98', '53e2615a95aa'].map((block) => ({ id: 'block-v1:Lyceum+STAT101+2026+type@problem+block@' + block, n: 1 }))
export const alike = view(() => chart.bar(blocks, { x: 'id', y: 'n' }))
export const morning = view(() => chart.timeline([{ user: 'ann', at: new Date('2026-02-01T08:00Z') }, { user: 'ann', at: new Date('2026-02-01T09:00Z') }], { y: 'user', start: 'at' }))
export const farApart = view(() => chart.bar([{ day: '2023-02-03', n: 1 }, { day: '2026-02-03', n: 2 }], { x: 'day', y: 'n' }))
export const brief = view(() => chart.timeline([
  { user: 'ann', began: '2025-02-01', ended: '2026-02-01' },
  { user: 'ben', began: '2025-02-01T10:00', ended: '2025-02-01T10:00' },
  { user: 'cyd', began: '2025-05-01', ended: null }], { y: 'user', start: 'began', end: 'ended' }))
const weeks = Array.from({ length: 12 }, (_, i) => ({ week: 'Week 1', n: 1 + i, section: 'Section ' + i }))
export const twelve = view(() => chart.bar(weeks, { x: 'week', y: 'n', color: 'section' }))
export const twelveLines = view(() => chart.line([...weeks, ...weeks.map((row) => ({ ...row, week: 'Week 2' }))], { x: 'week', y: 'n', color: 'section' }))
export const shares = view(() => chart.bar(videos.map((row) => ({ ...row, n: 1 })), { x: 'video', y: 'n', color: 'section', stack: 'share' }))
export const numbers = view(() => chart.bar(Array.from({ length: 300 }, (_, i) => ({ at: i / 10 + 0.2, n: 1 })), { x: 'at', y: 'n' }))
export const small = view(() => chart.bar([{ a: 'x', n: 0.00003 }, { a: 'y', n: 0.00001 }], { x: 'a', y: 'n', format: { n: 'number' } }))
export const smallShare = view(() => chart.bar([{ a: 'x', n: 0.003 }, { a: 'y', n: 0.001 }], { x: 'a', y: 'n', format: { n: 'percent' } }))
export const means = view(() => chart.bar([{ a: 'x', n: 1 }, { a: 'x', n: 0 }], { x: 'a', y: 'n', aggregate: 'mean' }))
export const fewDays = view(() => chart.bar([{ day: '2024-02-03', n: 1 }, { day: '2024-02-04', n: 2 }, { day: '2024-02-05', n: 2 }], { x: 'day', y: 'n' }))
export const weekly = view(() => chart.bar(['2026-02-02', '2026-02-09', '2026-02-16'].map((week) => ({ week, n: 1 })), { x: 'week', y: 'n' }))
export const cells = view(() => chart.heatmap([{ a: 'x', b: 'y', n: 1 }, { a: 'y', b: 'y', n: 2 }, { a: 'z', b: 'y', n: 3 }, { a: 'z', b: 'z', n: null }], { x: 'a', y: 'b', color: 'n' }))

export const list = view(() => [html\`<h1>All</h1>\`, chart.bar(videos, { x: 'video', y: 'n' }), null, false, [table(videos)], '<p>end</p>', 'a < b'])
export const inside = view(() => html\`<section>\${chart.bar(videos, { x: 'video', y: 'n' })}</section>\`)
export const asText = view(() => '<div>' + chart.bar(videos, { x: 'video', y: 'n' }) + '</div>')
export const own = view(async ({ plugins: { self } }) => html\`<main>\${await self.bar()}</main>\`)
export const empty = view(() => [chart.bar([] as typeof videos, { x: 'video', y: 'n', title: 'Plays' }), table([] as typeof videos, { title: 'Videos', empty: 'No video was played.' })])

const evil = '</script><img src=x onerror=alert(1)>\\'"&]]>'
export const escaped = view(() => [
  chart.bar([{ x: evil, y: 1, c: evil }], { x: 'x', y: 'y', color: 'c', title: evil, labels: { x: evil }, description: evil }),
  table([{ x: evil }], { title: evil, columns: [{ key: 'x', label: evil }] }),
])
export const keys = view(() => chart.bar([JSON.parse('{"__proto__": "a", "a.b[0]": 1}'), { ['__proto__']: 'b', 'a.b[0]': 2 }], { x: '__proto__' as never, y: 'a.b[0]' as never }))
export const style = view(() => chart.spec({
  data: { values: videos }, title: { text: evil, font: 'x;}</style>' + evil }, config: { font: evil },
  mark: { type: 'bar', color: 'red" onload="alert(1)', cursor: 'x;background:url(//evil)' }, encoding: { x: { field: 'video', type: 'nominal' }, y: { field: 'n', type: 'quantitative', axis: { format: evil } } } },
  { description: 'x' }))

export const sorted = view(() => table([{ name: 'Ann', grade: 0.5, at: new Date('2026-02-01T10:00Z'), n: new Long(7) }, { name: 'Ben', grade: null, at: null, n: new Long(12345) }],
  { title: 'Grades', columns: ['name', { key: 'grade', format: 'percent' }, { key: 'at', label: 'Handed in' }, 'n', { key: 'name', label: 'Link', cell: (row) => html\`<a href="\${'javascript:alert(1)'}">\${row.name}</a>\` }] }))
export const capped = view(() => table(days, { limit: 7 }))

export const promise = view(() => chart.bar(Promise.resolve(videos) as never, { x: 'video', y: 'n' } as never))
export const typo = view(() => chart.bar(videos, { x: 'vidoe', y: 'n' } as never))
export const words = view(() => chart.bar(videos, { x: 'n', y: 'video' } as never))
export const notTimes = view(() => chart.timeline(videos, { y: 'video', start: 'n' }))
export const silent = view(() => chart.spec({ mark: 'bar' }, {} as never))
export const scalars = view(() => table([1, 2] as never))
export const badSpec = view(() => chart.spec({ data: { url: 'http://127.0.0.1:9/' }, mark: 'bar' }, { description: 'x', title: 'Plays' }))
export const broken = view(() => chart.spec({ data: { values: videos }, mark: null, encoding: {} }, { description: 'x' }))
export const object = view((() => ({ a: 1 })) as never)
export const uncalled = view((() => ['', () => 1]) as never)
export const forged = view(() => html.raw("<lyceum-chart data-spec='nonsense'></lyceum-chart>"))
export const plain = query(() => table(videos).toString().length)
`

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  const published = await lyceum.publish('results', PLUGIN)
  expect(published.json).toMatchObject({ version: '1.0.0' })
  expect((await lyceum.publish('other', OTHER)).status).toBe(201)
})
afterAll(() => lyceum.dispose())

const OTHER = `import { html, view } from '@lyceum/sdk'
export const report = view(async ({ plugins: { results } }) => html\`<h1>Report</h1>\${await results.bar()}\`)`

/** The inside of a view's frame, as a browser gets it. */
async function shown(name: string, plugin = 'results'): Promise<string> {
  const page = await lyceum.call('GET', `/views/${plugin}/${name}`)
  const address = /src="(\/frames\/[^"]+)"/.exec(page.text)?.[1] ?? 'none'
  const { text } = await lyceum.call('GET', address)
  return text.slice(text.indexOf('<body>'))
}
/** How many marks of a kind the picture has, as screen readers would call them. */
function marks(markup: string, kind: string): number {
  return markup.split(`aria-roledescription="${kind}"`).length - 1
}

/** All texts of the picture. */
function written(markup: string): string[] {
  return [...markup.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text)
}

describe('a chart is drawn before the page is sent', () => {
  test.each([
    ['bar', 'bar', 3],
    ['stacked', 'bar', 30],
    ['line', 'point', 28],
    ['line', 'line mark', 1],
    ['area', 'area mark', 1],
    ['heatmap', 'rect mark', 48],
    ['histogram', 'bar', 10],
    ['timeline', 'bar', 2],
    ['moments', 'tick', 2],
    ['spec', 'point', 3],
    ['facets', 'bar', 3],
    ['beside', 'point', 3],
    ['columns', 'bar', 3],
  ])('%s: its %s marks are there', async (name, kind, count) => {
    const markup = await shown(name)
    expect(markup.match(/<svg /g)).toHaveLength(1)
    expect(Number(/<svg [^>]*width="(\d+)"/.exec(markup)?.[1])).toBeGreaterThan(100)
    expect(marks(markup, kind)).toBe(count)
  })

  test('with what it shows in words, and its data as a table', async () => {
    const markup = await shown('bar')
    expect(markup).toContain('<figcaption>Plays</figcaption>')
    expect(markup).toContain(
      'aria-label="Plays. Bars: Times played by Video. 3 values, the lowest 12 (Intro), the highest 120 (Limits)."',
    )
    expect(markup).toContain('Data as a table (3 rows)')
    expect(markup).toMatch(/<tr><td[^>]*>Limits<\/td><td[^>]*>120<\/td><\/tr>/)
    expect(await shown('line')).toContain('from 2026-02-01 to 2026-02-28')
    expect(await shown('histogram')).toContain('Histogram: Grade of 101.')
  })

  test('a few whole numbers have a bar each, with its number below it', async () => {
    const markup = await shown('attempts')
    expect(marks(markup, 'bar')).toBe(4)
    expect(written(markup)).toEqual(['1', '2', '3', '4', 'Tries', '0', '1', '2', '3', 'How many'])
    expect(markup).toMatch(/<td[^>]*>4<\/td><td[^>]*>3<\/td>/)
    expect(markup).toContain('"count":3,"range":"4"')
  })

  test('nothing but zeros, and one number, are written as people do', async () => {
    expect(written(await shown('zeros'))).toEqual(['x', 'y', 'A', '0', '1', 'N'])
    expect(written(await shown('oneCell'))).toContain('5')
  })

  test('names that have no room below bars stand beside them, one for each', async () => {
    const markup = await shown('many')
    expect(written(markup).filter((text) => /^p\d/.test(text))).toHaveLength(40)
    expect(Number(/<svg [^>]*height="(\d+)"/.exec(markup)?.[1])).toBeGreaterThan(1_000)
  })

  test('long names that begin alike can be told apart', async () => {
    expect(written(await shown('alike'))).toEqual(
      expect.arrayContaining(['block-v1:L…8dce3e2e98', 'block-v1:L…e2615a95aa']),
    )
  })

  test('hours of one day say which', async () => {
    expect(written(await shown('morning'))).toContain('2026-02-01')
  })

  test('a day among years, and what took no time or has not ended, can be seen', async () => {
    const [first, second] = [
      ...(await shown('farApart')).matchAll(/aria-roledescription="bar" d="M[^h]*h([\d.]+)/g),
    ]
    expect([Math.round(Number(first?.[1])), Math.round(Number(second?.[1]))]).toEqual([2, 2])
    const brief = [
      ...(await shown('brief')).matchAll(/aria-roledescription="bar" d="M[^h]*h([\d.-]+)[^>]*>/g),
    ]
    expect(brief.map(([, width]) => Number(width) > 100)).toEqual([true, false, false])
    expect(brief.map(([path]) => path.includes('stroke="var(--chart-1)"'))).toEqual([true, true, true])
  })

  test('twelve parts have twelve colours, and stand on each other as the legend names them; lines differ in dashes', async () => {
    const markup = await shown('twelve')
    const bars = [
      ...markup.matchAll(/aria-label="[^"]*Section (\d+)[^>]*d="M[\d.]+,([\d.]+)[^>]*fill="([^"]+)"/g),
    ]
    const upwards = bars
      .sort(([, , a], [, , b]) => Number(b) - Number(a))
      .map(([, section]) => Number(section))
    expect(upwards).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(new Set(bars.map(([, , , fill]) => fill)).size).toBe(12)
    const lines = [...(await shown('twelveLines')).matchAll(/aria-roledescription="line mark"[^>]*>/g)]
    const looks = lines.map(([line]) => /stroke-dasharray="([^"]*)"/.exec(line)?.[1])
    expect(new Set(looks.slice(0, 5)).size).toBe(5)
  })

  test('with steps that differ, and halves only where there can be some', async () => {
    expect(written(await shown('shares'))).toEqual(expect.arrayContaining(['0%', '20%', '100%']))
    expect(written(await shown('means'))).toContain('0.1')
    for (const name of ['small', 'smallShare']) {
      const steps = written(await shown(name)).filter((text) => /\d/.test(text))
      expect(new Set(steps).size).toBe(steps.length)
    }
    expect(written(await shown('cells'))).toEqual(['1', '2', '3', 'N', 'x', 'y', 'z', 'A', 'y', 'B'])
  })

  test('three hundred numbers leave each other room below bars', async () => {
    const numbers = written((await shown('numbers')).replaceAll(/<text [^>]*opacity="0"[^>]*>[^<]*/g, ''))
    expect(numbers).toContain('0.2')
    expect(numbers.length).toBeLessThan(60)
    expect(numbers.every((text) => text.length < 5)).toBe(true)
  })

  test('days say their year, and no hours', async () => {
    expect(written(await shown('fewDays')).slice(0, 4)).toEqual(['3 Feb', '4 Feb', '5 Feb', 'Day, 2024'])
  })

  test('a cell of a heat map has an edge, and what is missing has none', async () => {
    const markup = await shown('cells')
    const drawn = markup.slice(markup.indexOf('<svg'), markup.indexOf('</svg>'))
    expect(drawn.match(/<path d="[^"]*" stroke="var\(--chart-1[^>]*>/g)).toHaveLength(3)
  })

  test('in colours that the page decides, and the page can draw it again', async () => {
    const markup = await shown('stacked')
    expect(markup).toContain('fill="var(--chart-1')
    expect(markup).toContain('fill="currentColor"')
    expect(markup).toMatch(/data-vega='\{"\$schema"/)
    expect(markup).not.toContain('data-spec')
  })

  test('wherever its author puts it', async () => {
    expect(await shown('inside')).toMatch(/<section><figure[\s\S]*<svg [\s\S]*<\/section>/)
    expect(await shown('asText')).toMatch(/<div><figure[\s\S]*<svg [\s\S]*<\/div>/)
    expect(await shown('own')).toMatch(/<main><figure[\s\S]*<svg [\s\S]*<\/main>/)
    expect(await shown('report', 'other')).toMatch(/data-lyceum-view="[^"]*data-vega=[^"]*&lt;svg /)
  })

  test('in a list of results, in order', async () => {
    const markup = await shown('list')
    expect(markup).toMatch(/<h1>All<\/h1>[\s\S]*<svg [\s\S]*lyceum-table[\s\S]*<p>end<\/p>\na &lt; b/)
  })

  test('and without rows it says so', async () => {
    const markup = await shown('empty')
    expect(markup).toContain('Plays: There is nothing to show yet.')
    expect(markup).toContain('Videos: No video was played.')
    expect(markup).not.toContain('<svg')
  })
})

describe('what is in the data stays data', () => {
  test('as text, title, label and description', async () => {
    const markup = await shown('escaped')
    expect(markup).toContain('<svg ')
    expect(markup).not.toMatch(/<img|<\/script>/)
    expect(markup).toContain('&lt;/script&gt;')
  })
  test('as a name of a colour, a font or a style', async () => {
    const markup = await shown('style')
    expect(markup).not.toMatch(/<img|<\/style>|<\/script>| onload="alert/)
  })
  test('as a key of every object, or one that looks like a path', async () => {
    expect(marks(await shown('keys'), 'bar')).toBe(2)
  })
})

describe('a table', () => {
  test('has its numbers at the right, its times and numbers sorted as such, and no link that is code', async () => {
    const markup = await shown('sorted')
    expect(markup).toContain('<caption>Grades</caption>')
    expect(markup).toContain('<td class="right short" data-order="0.5">50%</td>')
    expect(markup).toContain(
      `<td class="short" data-order="${Date.UTC(2026, 1, 1, 10)}">2026-02-01 10:00</td>`,
    )
    expect(markup).toContain('<td class="right short" data-order="12345">12,345</td>')
    expect(markup).toContain('<th scope="col" class="short">Handed in</th>')
    expect(markup).toContain('<a href="#">Ann</a>')
  })
  test('says how many rows there are where it does not show them all', async () => {
    const markup = await shown('capped')
    expect(markup).toContain('The first 7 of 30 rows.')
    expect(markup.match(/<tr>/g)).toHaveLength(8)
  })
})

test('a bar for a week is as wide as one, and has its day below it', async () => {
  const markup = await shown('weekly')
  expect(marks(markup, 'bar')).toBe(3)
  const widths = [...markup.matchAll(/aria-roledescription="bar" d="M[\d.]+,[\d.]+h([\d.]+)/g)]
  for (const [, width] of widths) expect(Number(width)).toBeGreaterThan(100)
  expect(widths).toHaveLength(3)
  expect(written(markup).filter((text) => text.endsWith(' Feb'))).toEqual(['2 Feb', '9 Feb', '16 Feb'])
})

describe('a mistake says what to do:', () => {
  test.each([
    ['promise', 'chart.bar: the rows are a promise. Await them first.'],
    ['typo', 'chart.bar: no row has &quot;vidoe&quot;. They have: video, n, section.'],
    ['words', 'chart.bar: &quot;video&quot; is a number in each row, but &quot;Intro&quot; in row 0.'],
    ['notTimes', 'chart.timeline: &quot;n&quot; is a time in each row'],
    ['silent', 'chart.spec: say in { description: &#39;…&#39; } what the chart shows'],
    ['scalars', 'table: the rows are objects, and row 0 is a number. Write rows.map((n) =&gt; ({ n })).'],
    [
      'badSpec',
      'A chart loads nothing, but this one asks for &quot;http://127.0.0.1:9/&quot;. Give the data as rows, and leave out links and images. (In “Plays”.)',
    ],
    [
      'object',
      'A view returns html`…`, a chart, a table, a string, null or a list of these, but this returned an object. To show data, return table(rows)',
    ],
    ['uncalled', 'The view returned a function: call it, and return what it returns.'],
    ['forged', 'A chart cannot be drawn'],
    // Vega's own words, and none about cursors or dimensions: it is not a line of the author's that failed.
    ['broken', 'Cannot read properties of undefined (reading &#39;filled&#39;)</p>'],
  ])('%s', async (name, message) => {
    expect(await shown(name)).toContain(message)
  })
})

test('what draws charts is not there before the first one', async () => {
  const fresh = await startHost()
  try {
    expect(fresh.host.charts.pids).toEqual([])
  } finally {
    await fresh.dispose()
  }
})
