import { dataOf, type Part, textOf } from './chart-data.ts'
import type { Aggregate, BarOptions, Sort } from './chart-options.ts'
import { type Format, formatted, type Plain } from './values.ts'

/** A Vega-Lite specification, as far as it is made here. */
export type Spec = Readonly<Record<string, unknown>>

/** How d3 writes what {@link Format} says. */
const NUMBER_FORMATS: Readonly<Record<Format, string | undefined>> = {
  number: ',.2~f',
  integer: ',.0f',
  percent: '.1~%',
  date: undefined,
  datetime: undefined,
}
const DAY_MS = 86_400_000
const YEAR_DAYS = 366
/** Longer names would stand on end below bars. */
const LONG_NAME_CHARS = 14
const MOST_POINTS = 40
/** Points that nobody sees, but that say their value to whoever points at them. */
const MOST_HIDDEN_POINTS = 500

/** A number on an axis. */
function amount(name: string, part: Part, aggregate?: Aggregate): Spec {
  const written = part.format === undefined ? undefined : NUMBER_FORMATS[part.format]
  const isWhole = part.values.every((value) => value === null || Number.isInteger(value))
  return {
    field: name,
    type: 'quantitative',
    title: part.label,
    ...(aggregate && { aggregate }),
    ...(written && { format: written }),
    axis: { ...(isWhole && { tickMinStep: 1 }), ...(written && { format: written }) },
  }
}

/** Whatever a part holds, on an axis along which things change. */
function along(name: string, part: Part): Spec {
  if (part.scale === 'number') return { ...amount(name, part), scale: { zero: false } }
  if (part.scale === 'time') return time(name, part)
  return { field: name, type: 'nominal', title: part.label, sort: null, axis: { labelAngle: angleOf(part) } }
}

function time(name: string, part: Part): Spec {
  return {
    field: name,
    type: 'temporal',
    title: part.label,
    scale: { type: 'utc' },
    axis: { format: timesOf(part) },
  }
}

/** One place for each value. */
function places(name: string, part: Part): Spec {
  if (part.scale === 'time')
    return {
      field: name,
      type: 'temporal',
      timeUnit: part.isDays ? 'utcyearmonthdate' : 'utcyearmonthdatehours',
      title: part.label,
      axis: { format: timesOf(part), grid: false },
    }
  return { field: name, type: part.scale === 'number' ? 'ordinal' : 'nominal', title: part.label }
}

/** How times are written on an axis, by what each begins; d3's own way would write 3 PM. */
function timesOf({ values }: Part): Spec {
  const times = values.filter((value) => typeof value === 'number')
  const isLong = Math.max(...times) - Math.min(...times) > YEAR_DAYS * DAY_MS
  const month = isLong ? '%b %Y' : '%-d %b'
  return {
    year: isLong ? '%Y' : '%-d %b %Y',
    quarter: month,
    month,
    week: '%-d %b',
    date: '%-d %b',
    day: '%-d %b',
    hours: '%H:%M',
    minutes: '%H:%M',
    seconds: '%H:%M:%S',
    milliseconds: '%H:%M:%S.%L',
  }
}

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
  return part === undefined
    ? {}
    : { color: { field: 'color', type: 'nominal', title: part.label, sort: null } }
}

function angleOf(part: Part): number {
  return part.values.length > 8 || longest(part) > LONG_NAME_CHARS ? -40 : 0
}

