import type { ManifestEndpoint } from './manifest.ts'

/** What the checker is asked. The payload is a JSON array of texts, and for `check` the bundle behind a newline. */
export const CheckerKind = {
  /** `[sourceMap] \n bundle` → {@link Checked}. */
  check: 8,
  /**
   * `[name of the source map, stack] \n source map` → the stack with the author's lines. The map is left out where
   * this process was sent it before, and is still among the last {@link MAPS_KEPT}.
   */
  mapStack: 9,
} as const

/** Source maps that a process keeps, those that were sent last. */
export const MAPS_KEPT = 4

/** What a bundle asks for, read from its text. */
export interface Checked {
  readonly endpoints: readonly (ManifestEndpoint & { readonly description: string })[]
  /** Sentences about what will not work in packages that it holds. */
  readonly warnings: readonly string[]
}
