import { LyceumError } from '../../errors.ts'
import type { WriteOutcome } from '../documents/operations.ts'
import { quote } from '../documents/refusal.ts'
import type { Within } from './database.ts'
import type { Db, Document } from './driver.ts'
import { refusalFrom, toldAs } from './server-error.ts'
import { fromBson } from './values.ts'
import type { ServerWrite } from './writes.ts'

/** Of one command: a server takes 16 MB. */
const MOST_BYTES = 8 * 1024 * 1024
const MOST_STATEMENTS = 1_000
const FIELDS = { insert: 'documents', update: 'updates', delete: 'deletes' } as const

/**
 * Does writes. Those to one collection keep their order; those to different ones do not depend on each other, and
 * leave in fewer commands.
 * @throws {LyceumError} with `details.index`, the place of the write that failed
 */
export async function sendWrites(db: Db, writes: readonly ServerWrite[], session: Within): Promise<void> {
  const byCollection = new Map<string, ServerWrite[]>()
  for (const write of writes) {
    const others = byCollection.get(write.collection)
    if (others === undefined) byCollection.set(write.collection, [write])
    else others.push(write)
  }
  for (const ordered of byCollection.values())
    for (const run of runsOf(ordered)) await sendRun(db, run, session)
}

/** Does one write and tells what it did. */
export async function sendCounted(db: Db, write: ServerWrite, session: Within): Promise<WriteOutcome> {
  const { n = 0, nModified = 0, upserted = [] } = await sendRun(db, [write], session)
  const [made] = upserted as readonly { readonly _id: unknown }[]
  const nothing = { matchedCount: 0, modifiedCount: 0, deletedCount: 0 }
  if (write.command === 'insert') return { ...nothing, insertedId: write.insertedId }
  if (write.command === 'delete') return { ...nothing, deletedCount: Number(n) }
  if (made !== undefined) return { ...nothing, upsertedId: fromBson(made._id) }
  return { ...nothing, matchedCount: Number(n), modifiedCount: Number(nModified) }
}

/** Stretches that fit into one command each. */
function* runsOf(writes: readonly ServerWrite[]): Generator<ServerWrite[]> {
  let run: ServerWrite[] = []
  let bytes = 0
  for (const write of writes) {
    const isOther = run[0] !== undefined && run[0].command !== write.command
    if (isOther || run.length === MOST_STATEMENTS || (run.length > 0 && bytes + write.bytes > MOST_BYTES)) {
      yield run
      run = []
      bytes = 0
    }
    run.push(write)
    bytes += write.bytes
  }
  if (run.length > 0) yield run
}

async function sendRun(db: Db, run: readonly ServerWrite[], session: Within): Promise<Document> {
  const [first] = run
  if (first === undefined) return {}
  const { command, collection } = first
  const request = {
    [command]: collection,
    [FIELDS[command]]: run.map(({ statement }) => statement),
    ordered: true,
    ...(session === undefined && { writeConcern: { w: 'majority' } }),
  }
  const reply: Document = await db
    .command(request, session && { session })
    .catch((error: unknown) => Promise.reject(alone(error, run)))
  const [failed] = (reply.writeErrors ?? []) as readonly Document[]
  if (failed !== undefined) throw failureOf(failed, run)
  if (reply.writeConcernError !== undefined)
    throw toldAs({ ...reply.writeConcernError, code: 91 }, 'store_lost')
  return reply
}

/** A server that refuses the whole command does not say for which of its writes. */
function alone(error: unknown, run: readonly ServerWrite[]): unknown {
  const [only] = run
  if (only === undefined || run.length > 1) return error
  const { code, message, details } = refusalFrom(error, 'update_invalid')
  if (code === 'store_busy' || code === 'store_lost') return error
  return new LyceumError(code, message, { ...details, index: only.index })
}

function failureOf(told: Document, run: readonly ServerWrite[]): LyceumError {
  const { code, message, details } = toldAs(told, 'update_invalid')
  const write = run[Number(told.index)]
  const about = { ...details, ...(write && { index: write.index }) }
  if (code !== 'duplicate_key' || write === undefined) return new LyceumError(code, message, about)
  const { collection } = write
  const field = Object.keys(told.keyPattern ?? {}).join(', ') || '_id'
  return new LyceumError(
    code,
    `Another document of ${quote(collection)} has the same ${quote(field)}, which its index keeps unique. To change the one that is there, write updateOne(filter, change, { upsert: true }).`,
    {
      ...about,
      collection,
      field,
    },
  )
}
