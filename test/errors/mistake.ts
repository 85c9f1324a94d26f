import type { ErrorCode } from '../../host/errors.ts'
import type { Quota } from '../../host/limits.ts'

/** A mistake that authors make, with the message that it gets. */
export interface Mistake {
  /** What somebody did, as the heading in docs/mistakes.md. */
  readonly title: string
  /** `plugin.ts`, or several files by their path. */
  readonly files: string | Readonly<Record<string, string>>
  /** Its package.json, or the text of one that is not JSON; false for none at all. */
  readonly package?: Readonly<Record<string, unknown>> | string | false
  /** A version that is published before it, of the same number. */
  readonly before?: string
  readonly quota?: Partial<Quota>
  /** The endpoint that is asked, and with what; if left out, the first view or query. */
  readonly ask?: { readonly name: string; readonly with?: Readonly<Record<string, string>> }
  /** When it shows. */
  readonly shows: 'types' | 'bundle' | 'publish' | 'warning' | 'view' | 'query' | 'handler'
  /** What it is refused with, be it by the compiler; a warning is no refusal. */
  readonly code: ErrorCode | `TS${number}` | 'warning'
  /** Where the author is told to look; left out where the mistake is in no line. */
  readonly at?: string
  /** Words of the message: what to do. */
  readonly says: string
}

/** The lines of a file. */
export function code(...lines: readonly string[]): string {
  return lines.join('\n')
}
