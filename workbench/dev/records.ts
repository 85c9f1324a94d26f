import { randomUUID } from 'node:crypto'
import type { LogLine } from '../../host/capabilities/log.ts'
import type { Fault } from './faults.ts'

/** Where a handler stands. */
export interface HandlerActivity {
  readonly endpoint: string
  readonly state: string
  /** The last event that it is through with. */
  readonly cursor: number
  readonly eventsPerSecond: number
}

/** What happens while a plugin is developed, as it happens: lines of `lyceum dev --json`. */
export type DevRecord =
  | { readonly type: 'ready'; readonly url: string; readonly plugin: string }
  /** Events were sent to the host, or are there from before. */
  | {
      readonly type: 'events'
      readonly accepted: number
      readonly rejected: number
      /** What is wrong with the first line that was rejected. */
      readonly why: string | null
      readonly from: string
    }
  | {
      readonly type: 'reload'
      readonly version: string
      /** What was saved, relative to the plugin's folder; of the first version nothing. */
      readonly files: readonly string[]
      /** Where the time went: from the save that was seen to the version that runs. */
      readonly bundleMs: number
      readonly publishMs: number
      readonly tookMs: number
      /** What became of the plugin's data, and why. */
      readonly data: 'kept' | 'rebuilding'
      readonly because: string
    }
  | {
      readonly type: 'rebuilt'
      readonly state: 'done' | 'failed' | 'cancelled'
      readonly events: number
      readonly tookMs: number
      readonly problem: string | null
    }
  /** What an admin would have to approve where this is published, and what would not work there. */
  | { readonly type: 'needs'; readonly needs: readonly string[]; readonly warnings: readonly string[] }
  | { readonly type: 'fault'; readonly fault: Fault }
  /** There is no fault any more. */
  | { readonly type: 'mended' }
  | { readonly type: 'log'; readonly line: LogLine }
  | { readonly type: 'clock'; readonly nowMs: number; readonly speed: number }
  | { readonly type: 'activity'; readonly head: number; readonly handlers: readonly HandlerActivity[] }

/** Hands records to whoever listens. */
export class Records {
  readonly #listeners = new Set<(record: DevRecord) => void>()
  readonly #id = randomUUID()
  #told = 0

  /** Names what was told last: the same only where nothing was told since. */
  get mark(): string {
    return `${this.#id}.${this.#told}`
  }

  readonly tell = (record: DevRecord): void => {
    this.#told += 1
    for (const listener of this.#listeners) listener(record)
  }

  /** @returns what ends it */
  listen(listener: (record: DevRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
