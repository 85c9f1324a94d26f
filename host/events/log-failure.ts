import { LyceumError } from '../errors.ts'
import { dataFailure } from '../storage/data-failure.ts'

/** The refusal of a log whose file is not what was written to it. */
export function damagedLog(): LyceumError {
  return new LyceumError(
    'data_damaged',
    'The event log is damaged: its file was cut or overwritten by something else. Restore events.db from a backup.',
  )
}

/**
 * Turns what SQLite throws into a refusal that may leave the host; the cause is for the host's own log.
 * @param otherwise what to say of a failure that says nothing by itself
 */
export function explained(error: unknown, otherwise: string): LyceumError {
  if (error instanceof LyceumError) return error
  const failure = dataFailure(error)
  const refusal =
    failure === 'full'
      ? new LyceumError('disk_full', 'The disk of the event log is full: nothing of this request was stored.')
      : failure === 'damaged'
        ? damagedLog()
        : new LyceumError('internal', otherwise)
  refusal.cause = error
  return refusal
}
