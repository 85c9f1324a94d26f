import { BOMB, type Ends, type Family, LOOP, query, view } from '../plugin.ts'

/** What a view may use that draws: Vega is loaded on a clock of its own. */
const QUOTA = { cpuMsPerCall: 400, outputBytes: 1_000_000 }
const ENDLESS: Ends = ['over_cpu', 'over_memory', 'over_wall', 'chart_refused', 'sandbox_lost']
const REFUSED: Ends = ['chart_refused']

const VALUES = "const values = [{ a: 'x', b: 1 }, { a: 'y', b: 2 }]"
const ENCODING =
  "const encoding = { x: { field: 'a', type: 'nominal' }, y: { field: 'b', type: 'quantitative' } }"
const TOP = `${VALUES}\n${ENCODING}
const bars = { data: { values }, mark: 'bar', encoding }
const drawn = (spec) => chart.spec(spec, { description: 'x' })
const by = (...transform) => drawn({ ...bars, transform })
const forged = (text) => html.raw("<lyceum-chart data-spec='" + text + "'></lyceum-chart>")`

const draws = (name: string, result: string, ends: Ends) =>
  view(name, `return ${result}`, ends, { top: TOP, quota: QUOTA })

export const charts: Family = {
  title: 'charts without end, and specifications that reach for more',
  stoppedBy:
    'a chart is drawn in an isolate of its plugin alone, on what the view has left: the same ladder; expressions are interpreted, and the loader refuses every address: `chart_refused`',
  besideCharts: true,
  inSoak: [
    'nests a specification ten thousand levels deep',
    'flattens rows into millions',
    'labels an axis by a pattern that backtracks',
    'draws a globe in steps of nothing',
    'lets signals wait for each other',
    'names prototypes in a specification',
    'forges a chart of four megabytes',
    'finds charts without end where there is none',
    'lies as an error of the host in a chart',
    'draws in a query',
  ],
  plugins: [
    draws(
      'draws three thousand charts',
      "Array.from({ length: 3_000 }, () => chart.bar(values, { x: 'a', y: 'b' }))",
      ['over_cpu', 'over_ops', 'over_bytes', 'over_output'],
    ),
    draws(
      'nests a specification ten thousand levels deep',
      "forged('{\"layer\":['.repeat(1e4) + '1' + ']}'.repeat(1e4))",
      ENDLESS,
    ),
    draws(
      'flattens rows into millions',
      "by({ calculate: 'sequence(0, 2000)', as: 'c' }, { calculate: 'sequence(0, 2000)', as: 'd' }, { flatten: ['c'] }, { flatten: ['d'] })",
      ENDLESS,
    ),
    draws(
      'labels an axis by a pattern that backtracks',
      "drawn({ ...bars, encoding: { ...encoding, x: { ...encoding.x, axis: { labelExpr: \"test(regexp('^(a+)+$'), '\" + 'a'.repeat(40) + \"!')\" } } } })",
      ENDLESS,
    ),
    draws(
      'draws a globe in steps of nothing',
      "drawn({ data: { graticule: { step: [1e-5, 1e-5] } }, mark: 'geoshape', projection: { type: 'orthographic', precision: 1e-9 } })",
      ENDLESS,
    ),
    draws(
      'lets signals wait for each other',
      "drawn({ ...bars, params: [{ name: 'p', expr: 'q + 1' }, { name: 'q', expr: 'p + 1' }] })",
      REFUSED,
    ),
    draws(
      'names prototypes in a specification',
      '[JSON.parse(\'{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}}}\'), { datasets: { __proto__: [1], constructor: [1] }, data: { name: \'constructor\' } }, { config: JSON.parse(\'{"__proto__":{"x":1}}\') }, { usermeta: { title: { toString: 1 } } }].map((more) => drawn({ ...bars, ...more }))',
      [...REFUSED, 'ok'],
    ),
    draws('forges a chart of four megabytes', "forged('x'.repeat(4e6))", [
      ...REFUSED,
      'over_bytes',
      'over_output',
    ]),
    view(
      'finds charts without end where there is none',
      "RegExp.prototype[Symbol.split] = () => new Proxy([], { get: (_, key) => key === 'length' ? 1e9 : '{\"mark\":\"bar\"}' })\nreturn '<lyceum-chart></lyceum-chart>'",
      [...REFUSED, 'over_cpu', 'over_ops', 'plugin_failed'],
      { quota: QUOTA },
    ),
    view(
      'goes on drawing when its page was returned',
      `let then = Promise.prototype.then
       Promise.prototype.then = function (...given) { (async () => { for (;;) await null })(); return then.apply(this, given) }
       return chart.bar([{ a: 'x', b: 1 }], { x: 'a', y: 'b' })`,
      [...LOOP, 'ok', 'over_wall'],
      { quota: QUOTA },
    ),
    draws(
      'lies as an error of the host in a chart',
      "drawn({ ...bars, usermeta: { title: 'internal: </small><script>alert(1)</script>\\u001b[2J' }, transform: [{ filter: '\\u001b[2J<script>alert(1)</script>' }] })",
      REFUSED,
    ),
    query(
      'draws in a query',
      "return ['x', chart.bar([{ a: 'x', b: 1 }], { x: 'a', y: 'b' }), table([{ a: 1 }])].map(String).join('')",
      ['ok'],
    ),
  ],
}

const rows = (name: string, result: string, ends: Ends) =>
  view(name, `return ${result}`, ends, { top: TOP, quota: { outputBytes: 1_000_000 } })

export const tables: Family = {
  title: 'tables and rows that never end, or are not what they seem',
  stoppedBy: 'tables are text that is made inside the isolate, within the turn: `over_cpu`, `over_output`',
  inSoak: ['has a cell that never ends', 'has cells that are proxies', 'has columns that are a proxy'],
  plugins: [
    rows(
      'shows tables without end',
      '(() => { for (;;) table(Array.from({ length: 2e4 }, (_, n) => ({ n })), { limit: 1e9 }) })()',
      LOOP,
    ),
    rows(
      'has a cell that never ends',
      "table([{ a: 1 }], { columns: [{ key: 'a', cell() { for (;;); } }] })",
      LOOP,
    ),
    rows(
      'has cells that are proxies',
      'table([new Proxy({}, { ownKeys() { for (;;); }, has: () => true, get() { for (;;); } })])',
      LOOP,
    ),
    rows(
      'has columns that are a proxy',
      'table([{ a: 1 }], { columns: new Proxy([], { get() { for (;;); } }) })',
      LOOP,
    ),
    view(
      'shows rows of megabytes',
      "return table(Array.from({ length: 2e4 }, () => ({ a: 'x'.repeat(1e3) })), { limit: 2e4 })",
      [...BOMB, 'over_output'],
      { quota: { memoryMb: 64, cpuMsPerCall: 1_000 } },
    ),
  ],
}
