import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../host/limits.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest, longTests } from '../support/long.ts'
import { DRAWER, draw } from './drawing.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  expect((await lyceum.publish('charts', DRAWER)).status).toBe(201)
})
afterAll(() => lyceum.dispose())

const values = [
  { a: 'x', b: 1 },
  { a: 'y', b: 2 },
]
const encoding = { x: { field: 'a', type: 'nominal' }, y: { field: 'b', type: 'quantitative' } }
const bars = { data: { values }, mark: 'bar', encoding }
const nested = (levels: number) =>
  `${'{"layer":['.repeat(levels)}${JSON.stringify(bars)}${']}'.repeat(levels)}`
const expression = (text: string) => ({
  ...bars,
  transform: [{ calculate: text, as: 'c' }],
  encoding: { ...encoding, color: { field: 'c', type: 'nominal' } },
})

type Attack = readonly [name: string, spec: unknown, message: RegExp]

const REFUSED: readonly Attack[] = [
  [
    'data from an address',
    { ...bars, data: { url: 'http://127.0.0.1:1/data.json' } },
    /loads nothing.*127\.0\.0\.1/,
  ],
  ['data from a file', { ...bars, data: { url: 'file:///etc/passwd' } }, /loads nothing/],
  [
    'data from a relative address',
    { ...bars, data: { url: '/v1/plugins', format: { type: 'json' } } },
    /loads nothing/,
  ],
  [
    'a lookup in data from an address',
    {
      ...bars,
      transform: [{ lookup: 'a', from: { data: { url: 'http://127.0.0.1:1/' }, key: 'a', fields: ['c'] } }],
    },
    /loads nothing/,
  ],
  [
    'an image',
    {
      data: { values },
      mark: { type: 'image', url: 'http://127.0.0.1:1/pixel.png', width: 9, height: 9 },
      encoding,
    },
    /loads nothing/,
  ],
  ['a link', { ...bars, mark: { type: 'bar', href: 'javascript:alert(1)' } }, /loads nothing/],
  ['a link in each row', { ...bars, encoding: { ...encoding, href: { field: 'a' } } }, /loads nothing/],
  [
    'more rows than a chart shows',
    { ...bars, data: { values: Array.from({ length: LIMITS.chartRows + 1 }, () => ({})) } },
    /It has 10,?001 rows.*Add them up/,
  ],
  [
    'more rows in a named set',
    { ...bars, data: { name: 'd' }, datasets: { d: Array.from({ length: LIMITS.chartRows + 1 }, () => 0) } },
    /rows/,
  ],
  [
    'more bytes than a chart has',
    { ...bars, description: 'x'.repeat(LIMITS.chartBytes) },
    /bytes with its data/,
  ],
  [
    'a sequence without end',
    {
      data: { sequence: { start: 0, stop: 1e9 } },
      mark: 'point',
      encoding: { x: { field: 'data', type: 'quantitative' } },
    },
    /too much (?:CPU time|memory)/,
  ],
  [
    'a sequence without steps',
    { data: { sequence: { start: 0, stop: 1, step: 1e-12 } }, mark: 'point', encoding: {} },
    /too much (?:CPU time|memory)|Invalid array length/,
  ],
  [
    'bins without end',
    {
      ...bars,
      encoding: { x: { field: 'b', type: 'quantitative', bin: { step: 1e-12 } }, y: { aggregate: 'count' } },
    },
    /too much (?:CPU time|memory)|took down the process|Invalid array length/,
  ],
  [
    'a regular expression that backtracks',
    {
      ...expression("test(regexp('^(a+)+$'), datum.a)"),
      data: { values: [{ a: `${'a'.repeat(40)}!`, b: 1 }] },
    },
    /too much CPU time/,
  ],
  [
    'the constructor of a function',
    expression("datum.constructor.constructor('return 1')()"),
    /cannot be drawn/,
  ],
  ['a function that is not of Vega', expression("eval('1')"), /cannot be drawn/],
  ['a name that is not of Vega', expression('globalThis.vega'), /cannot be drawn/],
  ['a specification of Vega', { marks: [], width: 10 }, /Write one of Vega-Lite/],
  ['a list', [bars], /is an object/],
  ['nothing', null, /is an object/],
  ['no JSON', '{"mark":', /cannot be drawn/],
  ['a mark that there is not', { ...bars, mark: 'explosion' }, /cannot be drawn/],
]
/** Each of these takes all of its time. */
const ENDLESS: readonly Attack[] = [
  [
    'ticks without end',
    { ...bars, encoding: { ...encoding, y: { ...encoding.y, axis: { tickCount: 1e9 } } } },
    /too much (?:CPU time|memory)|marks|array/,
  ],
  [
    'an expression that makes a sequence',
    expression('length(sequence(0, 1e9))'),
    /too much (?:CPU time|memory)|array/,
  ],
  [
    'text that doubles',
    expression("pad('x', 1e9, 'y', 'left')"),
    /too much (?:CPU time|memory)|string length|array/i,
  ],
  ['nesting', nested(5_000), /cannot be drawn|too much CPU time/],
  [
    'a thousand charts beside each other',
    { hconcat: Array.from({ length: 3_000 }, () => bars) },
    /too much (?:CPU time|memory)|marks/,
  ],
]

