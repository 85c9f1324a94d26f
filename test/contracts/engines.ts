import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Stores } from '../../host/storage/stores.ts'

/** One way to store documents, with the real processes behind it. */
export interface Engine {
  /** As tests are named after it. */
  readonly name: string
  /** As `lacks.ts` knows it. */
  readonly server: string
  start(): Promise<void>
  stop(): Promise<void>
  /** @throws where it has not been started */
  stores(): Stores
}

/** The store process with SQLite and mingo, which every host has. */
function embedded(): Engine {
  let folder = ''
  let stores: Stores | undefined
  return {
    name: 'embedded',
    server: 'embedded',
    start: async () => {
      folder = await mkdtemp(join(tmpdir(), 'lyceum-contract-'))
      stores = new Stores({ folder, onOutput: (text) => process.stderr.write(text), onLoss: () => {} })
      await stores.start()
    },
    stop: async () => {
      await stores?.close()
      await rm(folder, { recursive: true, force: true })
    },
    stores: () => stores ?? notStarted(),
  }
}

function notStarted(): never {
  throw new Error('the engine has not been started')
}

export const ENGINES: readonly Engine[] = [embedded()]
