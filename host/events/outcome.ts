import { type ErrorCode, LyceumError } from '../errors.ts'

/** Answers cross the thread boundary as data: a thrown error would carry the host's paths in its stack. */
export type Outcome<T> =
  | { ok: true; value: T }
  /** `cause` is a stack, for the host's own log only. */
  | { ok: false; code: ErrorCode; message: string; cause: string | undefined }

/** Does a thread's task and catches what it throws. */
export async function outcome<T>(work: () => Promise<T> | T): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    const refusal =
      error instanceof LyceumError
        ? error
        : new LyceumError('internal', 'The event log failed: nothing of this request was stored.')
    const cause = error instanceof LyceumError ? error.cause : error
    return {
      ok: false,
      code: refusal.code,
      message: refusal.message,
      cause: cause instanceof Error ? cause.stack : undefined,
    }
  }
}
