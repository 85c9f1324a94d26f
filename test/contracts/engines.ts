import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Stores } from '../../host/storage/stores.ts'
import { type WireServer, wireServers } from '../support/mongo.ts'

/** One way to store documents, with the real processes behind it. */
export interface Engine {
  /** As tests are named after it. */
  readonly name: string
  /** As `lacks/` knows it. */
  readonly server: string
  start(): Promise<void>
  stop(): Promise<void>
  /** @throws where it has not been started */
  stores(): Stores
}

/** The store process with SQLite and mingo, which every host has; or the one that asks a server. */
function engineOf(name: string, wire: WireServer | undefined): Engine {
  let folder = ''
  let stores: Stores | undefined
  return {
    name,
    server: wire?.server ?? 'embedded',
    start: async () => {
      folder = await mkdtemp(join(tmpdir(), 'lyceum-contract-'))
      const mongo = wire && { uri: await wire.start(), secret: randomBytes(32).toString('base64url') }
      stores = new Stores({ folder, mongo, onOutput: (text) => process.stderr.write(text), onLoss: () => {} })
      await stores.start()
    },
    stop: async () => {
      await stores?.close()
      await wire?.stop()
      await rm(folder, { recursive: true, force: true })
    },
    stores: () => {
      if (stores === undefined) throw new Error('the engine has not been started')
      return stores
    },
  }
}

const SERVERS = wireServers()
if (SERVERS.length === 0)
  console.log(
    'MongoDB: skipped, for there is no server. Set LYCEUM_TEST_MONGODB_URI, or put mongod or ferretdb on the PATH.',
  )

export const ENGINES: readonly Engine[] = [
  engineOf('embedded', undefined),
  ...SERVERS.map((wire) => engineOf(wire.server, wire)),
]
