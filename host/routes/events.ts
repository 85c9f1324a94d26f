import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'

const Counts = z.object({
  accepted: z.int(),
  duplicates: z.int(),
  rejected: z.array(z.object({ index: z.int(), code: z.string(), message: z.string() })),
})
const Handled = Counts.extend({
  handlers: z.array(
    z.object({
      plugin: z.string(),
      endpoint: z.string(),
      state: z.enum(['committed', 'failed', 'late']),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
})

/** How long a sender that waits for handlers is kept; those not done then are `late`. */
const WAIT_MS = 10_000

const post = createRoute({
  method: 'post',
  path: '/v1/events',
  summary: 'Send events: one object, an array or NDJSON, also gzipped',
  description:
    'Answers when the events are on disk. A bad event is reported by its index and costs only itself.',
  request: {
    query: z.object({
      wait: z.enum(['realtime'], { error: 'write ?wait=realtime, or leave it out' }).optional(),
    }),
    headers: z.object({ 'idempotency-key': z.string().max(200).optional() }),
    body: {
      content: {
        'application/json': { schema: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]) },
        'application/x-ndjson': { schema: z.string() },
      },
    },
  },
  responses: {
    202: { description: 'Kept', content: { 'application/json': { schema: Counts } } },
    200: {
      description: 'Kept, and handled as far as told',
      content: { 'application/json': { schema: Handled } },
    },
  },
})

/** Takes events in. The body goes to the log's thread as it came: nothing is parsed here. */
export function addEvents(app: App, host: Host): void {
  // The body is any of several kinds and is read elsewhere, so only address and headers are validated here.
  app.openAPIRegistry.registerPath(post)
  app.post('/v1/events', async (c) => {
    if (host.stopping())
      throw new LyceumError('shutting_down', 'The host is stopping. Send the events again in a moment.')
    const wait = c.req.query('wait')
    if (wait !== undefined && wait !== 'realtime')
      throw new LyceumError('bad_parameter', 'wait: write ?wait=realtime, or leave it out.', {
        parameter: 'wait',
      })
    const idempotencyKey = c.req.header('idempotency-key')
    if (idempotencyKey !== undefined && idempotencyKey.length > 200)
      throw new LyceumError('bad_parameter', 'Idempotency-Key: at most 200 characters.', {
        parameter: 'Idempotency-Key',
      })
    const body = new Uint8Array(await c.req.arrayBuffer())
    host.disk.admit(body.byteLength)
    const { accepted, duplicates, rejected, ranges } = await host.log.append(body, {
      contentType: c.req.header('content-type'),
      contentEncoding: c.req.header('content-encoding'),
      idempotencyKey,
      receivedMs: Date.now(),
    })
    const counts = { accepted, duplicates, rejected }
    if (wait === undefined) return c.json(counts, 202)
    const handlers = await host.lane.waitForRealtime(ranges, WAIT_MS)
    return c.json({ ...counts, handlers }, 200)
  })
}
