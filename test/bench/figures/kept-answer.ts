import { overBareRoute } from '../bare-route.ts'
import { withHost } from '../bench-host.ts'
import type { Figure } from '../harness.ts'

const PATH = '/v1/queries/bench/kept?course=course-v1:edX%2BDemoX%2B2026'

/** A query that keeps its answer: who asks and what they may see is looked at for every request, no isolate runs. */
export const keptAnswer: Figure = {
  name: 'memoized query over a bare Hono route, added median',
  unit: 'ms',
  goal: 0.2,
  better: 'lower',
  measure: () =>
    withHost(async ({ client }) => {
      const answer = await client.call(PATH)
      return overBareRoute(answer, () => client.call(PATH))
    }),
}