/** What takes for ever is given up soon. Each of the others takes some tens of milliseconds, on a slow machine more. */
const GIVEN_UP_MS = 400
const ENOUGH_MS = 5_000

describe('a chart is refused, with a sentence that says so, for', () => {
  const refused = async (name: string, spec: unknown, message: RegExp) => {
    // Each as a plugin of its own: what one breaks is not laid to the next.
    const as = `hostile${[...REFUSED, ...ENDLESS].findIndex(([other]) => other === name)}`
    const cpuMs = message.source.includes('CPU time') ? GIVEN_UP_MS : ENOUGH_MS
    await expect(draw(lyceum, as, spec, cpuMs)).rejects.toThrow(message)
  }
  test.each(REFUSED)('%s', refused)
  longTests('also for', () => {
    test.each(ENDLESS)('%s', refused)
  })
})

test('a chart is refused that draws more marks than a page shows well, before it is a picture', async () => {
  const points = { mark: 'point', encoding: { x: { field: 'data', type: 'quantitative' } } }
  const sequence = (stop: number) => ({ ...points, data: { sequence: { start: 0, stop } } })
  await expect(draw(lyceum, 'marks', sequence(LIMITS.chartMarks + 1), 20_000)).rejects.toThrow(
    /more than 20000 marks/,
  )
})

describe('a chart that takes too much', () => {
  const GREEDY = `import { chart, view } from '@lyceum/sdk'
    const rows = [{ a: 'x', n: 1 }]
    export const honest = view(() => chart.bar(rows, { x: 'a', y: 'n' }))
    export const greedy = view(() => chart.spec({ data: { sequence: { start: 0, stop: 1e9 } }, mark: 'point', encoding: {} }, { description: 'x' }))`
  beforeAll(async () => {
    for (const id of ['greedy', 'neighbour']) expect((await lyceum.publish(id, GREEDY)).status).toBe(201)
    await lyceum.call('PATCH', '/v1/plugins/greedy/quota', { body: { cpuMsPerCall: 500, wallMs: 60_000 } })
  })
  const shown = async (plugin: string, view: string) => {
    const page = await lyceum.call('GET', `/views/${plugin}/${view}`)
    return lyceum.call('GET', /src="(\/frames\/[^"]+)"/.exec(page.text)?.[1] ?? '')
  }

  longTest('fails its view with the reason, is charged to its plugin, and counts against it', async () => {
    const { usage } = lyceum.host.plugins.get('greedy')
    const { status, text } = await shown('greedy', 'greedy')
    expect(status).toBe(502)
    expect(text).toMatch(/A chart took too much (?:CPU time|memory)\. Show fewer rows/)
    expect(usage.cpuMs).toBeGreaterThan(100)
    expect(lyceum.host.conduct.onProbation('greedy')).toBe(true)
  })

  test('leaves its neighbour alone, who draws as before', async () => {
    expect((await shown('neighbour', 'honest')).text).toContain('<svg ')
    expect(lyceum.host.conduct.onProbation('neighbour')).toBe(false)
  })

  longTest('is drawn on probation from then on, in a process of its own', async () => {
    const before = new Set(lyceum.host.charts.pids)
    expect((await shown('greedy', 'honest')).text).toContain('<svg ')
    expect(lyceum.host.charts.pids.some((pid) => !before.has(pid))).toBe(true)
  })
})
