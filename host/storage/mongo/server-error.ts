import { type ErrorCode, LyceumError } from '../../errors.ts'
import { asRefusal, MONGO } from '../documents/refusal.ts'
import { BSONError, MongoError, MongoServerError } from './driver.ts'

/** A failure as a server tells of it: thrown, or of one write among several. */
export interface Told {
  readonly code?: unknown
  readonly errmsg?: unknown
}

/** What is to be done about it does not depend on what was asked for. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [MONGO.DuplicateKey, 'duplicate_key'],
  [11001, 'duplicate_key'],
  [12582, 'duplicate_key'],
  [MONGO.MaxTimeMSExpired, 'time_limit'],
  [262, 'time_limit'],
  [MONGO.BSONObjectTooLarge, 'document_too_large'],
  [17280, 'document_too_large'],
  [17419, 'document_too_large'],
  [17420, 'document_too_large'],
  [14031, 'disk_full'],
  // What the server does not have, be it a command, a stage or an operator.
  [59, 'operator_unknown'],
  [115, 'operator_unknown'],
  [MONGO.InvalidPipelineOperator, 'operator_unknown'],
  [238, 'operator_unknown'],
  [MONGO.Location40324, 'operator_unknown'],
  // Somebody else was faster: what was under way is run again.
  [112, 'store_busy'],
  [117, 'store_busy'],
  [24, 'store_busy'],
  [251, 'store_busy'],
  // The server is about to be another one.
  [91, 'store_lost'],
  [189, 'store_lost'],
  [10107, 'store_lost'],
  [11600, 'store_lost'],
  [11602, 'store_lost'],
  [13435, 'store_lost'],
  [13436, 'store_lost'],
  // Whoever administers the server has changed what the plugin's user may.
  [13, 'store_lost'],
  [18, 'store_lost'],
])

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  store_busy: 'Somebody else changed the same documents. Nothing was written; it is tried again.',
  time_limit: 'The operation ran out of time: narrow its filter.',
  disk_full: 'The disk of the database server is full. Nothing was written.',
}
const MOST_CHARS = 300

/**
 * The refusal that a guest and an admin may see of a failure.
 * @param otherwise what it is where the server only says that it could not do what was asked
 */
export function refusalFrom(error: unknown, otherwise: ErrorCode): LyceumError {
  if (error instanceof LyceumError) return error
  if (isTransient(error)) return toldAs({ code: 112 }, otherwise)
  if (error instanceof MongoServerError) return toldAs({ code: error.code, errmsg: error.message }, otherwise)
  if (error instanceof BSONError) return toldAs({ errmsg: error.message }, otherwise)
  if (error instanceof MongoError)
    return new LyceumError(
      'store_lost',
      `MongoDB could not be reached (${error.name}); what was not committed has not happened. It is tried again.`,
    )
  return asRefusal(error)
}

/** The same for what was told of one write. */
export function toldAs({ code, errmsg }: Told, otherwise: ErrorCode): LyceumError {
  const mongoCode = typeof code === 'number' ? code : MONGO.BadValue
  const known = CODES.get(mongoCode) ?? otherwise
  const said = typeof errmsg === 'string' ? errmsg.slice(0, MOST_CHARS) : 'it did not say why'
  return new LyceumError(known, MESSAGES[known] ?? `MongoDB: ${said}`, { mongoCode })
}

/** Whether nothing of a transaction has happened and all of it may be run again. */
export function isTransient(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel('TransientTransactionError')
}

/** Whether a commit may have happened or not: asking for it again tells. */
export function isUnknown(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel('UnknownTransactionCommitResult')
}
