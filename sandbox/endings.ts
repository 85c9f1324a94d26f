import { BUNDLE_NAME } from './guest-modules.ts'
import type { DoneReport, Failure } from './protocol.ts'
import { failure, failureOf } from './reports.ts'

/** What the author reads of the ends that no limit names. */
export const OUT_OF_MEMORY =
  'Its memory ran out. Keep less in variables; aggregate in the database instead of loading everything.'
export const STRANDED: Failure = failure(
  'plugin_failed',
  'It awaits something that never happens. A plugin has no timers and no network: await only the facilities that it destructures.',
)

/** A bundle that could not be loaded, with the failure that goes to the author. */
export class LoadError extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** The failure of a load, from whatever came out of the isolate. */
export function loadFailure(error: unknown): Failure {
  const { message, stack } = outside(error)
  return failure('bundle_broken', `The plugin does not load: ${message}`, stack)
}

/** A promise that the plugin left rejected: thrown behind the back of the guest, which reports all else. */
export function rejection(error: unknown): Failure {
  const { message, stack } = outside(error)
  return failure(
    'plugin_failed',
    `It left a promise rejected (${message}). Await what you call, or catch its error.`,
    stack,
  )
}

/** A failure in the guest's own words. Its code is a claim, since only what is measured out here is known. */
export function thrown(text: string): Failure {
  const { code, message, stack } = failureOf(text)
  return { ...failure('plugin_failed', message, stack), details: { thrown: code } }
}

/** The end of a call whose isolate was lost to another one. */
export function lost(cpuMs: number): DoneReport {
  const message = 'The isolate was lost to another call; this one can be tried again.'
  return { cpuMs, failure: failure('sandbox_lost', message), isolateLost: true }
}

/** An error that left the isolate on its own, with the plugin's frames only: those of this process name files of the host. */
function outside(error: unknown): { message: string; stack: string | undefined } {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined }
  const stack = error.stack
    ?.split('\n')
    .filter((line) => !/^\s+at /.test(line) || line.includes(`${BUNDLE_NAME}:`))
    .join('\n')
  return { message: error.message, stack }
}
