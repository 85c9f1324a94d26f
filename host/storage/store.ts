import { join } from 'node:path'
import { CODE_ONLY } from '../../process/permissions.ts'
import { SerialProcess } from '../../process/serial-process.ts'
import { LyceumError, refusalOf } from '../errors.ts'
import { LIMITS } from '../limits.ts'

export interface StoreOptions {
  readonly name: string
  /** The folder of the plugins' database files: the only one that the process may touch. */
  readonly folder: string
  readonly onOutput: (text: string) => void
  readonly onGone: (reason: string, culprit: string | undefined) => void
  readonly onSlow: (plugin: string, tookMs: number) => void
}

const ROOT = join(import.meta.dirname, '../..')

/** Starts a store process: the document engine, killable, with access to one folder. */
export function startStore(options: StoreOptions): SerialProcess {
  return new SerialProcess({
    ...options,
    script: join(ROOT, 'host/storage/store-process.ts'),
    nodeFlags: [
      ...CODE_ONLY,
      '--allow-worker',
      `--allow-fs-read=${options.folder}`,
      `--allow-fs-write=${options.folder}`,
      '--enable-experimental-regexp-engine-on-excessive-backtracks',
    ],
    confinement: { uid: undefined, writesFiles: true },
    rssCapMb: LIMITS.storeRssMb,
    maxFrameBytes: LIMITS.frameBytes,
    requestMs: LIMITS.storeOpMs,
    slowMs: LIMITS.slowStoreOpMs,
    refusal: refusalOf,
    lost: storeLost,
  })
}

/** The failure of everything that was under way in a store that went away. */
export function storeLost(): LyceumError {
  return new LyceumError(
    'store_lost',
    'The store was lost; what was not committed has not happened. Try again.',
  )
}
