import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../sdk/testing/random.ts'
import type { Changes } from './changes.ts'
import { childrenOfKind, type Kind, type Processes } from './processes.ts'
import type { Run } from './run.ts'

/** All ways to be killed, each as often as it stands here. */
const HOST_KILLS = [
  'host',
  'host that has just started',
  'host while it starts',
  'host while it stops',
  'host during a publish',
  'host during a rollback',
] as const
const CHILD_KILLS = [
  'sandbox',
  'sandbox',
  'sandbox during a publish',
  'store',
  'store during a publish',
  'store during a rollback',
] as const
type Kill = (typeof HOST_KILLS)[number] | (typeof CHILD_KILLS)[number]

/** The share of all kills, at the end, that leave the host alone: it then shows whether it leaks. */
const CALM_SHARE = 1 / 3
/** The host is stopped in order once in so many kills. */
const KILLS_TO_A_STOP = 8
const FRESH_MS = 400
const START_MS = 900
const CHANGE_MS = 500
const STOP_MS = 300
const FIND_MS = 20

/** Kills processes of a host, at random moments. */
export class Kills {
  readonly #run: Run
  readonly #changes: Changes
  readonly #processes: Processes
  readonly #random: Random
  /** Done so far. */
  done = 0

  constructor(run: Run, changes: Changes, processes: Processes) {
    this.#run = run
    this.#changes = changes
    this.#processes = processes
    this.#random = run.random('kills')
  }

  /**
   * Kills `kills` times. What a kill takes itself comes on top of the time between, or a slow machine would spend
   * all of it on starting.
   * @param betweenMs in all, between the kills
   * @param onCalm called once the host has worked for a while and lives on until the end
   */
  async spread(kills: number, betweenMs: number, onCalm: () => void): Promise<void> {
    const mostMs = (2 * betweenMs) / Math.max(1, kills)
    const calmAt = kills - Math.floor(kills * CALM_SHARE)
    for (const [at, kill] of this.#deck(kills).entries()) {
      if (this.#run.problems.length > 0) return
      if (at === calmAt + 1) onCalm()
      await sleep(this.#random.between(0, mostMs))
      await this.#kill(kill)
      this.done += 1
      this.#run.count(`killed: ${kill}`)
      if (at < calmAt && at % KILLS_TO_A_STOP === KILLS_TO_A_STOP - 1) await this.#stopInOrder()
    }
    if (kills === 0) await sleep(betweenMs)
  }

  /** Every way about as often; those that end the host come first. */
  #deck(kills: number): Kill[] {
    const ways = [...HOST_KILLS, ...CHILD_KILLS]
    const all = Array.from({ length: kills }, (_, at): Kill => ways[at % ways.length] ?? 'host')
    const isOfHost = (kill: Kill) => HOST_KILLS.some((way) => way === kill)
    const calm = this.#shuffled(all.filter((kill) => !isOfHost(kill))).slice(
      0,
      Math.floor(kills * CALM_SHARE),
    )
    const rest = [...all]
    for (const kill of calm) rest.splice(rest.indexOf(kill), 1)
    return [...this.#shuffled(rest), ...calm]
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: this.#random.word() }))
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item)
  }

  async #kill(kill: Kill): Promise<void> {
    if (kill.endsWith('publish')) await this.#during(this.#changes.publish(), kill)
    else if (kill.endsWith('rollback')) await this.#during(this.#changes.rollBack(), kill)
    else await this.#killNow(kill)
  }

  /** The change is asked for until it is answered, so whatever it has left half done is met by its next try. */
  async #during(change: Promise<void>, kill: Kill): Promise<void> {
    await sleep(this.#random.below(CHANGE_MS))
    await this.#killNow(kill)
    await change
  }

  async #killNow(kill: Kill): Promise<void> {
    const { machine } = this.#run
    if (kill.startsWith('sandbox'))
      await this.#killOne(kill.endsWith('publish') ? ['sandbox', 'checker'] : ['sandbox'])
    else if (kill.startsWith('store')) await this.#killOne(['store'])
    else {
      if (kill === 'host while it stops') {
        machine.host.process.kill('SIGTERM')
        await sleep(this.#random.below(STOP_MS))
      }
      this.#processes.note(machine.host.process.pid)
      await machine.kill()
      if (kill === 'host while it starts') await this.#startInVain()
      await machine.restart()
      if (kill === 'host that has just started') {
        await sleep(this.#random.below(FRESH_MS))
        this.#processes.note(machine.host.process.pid)
        await machine.kill()
        await machine.restart()
      }
    }
  }

  async #startInVain(): Promise<void> {
    await this.#run.machine.startInVain((child) => {
      setTimeout(() => {
        this.#processes.note(child.pid)
        child.kill('SIGKILL')
      }, this.#random.below(START_MS))
    })
  }

  /** One of the kinds, as soon as there is one. */
  async #killOne(kinds: readonly Kind[]): Promise<void> {
    const host = this.#run.machine.host.process.pid
    for (;;) {
      const pids = childrenOfKind(host, kinds)
      if (pids.length > 0) {
        this.#processes.note(host)
        process.kill(this.#random.pick(pids), 'SIGKILL')
        return
      }
      await sleep(FIND_MS)
    }
  }

  async #stopInOrder(): Promise<void> {
    const { machine } = this.#run
    this.#processes.note(machine.host.process.pid)
    const signal = this.#random.pick(['SIGTERM', 'SIGINT'] as const)
    const code = await machine.stop(signal)
    this.#run.count('stopped in order')
    if (code !== 0) this.#run.problem(`the host ended with ${code} after ${signal}`)
    await machine.restart()
  }
}
