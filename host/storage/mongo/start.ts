import { createHash } from 'node:crypto'
import { ConcurrentProcess } from '../../../process/concurrent-process.ts'
import { scriptIn } from '../../../process/own-files.ts'
import { CODE_ONLY } from '../../../process/permissions.ts'
import type { RequestProcess } from '../../../process/requests.ts'
import { refusalOf } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { storeLost } from '../store.ts'
import { type ConnectControl, type ServerFacts, StoreKind } from '../store-protocol.ts'

export interface MongoStoreOptions {
  readonly control: ConnectControl
  readonly onOutput: (text: string) => void
  readonly onGone: (reason: string, suspects: readonly string[]) => void
  readonly onUsed: (plugin: string, cpuMs: number) => void
}

/** A store process that was started, and what it finds out about its server. */
export interface StartedMongoStore {
  readonly process: RequestProcess
  /** Rejects where the server cannot be used; whatever is asked of the process then fails too. */
  readonly facts: Promise<ServerFacts>
}

const SCRIPT = scriptIn(import.meta.dirname, 'mongo-process')
/** Files that an address may name: certificates, which the driver reads itself. */
const FILES = /[?&](?:tlsCAFile|tlsCertificateKeyFile|tlsCRLFile)=([^&]+)/gi

/** Starts the process that keeps documents in MongoDB: it reaches the network, and of files only our code. */
export function startMongoStore({ control, ...options }: MongoStoreOptions): StartedMongoStore {
  const certificates = [...control.uri.matchAll(FILES)].map(([, path]) => decodeURIComponent(path ?? ''))
  const process = new ConcurrentProcess({
    ...options,
    name: 'store:mongodb',
    script: SCRIPT,
    nodeFlags: [
      ...CODE_ONLY,
      '--allow-worker',
      '--allow-net',
      ...certificates.map((path) => `--allow-fs-read=${path}`),
    ],
    confinement: { uid: undefined, writesFiles: false, network: true },
    rssCapMb: LIMITS.storeRssMb,
    heartbeatMs: LIMITS.storeOpMs * 2,
    maxFrameBytes: LIMITS.frameBytes,
    requestMs: LIMITS.serverRequestMs,
    refusal: refusalOf,
    lost: storeLost,
  })
  const facts = process
    .request('', { kind: StoreKind.connect }, JSON.stringify(control))
    .then((reply): ServerFacts => JSON.parse(reply.toString()))
  // Whoever does not wait for it hears of it from what is asked next.
  facts.catch(() => {})
  return { process, facts }
}

const DEFAULT_PREFIX = 'lyceum'
const PREFIX_CHARS = 16
const ID_CHARS = 24
const HASH_CHARS = 8

/**
 * The database of a plugin's generation. Names of databases tell no capitals from small letters and have at most 63
 * characters, so a hash tells those of ids apart that look alike then.
 */
export function databaseName(uri: string, plugin: string, generation: number): string {
  return `${prefixOf(uri, plugin)}_${generation}`
}

/** What the names of all databases of a plugin begin with, up to the number of the generation. */
function prefixOf(uri: string, plugin: string): string {
  const [, named = ''] = /^mongodb(?:\+srv)?:\/\/[^/]+\/([\w-]+)/.exec(uri) ?? []
  const prefix = (named || DEFAULT_PREFIX).slice(0, PREFIX_CHARS)
  const hash = createHash('sha256').update(plugin).digest('hex').slice(0, HASH_CHARS)
  return `${prefix}_${plugin.toLowerCase().slice(0, ID_CHARS)}_${hash}`
}
