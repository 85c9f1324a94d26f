import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { type Call, LOST, type Loss, type Outcome, Sandbox } from './sandbox.ts'

export type { Call, GuestOp, Loss, Outcome, PluginCode } from './sandbox.ts'

export interface SupervisorOptions {
  /** How many sandboxes the plugins share; about one per core. */
  readonly sandboxes?: number
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
/** A nice-19 process may wait long for a busy machine. */
const PROBATION_HEARTBEAT_FACTOR = 3
/** Used where the host runs as root: a user id that owns no file. */
const SANDBOX_UID = 64_999

/**
 * Owns the sandbox processes: which plugin runs where, a warm spare, and those on probation.
 *
 * A plugin on probation runs alone in a process at nice 19. Alone, so that the next process it takes down
 * is certainly its doing and nobody else's; at nice 19, so that what it burns is left over by the others.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #uid = ownUid()
  readonly #shared = new Set<Sandbox>()
  readonly #probation = new Map<string, Sandbox>()
  readonly #homes = new Map<string, Sandbox>()
  readonly #waiting: (() => void)[] = []
  #spare: Sandbox | undefined
  #lastAlone: Promise<unknown> = Promise.resolve()
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
    await this.#addShared().ready
  }

  /** The process ids of all sandboxes. */
  get pids(): number[] {
    const all = [...this.#shared, ...this.#probation.values(), ...(this.#spare ? [this.#spare] : [])]
    return all.flatMap((sandbox) => sandbox.pid ?? [])
  }

  /** Runs a call; always settles, with `sandbox_lost` where the process went away under it. */
  async run(call: Call, onProbation: boolean): Promise<Outcome> {
    if (this.#closed) return { cpuMs: 0, result: Buffer.alloc(0), failure: LOST }
    const sandbox = onProbation
      ? await this.#probationFor(call.code.plugin)
      : this.#sharedFor(call.code.plugin)
    try {
      return await sandbox.run(call)
    } finally {
      if (onProbation) this.#waiting.shift()?.()
    }
  }

  /** Runs code that has never run before in a process of its own, which ends with the call. One at a time. */
  runAlone(call: Call): Promise<Outcome> {
    const run = async () => {
      const sandbox = this.#make('scratch', PROBATION_NICE)
      try {
        return await sandbox.run(call)
      } finally {
        sandbox.end()
      }
    }
    const turn = this.#lastAlone.then(run)
    this.#lastAlone = turn
    return turn
  }

  /** Throws the isolates of a plugin away once their calls have ended, except those of the bundle that is kept. */
  unload(plugin: string, keepHash: string): void {
    for (const sandbox of [...this.#shared, ...this.#probation.values()]) sandbox.unload(plugin, keepHash)
  }

  /** Ends all sandboxes. */
  close(): void {
    this.#closed = true
    clearInterval(this.#reaper)
    for (const sandbox of [...this.#shared, ...this.#probation.values()]) sandbox.end()
    this.#spare?.end()
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

  async #probationFor(plugin: string): Promise<Sandbox> {
    for (;;) {
      const own = this.#probation.get(plugin)
      if (own?.alive) return own
      if (this.#probation.size < this.#options.probationSandboxes || this.#reapProbation(true)) break
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const sandbox = this.#make(`probation:${plugin}`, PROBATION_NICE)
    this.#probation.set(plugin, sandbox)
    return sandbox
  }

  #addShared(): Sandbox {
    const spare = this.#spare?.alive ? this.#spare : undefined
    this.#spare = undefined
    const sandbox = spare ?? this.#make('sandbox', 0)
    this.#shared.add(sandbox)
    // The spare starts once this one listens, so that it does not slow its start.
    void sandbox.ready.then(() => {
      if (!this.#closed) this.#spare ??= this.#make('sandbox', 0)
    })
    return sandbox
  }

  #make(name: string, nice: number): Sandbox {
    const { rssCapMb, heartbeatMs, maxIsolates, onOutput } = this.#options
    return new Sandbox({
      name: `${name}#${++this.#started}`,
      nice,
      uid: this.#uid,
      rssCapMb,
      heartbeatMs: nice > 0 ? heartbeatMs * PROBATION_HEARTBEAT_FACTOR : heartbeatMs,
      maxIsolates,
      onOutput,
      onGone: (sandbox, loss) => this.#gone(sandbox, loss),
    })
  }

  #gone(sandbox: Sandbox, loss: Loss | undefined): void {
    this.#shared.delete(sandbox)
    if (this.#spare === sandbox) this.#spare = undefined
    for (const [plugin, own] of this.#probation) if (own === sandbox) this.#probation.delete(plugin)
    for (const [plugin, home] of this.#homes) if (home === sandbox) this.#homes.delete(plugin)
    this.#waiting.shift()?.()
    if (loss !== undefined && !this.#closed) this.#options.onLoss(loss)
  }

  #reap(): void {
    this.#reapProbation(false)
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

/** A user id of their own for sandboxes, where this process may give one and that user can read the code. */
function ownUid(): number | undefined {
  if (process.getuid?.() !== 0) return undefined
  const OTHERS_MAY_ENTER = 0o001
  for (let folder = join(import.meta.dirname); folder !== '/'; folder = dirname(folder))
    if ((statSync(folder).mode & OTHERS_MAY_ENTER) === 0) return undefined
  return SANDBOX_UID
}
