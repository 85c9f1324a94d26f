import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { callerOf } from '../auth/gate.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { LIMITS } from '../limits.ts'
import { exportLines } from '../registry/export.ts'
import { ownerOf } from '../registry/publish.ts'
import { Id } from './shapes.ts'

const route = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/export',
  summary: 'Everything that a plugin keeps: documents, indexes, files, cursors, and about its versions',
  description: 'NDJSON; the last line has `end`. With `Accept-Encoding: gzip` it comes compressed.',
  request: { params: Id },
  responses: { 200: { description: 'NDJSON', content: { 'application/x-ndjson': { schema: z.string() } } } },
})

/** The data of plugins for those who own them. */
export function addExport(app: App, host: Host): void {
  const { plugins, catalogue, logger } = host
  /** Who reads them. */
  const underWay: string[] = []
  /** Counts from the first line that somebody takes: a request that takes none ends nothing either. */
  async function* counted(lines: AsyncIterable<string | Buffer>, reader: string, onStall: () => void) {
    underWay.push(reader)
    let stalled: NodeJS.Timeout | undefined
    try {
      for await (const line of lines) {
        stalled = setTimeout(onStall, LIMITS.exportStallMs)
        yield line
        clearTimeout(stalled)
      }
    } finally {
      clearTimeout(stalled)
      underWay.splice(underWay.indexOf(reader), 1)
    }
  }

  app.openAPIRegistry.registerPath(route)
  app.get('/v1/plugins/:id/export', (c) => {
    const id = c.req.param('id')
    const caller = callerOf(c)
    plugins.owned(id, caller)
    const reader = ownerOf(caller)
    const own = underWay.filter((other) => other === reader).length
    if (underWay.length >= LIMITS.exportsAtOnce || own >= LIMITS.exportsOfOne)
      throw new LyceumError(
        'over_concurrency',
        `${underWay.length} exports are under way, ${own} of them yours. Wait until one of them ends.`,
      )
    const onStall = () => lines.destroy(new Error('nobody takes the lines of an export'))
    const lines = Readable.from(
      counted(exportLines(catalogue, plugins.storeOf(id), id, Date.now()), reader, onStall),
    )
    lines.on('error', (error) => logger.warn({ err: error, plugin: id }, 'an export ended early'))
    c.header('Content-Type', 'application/x-ndjson')
    c.header('Content-Disposition', `attachment; filename="${id}.ndjson"`)
    if (c.req.header('accept-encoding')?.includes('gzip') !== true) return c.body(webStream(lines))
    c.header('Content-Encoding', 'gzip')
    const gzip = createGzip()
    // Both ends go with the other: a reader that goes away ends the reading of stores.
    gzip.on('close', () => lines.destroy())
    lines.on('error', (error) => gzip.destroy(error))
    return c.body(webStream(lines.pipe(gzip)))
  })
}

function webStream(stream: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(stream) as ReadableStream<Uint8Array>
}
