import { throughput, withHost } from '../bench-host.ts'
import { type Figure, pairs, ratio } from '../harness.ts'

const EVENTS = 20_000
const TURNS = 5

/** The same handler with a derived property on every event, worked out in the isolate of the plugin that has it. */
export const property: Figure = {
  name: 'full pipeline, with a derived property ÷ without',
  unit: 'ratio',
  goal: 0.7,
  better: 'higher',
  measure: () =>
    withHost(async (bench) => {
      const { lane } = bench.host
      return ratio(
        await pairs(
          TURNS,
          () => throughput(bench, lane, 'bench_derived', EVENTS),
          () => throughput(bench, lane, 'bench_loop', EVENTS),
        ),
      )
    }),
}
