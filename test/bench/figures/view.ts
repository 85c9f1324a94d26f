import { once as happens } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { createShell } from '../../../host/app.ts'
import { callerOf } from '../../../host/auth/gate.ts'
import { type BenchHost, withHost } from '../bench-host.ts'
import { Client } from '../client.ts'
import { type Figure, median, pairs, tookMs } from '../harness.ts'

const WARM_UP = 300
const TURNS = 1_000
const BARE = '<h1>Hello world!</h1>'

/** Listens with an app on a free port while work goes on. */
async function listening<Result>(
  fetch: (request: Request) => Response | Promise<Response>,
  work: (url: string) => Promise<Result>,
): Promise<Result> {
  const server = createAdaptorServer({ fetch })
  server.listen(0, '127.0.0.1')
  await happens(server, 'listening')
  const address = server.address()
  try {
    return await work(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)
  } finally {
    server.close()
  }
}

/** The shell of the host with its checks, and a view that runs in its isolate for every request. */
function viewApp({ host }: BenchHost) {
  const app = createShell(host)
  app.get('/views/:plugin/:name', async (c) => {
    const { plugin, name } = c.req.param()
    const { result } = await host.questions.answer('view', plugin, name, [], callerOf(c))
    return c.html(result.toString())
  })
  return app
}

/** What checking the caller and running an isolate add to the shortest way that Hono has. */
export const view: Figure = {
  name: 'view over a bare Hono route, added median',
  unit: 'ms',
  goal: 0.4,
  better: 'lower',
  measure: () =>
    withHost((bench) =>
      listening(new Hono().get('/bare', (c) => c.html(BARE)).fetch, (bareUrl) =>
        listening(viewApp(bench).fetch, async (url) => {
          const bare = new Client(bareUrl)
          const client = new Client(url, await bench.token({ role: 'admin' }))
          const a = () => tookMs(() => client.call('/views/bench/hello'))
          const b = () => tookMs(() => bare.call('/bare'))
          const both = await pairs(WARM_UP + TURNS, a, b)
          client.close()
          bare.close()
          const counted = both.slice(WARM_UP)
          return median(counted.map((pair) => pair.a)) - median(counted.map((pair) => pair.b))
        }),
      ),
    ),
}
