import { availableParallelism } from 'node:os'
import { ownUser } from '../process/confine.ts'
import { scriptIn } from '../process/own-files.ts'
import { Places } from '../process/places.ts'
import type { Failure } from './protocol.ts'
import { failure } from './reports.ts'
import { type Call, LOST, type Loss, type Outcome, Sandbox, type SandboxOptions } from './sandbox.ts'

export type { Call, GuestOp, Loss, Outcome, PluginCode } from './sandbox.ts'

export interface SupervisorOptions {
  /** How many sandboxes the plugins share; about one per core. */
  readonly sandboxes?: number
  /** Nothing is started before it is needed, and what nobody has used for `idleMs` ends. */
  readonly onDemand?: boolean
  readonly rssCapMb: number
  readonly heartbeatMs: number
  readonly maxIsolates: number
  /** How many plugins may be on probation at work at the same time; each then has a process of its own. */
  readonly probationSandboxes: number
  /** A sandbox on probation, or one more than needed, goes after being idle for this long. */
  readonly idleMs: number
  /** What sandboxes write to their standard streams; hostile text. */
  readonly onOutput: (text: string) => void
  /** A process was lost; called before its calls are settled. */
  readonly onLoss: (loss: Loss) => void
}

const PROBATION_NICE = 19
const SPARE_DELAY_MS = 1_000
/** A nice-19 process may wait long for a busy machine. */
const PROBATION_PATIENCE = 3
const GRACE_MS = 750
/** Code that has never run before: so many at a time, and so many more that wait. */
const SCRATCH_PLACES = 2
/** It must not disturb those at work, but somebody waits for it, and its time is short. */
const SCRATCH_NICE = 10
const MOST_SCRATCH_WAITING = 16
const SCRIPT = scriptIn(import.meta.dirname, 'process')
const EMPTY = Buffer.alloc(0)

/** A call on probation, until its plugin has a process. */
interface Waiter {
  readonly call: Call
  readonly settle: (outcome: Outcome | Promise<Outcome>) => void
}

/** A process for one call. */
interface Scratch {
  readonly sandbox: Sandbox
  /** What ran in it has taken it down. */
  tookDown: boolean
}

