import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../sdk/testing/random.ts'
import { bundleSource } from '../support/host.ts'
import type { Reply, Run } from './run.ts'

/** In the order in which they are published: one that is asked before those that ask it. */
const OWN = ['oracle', 'asking', 'counting', 'bank', 'fragile', 'sessions', 'notes'] as const
type Own = (typeof OWN)[number]
/** Those that come with Lyceum and handle events. */
const FIRST_PARTY = ['video', 'activity', 'eventDump']
/** Whoever asks one that is paused fails, and rightly. */
const NEVER_PAUSED = 'oracle'
/** Those whose numbers are the same whichever version makes them anew. */
const REBUILT = ['counting', 'bank'] as const
const MOST_PAUSE_MS = 2_500
const MOST_PAUSED_MS = 800

/** Everything that an author or an admin does to plugins while they work. */
export class Changes {
  readonly #run: Run
  readonly #random: Random
  readonly #published = new Map<Own, number>(OWN.map((plugin) => [plugin, 0]))

  constructor(run: Run) {
    this.#run = run
    this.#random = run.random('changes')
  }

  /** All plugins that handle events. */
  get plugins(): readonly string[] {
    return [...OWN, ...FIRST_PARTY]
  }

  async publishAll(): Promise<void> {
    for (const plugin of OWN) await this.publish(plugin)
  }

  /** Changes one thing after another until the load ends. */
  async keepOn(): Promise<void> {
    const random = this.#random
    while (!this.#run.stopped) {
      await sleep(random.below(MOST_PAUSE_MS))
      const change = random.weighted([4, 3, 2, 2, 1, 3])
      if (change === 0) await this.publish()
      else if (change === 1) await this.rollBack()
      else if (change === 2) await this.pauseForAWhile()
      else if (change === 3) await this.retry(random.pick(['fragile', 'bank']))
      else if (change === 4) await this.changeQuota()
      else await this.rebuild()
    }
  }

  async publish(plugin: Own = this.#random.pick(OWN)): Promise<void> {
    const number = (this.#published.get(plugin) ?? 0) + 1
    this.#published.set(plugin, number)
    this.#run.count('published')
    const bundle = await bundleSource(plugin, await sourceOf(plugin, number), `1.0.${number}`)
    this.#expect(await this.#run.post(`/v1/plugins/${plugin}/versions`, bundle), [201], `publish ${plugin}`)
  }

  /** To the version before, or to any. */
  async rollBack(): Promise<void> {
    const random = this.#random
    const plugin = random.pick(OWN)
    const version = 1 + random.below(this.#published.get(plugin) ?? 1)
    this.#run.count('rolled back')
    const body = random.chance(0.5) ? { version: `1.0.${version}` } : {}
    // There is none before the first, and one whose publish is under way is not there yet.
    this.#expect(
      await this.#run.post(`/v1/plugins/${plugin}/rollback`, body),
      [200, 404],
      `roll back ${plugin}`,
    )
  }

  async pauseForAWhile(): Promise<void> {
    const plugin = this.#random.pick(this.plugins.filter((id) => id !== NEVER_PAUSED))
    this.#run.count('paused')
    this.#expect(await this.#run.post(`/v1/plugins/${plugin}/pause`), [200], `pause ${plugin}`)
    await sleep(this.#random.below(MOST_PAUSED_MS))
    await this.#resume(plugin)
  }

  /** Starts to make the data of a plugin anew, beside everything else; another version that comes meanwhile ends it. */
  async rebuild(plugin: string = this.#random.pick(REBUILT)): Promise<void> {
    this.#run.count('rebuilds started')
    this.#expect(await this.#run.post(`/v1/plugins/${plugin}/rebuild`), [202, 409], `rebuild ${plugin}`)
  }

  async changeQuota(): Promise<void> {
    const plugin = this.#random.pick(this.plugins)
    this.#run.count('quotas changed')
    const reply = await this.#run.ask(`/v1/plugins/${plugin}/quota`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ memoryMb: 64 + 8 * this.#random.below(3) }),
    })
    this.#expect(reply, [200], `quota of ${plugin}`)
  }

  /** Tries the dead letters of a plugin again. @returns how many of them were committed */
  async retry(plugin: string): Promise<number> {
    const reply = await this.#run.post(`/v1/plugins/${plugin}/dead-letters/retry`)
    this.#expect(reply, [200], `retry the dead letters of ${plugin}`)
    const retried: { state: string }[] = reply.json.retried ?? []
    const committed = retried.filter(({ state }) => state === 'committed').length
    this.#run.count('dead letters retried', retried.length)
    this.#run.count('dead letters mended', committed)
    return committed
  }

  /** Makes data anew that nothing else changes meanwhile. */
  async rebuildAll(): Promise<void> {
    for (const plugin of REBUILT) await this.rebuild(plugin)
  }

  /** Gives every plugin its last version, an even one, and lets it run. */
  async finish(): Promise<void> {
    for (const plugin of OWN) {
      if ((this.#published.get(plugin) ?? 0) % 2 === 0) await this.publish(plugin)
      await this.publish(plugin)
    }
    for (const plugin of this.plugins) await this.#resume(plugin)
  }

  async #resume(plugin: string): Promise<void> {
    this.#expect(await this.#run.post(`/v1/plugins/${plugin}/resume`), [200], `resume ${plugin}`)
  }

  #expect({ status, json }: Reply, expected: readonly number[], what: string): void {
    if (!expected.includes(status)) this.#run.problem(`${what}: ${status} ${JSON.stringify(json)}`)
  }
}

/** The text of a version: even ones have handlers and indexes that odd ones lack, and mend what these fail on. */
async function sourceOf(plugin: Own, number: number): Promise<string> {
  const text = await readFile(join(import.meta.dirname, 'plugins', `${plugin}.ts`), 'utf8')
  const written = text.replace('const NUMBER = 0', `const NUMBER = ${number}`)
  return number % 2 === 0 ? written : written.replace(/^\/\/ Even versions only[\s\S]*?\n\n/m, '')
}
