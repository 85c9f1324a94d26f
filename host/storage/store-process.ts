/**
 * A store process: it runs the document engine on plugins' data and nothing else. It may be killed at
 * any moment; what is not committed then has not happened.
 */
import { decode, encode } from '@lyceum/sdk/ejson'
import { type Frame, type Payload, splitPayload } from '../../process/frame.ts'
import { serve } from '../../process/serve.ts'
import { failureFrom, LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { dataFailure } from './data-failure.ts'
import { damagedDatabase } from './documents/refusal.ts'
import { OpenFiles } from './open-files.ts'
import { peekCursor } from './plugin-file.ts'
import {
  type ClaimControl,
  type CommitControl,
  type CursorControl,
  type DbControl,
  type DeadLettersControl,
  type FileReadControl,
  type FileWriteControl,
  type OpenControl,
  type PageControl,
  type PeekControl,
  pageText,
  type ReadControl,
  StoreKind,
  type SweepControl,
  type TransientFileControl,
  type WriteControl,
} from './store-protocol.ts'

const files = new OpenFiles()
serve(LIMITS.frameBytes, answer, failureOf)

/** Carries one request out. Control comes from the host and is trusted; the bytes come from guests and are not. */
function answer(frame: Frame): Payload {
  const { control: text, bytes } = splitPayload(frame.payload)
  switch (frame.kind) {
    case StoreKind.open: {
      files.open(JSON.parse(text) as OpenControl)
      return ''
    }
    case StoreKind.peek: {
      const { path, cursor } = JSON.parse(text) as PeekControl
      return JSON.stringify(peekCursor(path, cursor) ?? null)
    }
    case StoreKind.claim: {
      const control = JSON.parse(text) as ClaimControl
      return JSON.stringify(files.get(control.db).claim(control))
    }
    case StoreKind.read: {
      const control = JSON.parse(text) as ReadControl
      const deadlineMs = performance.now() + control.timeMs
      const only = control.collections && new Set(control.collections)
      return encode(files.get(control.db).read(guestJson(bytes), deadlineMs, frame.scope, only))
    }
    case StoreKind.readPage: {
      const { db, cursor, timeMs } = JSON.parse(text) as PageControl
      const deadlineMs = performance.now() + timeMs
      files.checkRoomForCursor()
      const page = files.get(db).openCursor(cursor, guestJson(bytes), deadlineMs, frame.scope)
      return pageText(page.isMore, encode(page.rows))
    }
    case StoreKind.readMore: {
      const { db, cursor, timeMs } = JSON.parse(text) as PageControl
      const page = files.get(db).readMore(cursor, performance.now() + timeMs)
      return pageText(page.isMore, encode(page.rows))
    }
    case StoreKind.closeCursor: {
      const { db, cursor } = JSON.parse(text) as CursorControl
      files.get(db).closeCursor(cursor)
      return ''
    }
    case StoreKind.write: {
      const control = JSON.parse(text) as WriteControl
      const file = files.get(control.db)
      file.enter(frame.scope, control.claim, control.maxBytes)
      const outcomes = bytes.length > 0 ? file.write(frame.scope, () => guestWrites(bytes)) : []
      return control.counted ? encode(outcomes) : ''
    }
    case StoreKind.commit: {
      const control = JSON.parse(text) as CommitControl
      const file = files.get(control.db)
      file.enter(frame.scope, control.claim, control.maxBytes)
      if (bytes.length > 0) file.write(frame.scope, () => guestWrites(bytes))
      file.commit(frame.scope, control.deadLetter)
      return ''
    }
    case StoreKind.abort:
      files.get((JSON.parse(text) as DbControl).db).abort(frame.scope)
      return ''
    case StoreKind.deadLetters: {
      const control = JSON.parse(text) as DeadLettersControl
      const file = files.get(control.db)
      const { endpoint, ranges, limit, retry } = control
      return JSON.stringify(
        endpoint !== undefined && ranges !== undefined
          ? file.deadLettersAt(endpoint, ranges)
          : file.deadLetters(endpoint, limit, retry),
      )
    }
    case StoreKind.fileRead: {
      const control = JSON.parse(text) as FileReadControl
      return files.get(control.db).readFiles(control, bytes.toString(), frame.scope)
    }
    case StoreKind.fileWrite: {
      const control = JSON.parse(text) as FileWriteControl
      const request = splitPayload(bytes)
      const file = files.get(control.db)
      file.enter(frame.scope, control.claim, control.maxBytes)
      return file.changeFile(frame.scope, control, request.control, request.bytes)
    }
    case StoreKind.fileWriteTransient: {
      const control = JSON.parse(text) as TransientFileControl
      const request = splitPayload(bytes)
      files.get(control.db).writeTransient(control, request.control, request.bytes)
      return ''
    }
    case StoreKind.sweepFiles: {
      const control = JSON.parse(text) as SweepControl
      return JSON.stringify(files.get(control.db).sweepFiles(control))
    }
    case StoreKind.usage:
      return JSON.stringify(files.get((JSON.parse(text) as DbControl).db).usage())
    case StoreKind.survey:
      return JSON.stringify(files.get((JSON.parse(text) as DbControl).db).survey())
    case StoreKind.close: {
      files.close((JSON.parse(text) as DbControl).db)
      return ''
    }
    default:
      throw new Error(`a frame of kind ${frame.kind}`)
  }
}

function guestJson(bytes: Buffer): unknown {
  try {
    return decode(bytes.toString())
  } catch {
    throw new LyceumError('op_malformed', 'The operation is not well-formed JSON.')
  }
}

function guestWrites(bytes: Buffer): readonly unknown[] {
  const writes = guestJson(bytes)
  if (!Array.isArray(writes)) throw new LyceumError('op_malformed', 'Writes are sent as an array.')
  return writes
}

function failureOf(error: unknown): object {
  const failure = dataFailure(error)
  if (failure === 'full')
    return { code: 'disk_full', message: 'The disk of the host is full. Nothing was written.' }
  if (failure === 'damaged') return failureOf(damagedDatabase())
  return failureFrom(error, (stack) => process.stderr.write(`${stack}\n`))
}
