import { throughput, withHost } from '../bench-host.ts'
import { type Figure, pairs, ratio } from '../harness.ts'

const EVENTS = 20_000
const TURNS = 5

/** Whether an author who writes the obvious loop pays for it. */
export const naturalLoop: Figure = {
  name: 'loop of awaited updateOne ÷ one bulkWrite',
  unit: 'ratio',
  goal: 0.7,
  better: 'higher',
  measure: () =>
    withHost(async (bench) =>
      ratio(
        await pairs(
          TURNS,
          () => throughput(bench, bench.host.lane, 'bench_loop', EVENTS),
          () => throughput(bench, bench.host.lane, 'bench_bulk', EVENTS),
        ),
      ),
    ),
}
