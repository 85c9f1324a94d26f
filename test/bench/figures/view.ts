import { overBareRoute } from '../bare-route.ts'
import { withHost } from '../bench-host.ts'
import type { Figure } from '../harness.ts'

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
