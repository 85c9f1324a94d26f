import { COMPILED, keepCompiled } from '../../process/compile.ts'
import { scriptIn } from '../../process/own-files.ts'
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
  /** CPU time that it has used for a plugin. */
  readonly onUsed: (plugin: string, cpuMs: number) => void
}

const SCRIPT = scriptIn(import.meta.dirname, 'store-process')
const V8_FLAGS = ['--enable-experimental-regexp-engine-on-excessive-backtracks']
const CONFINEMENT = { uid: undefined, writesFiles: true }

/** Starts a store process: the document engine, killable, with access to one folder. */
export function startStore(options: StoreOptions): SerialProcess {
  return new SerialProcess({
    ...options,
    script: SCRIPT,
    nodeFlags: [
      ...CODE_ONLY,
      '--allow-worker',
      `--allow-fs-read=${options.folder}`,
      `--allow-fs-write=${options.folder}`,
      ...V8_FLAGS,
      ...COMPILED,
    ],
    confinement: CONFINEMENT,
    rssCapMb: LIMITS.storeRssMb,
    maxFrameBytes: LIMITS.frameBytes,
    requestMs: LIMITS.storeOpMs,
    slowMs: LIMITS.slowStoreOpMs,
    refusal: refusalOf,
    lost: storeLost,
  })
}

/** Makes the next start faster; costs a moment of one core where it has not been done yet. */
export function keepStoreCompiled(): void {
  keepCompiled(SCRIPT, V8_FLAGS, CONFINEMENT)
}

/** The failure of everything that was under way in a store that went away. */
export function storeLost(): LyceumError {
  return new LyceumError(
    'store_lost',
    'The store was lost; what was not committed has not happened. Try again.',
  )
}
