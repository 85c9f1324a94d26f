/**
 * A store process that keeps documents in MongoDB. It checks what guests send as the embedded engine does, and
 * has the server do it; what it holds itself is gone with it, and what is not committed then has not happened.
 */

import { type Frame, type Payload, splitPayload } from '../../../process/frame.ts'
import { serveAtOnce } from '../../../process/serve.ts'
import { decode, encode } from '../../../sdk/ejson.ts'
import { failureFrom, LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import {
  type ClaimControl,
  type CommitControl,
  type ConnectControl,
  type CursorControl,
  type DbControl,
  type DeadLettersControl,
  type DropControl,
  type FileReadControl,
  type FileWriteControl,
  type OpenControl,
  type PageControl,
  type PeekControl,
  type ReadControl,
  type StorageUsage,
  StoreKind,
  type SweepControl,
  type TransientFileControl,
  type WriteControl,
} from '../store-protocol.ts'
import { Cursors } from './cursors.ts'
import { peekCursor } from './database.ts'
import { checkRead, runRead } from './reads.ts'
import { Scopes } from './scopes.ts'
import { MongoServer, type OpenDatabase } from './server.ts'
import { refusalFrom } from './server-error.ts'

let connecting: Promise<MongoServer> | undefined
const cursors = new Cursors()
const scopes = new Scopes((scope) => cursors.closeOf(scope))
serveAtOnce(LIMITS.frameBytes, answer, failureOf)

/** Carries one request out. Control comes from the host and is trusted; the bytes come from guests and are not. */
function answer(frame: Frame): Promise<Payload> {
  if (frame.scope === 0n) return perform(frame)
  return scopes.inTurn(frame.scope, () => perform(frame))
}

async function perform(frame: Frame): Promise<Payload> {
  const { control: text, bytes } = splitPayload(frame.payload)
  const { scope } = frame
  if (frame.kind === StoreKind.connect) {
    connecting = MongoServer.connect(JSON.parse(text) as ConnectControl)
    return JSON.stringify((await connecting).facts)
  }
  if (connecting === undefined) throw new Error('nothing was connected')
  const server = await connecting
  const level = server.facts.transactions ? ('majority' as const) : undefined
  switch (frame.kind) {
    case StoreKind.open:
      return JSON.stringify(await server.open(JSON.parse(text) as OpenControl))
    case StoreKind.peek: {
      const { path, cursor } = JSON.parse(text) as PeekControl
      return JSON.stringify((await peekCursor(server.glance(path), cursor)) ?? null)
    }
    case StoreKind.claim: {
      const control = JSON.parse(text) as ClaimControl
      const { database } = await server.get(control.db)
      return JSON.stringify(await database.claim(control))
    }
    case StoreKind.read: {
      const { db, timeMs, collections } = JSON.parse(text) as ReadControl
      const open = await server.get(db)
      const read = checkRead(guestJson(bytes), collections)
      const reading = { db: open.database.db, timeMs, level, isFerretDb: server.facts.isFerretDb }
      const batch = scopes.batchOf(scope)
      if (batch !== undefined) return batch.read((session) => runRead(read, { ...reading, session }))
      return runRead(read, { ...reading, session: undefined })
    }
    case StoreKind.readPage: {
      const control = JSON.parse(text) as PageControl
      const open = await server.get(control.db)
      const read = checkRead(guestJson(bytes), undefined)
      const about = { open, scope, cursor: control.cursor, timeMs: control.timeMs }
      const batch = scopes.batchOf(scope)
      if (batch !== undefined)
        return batch.read((session) => cursors.open(read, { ...about, session, level: undefined }))
      return cursors.open(read, { ...about, session: undefined, level: level && 'snapshot' })
    }
    case StoreKind.readMore: {
      const { cursor, timeMs } = JSON.parse(text) as PageControl
      return cursors.more(cursor, timeMs)
    }
    case StoreKind.closeCursor:
      await cursors.close((JSON.parse(text) as CursorControl).cursor)
      return ''
    case StoreKind.write: {
      const { db, claim, counted, maxBytes } = JSON.parse(text) as WriteControl
      const batch = scopes.enter(scope, await server.get(db), claim, server.facts.transactions)
      const outcomes = await batch.write(() => guestWrites(bytes), counted, maxBytes)
      return counted ? encode(outcomes) : ''
    }
    case StoreKind.commit: {
      const { db, claim, deadLetter, maxBytes } = JSON.parse(text) as CommitControl
      const batch = scopes.enter(scope, await server.get(db), claim, server.facts.transactions)
      await batch.commit(() => guestWrites(bytes), deadLetter, maxBytes)
      scopes.leave(scope)
      return ''
    }
    case StoreKind.abort:
      await scopes.batchOf(scope)?.abort()
      scopes.leave(scope)
      return ''
    case StoreKind.deadLetters: {
      const { db, endpoint, ranges, limit, retry } = JSON.parse(text) as DeadLettersControl
      const { database } = await server.get(db)
      return JSON.stringify(
        endpoint !== undefined && ranges !== undefined
          ? await database.deadLettersAt(endpoint, ranges)
          : await database.deadLetters(endpoint, limit, retry),
      )
    }
    case StoreKind.usage: {
      const { database } = await server.get((JSON.parse(text) as DbControl).db)
      const usage: StorageUsage = {
        databaseBytes: await database.room.measure(),
        ...(await database.files.usage()),
      }
      return JSON.stringify(usage)
    }
    case StoreKind.survey: {
      const { database } = await server.get((JSON.parse(text) as DbControl).db)
      return JSON.stringify(await database.survey())
    }
    case StoreKind.fileRead: {
      const control = JSON.parse(text) as FileReadControl
      const batch = scopes.batchOf(scope)
      if (batch !== undefined) return batch.readFiles(control, bytes.toString())
      const { database } = await server.get(control.db)
      return database.files.read(control, bytes.toString(), undefined)
    }
    case StoreKind.fileWrite: {
      const control = JSON.parse(text) as FileWriteControl
      const request = splitPayload(bytes)
      const batch = scopes.enter(
        scope,
        await server.get(control.db),
        control.claim,
        server.facts.transactions,
      )
      return batch.changeFile(control, request.control, request.bytes)
    }
    case StoreKind.fileWriteTransient: {
      const control = JSON.parse(text) as TransientFileControl
      const request = splitPayload(bytes)
      await keepingOpen(await server.get(control.db), ({ client, database }) =>
        database.files.writeTransient(client, request.control, request.bytes, control),
      )
      return ''
    }
    case StoreKind.sweepFiles: {
      const { db, nowMs } = JSON.parse(text) as SweepControl
      const sweep = ({ client, database }: OpenDatabase) => database.files.sweep(client, nowMs)
      return JSON.stringify(await keepingOpen(await server.get(db), sweep))
    }
    case StoreKind.drop:
      await server.drop((JSON.parse(text) as DropControl).path)
      return ''
    case StoreKind.close:
      await server.close((JSON.parse(text) as DbControl).db)
      return ''
    default:
      throw new Error(`a frame of kind ${frame.kind}`)
  }
}

/** Keeps a database connected while something is done that takes several statements. */
async function keepingOpen<Result>(
  open: OpenDatabase,
  work: (open: OpenDatabase) => Promise<Result>,
): Promise<Result> {
  open.uses += 1
  try {
    return await work(open)
  } finally {
    open.uses -= 1
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
  if (bytes.length === 0) return []
  const writes = guestJson(bytes)
  if (!Array.isArray(writes)) throw new LyceumError('op_malformed', 'Writes are sent as an array.')
  return writes
}

function failureOf(error: unknown): object {
  return failureFrom(refusalFrom(error, 'query_invalid'), (stack) => process.stderr.write(`${stack}\n`))
}
