import { withHost } from '../bench-host.ts'
import { type Figure, median, tookMs } from '../harness.ts'

const WARM_UP = 100
const TURNS = 500

const ASKED = `
  import { query } from '@lyceum/sdk'
  export const grades = query(({ course }) => [{ course, grade: 91, at: new Date(0) }, { course, grade: 84, at: new Date(1) }])`
const ASKING = `
  import { query } from '@lyceum/sdk'
  export const report = query(async ({ plugins: { one, two, three }, course }) => ({
    one: await one.grades({ course }), two: await two.grades({ course }), three: await three.grades({ course }),
  }))`

/** Three calls from one plugin to others, each with an isolate of its own, over HTTP and back. */
export const betweenPlugins: Figure = {
  name: 'query that asks three other plugins, median',
  unit: 'ms',
  goal: 2,
  better: 'lower',
  measure: () =>
    withHost(async ({ client, publish }) => {
      for (const id of ['one', 'two', 'three']) await publish(id, ASKED)
      await publish('asking', ASKING)
      const took: number[] = []
      for (let turn = 0; turn < WARM_UP + TURNS; turn++)
        took.push(await tookMs(() => client.call('/v1/queries/asking/report?course=c')))
      return median(took.slice(WARM_UP))
    }),
}
