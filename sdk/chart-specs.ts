import {
  along,
  amount,
  below,
  commonOf,
  isCrowded,
  onGround,
  places,
  type Spec,
  shortened,
  steps,
  time,
  weekBars,
} from './chart-axes.ts'
import { type Bin, onlyOf } from './chart-bins.ts'
import { dataOf, type Part, textOf } from './chart-data.ts'
import type { Aggregate, BarOptions, Sort } from './chart-options.ts'
import { formatted } from './values.ts'

/** The page's first colour for marks, which they have unless they are told. */
const FIRST_COLOUR = 'var(--chart-1)'
/** How long lines and their gaps are, in pixels. */
const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [12, 3],
  [8, 2, 2, 2],
]
const BACK = 'var(--back)'
const ORDER = 'colorOrder'
/** More columns are too narrow for edges. */
const MOST_EDGED = 60
const MOST_POINTS = 40
/** Points that nobody sees, but that say their value to whoever points at them. */
const MOST_HIDDEN_POINTS = 500

/** What a mark says of itself. Of times their text was made with the rows: Vega would write them in the zone of the browser. */
function says(
  parts: Readonly<Record<string, Part | undefined>>,
  amountOf?: string,
  aggregate?: Aggregate,
): Spec[] {
  return Object.entries(parts).flatMap(([name, part]) => {
    if (part === undefined) return []
    if (name === amountOf) {
      const { axis: _, ...said } = amount(name, part, aggregate)
      return [said]
    }
    return [{ field: part.scale === 'time' ? textOf(name) : name, type: 'nominal', title: part.label }]
  })
}

function colour(part: Part | undefined): Spec {
  return part === undefined ? {} : { color: coloured(part) }
}

/** Whoever does not see colours tells lines by their dashes. */
function dashed(part: Part | undefined): Spec {
  if (part === undefined) return {}
  const legend = { ...shortened(part), symbolType: 'stroke', symbolSize: 900, symbolStrokeWidth: 2 }
  const line = { ...coloured(part), legend }
  return { color: line, strokeDash: { ...line, scale: { range: DASHES } } }
}

function coloured(part: Part): Spec {
  return { field: 'color', type: 'nominal', title: part.label, sort: null, legend: shortened(part) }
}

/** Parts stand on each other in the order in which the legend names them; Vega would take that of the alphabet. */
function stacked(part: Part | undefined): Spec {
  return part === undefined ? {} : { order: { field: ORDER, type: 'quantitative' } }
}

/** The rows with the place of each colour among all. */
function ordered(rows: readonly object[], color: Part | undefined): object[] {
  const places = new Map([...new Set(color?.values)].map((value, at) => [value, at]))
  return rows.map((row, at) => (color ? { ...row, [ORDER]: places.get(color.values[at] ?? null) } : row))
}

/** The order of the places on an axis: `other` is the axis across. */
function sortOf(sort: Sort, along: 'x' | 'y'): Spec {
  if (sort === 'rows') return { sort: null }
  const descending = sort.startsWith('-')
  if (sort.endsWith('x')) return { sort: descending ? 'descending' : 'ascending' }
  const across = along === 'x' ? 'y' : 'x'
  return { sort: descending ? `-${across}` : across }
}

/** Bars, as Vega-Lite draws them. */
export function barSpec<Row>(x: Part, y: Part, color: Part | undefined, options: BarOptions<Row>): Spec {
  const { aggregate = 'sum', stack = true, sort = x.scale === 'number' ? 'x' : 'rows' } = options
  const lies = options.horizontal ?? isCrowded(x)
  const sorted = x.scale === 'time' ? {} : sortOf(sort, lies ? 'y' : 'x')
  const weeks = color === undefined || stack !== false ? weekBars(lies ? 'y' : 'x', x) : undefined
  const bars = {
    ...places('x', x),
    ...weeks?.place,
    ...sorted,
    ...(x.scale === 'name' && { axis: lies ? shortened(x) : below(x) }),
  }
  const length = {
    ...amount('y', y, aggregate),
    ...onGround(y),
    ...(stack === 'share' && { axis: { format: '%' } }),
    stack: stack === 'share' ? 'normalize' : stack ? 'zero' : null,
  }
  const beside =
    color === undefined || stack !== false
      ? {}
      : { [lies ? 'yOffset' : 'xOffset']: { field: 'color', type: 'nominal', sort: null } }
  return {
    data: { values: ordered(dataOf({ x, y, color }, x.values.length), color) },
    mark: {
      type: 'bar',
      tooltip: true,
      ...(x.scale === 'time' && { [lies ? 'height' : 'width']: weeks?.size ?? { band: 0.8 } }),
      ...(color !== undefined && stack !== false && { stroke: BACK, strokeWidth: 0.5 }),
    },
    encoding: {
      [lies ? 'y' : 'x']: bars,
      [lies ? 'x' : 'y']: length,
      ...beside,
      ...colour(color),
      ...stacked(color),
      tooltip: says({ x, color, y }, 'y', aggregate),
    },
  }
}

