import { backlogFolder } from '../backlog-folder.ts'
import { type BenchHost, quiet, withHost } from '../bench-host.ts'
import { type Figure, pairs, perSecond, ratio } from '../harness.ts'

const SHORT = 50_000
/** Five million take five gigabytes and a minute to make; BENCH_BACKLOG sets how many. */
const LONG = Number(process.env.BENCH_BACKLOG ?? 1_000_000)
/** All turns together must fit into the short backlog. */
const EVENTS = 7_000
const TURNS = 4
const POLL_MS = 1

/** Whether a handler that is far behind is slower for it. */
export const backlog: Figure = {
  name: `time per event at a backlog of ${LONG / 1e6} million ÷ 50,000`,
  unit: 'ratio',
  goal: 1.1,
  better: 'lower',
  measure: async () => {
    const [long, short] = [await backlogFolder('bench_loop', LONG), await backlogFolder('bench_loop', SHORT)]
    return withHost(
      (far) =>
        withHost(async (near) => {
          await Promise.all([hold(far), hold(near)])
          const both = await pairs(
            TURNS,
            () => advance(near),
            () => advance(far),
          )
          return ratio(both)
        }, short),
      long,
    )
  },
}

/** Events a second over the next stretch of the backlog. */
async function advance(bench: BenchHost): Promise<number> {
  const from = cursorOf(bench)
  await bench.call('POST', '/v1/plugins/bench/resume')
  const speed = await perSecond(EVENTS, async () => {
    while (cursorOf(bench) < from + EVENTS) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  })
  await hold(bench)
  return speed
}

async function hold({ call, host }: BenchHost): Promise<void> {
  await call('POST', '/v1/plugins/bench/pause')
  await quiet(host.lane)
}

function cursorOf({ host }: BenchHost): number {
  return host.lane.status('bench').find(({ endpoint }) => endpoint === 'loop')?.cursor ?? 0
}
