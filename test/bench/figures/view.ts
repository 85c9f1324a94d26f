import { once as happens } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { withHost } from '../bench-host.ts'
import { Client } from '../client.ts'
import { type Figure, median, pairs, tookMs } from '../harness.ts'

const WARM_UP = 300
const TURNS = 1_000

/** The shortest way that Hono has, listening while work goes on. */
async function withBareRoute<Result>(work: (url: string) => Promise<Result>): Promise<Result> {
  const app = new Hono().get('/bare', (c) => c.html('<h1>Hello world!</h1>'))
  const server = createAdaptorServer({ fetch: app.fetch })
  server.listen(0, '127.0.0.1')
  await happens(server, 'listening')
  const address = server.address()
  try {
    return await work(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)
  } finally {
    server.close()
  }
}

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
    withHost(({ client }) =>
      withBareRoute(async (url) => {
        const bare = new Client(url)
        const frame = frameIn(await client.call('/views/bench/hello'))
        const both = await pairs(
          WARM_UP + TURNS,
          () => tookMs(() => client.call(frame)),
          () => tookMs(() => bare.call('/bare')),
        )
        bare.close()
        const counted = both.slice(WARM_UP)
        return median(counted.map(({ a }) => a)) - median(counted.map(({ b }) => b))
      }),
    ),
}
