import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Viewer } from '@lyceum/sdk'
import { decode, encode } from '@lyceum/sdk/ejson'
import { course } from '@lyceum/sdk/testing'
import { drawingBundle } from '../../host/charts/bundle.ts'
import { LyceumError } from '../../host/errors.ts'
import { accept } from '../../host/events/accept.ts'
import { LIMITS, QUOTA_DEFAULTS } from '../../host/limits.ts'
import type { Kind } from '../../host/registry/manifest-names.ts'
import { parseOptions } from '../../host/registry/options.ts'
import { type Params, parseParams } from '../../host/registry/params.ts'
import { DocumentDatabase } from '../../host/storage/documents/database.ts'
import type { Declaration } from '../../host/storage/documents/operations.ts'
import type { EndpointKind, InvokeRequest } from '../../sandbox/protocol.ts'
import { type GuestOp, type PluginCode, Supervisor } from '../../sandbox/supervisor.ts'
import { bundlePlugin } from '../../workbench/bundle.ts'
import { unpacked } from '../support/rows.ts'

const NOW_MS = Date.UTC(2026, 10, 22, 12)

export const PLUGINS = path.join(import.meta.dirname, '../../plugins')

/** An event as the host's log keeps it. */
export interface Logged {
  readonly text: string
  readonly props: {
    readonly id: string
    readonly type: string
    readonly time?: string
    readonly received: string
    readonly course?: string
    readonly user?: string
  }
}

/** What the host's log would hold after these lines: read, normalised, each event once. */
export function logged(lines: Iterable<string>): Logged[] {
  const about = { receivedMs: NOW_MS, contentType: 'application/x-ndjson' }
  const { rows } = accept(Buffer.from([...lines].join('\n')), about, LIMITS)
  const unique = new Map(unpacked(rows).map(({ key, text }) => [key, text]))
  return [...unique.values()].map((text) => ({ text, props: JSON.parse(text).props }))
}

const ADMIN: Viewer = { user: 'root', role: 'admin', courses: [] }

/** The log of a sample course, with all defects of real ones. */
export const sample = course({ learners: 40, weeks: 4 })

/** One plugin in a real isolate, over a real database of its own. */
export class RunningPlugin {
  readonly #supervisor: Supervisor
  readonly #code: PluginCode
  readonly #database: DocumentDatabase
  readonly #folder: string
  readonly #params = new Map<string, Params>()

  private constructor(supervisor: Supervisor, code: PluginCode, folder: string) {
    this.#supervisor = supervisor
    this.#code = code
    this.#folder = folder
    this.#database = new DocumentDatabase(path.join(folder, 'documents.sqlite'))
  }

  static async start(id: string): Promise<RunningPlugin> {
    const { bundle } = await bundlePlugin(path.join(PLUGINS, id))
    const load = { memoryMb: QUOTA_DEFAULTS.memoryMb, cpuMs: 1000, wallMs: 5000 }
    const code = { plugin: id, hash: id, bundle: Buffer.from(bundle), load }
    const supervisor = new Supervisor({
      sandboxes: 1,
      rssCapMb: 1024,
      heartbeatMs: 2000,
      maxIsolates: 10,
      probationSandboxes: 1,
      idleMs: 30_000,
      onOutput() {},
      onLoss() {},
    })
    await supervisor.start()
    const folder = await mkdtemp(path.join(tmpdir(), 'lyceum-plugin-'))
    const plugin = new RunningPlugin(supervisor, code, folder)
    await plugin.#describe()
    return plugin
  }

