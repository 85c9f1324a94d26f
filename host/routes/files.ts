import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app.ts'
import { fileAddress, readFileTicket } from '../auth/file-tickets.ts'
import { callerOf } from '../auth/gate.ts'
import { LyceumError } from '../errors.ts'
import type { Host } from '../host.ts'
import { LIMITS } from '../limits.ts'
import { shownAs } from '../storage/files/images.ts'
import type { FileInfo, Page } from '../storage/files/requests.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import { Id, json } from './shapes.ts'

/** Addresses in a list last as long as somebody looks at it. */
const LISTED_SECONDS = 3_600
const READ_MS = 10_000
const NEWLINE = 10

const list = createRoute({
  method: 'get',
  path: '/v1/plugins/{id}/files',
  summary:
    'The files of a plugin, in the order of their paths, each with an address that opens it for an hour',
  request: {
    params: Id,
    query: z.object({
      prefix: z.string().max(LIMITS.filePathChars).default(''),
      after: z.string().max(LIMITS.filePathChars).default(''),
      limit: z.coerce.number().int().min(1).max(LIMITS.filesListed).default(100),
    }),
  },
  responses: {
    200: json(
      'Files; the next ones come with the path of the last one as `after`',
      z.object({ files: z.array(z.unknown()) }),
    ),
  },
})

/** Files of plugins: by signed address for whoever has it, and as a list for those who run the plugin. */
export function addFiles(app: App, host: Host): void {
  app.get('/files/:plugin/:ticket', async (c) => {
    const ticket = readFileTicket(host.keys, c.req.param('plugin'), c.req.param('ticket'))
    const store = host.plugins.active().get(ticket.plugin)?.store
    const first =
      store?.generation === ticket.generation &&
      host.plugins.installationOf(ticket.plugin) === ticket.installation
        ? await readPage(host, store, ticket.path, 0)
        : undefined
    if (store === undefined || first === undefined)
      throw new LyceumError('file_unknown', 'The file is gone: it was deleted, or has expired.')
    const { type, inline } = shownAs(first.page.type, first.content)
    const name = ticket.path.slice(ticket.path.lastIndexOf('/') + 1)
    c.header('Content-Type', type)
    c.header('Content-Length', String(first.page.bytes))
    c.header(
      'Content-Disposition',
      `${inline ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, percent)}`,
    )
    // Whatever a file is, nothing in it runs; and a frame, which is nobody's origin, may show its image.
    c.header('Content-Security-Policy', "sandbox; default-src 'none'")
    c.header('Cross-Origin-Resource-Policy', 'cross-origin')
    return first.page.next === null ? c.body(first.content) : c.body(streamOf(host, store, first))
  })

  app.openapi(list, async (c) => {
    const { id } = c.req.valid('param')
    const { installation } = host.plugins.owned(id, callerOf(c))
    const store = host.plugins.storeOf(id)
    const reply = await store.readFiles(
      { op: 'list', nowMs: host.nowMs() },
      JSON.stringify(c.req.valid('query')),
      performance.now() + READ_MS,
    )
    const found: readonly FileInfo[] = JSON.parse(reply.toString())
    const { generation } = store
    return c.json(
      {
        files: found.map((file) => ({
          ...file,
          url: fileAddress(
            host.keys,
            { plugin: id, installation, generation, path: file.path },
            LISTED_SECONDS,
          ),
        })),
      },
      200,
    )
  })
}

interface Read {
  readonly page: Page
  readonly content: Buffer<ArrayBuffer>
}

async function readPage(
  { nowMs }: Host,
  store: PluginStore,
  path: string,
  from: number,
): Promise<Read | undefined> {
  const reply = await store.readFiles(
    { op: 'read', nowMs: nowMs(), raw: true },
    JSON.stringify({ path, as: 'base64', from }),
    performance.now() + READ_MS,
  )
  const end = reply.indexOf(NEWLINE)
  if (end < 0) return undefined
  return { page: JSON.parse(reply.toString('utf8', 0, end)), content: Buffer.from(reply.subarray(end + 1)) }
}

/** A long file, page by page as the reader takes it. Where it is written anew meanwhile, the answer breaks off. */
function streamOf(host: Host, store: PluginStore, first: Read): ReadableStream<Uint8Array> {
  let { page } = first
  let content: Buffer | undefined = first.content
  return new ReadableStream({
    pull: async (controller) => {
      if (content === undefined && page.next !== null) {
        const read = await readPage(host, store, page.path, page.next)
        if (read?.page.hash !== page.hash) throw new Error('the file changed while it was read')
        page = read.page
        content = read.content
      }
      if (content !== undefined) controller.enqueue(new Uint8Array(content))
      content = undefined
      if (page.next === null) controller.close()
    },
  })
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
