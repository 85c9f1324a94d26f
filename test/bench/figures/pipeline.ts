import { throughput, withHost } from '../bench-host.ts'
import { type Figure, pairs, ratio } from '../harness.ts'
import { inProcessLane } from '../in-process.ts'
import * as plugin from '../plugin/plugin.ts'

const EVENTS = 20_000
const TURNS = 5

/** From HTTP to the committed upsert: what the isolate, its process and its limits cost. */
export const pipeline: Figure = {
  name: 'full pipeline, sandboxed ÷ in-process',
  unit: 'ratio',
  goal: 0.85,
  better: 'higher',
  measure: () =>
    withHost(async (bench) => {
      const { host } = bench
      const lane = inProcessLane(host, host.plugins.get('bench'), plugin, 'loop', 'bench_in_process')
      try {
        return ratio(
          await pairs(
            TURNS,
            () => throughput(bench, host.lane, 'bench_loop', EVENTS),
            () => throughput(bench, lane, 'bench_in_process', EVENTS),
          ),
        )
      } finally {
        await lane.close()
      }
    }),
}
