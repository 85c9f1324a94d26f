import type { GuestInput } from '../protocol.ts'
import type { Invocation } from './bridge.ts'
import { openCache } from './cache.ts'
import { openDb } from './db.ts'
import { openFs } from './fs.ts'
import { openLog } from './log.ts'
import { openPlugins } from './plugins.ts'
import { openProgress } from './progress.ts'
import { openReplicas } from './replica.ts'
import { Signal } from './signal.ts'
import type { WriteQueue } from './write-queue.ts'

/**
 * What a handler destructures beside its values. Each facility is made when it is taken: most handlers take
 * two of them.
 */
export class Facilities {
  readonly #bridge: Invocation
  readonly #queue: WriteQueue
  readonly #input: GuestInput
  #db: ReturnType<typeof openDb> | undefined
  #fs: ReturnType<typeof openFs> | undefined
  #cache: ReturnType<typeof openCache> | undefined
  #log: ReturnType<typeof openLog> | undefined
  #plugins: ReturnType<typeof openPlugins> | undefined
  #progress: ReturnType<typeof openProgress> | undefined
  #signal: Signal | undefined

  constructor(bridge: Invocation, queue: WriteQueue, input: GuestInput) {
    this.#bridge = bridge
    this.#queue = queue
    this.#input = input
  }

  get db() {
    this.#db ??= openDb(this.#bridge, this.#queue)
    return this.#db
  }

  get fs() {
    this.#fs ??= openFs(this.#bridge)
    return this.#fs
  }

  get cache() {
    this.#cache ??= openCache(this.#bridge)
    return this.#cache
  }

  get log() {
    this.#log ??= openLog(this.#bridge)
    return this.#log
  }

  get now() {
    return () => new Date()
  }

  get progress() {
    this.#progress ??= openProgress(this.#bridge)
    return this.#progress
  }

  get signal() {
    this.#signal ??= new Signal(this.#bridge)
    return this.#signal
  }

  get replica() {
    return openReplicas(this.#bridge)
  }

  get plugins() {
    this.#plugins ??= openPlugins(this.#bridge, this.#input.plugins ?? [])
    return this.#plugins
  }
}