/** A line or an area, or one for each colour. */
export function lineSpec(
  mark: 'line' | 'area',
  x: Part,
  y: Part,
  color: Part | undefined,
  aggregate?: Aggregate,
): Spec {
  const count = x.values.length
  const point = count <= MOST_POINTS ? true : count <= MOST_HIDDEN_POINTS ? 'transparent' : false
  return {
    data: { values: ordered(dataOf({ x, y, color }, count), color) },
    mark: { type: mark, tooltip: true, point, ...(mark === 'area' && { line: true, fillOpacity: 0.4 }) },
    encoding: {
      x: along('x', x),
      y: { ...amount('y', y, aggregate), ...onGround(y) },
      ...(mark === 'line' ? dashed(color) : { ...colour(color), ...stacked(color) }),
      tooltip: says({ x, color, y }, 'y', aggregate),
    },
  }
}

/** Darkness is opacity, so that it grows from the page's own colour, be that light or dark. */
export function heatmapSpec(x: Part, y: Part, color: Part, aggregate: Aggregate = 'sum'): Spec {
  const cells = (name: string, part: Part) => {
    const { axis, ...place } = places(name, part)
    const labels = name === 'y' ? shortened(part) : below(part)
    // A place for each value that there is; along a time there would be one for each that could be.
    const field = part.scale === 'time' ? { field: textOf(name), type: 'ordinal' } : { field: name }
    return {
      ...place,
      timeUnit: undefined,
      bandPosition: undefined,
      ...field,
      axis: part.scale === 'number' ? axis : labels,
      ...(part.scale === 'name' && { sort: null }),
    }
  }
  const { axis: _, ...value } = amount('color', color, aggregate)
  const darkness = {
    ...value,
    scale: { range: [0.2, 1] },
    legend: {
      ...steps(color, aggregate),
      symbolType: 'square',
      symbolSize: 200,
      // By the page and not by what is left of it: that would be known only when the height is.
      columns: { signal: 'clamp(floor((containerSize()[0] || max(width, 640)) / 80), 1, 6)' },
      ...(value.format !== undefined && { format: value.format }),
    },
  }
  return {
    data: { values: dataOf({ x, y, color }, x.values.length) },
    encoding: { x: cells('x', x), y: cells('y', y) },
    layer: [
      {
        mark: { type: 'rect', tooltip: true },
        encoding: { opacity: darkness, tooltip: says({ x, y, color }, 'color', aggregate) },
      },
      // The lowest is told from what is missing by its edge.
      ...(new Set(x.values).size > MOST_EDGED || x.values.length > MOST_EDGED ** 2
        ? []
        : [
            {
              transform: [{ filter: 'isValid(datum.color)' }],
              mark: { type: 'rect', filled: false, strokeWidth: 1, aria: false },
            },
          ]),
    ],
  }
}

/** Bars beside each other, one for each range. @param ranges what each is called */
export function histogramSpec(bins: readonly Bin[], ranges: readonly string[], x: Part): Spec {
  const [{ from, to } = { from: 0, to: 1 }] = bins
  const each = bins.map(onlyOf).filter((only) => only !== undefined)
  const number = amount('from', x)
  const howMany = { field: 'count', type: 'quantitative', title: 'How many' }
  return {
    data: { values: bins.map((bin, index) => ({ ...bin, range: ranges[index] })) },
    mark: { type: 'bar', tooltip: true },
    encoding: {
      x: {
        ...number,
        bin: { binned: true, step: to - from },
        ...(each.length > 0 && { axis: { values: each, format: number.format ?? ',d' } }),
      },
      x2: { field: 'to' },
      y: { ...howMany, axis: { tickMinStep: 1, format: ',~f' } },
      tooltip: [
        { field: 'range', type: 'nominal', title: x.label },
        { ...howMany, format: ',~f' },
      ],
    },
  }
}

function edges(color: Part | undefined): Spec {
  return { stroke: color === undefined ? { value: FIRST_COLOUR } : { ...coloured(color), legend: null } }
}

/** Bars from when to when, or marks where there is no end. */
export function timelineSpec(start: Part, end: Part | undefined, y: Part, color: Part | undefined): Spec {
  // What has not ended is there, too: where it began.
  const untilOf = (at: number) => end?.values[at] ?? start.values[at] ?? null
  const rows = dataOf({ start, end, y, color }, start.values.length)
  return {
    data: { values: rows.map((row, at) => ({ ...row, until: untilOf(at) })) },
    // What took a minute of a year is seen by its edge.
    mark:
      end === undefined
        ? { type: 'tick', tooltip: true, thickness: 3, opacity: 1 }
        : { type: 'bar', tooltip: true, strokeWidth: 2, height: { band: 0.7 } },
    encoding: {
      // What began when stands in the table and the tooltip; the axis itself is plain.
      x: { ...time('start', start), title: commonOf(start, end) ?? null },
      ...(end && { x2: { field: 'until' }, ...edges(color) }),
      y: {
        field: 'y',
        type: 'nominal',
        title: y.label,
        sort: null,
        axis: { title: null, grid: true, ...shortened(y) },
      },
      ...colour(color),
      tooltip: says({ y, color, start, end }),
    },
  }
}

/** A time between two others, for people. */
export function spanOf(part: Part): string {
  const times = part.values.filter((value) => typeof value === 'number')
  const bounds = [Math.min(...times), Math.max(...times)].map((ms) =>
    formatted(ms, part.isDays ? 'date' : 'datetime'),
  )
  return bounds[0] === bounds[1] ? `on ${bounds[0]}` : `from ${bounds[0]} to ${bounds[1]}`
}