/**
 * Owns the sandbox processes: which plugin runs where, a warm spare, and those on probation.
 *
 * A plugin on probation runs alone in a process at nice 19. Alone, so that the next process it takes down
 * is certainly its doing and nobody else's; at nice 19, so that what it burns is left over by the others.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #shared = new Set<Sandbox>()
  readonly #probation = new Map<string, Sandbox>()
  readonly #homes = new Map<string, Sandbox>()
  readonly #scratch = new Set<Sandbox>()
  readonly #scratchPlaces = new Places(SCRATCH_PLACES, MOST_SCRATCH_WAITING)
  #waiting: Waiter[] = []
  #spare: Sandbox | undefined
  #scratchSpare: Scratch | undefined
  #keepsScratch = false
  #reaper: NodeJS.Timeout
  #closed = false
  #started = 0

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#reaper = setInterval(() => this.#reap(), options.idleMs)
    this.#reaper.unref()
  }

  /** Starts the first sandbox; resolves when it listens. */
  async start(): Promise<void> {
    if (!(await this.#addShared().ready))
      throw new Error('A sandbox ended before it listened; its output says why.')
  }

  /** The process ids of all sandboxes. */
  get pids(): number[] {
    return this.#all().flatMap((sandbox) => sandbox.pid ?? [])
  }

  /** Runs a call; always settles, with `sandbox_lost` where the process went away under it. */
  async run(call: Call, onProbation: boolean): Promise<Outcome> {
    if (this.#closed) return failed(LOST)
    return onProbation ? this.#runOnProbation(call) : this.#sharedFor(call.code.plugin).run(call)
  }

  /**
   * Runs code that has never run before in a process of its own, which ends with the call. It fails with
   * `sandbox_lost` only where the process went for another reason than what it ran.
   */
  async runAlone(call: Call): Promise<Outcome> {
    const run = async () => {
      if (this.#closed) return failed(LOST)
      const scratch = this.#takeScratch()
      this.#scratch.add(scratch.sandbox)
      try {
        const outcome = await scratch.sandbox.run(call)
        const isItsDoing = scratch.tookDown && outcome.failure?.code === 'sandbox_lost'
        return isItsDoing ? failed(TOOK_DOWN) : outcome
      } finally {
        this.#scratch.delete(scratch.sandbox)
        scratch.sandbox.end()
      }
    }
    return (await this.#scratchPlaces.within(run)) ?? failed(TOO_MANY)
  }

  /** From now on a process is ready for what runs alone: for whoever publishes after each save, and waits for it. */
  keepScratchReady(): void {
    this.#keepsScratch = true
    this.#scratchSpare ??= this.#makeScratch()
  }

  /** Throws the isolates of a plugin away once their calls have ended, except those of the bundle that is kept. */
  unload(plugin: string, keepHash: string): void {
    for (const sandbox of [...this.#shared, ...this.#probation.values()]) sandbox.unload(plugin, keepHash)
  }

  /** Ends all calls of a plugin with `sandbox_lost`, and throws its isolates away. */
  cancel(plugin: string): void {
    const waiting = this.#waiting.filter(({ call }) => call.code.plugin === plugin)
    this.#waiting = this.#waiting.filter(({ call }) => call.code.plugin !== plugin)
    for (const waiter of waiting) waiter.settle(failed(LOST))
    for (const sandbox of [...this.#shared, ...this.#probation.values()]) sandbox.cancel(plugin)
  }

  /** Ends all sandboxes. */
  close(): void {
    this.#closed = true
    clearInterval(this.#reaper)
    for (const sandbox of this.#all()) sandbox.end()
    for (const waiter of this.#waiting.splice(0)) waiter.settle(failed(LOST))
  }

  #all(): Sandbox[] {
    const spares = [this.#spare, this.#scratchSpare?.sandbox].filter((spare) => spare !== undefined)
    return [...this.#shared, ...this.#probation.values(), ...this.#scratch, ...spares]
  }

  #sharedFor(plugin: string): Sandbox {
    const home = this.#homes.get(plugin)
    if (home?.alive) return home
    const most = this.#options.sandboxes ?? availableParallelism()
    let best: Sandbox | undefined
    for (const sandbox of this.#shared)
      if (sandbox.alive && (best === undefined || weight(sandbox) < weight(best))) best = sandbox
    if (best === undefined || (best.load > 0 && this.#shared.size < most)) best = this.#addShared()
    this.#homes.set(plugin, best)
    return best
  }

  /**
   * Lets calls in strictly in their order. So while somebody waits for a place, the plugins that have one
   * take no new calls, run dry, and make room: however busy they are, nobody waits for ever.
   */
  #runOnProbation(call: Call): Promise<Outcome> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
        resolve(failed(LOST))
        this.#admit()
      }, call.request.budget.wallMs)
      const settle: Waiter['settle'] = (outcome) => {
        clearTimeout(timer)
        resolve(outcome)
      }
      const waiter: Waiter = { call, settle }
      this.#waiting.push(waiter)
      this.#admit()
    })
  }

  #admit(): void {
    for (let waiter = this.#waiting[0]; waiter !== undefined; waiter = this.#waiting[0]) {
      const sandbox = this.#closed ? undefined : this.#probationFor(waiter.call.code.plugin)
      if (sandbox === undefined) return
      this.#waiting.shift()
      waiter.settle(sandbox.run(waiter.call).finally(() => this.#admit()))
    }
  }

  #probationFor(plugin: string): Sandbox | undefined {
    const own = this.#probation.get(plugin)
    if (own?.alive) return own
    if (this.#probation.size >= this.#options.probationSandboxes && !this.#reapProbation(true))
      return undefined
    const sandbox = this.#make(`probation:${plugin}`, PROBATION_NICE)
    this.#probation.set(plugin, sandbox)
    return sandbox
  }

  #addShared(): Sandbox {
    const spare = this.#spare?.alive ? this.#spare : undefined
    this.#spare = undefined
    const sandbox = spare ?? this.#make('sandbox', 0)
    this.#shared.add(sandbox)
    // The spare starts later, so that it does not slow what this one is needed for.
    if (this.#options.onDemand !== true) this.#startSpareLater()
    return sandbox
  }

  #startSpareLater(): void {
    setTimeout(() => {
      if (!this.#closed) this.#spare ??= this.#make('sandbox', 0)
    }, SPARE_DELAY_MS).unref()
  }

  #takeScratch(): Scratch {
    const ready = this.#scratchSpare?.sandbox.alive ? this.#scratchSpare : undefined
    this.#scratchSpare = undefined
    // The next one starts later, so that it does not slow what this one is for.
    if (this.#keepsScratch)
      setTimeout(() => {
        if (!this.#closed) this.#scratchSpare ??= this.#makeScratch()
      }, SPARE_DELAY_MS).unref()
    return ready ?? this.#makeScratch()
  }

  #makeScratch(): Scratch {
    const sandbox = this.#make('scratch', SCRATCH_NICE, (_, loss) => {
      scratch.tookDown = loss?.certain === true
    })
    const scratch: Scratch = { sandbox, tookDown: false }
    return scratch
  }

  #make(name: string, nice: number, onGone: SandboxOptions['onGone'] = this.#gone.bind(this)): Sandbox {
    const { rssCapMb, heartbeatMs, maxIsolates, onOutput } = this.#options
    const patience = nice > 0 ? PROBATION_PATIENCE : 1
    this.#started += 1
    return new Sandbox({
      name: `${name}#${this.#started}`,
      script: SCRIPT,
      nice,
      uid: ownUser(),
      rssCapMb,
      heartbeatMs: heartbeatMs * patience,
      graceMs: GRACE_MS * patience,
      maxIsolates,
      onOutput,
      onGone,
    })
  }

  #gone(sandbox: Sandbox, loss: Loss | undefined): void {
    this.#shared.delete(sandbox)
    if (this.#spare === sandbox) this.#spare = undefined
    for (const [plugin, own] of this.#probation) if (own === sandbox) this.#probation.delete(plugin)
    for (const [plugin, home] of this.#homes) if (home === sandbox) this.#homes.delete(plugin)
    if (loss !== undefined && !this.#closed) this.#options.onLoss(loss)
    this.#admit()
  }

  #reap(): void {
    this.#reapProbation(false)
    if (this.#options.onDemand === true) {
      for (const sandbox of this.#shared) if (sandbox.idleMs > this.#options.idleMs) sandbox.end()
      return
    }
    if (this.#shared.size < 2) return
    for (const sandbox of this.#shared)
      if (sandbox.load === 0 && sandbox.plugins.length === 0) {
        sandbox.end()
        return
      }
  }

  /** Ends idle probation sandboxes: all of them, or just one to make room. */
  #reapProbation(one: boolean): boolean {
    for (const [plugin, sandbox] of this.#probation) {
      if (sandbox.load > 0) continue
      this.#probation.delete(plugin)
      sandbox.end()
      if (one) return true
    }
    return false
  }
}

function weight(sandbox: Sandbox): number {
  return sandbox.load * 1_000 + sandbox.plugins.length
}

const TOO_MANY = failure('over_concurrency', 'Too many plugins are being published right now. Try again.')
const TOOK_DOWN = failure('plugin_failed', 'It took down the process that it ran in.')

function failed(failure: Failure): Outcome {
  return { cpuMs: 0, result: EMPTY, failure }
}
