import type { Field, Format } from './values.ts'

/** What all charts may be told. */
export interface ChartOptions<Row> {
  /** Stands above the chart. */
  readonly title?: string
  /** The chart in a sentence or two, for those who do not see it. It is made from the data where it is not given. */
  readonly description?: string
  /** What fields are called; else their names in words: `passRate` is “Pass rate”. */
  readonly labels?: { readonly [Name in Field<Row>]?: string }
  readonly format?: { readonly [Name in Field<Row>]?: Format }
  /** Pixels; as wide as the page where it is not given. */
  readonly width?: number
  /** Pixels. */
  readonly height?: number
  /** What stands in place of a chart without rows. */
  readonly empty?: string
}

/** How the values of rows that share a place are put together. */
export type Aggregate = 'sum' | 'mean' | 'median' | 'min' | 'max'

/** `x` and `y`, and `-x` and `-y` for the largest first; `rows` as they are given. */
export type Sort = 'rows' | 'x' | '-x' | 'y' | '-y'

/** Options of `chart.bar`. */
export interface BarOptions<Row> extends ChartOptions<Row> {
  /** What the bars stand for: a name, a number, or a day. */
  readonly x: Field<Row>
  /** How long they are. Bars of the same `x` are added up, unless `aggregate` says otherwise. */
  readonly y: Field<Row>
  /** Splits each bar into parts, each with a colour. */
  readonly color?: Field<Row>
  /** Parts stand on each other (default), beside each other (`false`), or show their share of the whole. */
  readonly stack?: boolean | 'share'
  readonly aggregate?: Aggregate
  /** In which order the bars stand; that of the rows unless told. */
  readonly sort?: Sort
  /** Bars that lie; where the names are long or many they do so unless told. */
  readonly horizontal?: boolean
}

/** Options of `chart.line` and `chart.area`. */
export interface LineOptions<Row> extends ChartOptions<Row> {
  /** A time (a Date, or text as 2026-02-08), a number, or a name. */
  readonly x: Field<Row>
  readonly y: Field<Row>
  /** One line for each value. */
  readonly color?: Field<Row>
  /** For rows that share `x` and `color`. */
  readonly aggregate?: Aggregate
}

/** Options of `chart.heatmap`. */
export interface HeatmapOptions<Row> extends ChartOptions<Row> {
  readonly x: Field<Row>
  readonly y: Field<Row>
  /** The number that makes a cell dark. */
  readonly color: Field<Row>
  /** For rows of the same cell: their sum unless told. */
  readonly aggregate?: Aggregate
}

/** Options of `chart.histogram`. */
export interface HistogramOptions<Row> extends ChartOptions<Row> {
  /** The number whose distribution is shown. */
  readonly x: Field<Row>
  /** About how many bars; 20 unless told. */
  readonly bins?: number
}

/** Options of `chart.timeline`. */
export interface TimelineOptions<Row> extends ChartOptions<Row> {
  /** When it began: a Date, or text as 2026-02-08. */
  readonly start: Field<Row>
  /** When it ended; without it each row is a point in time. */
  readonly end?: Field<Row>
  /** What it is about: a line of its own for each value. */
  readonly y: Field<Row>
  readonly color?: Field<Row>
}

/** Options of `chart.spec`. */
export interface SpecOptions {
  readonly title?: string
  /** The chart in a sentence or two, for those who do not see it. */
  readonly description: string
}