  async stop(): Promise<void> {
    this.#supervisor.close()
    this.#database.close()
    await rm(this.#folder, { recursive: true })
  }

  /** Feeds events to a handler, 256 at a time, each batch a transaction. */
  async feed(endpoint: string, events: readonly Logged[]): Promise<void> {
    for (let at = 0; at < events.length; at += 256) {
      const batch = events.slice(at, at + 256).map(({ text }) => text)
      this.#database.begin()
      this.#write(await this.#run('onEvent', endpoint, {}, ADMIN, batch))
      this.#database.commit()
    }
  }

  /** What a query answers. */
  async query<T>(endpoint: string, given: object = {}, viewer = ADMIN): Promise<T> {
    return decode((await this.#read('query', endpoint, given, viewer)).toString()) as T
  }

  /** The markup of a view. */
  async view(endpoint: string, given: object = {}, viewer = ADMIN): Promise<string> {
    return (await this.#read('view', endpoint, given, viewer)).toString()
  }

  /** Reads the options as a publish does, and makes the indexes. */
  async #describe(): Promise<void> {
    const described: { name: string; kind: Kind; options: unknown }[] = JSON.parse(
      (await this.#run('describe', '', {}, ADMIN)).toString(),
    )
    const collections: Declaration[] = []
    for (const { name, kind, options } of described) {
      if (kind === 'view' || kind === 'query')
        this.#params.set(name, parseOptions(kind, name, options).params)
      if (kind !== 'collection') continue
      const { indexes } = parseOptions('collection', name, options)
      collections.push({
        name,
        indexes: indexes.map(({ keys, unique }) => ({ keys: Object.fromEntries(keys), unique })),
      })
    }
    this.#database.declare(collections)
  }

  #read(kind: 'view' | 'query', endpoint: string, given: object, viewer: Viewer): Promise<Buffer> {
    const params = parseParams(this.#params.get(endpoint) ?? new Map(), Object.entries(given))
    return this.#run(kind, endpoint, { ...given, viewer, params: Object.fromEntries(params) }, viewer)
  }

  async #run(
    kind: EndpointKind,
    endpoint: string,
    named: object,
    viewer: Viewer,
    events: readonly string[] = [],
  ): Promise<Buffer> {
    const request = requestOf(kind, endpoint, false)
    const input = `{"named":${JSON.stringify(encode(named))},"plugins":["self"],"events":[${events.join(',')}]}`
    const onOp = (op: GuestOp) => void this.#answer(op, viewer)
    const { failure, result } = await this.#supervisor.run({ code: this.#code, request, input, onOp }, false)
    if (failure) throw new LyceumError('plugin_failed', failure.message)
    return result
  }

  async #answer(op: GuestOp, viewer: Viewer): Promise<void> {
    try {
      const payload = op.payload.toString()
      if (op.name === 'dbRead')
        op.reply(encode(this.#database.read(decode(payload), performance.now() + LIMITS.storeReadMs)))
      else if (op.name === 'dbWrite') this.#write(op.payload)
      else if (op.name === 'pluginAsk') {
        const [, endpoint, given] = decode(payload) as [string, string, object]
        op.reply(['', await this.#read('query', endpoint, given, viewer)])
      } else if (op.name === 'chartDraw') op.reply(await this.#draw(op.payload))
      else throw new LyceumError('op_denied', `The plugin asks for ${op.name}.`)
    } catch (error) {
      if (error instanceof LyceumError) op.refuse({ code: error.code, message: error.message })
      else op.refuse({ code: 'internal', message: String(error) })
    }
  }

  async #draw(input: Buffer): Promise<Buffer> {
    const { text, hash } = drawingBundle()
    const load = { memoryMb: LIMITS.chartMemoryMb, cpuMs: LIMITS.chartLoadMs, wallMs: LIMITS.chartLoadMs }
    const code = { plugin: this.#code.plugin, hash, bundle: text, load }
    const { failure, result } = await this.#supervisor.run(
      { code, request: requestOf('query', 'draw', true), input, onOp: () => {} },
      false,
    )
    if (failure) throw new LyceumError('chart_refused', failure.message)
    return result
  }

  #write(payload: Buffer): void {
    if (payload.length > 0) this.#database.write(decode(payload.toString()) as unknown[])
  }
}

function requestOf(kind: EndpointKind, endpoint: string, plainJson: boolean): InvokeRequest {
  const { cpuMsPerCall: cpuMs, wallMs, opsPerCall: ops, bytesPerCall: bytes, outputBytes } = QUOTA_DEFAULTS
  return {
    endpoint,
    kind,
    budget: { cpuMs, wallMs, ops, bytes, outputBytes },
    nowMs: NOW_MS,
    eachEvent: false,
    plainJson,
    traceWrites: false,
  }
}
