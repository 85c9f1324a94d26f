import { once as happens } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { Client } from './client.ts'
import { median, pairs, tookMs } from './harness.ts'

const WARM_UP = 300
const TURNS = 1_000

/**
 * What a request takes beyond the shortest way that Hono has, in ms at the median: both are measured in turns.
 * @param text what the bare route answers
 */
export async function overBareRoute(text: string, request: () => Promise<unknown>): Promise<number> {
  const app = new Hono().get('/bare', (c) => c.html(text))
  const server = createAdaptorServer({ fetch: app.fetch })
  server.listen(0, '127.0.0.1')
  await happens(server, 'listening')
  const address = server.address()
  const bare = new Client(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)
  try {
    const both = await pairs(
      WARM_UP + TURNS,
      () => tookMs(request),
      () => tookMs(() => bare.call('/bare')),
    )
    const counted = both.slice(WARM_UP)
    return median(counted.map(({ a }) => a)) - median(counted.map(({ b }) => b))
  } finally {
    bare.close()
    server.close()
  }
}
