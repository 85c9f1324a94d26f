import type { Part } from './chart-data.ts'
import type { Aggregate } from './chart-options.ts'
import { type Format, formatted } from './values.ts'

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
/** On an axis its own steps say how many decimals there are: with two of them 0.005 and 0.01 would be the same. */
const AXIS_FORMATS: typeof NUMBER_FORMATS = { ...NUMBER_FORMATS, number: undefined, percent: '%' }
const ONE_NUMBER_FORMAT = ',.12~g'
/** Of a place that is a number: 2026 is a year, and 0.1 + 0.2 is 0.3. */
const PLACE_FORMAT = '.12~g'
const SMALL_NUMBER_FORMAT = '.2~g'
const SMALL = 0.1
const DAY_MS = 86_400_000
const YEAR_DAYS = 366
const FEW_DAYS = 8
const WEEK_MS = 7 * DAY_MS
const FEW_WEEKS = 3
/** Longer names would stand on end below bars. */
const LONG_NAME_CHARS = 14
/** More characters stand side by side on no page. */
const MOST_CHARS = 56
/** About as wide is a letter of a label, and what stands beside a chart. */
const CHAR_PX = 7
const BESIDE_PX = 60
/** More names would lie on each other below bars. */
const MOST_NAMES = 24
/** Of a long name, at both ends. */
const SIDE_CHARS = 10

/** A number on an axis. */
export function amount(name: string, part: Part, aggregate?: Aggregate): Spec {
  const known = part.values.filter((value) => typeof value === 'number')
  const areSmall = known.every((value) => Math.abs(value) < SMALL)
  const said = part.format === 'number' && areSmall ? SMALL_NUMBER_FORMAT : formatOf(part, NUMBER_FORMATS)
  // Of a range without a length d3 would write 5 as 5.000000.
  const one = known.every((value) => value === known[0]) ? ONE_NUMBER_FORMAT : undefined
  const [format, onAxis] = [said ?? one, formatOf(part, AXIS_FORMATS) ?? one]
  return {
    field: name,
    type: 'quantitative',
    title: part.label,
    ...(aggregate && { aggregate }),
    ...(format && { format }),
    axis: { ...steps(part, aggregate), ...(onAxis && { format: onAxis }) },
  }
}

/** Of what is counted there are no halves; but there are of a mean. */
export function steps({ values, format }: Part, aggregate?: Aggregate): Spec {
  const areWhole = values.every((value) => value === null || Number.isInteger(value))
  const isCounted = areWhole && aggregate !== 'mean' && aggregate !== 'median'
  return isCounted || format === 'integer' ? { tickMinStep: 1 } : {}
}

function formatOf({ format }: Part, formats: typeof NUMBER_FORMATS): string | undefined {
  return format === undefined ? undefined : formats[format]
}

/** Nothing but zeros stand on the ground, as others do. */
export function onGround({ values }: Part): Spec {
  return values.every((value) => value === null || value === 0) ? { scale: { domain: [0, 1] } } : {}
}

/** Whatever a part holds, on an axis along which things change. */
export function along(name: string, part: Part): Spec {
  if (part.scale === 'number') return { ...amount(name, part), scale: { zero: false } }
  if (part.scale === 'time') return time(name, part)
  return { field: name, type: 'nominal', title: part.label, sort: null, axis: below(part) }
}

export function time(name: string, part: Part): Spec {
  return {
    field: name,
    type: 'temporal',
    title: withCommon(part),
    scale: { type: 'utc' },
    axis: timeAxis(part),
  }
}

/** What times have in common and their axis does not say: their year, or of hours the day. */
export function commonOf({ values, isDays }: Part, end?: Part): string | undefined {
  const times = [...values, ...(end?.values ?? [])].filter((value) => value !== null)
  const days = new Set(times.map((value) => formatted(value, 'date')))
  const [day] = days
  if (day === undefined || (days.size === 1 && !isDays)) return day
  const year = day.slice(0, 4)
  return [...days].every((other) => other.startsWith(year)) ? year : undefined
}

function withCommon(part: Part): string {
  const common = commonOf(part)
  return common === undefined ? part.label : `${part.label}, ${common}`
}

