import type { DatabaseSync } from 'node:sqlite'
import type { Payload } from '../../../process/frame.ts'
import type { FileReadControl } from '../store-protocol.ts'
import type { Blobs } from './blobs.ts'
import { infoOf, pageOf, partOf, spanOf } from './page.ts'
import { checkPath, ListRequest, PathRequest, ReadRequest, requestOf } from './requests.ts'
import { chunksOf, fileAt, filesFrom } from './rows.ts'
import { isLive } from './rules.ts'

/** Where files are read: their rows as one connection sees them, and their contents. */
export interface Place {
  readonly sqlite: DatabaseSync
  readonly blobs: Blobs
}

/** Reads as a guest asks, and makes what the guest gets. @throws {LyceumError} op_malformed, file_path_invalid */
export function readFiles({ op, nowMs, raw }: FileReadControl, request: string, place: Place): Payload {
  switch (op) {
    case 'read': {
      const asked = requestOf(ReadRequest, request)
      checkPath(asked.path)
      const file = fileAt(place.sqlite, asked.path)
      if (!isLive(file, nowMs)) return 'null'
      const span = spanOf(file, asked)
      const parts = chunksOf(place.sqlite, asked.path, span.from, span.to).map((chunk) =>
        place.blobs.read(chunk.hash, ...partOf(chunk, span)),
      )
      return pageOf(file, asked, span, parts, raw === true)
    }
    case 'stat': {
      const { path } = requestOf(PathRequest, request)
      checkPath(path)
      const file = fileAt(place.sqlite, path)
      if (!isLive(file, nowMs)) return 'null'
      return JSON.stringify(infoOf(file))
    }
    case 'list':
      return JSON.stringify(filesFrom(place.sqlite, requestOf(ListRequest, request), nowMs))
  }
}
