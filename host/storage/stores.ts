import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { SerialProcess } from '../../process/serial-process.ts'
import type { Loss } from '../../sandbox/supervisor.ts'
import { PluginStore } from './plugin-store.ts'
import { startStore } from './store.ts'

export interface StoresOptions {
  /** Where the database files of plugins lie. */
  readonly folder: string
  readonly onOutput: (text: string) => void
  /** A store was lost to an operation of one plugin, or to nobody in particular. */
  readonly onLoss: (loss: Loss) => void
  /** CPU time that a store has used for a plugin, in ms. */
  readonly onUsed?: (plugin: string, cpuMs: number) => void
}

/**
 * The store processes: one for all plugins, and beside it one for those whose operations took so long
 * that others had to wait, or took a store down.
 */
export class Stores {
  readonly #options: StoresOptions
  readonly #plugins = new Map<string, PluginStore>()
  #common: SerialProcess | undefined
  #aside: SerialProcess | undefined
  #closed = false

  constructor(options: StoresOptions) {
    mkdirSync(options.folder, { recursive: true })
    this.#options = options
  }

  /** Starts the first store; resolves when it listens. */
  async start(): Promise<void> {
    if (!(await this.process(false).ready))
      throw new Error('A store ended before it listened; its output says why.')
  }

  get pids(): number[] {
    return [this.#common?.pid, this.#aside?.pid].filter((pid) => pid !== undefined)
  }

  /** The database of a plugin's generation. */
  plugin(plugin: string, generation: number): PluginStore {
    const name = `${plugin}.${generation}`
    let store = this.#plugins.get(name)
    if (store === undefined) {
      store = new PluginStore(this, plugin, name, join(this.#options.folder, `${name}.db`), generation)
      this.#plugins.set(name, store)
    }
    return store
  }

  /** The running process for plugins that behave, or for the others. */
  process(aside: boolean): SerialProcess {
    const running = aside ? this.#aside : this.#common
    if (running?.alive || (running !== undefined && this.#closed)) return running
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

  /** Tells the host's log why the operations of a plugin fail. */
  couldNotOpen(plugin: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#options.onOutput(`The database of ${plugin} cannot be opened: ${reason}`)
  }

  /** Ends all stores. Transactions that are open roll back. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled([...this.#plugins.values()].map((plugin) => plugin.close()))
    this.#common?.kill('closed')
    this.#aside?.kill('closed')
  }

  #moveAside(plugin: string): void {
    for (const store of this.#plugins.values()) if (store.plugin === plugin) store.moveAside()
  }
}
