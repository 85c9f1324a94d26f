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
const ONE_NUMBER_FORMAT = ',.12~g'
const DAY_MS = 86_400_000
const YEAR_DAYS = 366
/** Longer names would stand on end below bars. */
const LONG_NAME_CHARS = 14
/** More characters would not stand side by side on a phone. */
const MOST_CHARS = 56
/** More names would lie on each other below bars. */
const MOST_NAMES = 24
/** Of a long name, at both ends. */
const SIDE_CHARS = 10

/** A number on an axis. */
export function amount(name: string, part: Part, aggregate?: Aggregate): Spec {
  const written = part.format === undefined ? undefined : NUMBER_FORMATS[part.format]
  const known = part.values.filter((value) => value !== null)
  const areWhole = known.every(Number.isInteger)
  // Of a range without a length d3 would write 5 as 5.000000.
  const format = written ?? (known.every((value) => value === known[0]) ? ONE_NUMBER_FORMAT : undefined)
  return {
    field: name,
    type: 'quantitative',
    title: part.label,
    ...(aggregate && { aggregate }),
    ...(format && { format }),
    axis: { ...(areWhole && { tickMinStep: 1 }), ...(format && { format }) },
  }
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
  const day = dayOf(part)
  return {
    field: name,
    type: 'temporal',
    title: day === undefined ? part.label : `${part.label}, ${day}`,
    scale: { type: 'utc' },
    axis: { format: timesOf(part) },
  }
}

/** The day of times that are all of one: an axis of hours does not say it. */
export function dayOf({ values, isDays }: Part, end?: Part): string | undefined {
  if (isDays) return undefined
  const times = [...values, ...(end?.values ?? [])].filter((value) => value !== null)
  const [day, ...others] = new Set(times.map((value) => formatted(value, 'date')))
  return others.length > 0 ? undefined : day
}

/** One place for each value. */
export function places(name: string, part: Part): Spec {
  if (part.scale === 'time')
    return {
      field: name,
      type: 'temporal',
      timeUnit: part.isDays ? 'utcyearmonthdate' : 'utcyearmonthdatehours',
      title: part.label,
      axis: { format: timesOf(part), grid: false },
    }
  if (part.scale === 'number')
    return { field: name, type: 'ordinal', title: part.label, axis: { labelOverlap: true } }
  return { field: name, type: 'nominal', title: part.label }
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

/** Names that would not be read below bars. */
export function isCrowded(part: Part): boolean {
  return part.scale === 'name' && (longest(part) > LONG_NAME_CHARS || namesOf(part) > MOST_NAMES)
}

/** The names below a chart. */
export function below(part: Part): Spec {
  const names = namesOf(part)
  return {
    labelAngle: names * longest(part) > MOST_CHARS ? -40 : 0,
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
