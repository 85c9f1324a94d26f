import { encode } from '@lyceum/sdk/ejson'
import { LIMITS } from '../limits.ts'
import type { FileInfo } from '../storage/files/requests.ts'
import type { Page } from '../storage/pages.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import type { Catalogue } from './catalogue.ts'
import { needsOf } from './version.ts'

const EXPORT_FORMAT = 1
/** One page of a store, or nobody waits for the export any more. */
const PAGE_MS = 30_000
const END = Buffer.from('}\n')
const END_TEXT = Buffer.from('"}\n')

/**
 * Everything of a plugin as lines of JSON, read page by page, so that neither the host holds it nor a store works
 * on it for long. Each page is what was committed when it was read; a plugin that is to be exported as it is at one
 * moment is paused first.
 *
 * The first line says what it is, the last one is `{"end":{…}}` with what was counted: without it, the export is
 * not whole. Between them stand `{"version":{…}}`, `{"cursor":{…}}`, `{"collection":…,"indexes":[…]}` with lines of
 * `{"collection":…,"documents":[…]}` behind it, as EJSON, and `{"file":{…}}` with lines of
 * `{"path":…,"from":…,"base64":…}`.
 */
export async function* exportLines(
  catalogue: Catalogue,
  store: PluginStore,
  id: string,
  nowMs: number,
): AsyncGenerator<string | Buffer> {
  const end = store.beginExport()
  try {
    yield* linesOf(catalogue, store, id, nowMs)
  } finally {
    end()
  }
}

async function* linesOf(
  catalogue: Catalogue,
  store: PluginStore,
  id: string,
  nowMs: number,
): AsyncGenerator<string | Buffer> {
  const row = catalogue.plugin(id)
  const about = {
    format: EXPORT_FORMAT,
    plugin: id,
    owner: row?.owner,
    granted: row?.granted,
    quota: row?.quotaSet,
  }
  yield line({ lyceumExport: { ...about, version: row?.activeVersion ?? null, exportedMs: nowMs } })
  for (const { version, hash, title, description, publishedMs, publishedBy, ...rest } of catalogue.versions(
    id,
  )) {
    const needs = needsOf({ plugin: id, endpoints: rest.endpoints })
    yield line({ version: { version, hash, title, description, publishedMs, publishedBy, needs } })
  }
  const { collections, cursors } = await store.survey()
  for (const cursor of cursors) yield line({ cursor })
  let pages = 0
  for (const { name, indexes } of collections) {
    yield line({ collection: name, indexes })
    for await (const page of documentsOf(store, name)) {
      pages += 1
      yield page
    }
  }
  let files = 0
  // Not every store keeps files.
  if ((await store.usage()).files > 0)
    for await (const file of filesOf(store, nowMs)) {
      files += 1
      yield line({ file })
      yield* contentsOf(store, file, nowMs)
    }
  yield line({ end: { pages, files } })
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** Forwarded as the store sent them: the host looks into no document. */
async function* documentsOf(store: PluginStore, collection: string): AsyncGenerator<Buffer> {
  const op = Buffer.from(encode({ op: 'find', collection, filter: {} }))
  let page: Page | undefined = await store.openCursor(op, performance.now() + PAGE_MS)
  try {
    while (page !== undefined) {
      const { rows, rest }: Page = page
      yield Buffer.concat([
        Buffer.from(`{"collection":${JSON.stringify(collection)},"documents":`),
        rows,
        END,
      ])
      page = rest && (await rest.more(performance.now() + PAGE_MS))
    }
  } finally {
    page?.rest?.close() // whoever asked for the export went away
  }
}

async function* filesOf(store: PluginStore, nowMs: number): AsyncGenerator<FileInfo> {
  for (let after = ''; ; ) {
    const request = JSON.stringify({ after, limit: LIMITS.filesListed })
    const listed = await store.readFiles({ op: 'list', nowMs }, request, performance.now() + PAGE_MS)
    const files: readonly FileInfo[] = JSON.parse(listed.toString())
    yield* files
    const last = files.at(-1)
    if (last === undefined) return
    after = last.path
  }
}

/** A file that goes or changes while it is read is cut there: its line says how long it was. */
async function* contentsOf(
  store: PluginStore,
  { path, hash }: FileInfo,
  nowMs: number,
): AsyncGenerator<string | Buffer> {
  for (let from: number | null = 0; from !== null; ) {
    const request = JSON.stringify({ path, as: 'base64', from })
    const reply = await store.readFiles({ op: 'read', nowMs }, request, performance.now() + PAGE_MS)
    const end = reply.indexOf('\n')
    const page: { readonly hash: string; readonly next: number | null } | null = JSON.parse(
      reply.toString('utf8', 0, end < 0 ? reply.length : end),
    )
    if (page === null || page.hash !== hash) return
    if (end >= 0 && end + 1 < reply.length)
      yield Buffer.concat([
        Buffer.from(`{"path":${JSON.stringify(path)},"from":${from},"base64":"`),
        reply.subarray(end + 1),
        END_TEXT,
      ])
    from = page.next
  }
}
