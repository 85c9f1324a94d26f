import { type ErrorCode, LyceumError } from '../../errors.ts'
import { dataFailure } from '../data-failure.ts'

/** MongoDB's own error numbers, by their names there. */
export const MONGO = {
  BadValue: 2,
  FailedToParse: 9,
  TypeMismatch: 14,
  Overflow: 15,
  InvalidLength: 16,
  IllegalOperation: 20,
  PathNotViable: 28,
  ConflictingUpdateOperators: 40,
  MaxTimeMSExpired: 50,
  DollarPrefixedFieldName: 52,
  InvalidIdField: 53,
  NotSingleValueField: 54,
  EmptyFieldName: 56,
  DottedFieldName: 57,
  ImmutableField: 66,
  InvalidNamespace: 73,
  CannotIndexParallelArrays: 171,
  InvalidPipelineOperator: 168,
  ExceededMemoryLimit: 292,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  Location40324: 40324,
  WrongNumberOfOperands: 16020,
  UndefinedVariable: 17276,
  OperandsOutOfRange: 28667,
  Location51091: 51091,
  ConversionFailure: 241,
} as const

/** A refusal that carries MongoDB's number as `details.mongoCode`. */
export function refusal(
  code: ErrorCode,
  mongoCode: number,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): LyceumError {
  return new LyceumError(code, message, { ...details, mongoCode })
}

/** A name or value from outside, quoted for a message: short and on one line. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : String(JSON.stringify(value) ?? typeof value)
  return `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'`
}

/**
 * What a guest may see of an error thrown by mingo, V8 or SQLite. Refusals pass unchanged. An error that is none of
 * a guest's business keeps its cause and says `internal`.
 */
export function asRefusal(error: unknown): LyceumError {
  if (error instanceof LyceumError) return error
  if (error instanceof RangeError && /length|size|stack|too large/i.test(error.message))
    return refusal(
      'query_invalid',
      MONGO.ExceededMemoryLimit,
      'The operation makes a value that is too large.',
    )
  if (error instanceof Error && 'errcode' in error) {
    const failure = dataFailure(error)
    if (failure === 'damaged') return damagedDatabase()
    return failure === 'full'
      ? new LyceumError(
          'disk_full',
          'The disk that holds the documents is full: nothing was written. It is tried again once an admin has made room.',
        )
      : new LyceumError('internal', 'The document store failed.', { sqlite: error.errcode })
  }
  if (error instanceof TypeError)
    return refusal(
      'query_invalid',
      MONGO.TypeMismatch,
      'An operand has a type that its operator does not take.',
    )
  const message = error instanceof Error ? error.message.replace(/^mingo: /, '').slice(0, 300) : 'unknown'
  return refusal('query_invalid', MONGO.BadValue, `The operation cannot be computed: ${message}`)
}

/** The refusal of everything that needs a database file which is not what was written to it. */
export function damagedDatabase(): LyceumError {
  return new LyceumError(
    'data_damaged',
    'The database of the plugin is damaged. An admin can put it back from a backup, or delete it: then its handlers run again over all events.',
  )
}
