export { chart } from './chart.ts'
export type {
  Aggregate,
  BarOptions,
  ChartOptions,
  HeatmapOptions,
  HistogramOptions,
  LineOptions,
  Sort,
  SpecOptions,
  TimelineOptions,
} from './chart-options.ts'
export * from './core.ts'
export { type Column, type TableOptions, table } from './table.ts'
export type { Field, Format } from './values.ts'
