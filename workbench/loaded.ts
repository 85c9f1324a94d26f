import { resolve } from 'node:path'
import type { Events, Loaded, Seen, SendOptions, Sent } from '@lyceum/sdk/testing'
import type { Caller } from '../host/auth/tokens.ts'
import { LyceumError } from '../host/errors.ts'
import { ask, type Given } from './asking.ts'
import { authorError } from './author-error.ts'
import { bundlePlugin, type PluginBundle } from './bundle.ts'
import { countDeadLetters, deadLettersOf, firstFailure, handled, runJob } from './handled.ts'
import { callerFor, type Viewer } from './viewer.ts'
import { type Bench, openBench } from './workbench.ts'

const LOG_LINES = 10_000

/** What `load()` of `@lyceum/sdk/testing` does. @throws what is wrong with the plugin, with its place */
export async function loadPlugin(dir: string): Promise<Loaded> {
  const asked = new Error()
  const clock = { nowMs: Date.now() }
  // The bundler starts while the host does; what is wrong with the plugin is told when there is a host to tell it.
  const bundling = bundlePlugin(dir)
  bundling.catch(() => {}) // it is awaited below
  const bench = await openBench({ dir, nowMs: () => clock.nowMs })
  const loaded = new LoadedPlugin(bench, dir, clock)
  try {
    await loaded.publishOwn(await bundling)
  } catch (error) {
    const shown = await loaded.explained(error, asked)
    await bench.close()
    throw shown
  }
  return loaded
}

class LoadedPlugin implements Loaded {
  readonly plugins: Seen['plugins']
  readonly views: Seen['views']
  readonly #bench: Bench
  readonly #clock: { nowMs: number }
  /** The folder of each plugin, by its id. */
  readonly #dirs: Map<string, string>
  /** Why the plugin itself is not published yet: it asks for one that is still to be added. */
  #waitsFor: LyceumError | undefined

  constructor(bench: Bench, dir: string, clock: { nowMs: number }) {
    this.#bench = bench
    this.#clock = clock
    this.#dirs = new Map([[bench.plugin, dir]])
    const { plugins, views } = this.#seenBy(callerFor({ role: 'admin' }))
    this.plugins = plugins
    this.views = views
  }

  as(viewer: Viewer): Seen {
    return this.#seenBy(callerFor(viewer))
  }

  at(time: Date | string): void {
    const ms = new Date(time).getTime()
    if (Number.isNaN(ms))
      throw new LyceumError('bad_parameter', `"${time}" is not a time. Write such as 2026-03-02T10:00:00Z.`)
    this.#clock.nowMs = ms
  }

