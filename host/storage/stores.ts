import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequestProcess } from '../../process/requests.ts'
import type { Loss } from '../../sandbox/supervisor.ts'
import { FileSweeper } from './files/sweeper.ts'
import { databaseName, startMongoStore } from './mongo/start.ts'
import { PluginStore } from './plugin-store.ts'
import { startStore, storeLost } from './store.ts'
import { type ConnectControl, type ServerFacts, StoreKind } from './store-protocol.ts'

export interface StoresOptions {
  /** Where the database files of plugins lie. */
  readonly folder: string
  /** The server that keeps plugins' documents in place of files. */
  readonly mongo?: ConnectControl | undefined
  readonly onOutput: (text: string) => void
  /** A store was lost to an operation of one plugin, or to nobody in particular. */
  readonly onLoss: (loss: Loss) => void
  /** CPU time that a store has used for a plugin, in ms. */
  readonly onUsed?: (plugin: string, cpuMs: number) => void
  /** What files expire by, in ms since the epoch; the system's clock unless told. */
  readonly nowMs?: () => number
}

/**
 * The store processes: one for all plugins, and beside it one for those whose operations took so long
 * that others had to wait, or took a store down.
 */
export class Stores {
  readonly #options: StoresOptions
  /** Deletes files that have expired. */
  readonly sweeper: FileSweeper
  readonly #plugins = new Map<string, PluginStore>()
  #common: RequestProcess | undefined
  #aside: RequestProcess | undefined
  #server: ServerFacts | undefined
  #connecting: Promise<ServerFacts> | undefined
  #closed = false

  constructor(options: StoresOptions) {
    mkdirSync(options.folder, { recursive: true })
    this.#options = options
    this.sweeper = new FileSweeper(options.nowMs ?? Date.now)
    const kept = new Set(readdirSync(options.folder))
    for (const name of kept) {
      const [, plugin, generation] = /^(\w+)\.(\d+)\.files$/.exec(name) ?? []
      if (plugin !== undefined && kept.has(`${plugin}.${generation}.db`))
        this.sweeper.changed(this.plugin(plugin, Number(generation)))
    }
  }

  /** Starts the first store; resolves when it listens. @throws {LyceumError} database_unreachable, config_invalid */
  async start(): Promise<void> {
    if (!(await this.process(false).ready))
      throw new Error('A store ended before it listened; its output says why.')
    this.#server = await this.#connecting
  }

  /** Whether a store works on one request after the other. One that asks a server works on many at once. */
  get isSerial(): boolean {
    return this.#options.mongo === undefined
  }

  /** The server that keeps the documents, as it was at the start; undefined where files do. */
  get server(): ServerFacts | undefined {
    return this.#server
  }

  /** How often the effects of an event happen. */
  get guarantee(): 'exactly-once' | 'at-least-once' {
    return this.#server?.transactions === false ? 'at-least-once' : 'exactly-once'
  }

