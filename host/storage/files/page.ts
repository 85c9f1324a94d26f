import type { z } from 'zod'
import type { Payload } from '../../../process/frame.ts'
import { LIMITS } from '../../limits.ts'
import type { FileInfo, Page, ReadRequest } from './requests.ts'
import type { Chunk, FileRow } from './rules.ts'

/** The part of a file that one answer to a read gives. */
export interface Span {
  readonly from: number
  readonly to: number
  /** Where all that was asked for ends. */
  readonly end: number
}

/** A file as guests are told of it. */
export function infoOf({ path, bytes, type, modifiedMs, expiresMs, hash }: FileRow): FileInfo {
  return { path, bytes, type, modifiedMs, expiresMs, hash }
}

type Asked = z.output<typeof ReadRequest>

export function spanOf(file: FileRow, { from: asked, bytes }: Asked): Span {
  const from = Math.min(asked, file.bytes)
  const end = Math.min(file.bytes, asked + bytes)
  return { from, to: Math.min(end, from + LIMITS.filePageBytes), end }
}

/** Where in a chunk its part of a span begins and ends. */
export function partOf({ at, bytes }: Chunk, { from, to }: Span): readonly [from: number, to: number] {
  return [Math.max(0, from - at), Math.min(bytes, to - at)]
}

/** What the guest gets. @param raw the host reads for itself: the content comes as it is */
export function pageOf(
  file: FileRow,
  { as }: Asked,
  { from, to, end }: Span,
  parts: readonly Buffer[],
  raw: boolean,
): Payload {
  const [first] = parts
  const whole = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
  const content = as === 'text' && to < file.bytes ? cutAtCharacter(whole) : whole
  const next = from + content.length
  const page: Page = { ...infoOf(file), from, next: next < end && content.length > 0 ? next : null }
  return [JSON.stringify(page), raw || as === 'text' ? content : content.toString('base64')]
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