  events(events: Events, { deadLetters }: SendOptions = {}): Promise<Sent> {
    return this.#do(async () => {
      const { host } = this.#bench
      const ids = [...this.#dirs.keys()]
      const count = () => Promise.all(ids.map((id) => countDeadLetters(host, id)))
      const before = await count()
      const lines = new Lines(events)
      const { firstRejected, ...taken } = await this.#bench.send(lines.read())
      if (firstRejected !== undefined && lines.hasObjects) {
        const { index, message, code } = firstRejected
        throw new LyceumError('bad_request', `Event ${index} was not taken (${code}): ${message}`, { index })
      }
      await handled(host)
      const failed = (await count()).map((total, index) => total - (before[index] ?? 0))
      const at = failed.findIndex((n) => n > 0)
      const id = ids[at]
      if (id !== undefined && deadLetters !== 'allow') throw await firstFailure(host, id, failed[at] ?? 1)
      return { ...taken, deadLetters: failed.reduce((sum, n) => sum + n, 0) }
    })
  }

  cron(job: string): Promise<void> {
    return this.#do(async () => {
      const { host, plugin } = this.#bench
      const active = host.plugins.get(plugin)
      const endpoint = active.endpoints.get(job)
      if (endpoint?.kind !== 'cron') {
        const jobs = [...active.endpoints.values()].filter(({ kind }) => kind === 'cron')
        throw new LyceumError(
          'endpoint_unknown',
          `${plugin} has no job "${job}". It has: ${jobs.map(({ name }) => name).join(', ') || 'none'}.`,
        )
      }
      await runJob(host, active, endpoint)
    })
  }

  logs(): ReturnType<Loaded['logs']> {
    return this.#bench.host.pluginLogs.tail(this.#bench.plugin, LOG_LINES)
  }

  deadLetters(): ReturnType<Loaded['deadLetters']> {
    return this.#do(() => deadLettersOf(this.#bench.host, this.#bench.plugin))
  }

  async plugin(dir: string): Promise<void> {
    const asked = new Error()
    const folder = resolve(this.#dirs.get(this.#bench.plugin) ?? '', dir)
    try {
      await this.#publish(folder)
      if (this.#waitsFor !== undefined) await this.publishOwn()
      await handled(this.#bench.host)
    } catch (error) {
      throw await this.explained(error, asked, folder)
    }
  }

  close(): Promise<void> {
    return this.#bench.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Publishes the plugin itself, or remembers which other it has to wait for. */
  async publishOwn(bundle?: PluginBundle): Promise<void> {
    this.#waitsFor = undefined
    try {
      await this.#publish(bundle)
    } catch (error) {
      if (!(error instanceof LyceumError && typeof error.details?.missing === 'string')) throw error
      this.#waitsFor = error
    }
  }

  async #publish(from?: string | PluginBundle): Promise<void> {
    const { plugin } = await this.#bench.publish(from)
    if (typeof from === 'string') this.#dirs.set(plugin, from)
    // Jobs run when a test says so, and not when the clock of the machine does.
    await this.#bench.host.cron.remove(plugin)
  }

  explained(error: unknown, asked: Error, dir?: string): Promise<unknown> {
    const { host, plugin } = this.#bench
    return authorError(host, error, (id) => dir ?? this.#dirs.get(id ?? plugin) ?? '', asked)
  }

  async #do<Result>(work: () => Promise<Result>): Promise<Result> {
    // Made before anything is awaited, so that its stack has the line of the test.
    const asked = new Error()
    try {
      if (this.#waitsFor !== undefined) throw this.#waitsFor
      return await work()
    } catch (error) {
      throw await this.explained(error, asked)
    }
  }

  #seenBy(caller: Caller): Seen {
    const { host, plugin: self } = this.#bench
    const query = (find: () => readonly [plugin: string, name: string], given: Given) =>
      this.#do(async () =>
        JSON.parse((await ask(host, 'query', ...find(), plain(given), caller)).result.toString()),
      )
    const view = (name: string, given: Given) =>
      this.#do(async () => (await ask(host, 'view', self, name, plain(given), caller)).result.toString())
    return {
      plugins: byName((plugin) => {
        const id = plugin === 'self' ? self : plugin
        const named = (): readonly [string, string] => {
          const found = host.names.resolve(plugin)
          return [found.plugin.id, found.query.name]
        }
        return byName(
          (name) =>
            (given: Given = {}) =>
              query(() => [id, name], given),
          (given: Given = {}) => query(named, given),
        )
      }) as Seen['plugins'],
      views: byName(
        (name) =>
          (given: Given = {}) =>
            view(name, given),
      ) as Seen['views'],
    }
  }
}

/** An object that has whatever name it is asked for, but does not pass for a promise. */
function byName(find: (name: string) => unknown, target: object = {}): object {
  return new Proxy(target, {
    get: (_, name) => (typeof name === 'string' && name !== 'then' ? find(name) : undefined),
  })
}

/** A course in the place of its id is what a test has at hand. */
function plain(given: Given): Given {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, idOf(value) ?? value]))
}

function idOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined
  return typeof value.id === 'string' ? value.id : undefined
}

/** Events as lines of a log: a sample course as a site would have logged it. */
class Lines {
  hasObjects = false
  readonly #events: Events

  constructor(events: Events) {
    this.#events = events
  }

  async *read(): AsyncGenerator<string> {
    const source = 'lines' in this.#events ? this.#events.lines() : this.#events
    for await (const event of source) {
      if (typeof event !== 'string') this.hasObjects = true
      yield typeof event === 'string' ? event : JSON.stringify(event)
    }
  }
}