/** One place for each value. */
export function places(name: string, part: Part): Spec {
  if (part.scale === 'time')
    return {
      field: name,
      type: 'temporal',
      timeUnit: part.isDays ? 'utcyearmonthdate' : 'utcyearmonthdatehours',
      title: withCommon(part),
      bandPosition: 0,
      axis: { ...timeAxis(part), grid: false },
    }
  if (part.scale === 'name') return { field: name, type: 'nominal', title: part.label }
  return {
    field: name,
    type: 'ordinal',
    title: part.label,
    axis: {
      labelAngle: 0,
      labelOverlap: true,
      format: formatOf(part, NUMBER_FORMATS) ?? PLACE_FORMAT,
    },
  }
}

/**
 * Of bars that stand for weeks, as whole weeks between three or more days show: how thick they are, the range that has
 * room for them, and the day that each is named by, since Vega-Lite has weeks from Sunday to Saturday only. Undefined
 * where they stand for something else.
 */
export function weekBars(along: 'x' | 'y', part: Part): { size: Spec; place: Spec } | undefined {
  const { values, isDays } = part
  const days = new Set(values.filter((value) => typeof value === 'number'))
  const [first, last] = [Math.min(...days), Math.max(...days)]
  if (!isDays || days.size < FEW_WEEKS || [...days].some((day) => (day - first) % WEEK_MS !== 0))
    return undefined
  return {
    size: { expr: `0.8 * abs(scale('${along}', ${WEEK_MS}) - scale('${along}', 0))` },
    // As expressions: of plain numbers Vega-Lite makes datetime(ms), which Vega's interpreter takes for a year.
    place: {
      scale: {
        type: 'utc',
        nice: false,
        domain: [first - WEEK_MS / 2, last + WEEK_MS / 2].map((ms) => ({ expr: String(ms) })),
      },
      axis: {
        format: commonOf(part) === undefined ? '%-d %b %Y' : '%-d %b',
        grid: false,
        values: { expr: `[${[...days].sort((one, other) => one - other).join(', ')}]` },
        labelOverlap: true,
      },
    },
  }
}

/** How times are written on an axis, by what each begins; d3's own way would write 3 PM. */
function timeAxis({ values, isDays }: Part): Spec {
  const times = values.filter((value) => typeof value === 'number')
  const days = (Math.max(...times) - Math.min(...times)) / DAY_MS
  const isLong = days > YEAR_DAYS
  const month = isLong ? '%b %Y' : '%-d %b'
  const format = {
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
  // Days have no hours between them.
  return { format, ...(isDays && days < FEW_DAYS && { tickCount: 'day' }) }
}

/** Names that would not be read below bars. */
export function isCrowded(part: Part): boolean {
  return part.scale === 'name' && (longest(part) > LONG_NAME_CHARS || namesOf(part) > MOST_NAMES)
}

/** The names below a chart. */
export function below(part: Part): Spec {
  const names = namesOf(part)
  const neededPx = names * (longest(part) + 1) * CHAR_PX + BESIDE_PX
  const slants = (yes: string, no: string) => ({
    signal: `(containerSize()[0] || 640) < ${neededPx} ? ${yes} : ${no}`,
  })
  return {
    ...(names * longest(part) > MOST_CHARS
      ? { labelAngle: -40 }
      : { labelAngle: slants('-40', '0'), labelAlign: slants("'right'", "'center'") }),
    ...(names > MOST_NAMES && { labelOverlap: true }),
    ...shortened(part),
  }
}

/** Long names without their middle: the names that an LMS gives begin alike. */
export function shortened(part: Part): Spec {
  if (part.scale !== 'name' || longest(part) <= 2 * SIDE_CHARS) return {}
  // Characters, not their halves.
  const long = `regexp('^(.{${SIDE_CHARS}}).{2,}(.{${SIDE_CHARS}})$', 'su')`
  return { labelExpr: `replace(datum.label, ${long}, '$1…$2')` }
}

function namesOf({ values }: Part): number {
  return new Set(values).size
}

function longest({ values }: Part): number {
  return Math.max(0, ...values.map((value) => String(value).length))
}
