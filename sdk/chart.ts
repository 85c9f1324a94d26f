import type { Spec } from './chart-axes.ts'
import { type Bin, binsOf, onlyOf } from './chart-bins.ts'
import { numbersOf, type Part, partOf, timesOf } from './chart-data.ts'
import type {
  BarOptions,
  ChartOptions,
  HeatmapOptions,
  HistogramOptions,
  LineOptions,
  SpecOptions,
  TimelineOptions,
} from './chart-options.ts'
import { barSpec, heatmapSpec, histogramSpec, lineSpec, spanOf, timelineSpec } from './chart-specs.ts'
import { type Html, html } from './html.ts'
import { checkGiven, nothing, table } from './table.ts'
import { type Field, formatted, wordsOf } from './values.ts'

/** Rows of the table below a chart. */
const TABLE_ROWS = 100

function bar<Row extends object>(rows: readonly Row[], options: BarOptions<Row>): Html {
  const what = 'chart.bar'
  checkGiven(what, rows, options, "{ x: 'video', y: 'n' }")
  if (rows.length === 0) return nothing(options)
  const x = partOf(what, rows, options.x, options)
  const y = numbersOf(what, rows, options.y, options)
  const color = options.color === undefined ? undefined : partOf(what, rows, options.color, options)
  return figure(rows, options, {
    spec: barSpec(x, y, color, options),
    description: `Bars: ${byText(y, x, color)}. ${extremes(y, x)}`,
    columns: [options.x, options.color, options.y],
  })
}

function lines(mark: 'line' | 'area') {
  return <Row extends object>(rows: readonly Row[], options: LineOptions<Row>): Html => {
    const what = `chart.${mark}`
    checkGiven(what, rows, options, "{ x: 'day', y: 'n' }")
    if (rows.length === 0) return nothing(options)
    const x = partOf(what, rows, options.x, options)
    const y = numbersOf(what, rows, options.y, options)
    const color = options.color === undefined ? undefined : partOf(what, rows, options.color, options)
    return figure(rows, options, {
      spec: lineSpec(mark, x, y, color, options.aggregate),
      description: `${mark === 'line' ? 'Line' : 'Area'}: ${byText(y, x, color)}. ${extremes(y, x)}`,
      columns: [options.x, options.color, options.y],
    })
  }
}

function heatmap<Row extends object>(rows: readonly Row[], options: HeatmapOptions<Row>): Html {
  const what = 'chart.heatmap'
  checkGiven(what, rows, options, "{ x: 'hour', y: 'weekday', color: 'n' }")
  if (rows.length === 0) return nothing(options)
  const x = partOf(what, rows, options.x, options)
  const y = partOf(what, rows, options.y, options)
  const color = numbersOf(what, rows, options.color, options)
  return figure(rows, options, {
    spec: heatmapSpec(x, y, color, options.aggregate),
    description: `Heat map: ${color.label} by ${x.label} and ${y.label}. ${extremes(color, y, x)}`,
    columns: [options.y, options.x, options.color],
  })
}

function histogram<Row extends object>(rows: readonly Row[], options: HistogramOptions<Row>): Html {
  const what = 'chart.histogram'
  checkGiven(what, rows, options, "{ x: 'grade' }")
  if (rows.length === 0) return nothing(options)
  const x = numbersOf(what, rows, options.x, options)
  const bins = binsOf(x.values, Math.min(Math.max(options.bins ?? 20, 1), 200))
  const [first] = bins
  if (first === undefined) return nothing(options)
  const bounds = (bin: Bin) => {
    const only = onlyOf(bin)
    if (only !== undefined) return formatted(only, x.format)
    return `${formatted(bin.from, x.format)} to ${formatted(bin.to, x.format)}`
  }
  const most = bins.reduce((best, bin) => (bin.count > best.count ? bin : best), first)
  const counted = bins.map((bin) => ({ range: bounds(bin), count: bin.count }))
  const { title, description, width, height } = options
  const own: ChartOptions<(typeof counted)[number]> = {
    labels: { range: x.label, count: 'How many' },
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
  }
  return figure(counted, own, {
    spec: histogramSpec(
      bins,
      counted.map(({ range }) => range),
      x,
    ),
    description: `Histogram: ${x.label} of ${formatted(rows.length)}. The most, ${formatted(most.count)}, have ${bounds(most)}.`,
    columns: ['range', 'count'],
  })
}

