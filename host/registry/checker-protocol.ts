import type { ManifestEndpoint } from './manifest.ts'

/** What the checker is asked. The payload is a JSON array of texts, and for `check` the bundle behind a newline. */
export const CheckerKind = {
  /** `[sourceMap] \n bundle` → {@link Checked}. */
  check: 8,
  /** `[sourceMap, stack]` → the stack with the author's lines. */
  mapStack: 9,
} as const

/** What a bundle asks for, read from its text. */
export interface Checked {
  readonly endpoints: readonly (ManifestEndpoint & { readonly description: string })[]
}
