import { type Bridge, OpError } from './bridge.ts'

export interface WriteOptions {
  readonly type?: string
  readonly expire?: number
}

/** A file as the host tells of it. */
interface Told {
  readonly path: string
  readonly bytes: number
  readonly type: string
  readonly modifiedMs: number
  readonly expiresMs: number | null
  readonly hash: string
}

interface Page extends Told {
  readonly next: number | null
}

type Form = 'text' | 'base64'

const { parse, stringify } = JSON

/** `fs`: the plugin's own files. What is written leaves as text or, where it is bytes, as base64. */
export function openFs(bridge: Bridge) {
  const readPage = (path: unknown, as: Form, from: number, bytes: number | undefined) =>
    bridge.call('fsRead', stringify({ path, as, from, bytes }))

  /** The pages of a file, or of a part of it, all of the same content. */
  const pagesOf = async (path: unknown, as: Form, from = 0, bytes?: number): Promise<string[] | null> => {
    let pages: string[] = []
    let hash: string | undefined
    for (let at = from; ; ) {
      const reply = await readPage(path, as, at, bytes === undefined ? undefined : from + bytes - at)
      if (reply === 'null') return null
      const end = reply.indexOf('\n')
      const page = parse(reply.slice(0, end)) as Page
      if (hash !== undefined && page.hash !== hash) {
        // It was written anew meanwhile: from the start again.
        pages = []
        hash = undefined
        at = from
        continue
      }
      hash = page.hash
      pages[pages.length] = reply.slice(end + 1)
      if (page.next === null) return pages
      at = page.next
    }
  }

  const write = (path: unknown, data: unknown, options: WriteOptions = {}) => {
    const { as, text } = contentOf(data)
    const { type, expire } = options
    return bridge.call('fsWrite', `${stringify({ path, as, type, expire })}\n${text}`).then(() => {})
  }
  const readText = async (path: unknown) => (await pagesOf(path, 'text'))?.join('') ?? null

  return {
    read: async (path: unknown, { from, bytes }: { from?: number; bytes?: number } = {}) => {
      const pages = await pagesOf(path, 'base64', from, bytes)
      return pages === null ? null : joined(pages.map((page) => Uint8Array.fromBase64(page)))
    },
    readText,
    readJson: async (path: unknown): Promise<unknown> => {
      const text = await readText(path)
      return text === null ? null : parse(text)
    },
    write,
    writeJson: (path: unknown, value: unknown, options: WriteOptions = {}) => {
      const text = stringify(value)
      if (typeof text !== 'string') throw invalid('fs.writeJson(path, value): JSON cannot say this value.')
      return write(path, text, { type: 'application/json', ...options })
    },
    append: (path: unknown, data: unknown, options: WriteOptions = {}) => {
      const { as, text } = contentOf(data)
      return bridge.call('fsAppend', `${stringify({ path, as, type: options.type })}\n${text}`).then(() => {})
    },
    stat: async (path: unknown) => {
      const told = parse(await bridge.call('fsStat', stringify({ path }))) as Told | null
      return told === null ? null : infoOf(told)
    },
    list: async (prefix: unknown = '', { after, limit }: { after?: string; limit?: number } = {}) => {
      const told = parse(await bridge.call('fsList', stringify({ prefix, after, limit }))) as Told[]
      return told.map(infoOf)
    },
    delete: (path: unknown) => bridge.call('fsDelete', stringify({ path })).then((reply) => reply === 'true'),
    expire: (path: unknown, seconds: number | null) =>
      bridge.call('fsExpire', stringify({ path, seconds })).then((reply) => reply === 'true'),
    url: (path: unknown, { seconds }: { seconds?: number } = {}) =>
      bridge.call('fsUrl', stringify({ path, seconds })),
  }
}

/** @throws at once, so that a write that nobody awaits fails its handler all the same */
function contentOf(data: unknown): { as: Form; text: string } {
  if (typeof data === 'string') return { as: 'text', text: data }
  if (data instanceof Uint8Array) return { as: 'base64', text: data.toBase64() }
  if (ArrayBuffer.isView(data))
    return contentOf(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (data instanceof ArrayBuffer) return contentOf(new Uint8Array(data))
  throw invalid(
    'fs.write(path, data): the data are a string or a Uint8Array. For any other value there is fs.writeJson(path, value).',
  )
}

function invalid(message: string): OpError {
  return new OpError({ code: 'file_invalid', message })
}

function infoOf({ path, bytes, type, modifiedMs, expiresMs }: Told) {
  return {
    path,
    bytes,
    type,
    modified: new Date(modifiedMs),
    expires: expiresMs === null ? null : new Date(expiresMs),
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