function longest({ values }: Part): number {
  return Math.max(0, ...values.map((value) => String(value).length))
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
  const lies = options.horizontal ?? (x.scale === 'name' && longest(x) > LONG_NAME_CHARS)
  const ordered = x.scale === 'time' ? {} : sortOf(sort, lies ? 'y' : 'x')
  const bars = {
    ...places('x', x),
    ...ordered,
    ...(!lies && x.scale === 'name' && { axis: { labelAngle: angleOf(x) } }),
  }
  const length = {
    ...amount('y', y, aggregate),
    stack: stack === 'share' ? 'normalize' : stack ? 'zero' : null,
  }
  const beside =
    color === undefined || stack !== false
      ? {}
      : { [lies ? 'yOffset' : 'xOffset']: { field: 'color', type: 'nominal', sort: null } }
  return {
    data: { values: dataOf({ x, y, color }, x.values.length) },
    mark: {
      type: 'bar',
      tooltip: true,
      ...(x.scale === 'time' && { [lies ? 'height' : 'width']: { band: 0.8 } }),
    },
    encoding: {
      [lies ? 'y' : 'x']: bars,
      [lies ? 'x' : 'y']: length,
      ...beside,
      ...colour(color),
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
    data: { values: dataOf({ x, y, color }, count) },
    mark: { type: mark, tooltip: true, point, ...(mark === 'area' && { line: true, fillOpacity: 0.4 }) },
    encoding: {
      x: along('x', x),
      y: amount('y', y, aggregate),
      ...colour(color),
      tooltip: says({ x, color, y }, 'y', aggregate),
    },
  }
}

/** Darkness is opacity, so that it grows from the page's own colour, be that light or dark. */
export function heatmapSpec(x: Part, y: Part, color: Part, aggregate: Aggregate = 'sum'): Spec {
  const cells = (name: string, part: Part) => {
    const turned = name === 'x' ? { axis: { labelAngle: part.scale === 'number' ? 0 : angleOf(part) } } : {}
    // A place for each value that there is; along a time there would be one for each that could be.
    const field = part.scale === 'time' ? { field: textOf(name), type: 'ordinal' } : { field: name }
    return {
      ...places(name, part),
      timeUnit: undefined,
      ...field,
      ...turned,
      ...(part.scale === 'name' && { sort: null }),
    }
  }
  const { axis: _, ...value } = amount('color', color, aggregate)
  return {
    data: { values: dataOf({ x, y, color }, x.values.length) },
    mark: { type: 'rect', tooltip: true },
    encoding: {
      x: cells('x', x),
      y: cells('y', y),
      opacity: {
        ...value,
        scale: { range: [0.06, 1] },
        legend: { symbolType: 'square', symbolSize: 200, columns: 6 },
      },
      tooltip: says({ x, y, color }, 'color', aggregate),
    },
  }
}

/** How many values lie in each of some ranges of the same width. */
export interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Puts numbers into about `wanted` ranges with round bounds; the last holds its upper bound too. */
export function binsOf(values: readonly Plain[], wanted: number): Bin[] {
  const numbers = values.filter((value) => typeof value === 'number')
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (const value of numbers) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  if (numbers.length === 0) return []
  const step = roundStep((most - least) / wanted || 1)
  const first = Math.floor(least / step)
  const length = Math.max(1, Math.ceil(most / step - first))
  const counts = new Array<number>(length).fill(0)
  for (const value of numbers) {
    const at = Math.min(Math.floor(value / step) - first, length - 1)
    counts[at] = (counts[at] ?? 0) + 1
  }
  // Multiples, not sums, of the step: 0.1 three times is not 0.3.
  const bound = (index: number) => Number(((first + index) * step).toPrecision(12))
  return counts.map((count, index) => ({ from: bound(index), to: bound(index + 1), count }))
}

/** The nearest of 1, 2, 5, 10, 20, 50… from above. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5].find((candidate) => candidate * power >= least * 0.999) ?? 10
  return factor * power
}

/** Bars beside each other, one for each range. */
export function histogramSpec(bins: readonly Bin[], x: Part): Spec {
  const [{ from, to } = { from: 0, to: 1 }] = bins
  return {
    data: { values: bins },
    mark: { type: 'bar', tooltip: true },
    encoding: {
      x: { ...amount('from', x), bin: { binned: true, step: to - from } },
      x2: { field: 'to' },
      y: { field: 'count', type: 'quantitative', title: 'How many', axis: { tickMinStep: 1, format: ',~f' } },
    },
  }
}

/** Bars from when to when, or marks where there is no end. */
export function timelineSpec(start: Part, end: Part | undefined, y: Part, color: Part | undefined): Spec {
  return {
    data: { values: dataOf({ start, end, y, color }, start.values.length) },
    mark:
      end === undefined
        ? { type: 'tick', tooltip: true, thickness: 3, opacity: 1 }
        : { type: 'bar', tooltip: true, minBandSize: 2, height: { band: 0.7 } },
    encoding: {
      // What began when stands in the table and the tooltip; the axis itself is plain.
      x: { ...time('start', start), title: null },
      ...(end && { x2: { field: 'end' } }),
      y: { field: 'y', type: 'nominal', title: y.label, sort: null, axis: { title: null, grid: true } },
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
