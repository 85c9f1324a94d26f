import type { DatabaseSync } from 'node:sqlite'
import type { Payload } from '../../../process/frame.ts'
import { LIMITS } from '../../limits.ts'
import type { FileReadControl } from '../store-protocol.ts'
import type { Blobs } from './blobs.ts'
import { checkPath, ListRequest, type Page, PathRequest, ReadRequest, requestOf } from './requests.ts'
import { chunksOf, fileAt, filesFrom, isLive } from './rows.ts'

/** Where files are read: their rows as one connection sees them, and their contents. */
export interface Place {
  readonly sqlite: DatabaseSync
  readonly blobs: Blobs
}

/** Reads as a guest asks, and makes what the guest gets. @throws {LyceumError} op_malformed, file_path_invalid */
export function readFiles({ op, nowMs, raw }: FileReadControl, request: string, place: Place): Payload {
  switch (op) {
    case 'read':
      return readPage(requestOf(ReadRequest, request), nowMs, raw === true, place)
    case 'stat': {
      const { path } = requestOf(PathRequest, request)
      checkPath(path)
      const file = fileAt(place.sqlite, path)
      if (!isLive(file, nowMs)) return 'null'
      const { transient, ...info } = file
      return JSON.stringify(info)
    }
    case 'list':
      return JSON.stringify(filesFrom(place.sqlite, requestOf(ListRequest, request), nowMs))
  }
}

function readPage(
  { path, as, from: asked, bytes }: ReturnType<typeof ReadRequest.parse>,
  nowMs: number,
  raw: boolean,
  { sqlite, blobs }: Place,
): Payload {
  checkPath(path)
  const file = fileAt(sqlite, path)
  if (!isLive(file, nowMs)) return 'null'
  const from = Math.min(asked, file.bytes)
  const end = Math.min(file.bytes, asked + bytes)
  const to = Math.min(end, from + LIMITS.filePageBytes)
  const parts = chunksOf(sqlite, path, from, to).map((chunk) =>
    blobs.read(chunk.hash, Math.max(0, from - chunk.at), Math.min(chunk.bytes, to - chunk.at)),
  )
  const [first] = parts
  const whole = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
  const content = as === 'text' && to < file.bytes ? cutAtCharacter(whole) : whole
  const next = from + content.length
  const { transient, ...info } = file
  const page: Page = { ...info, from, next: next < end && content.length > 0 ? next : null }
  const head = JSON.stringify(page)
  return [head, raw || as === 'text' ? content : content.toString('base64')]
}

/** What ends within a character of UTF-8 ends before it instead. */
function cutAtCharacter(bytes: Buffer): Buffer {
  let end = bytes.length
  // Looks for the first byte of the last character, which says how many follow it.
  for (let back = 1; back <= 4 && back < bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) break
    if (byte >= 0xc0) {
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      if (size > back) end = bytes.length - back
      break
    }
  }
  return bytes.subarray(0, end)
}
