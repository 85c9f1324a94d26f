import { createRoute, z } from '@hono/zod-openapi'
import { stream } from 'hono/streaming'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import type { LogLine } from '../capabilities/log.ts'
import type { Host } from '../host.ts'

const params = z.object({ id: z.string().max(100) })
const limit = z.coerce.number().int().max(1_000).default(100)
const newest = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/logs',
  summary: 'The newest lines that a plugin logged',
  request: { params, query: z.object({ limit: limit.pipe(z.int().min(1)) }) },
  responses: {
    200: { description: 'Lines, oldest first', content: { 'application/json': { schema: z.unknown() } } },
  },
})
const follow = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/logs/follow',
  summary: 'The newest lines that a plugin logged, and those to come, for as long as the connection is open',
  description: 'NDJSON: a line for each line of the log, and an empty one now and then.',
  // Of those that are there already perhaps none.
  request: { params, query: z.object({ limit: limit.pipe(z.int().min(0)) }) },
  responses: { 200: { description: 'Lines as NDJSON, oldest first' } },
})

/** A line that a plugin logged with a stack in it. */
const BUNDLE_FRAME = /\bplugin\.js:\d+:\d+/
/** So often is an empty line sent, by which both sides see that the other is still there. */
const ALIVE_MS = 15_000

/** What plugins logged, for their authors. */
export function addLogs(app: App, host: Host): void {
  const { plugins, pluginLogs } = host
  const shown = async (id: string, logged: LogLine) =>
    BUNDLE_FRAME.test(logged.line)
      ? { ...logged, line: await host.authorStack(id, logged.line, logged.version) }
      : logged

  app.openapi(newest, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const lines = pluginLogs.tail(id, c.req.valid('query').limit).map((line) => shown(id, line))
    return c.json({ lines: await Promise.all(lines) }, 200)
  })
  app.openapi(follow, async (c) => {
    const { id } = c.req.valid('param')
    plugins.owned(id, callerOf(c))
    const follower = pluginLogs.follow(id, pluginLogs.tail(id, c.req.valid('query').limit))
    c.header('Content-Type', 'application/x-ndjson')
    return stream(c, async (out) => {
      out.onAbort(() => follower.close())
      // At once, so that whoever asks sees that it follows.
      await out.write('\n')
      const alive = setInterval(() => void out.write('\n'), ALIVE_MS)
      try {
        for await (const line of follower) await out.write(`${JSON.stringify(await shown(id, line))}\n`)
      } finally {
        clearInterval(alive)
        follower.close()
      }
    })
  })
}