function timeline<Row extends object>(rows: readonly Row[], options: TimelineOptions<Row>): Html {
  const what = 'chart.timeline'
  checkGiven(what, rows, options, "{ y: 'user', start: 'began' }")
  if (rows.length === 0) return nothing(options)
  const start = timesOf(what, rows, options.start, options)
  const end = options.end === undefined ? undefined : timesOf(what, rows, options.end, options)
  const y = partOf(what, rows, options.y, options)
  const color = options.color === undefined ? undefined : partOf(what, rows, options.color, options)
  return figure(rows, options, {
    spec: timelineSpec(start, end, y, color),
    description: `Timeline: ${formatted(rows.length)} of ${y.label}, ${spanOf(start)}.`,
    columns: [options.y, options.color, options.start, options.end],
  })
}

function spec(given: Spec, options: SpecOptions): Html {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError(
      'chart.spec: a Vega-Lite specification is an object: { data: { values }, mark, encoding }.',
    )
  const { title, description = '' }: Partial<SpecOptions> = options ?? {}
  if (typeof description !== 'string' || description === '')
    throw new TypeError(
      "chart.spec: say in { description: '…' } what the chart shows, for those who do not see it.",
    )
  const { data } = given
  if (Array.isArray(data))
    throw new TypeError('chart.spec: its data are an object that holds the rows: data: { values: rows }.')
  const values: unknown =
    typeof data === 'object' && data !== null && 'values' in data ? data.values : undefined
  const rows = Array.isArray(values) && values.length > 0 && values.every(isRow) ? values : undefined
  return markup({
    spec: given,
    title,
    description,
    rows: rows && dataTable(rows, {}, Object.keys(rows[0] ?? {})),
  })
}

/**
 * Charts. Each can be returned from a view, stand in a list of results, or inside `html`. It is drawn before the page
 * is sent, so that it shows at once; with JavaScript it says its values where one points. Below it stands its data as
 * a table, and it has a description for those who do not see it.
 *
 * @example chart.bar(await self.top({ course }), { x: 'video', y: 'n', title: 'The videos played most' })
 *
 * **Common mistake:** a row for each event. A chart shows some hundred marks well: add up in the query, by day or by
 * problem.
 */
export const chart: {
  /**
   * Bars for the values of `x`, as long as `y`.
   * @example chart.bar(rows, { x: 'video', y: 'plays', sort: '-y' })
   */
  readonly bar: typeof bar
  /**
   * A line, or one for each `color`, along a time or a number.
   * @example chart.line(days, { x: 'day', y: 'learners', color: 'section' })
   */
  readonly line: <Row extends object>(rows: readonly Row[], options: LineOptions<Row>) => Html
  /**
   * The same with the area below it filled; areas of several colours stand on each other.
   * @example chart.area(days, { x: 'day', y: 'minutes' })
   */
  readonly area: <Row extends object>(rows: readonly Row[], options: LineOptions<Row>) => Html
  /**
   * Cells, the darker the larger their number.
   * @example chart.heatmap(rows, { x: 'hour', y: 'weekday', color: 'events' })
   */
  readonly heatmap: typeof heatmap
  /**
   * How often a number lies in which range.
   * @example chart.histogram(grades, { x: 'grade', bins: 10 })
   */
  readonly histogram: typeof histogram
  /**
   * When things happened: bars from `start` to `end`, or marks at `start`.
   * @example chart.timeline(sessions, { y: 'user', start: 'began', end: 'ended' })
   */
  readonly timeline: typeof timeline
  /**
   * Any chart of Vega-Lite, with its data in `data.values`. It loads nothing: no `url`, no images, no links.
   * @example chart.spec({ data: { values }, mark: 'point', encoding: { … } }, { description: 'Time against grade.' })
   */
  readonly spec: (spec: Spec, options: SpecOptions) => Html
} = { bar, line: lines('line'), area: lines('area'), heatmap, histogram, timeline, spec }