  get pids(): number[] {
    return [this.#common?.pid, this.#aside?.pid].filter((pid) => pid !== undefined)
  }

  /** The database of a plugin's generation. */
  plugin(plugin: string, generation: number): PluginStore {
    const name = `${plugin}.${generation}`
    let store = this.#plugins.get(name)
    if (store === undefined) {
      store = new PluginStore(this, plugin, name, this.#pathOf(plugin, generation), generation)
      this.#plugins.set(name, store)
    }
    return store
  }

  /** The generations of plugins' data that lie on the disk, the oldest first, by plugin; of those in MongoDB none. */
  kept(): Map<string, number[]> {
    const kept = new Map<string, number[]>()
    for (const file of readdirSync(this.#options.folder)) {
      const [, plugin, generation] = /^(\w+)\.(\d+)\.db$/.exec(file) ?? []
      if (plugin !== undefined) kept.set(plugin, [...(kept.get(plugin) ?? []), Number(generation)])
    }
    for (const generations of kept.values()) generations.sort((one, other) => one - other)
    return kept
  }

  /**
   * The generation that a plugin begins with which nobody knows: what is left of it where its registry was deleted,
   * else the first. Of several the oldest, since only that is certain to be whole.
   */
  firstGeneration(plugin: string): number {
    return this.kept().get(plugin)?.[0] ?? 1
  }

  #pathOf(plugin: string, generation: number): string {
    const { folder, mongo } = this.#options
    if (mongo !== undefined) return databaseName(mongo.uri, plugin, generation)
    return join(folder, `${plugin}.${generation}.db`)
  }

  /** The running process for plugins that behave, or for the others. */
  process(aside: boolean): RequestProcess {
    if (this.#options.mongo !== undefined) return this.#mongoProcess(this.#options.mongo)
    const running = aside ? this.#aside : this.#common
    if (running?.alive || (running !== undefined && this.#closed)) return running
    if (this.#closed) throw storeLost()
    const store = startStore({
      name: aside ? 'store:aside' : 'store',
      folder: this.#options.folder,
      onOutput: this.#options.onOutput,
      onSlow: (plugin) => this.#moveAside(plugin),
      onUsed: (plugin, cpuMs) => this.#options.onUsed?.(plugin, cpuMs),
      onGone: (reason, culprit) => {
        if (this.#common === store) this.#common = undefined
        if (this.#aside === store) this.#aside = undefined
        if (this.#closed) return
        if (culprit !== undefined) this.#moveAside(culprit)
        this.#options.onLoss({
          reason,
          suspects: culprit === undefined ? [] : [culprit],
          certain: culprit !== undefined,
        })
      },
    })
    if (aside) this.#aside = store
    else this.#common = store
    return store
  }

  #mongoProcess(control: ConnectControl): RequestProcess {
    if (this.#common?.alive || (this.#common !== undefined && this.#closed)) return this.#common
    if (this.#closed) throw storeLost()
    const { onOutput, onLoss, onUsed } = this.#options
    const { process, facts } = startMongoStore({
      control,
      onOutput,
      onUsed: (plugin, cpuMs) => onUsed?.(plugin, cpuMs),
      onGone: (reason, suspects) => {
        if (this.#common === process) this.#common = undefined
        if (!this.#closed) onLoss({ reason, suspects, certain: false })
      },
    })
    this.#common = process
    this.#connecting = facts
    return process
  }

  /**
   * Lets go of a plugin's database where it is open, and keeps it: whoever asks for it next gets it as new, in the
   * store of all. Whoever has it from before is refused.
   */
  async release(plugin: string, generation: number): Promise<void> {
    const store = this.plugin(plugin, generation)
    this.sweeper.forget(store)
    await store.end()
    this.#plugins.delete(`${plugin}.${generation}`)
    if (existsSync(join(this.#options.folder, `${plugin}.${generation}.files`)))
      this.sweeper.changed(this.plugin(plugin, generation))
  }

  /** Deletes a generation of a plugin's data, for good. Nothing may write into it any more. */
  async drop(plugin: string, generation: number): Promise<void> {
    const store = this.plugin(plugin, generation)
    this.sweeper.forget(store)
    await store.end()
    this.#plugins.delete(`${plugin}.${generation}`)
    if (this.#options.mongo !== undefined) {
      const control = JSON.stringify({ path: this.#pathOf(plugin, generation) })
      await this.process(false).request(plugin, { kind: StoreKind.drop }, control)
    }
    for (const file of await readdir(this.#options.folder))
      if (file.startsWith(`${plugin}.${generation}.`))
        await rm(join(this.#options.folder, file), { recursive: true, force: true })
  }

  /** Tells the host's log why the operations of a plugin fail. */
  couldNotOpen(plugin: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#options.onOutput(`The database of ${plugin} cannot be opened: ${reason}`)
  }

  /** Ends all stores. Transactions that are open roll back. */
  async close(): Promise<void> {
    this.#closed = true
    this.sweeper.close()
    await Promise.allSettled([...this.#plugins.values()].map((plugin) => plugin.close()))
    this.#common?.kill('closed')
    this.#aside?.kill('closed')
  }

  #moveAside(plugin: string): void {
    for (const store of this.#plugins.values()) if (store.plugin === plugin) store.moveAside()
  }
}
