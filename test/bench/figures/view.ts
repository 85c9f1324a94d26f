import { overBareRoute } from '../bare-route.ts'
import { withHost } from '../bench-host.ts'
import { type Figure, median, pairs, tookMs } from '../harness.ts'

const WARM_UP = 20
const TURNS = 100

/** The address of a view's frame, as its page names it. */
function frameIn(page: string): string {
  const [frame] = /\/frames\/[\w.-]+/.exec(page) ?? []
  if (frame === undefined) throw new Error('the page has no frame')
  return frame
}

/** The frame of a view: its ticket is read, and its isolate runs, for every request. */
export const view: Figure = {
  name: 'view over a bare Hono route, added median',
  unit: 'ms',
  goal: 0.4,
  better: 'lower',
  measure: () =>
    withHost(async ({ client }) => {
      const frame = frameIn(await client.call('/views/bench/hello'))
      return overBareRoute('<h1>Hello world!</h1>', () => client.call(frame))
    }),
}

/** The frame of a view with a chart of thirty bars: a specification of Vega-Lite becomes a picture for every request. */
export const chart: Figure = {
  name: 'view with a chart over the view without, added median',
  unit: 'ms',
  goal: 15,
  better: 'lower',
  measure: () =>
    withHost(async ({ client }) => {
      const drawn = frameIn(await client.call('/views/bench/drawn'))
      const plain = frameIn(await client.call('/views/bench/hello'))
      const both = await pairs(
        WARM_UP + TURNS,
        () => tookMs(() => client.call(drawn)),
        () => tookMs(() => client.call(plain)),
      )
      const counted = both.slice(WARM_UP)
      return median(counted.map(({ a }) => a)) - median(counted.map(({ b }) => b))
    }),
}
