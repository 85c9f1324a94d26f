import { withHost } from '../bench-host.ts'
import { bodyOf } from '../events.ts'
import { type Figure, median, once, quantile, tookMs } from '../harness.ts'

const WARM_UP = 200
const TRIPS = 1_000

const trips = once(() =>
  withHost(async ({ client }) => {
    const took: number[] = []
    for (let trip = 0; trip < WARM_UP + TRIPS; trip++) {
      const body = bodyOf('bench_live')
      took.push(await tookMs(() => client.call('/v1/events?wait=realtime', body)))
    }
    return took.slice(WARM_UP)
  }),
)

/** One event at a time, until its handler has committed and the sender knows. */
export const realtimeMedian: Figure = {
  name: '?wait=realtime round trip, median',
  unit: 'ms',
  goal: 3,
  better: 'lower',
  measure: async () => median(await trips()),
}

export const realtimeP99: Figure = {
  name: '?wait=realtime round trip, p99',
  unit: 'ms',
  goal: 15,
  better: 'lower',
  measure: async () => quantile(await trips(), 0.99),
}