/** What differs between the kinds of charts. */
interface Drawn<Row> {
  readonly spec: Spec
  readonly description: string
  readonly columns: readonly (Field<Row> | undefined)[]
}

function figure<Row extends object>(
  rows: readonly Row[],
  options: ChartOptions<Row>,
  drawn: Drawn<Row>,
): Html {
  const { title, description, width, height } = options
  const columns = drawn.columns.filter((column) => column !== undefined)
  return markup({
    spec: { ...drawn.spec, ...(width !== undefined && { width }), ...(height !== undefined && { height }) },
    title,
    description: description ?? drawn.description,
    rows: dataTable(rows, options, columns),
  })
}

function dataTable<Row extends object>(
  rows: readonly Row[],
  { labels, format }: ChartOptions<Row>,
  fields: readonly string[],
): Html {
  const columns = [...new Set(fields)].map((field) => {
    const key = field as Field<Row>
    const shownAs = format?.[key]
    return { key, label: labels?.[key] ?? wordsOf(field), ...(shownAs && { format: shownAs }) }
  })
  const count = `${formatted(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}`
  return html`<details><summary>Data as a table (${count})</summary>${table(rows, { columns, limit: TABLE_ROWS })}</details>`
}

interface Figure {
  readonly spec: Spec
  readonly title: string | undefined
  readonly description: string
  readonly rows: Html | undefined
}

/**
 * The chart as an element that holds what is to be drawn; when the view has returned, the picture takes its place.
 * So it is markup like any other, wherever an author puts it.
 */
function markup({ spec, title, description, rows }: Figure): Html {
  const label = title === undefined ? description : `${title}. ${description}`
  const text = JSON.stringify(title === undefined ? spec : { ...spec, usermeta: { title } })
  return html`<figure class="lyceum-figure">${title && html`<figcaption>${title}</figcaption>`}
<lyceum-chart role="img" aria-label="${label}" ${html.raw(`data-spec='${quoted(text)}'`)}></lyceum-chart>
${rows}</figure>`
}

/** JSON is full of double quotes, so it stands between single ones. */
function quoted(json: string): string {
  return json
    .replaceAll('&', '&amp;')
    .replaceAll("'", '&#39;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

function byText(y: Part, x: Part, color: Part | undefined): string {
  const span = x.scale === 'time' ? `, ${spanOf(x)}` : ''
  return `${y.label} by ${x.label}${color === undefined ? '' : ` and ${color.label}`}${span}`
}

/** The least and the most, with where they are. */
function extremes(amount: Part, ...places: readonly Part[]): string {
  let least: number | undefined
  let most: number | undefined
  const at = (index: number | undefined) => Number(amount.values[index ?? 0])
  for (const [index, value] of amount.values.entries()) {
    if (typeof value !== 'number') continue
    if (least === undefined || value < at(least)) least = index
    if (most === undefined || value > at(most)) most = index
  }
  if (least === undefined || most === undefined) return 'There are no values.'
  const named = (index: number) =>
    `${formatted(at(index), amount.format)} (${places.map((part) => placeOf(part, index)).join(', ')})`
  const count = amount.values.length
  return count === 1
    ? `One value: ${named(most)}.`
    : `${formatted(count)} values, the lowest ${named(least)}, the highest ${named(most)}.`
}

function placeOf({ values, scale, isDays, format }: Part, index: number): string {
  const value = values[index] ?? null
  const text = formatted(value, scale === 'time' ? (isDays ? 'date' : 'datetime') : format)
  return text.slice(0, 80)
}

function isRow(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
