import { throughput, withHost } from '../bench-host.ts'
import { bodiesOf } from '../events.ts'
import { type Figure, pairs, ratio } from '../harness.ts'
import { withRawLog } from '../raw-log.ts'

const EVENTS = 20_000
const TURNS = 5

/** How much of what the disk takes goes through a handler with one upsert an event. */
export const pipelineOverAppend: Figure = {
  name: 'events through the pipeline ÷ raw fsynced append',
  unit: 'ratio',
  goal: 0.3,
  better: 'higher',
  measure: () =>
    withHost((bench) =>
      withRawLog(async (raw) =>
        ratio(
          await pairs(
            TURNS,
            () => throughput(bench, bench.host.lane, 'bench_loop', EVENTS),
            () => raw.append(bodiesOf('bench_loop', EVENTS)),
          ),
        ),
      ),
    ),
}
