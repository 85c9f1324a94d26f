import type { Logger } from 'pino'
import type { Loss } from '../../sandbox/supervisor.ts'

/** How the host looks upon a plugin. */
export interface Record {
  readonly strikes: number
  readonly onProbation: boolean
  /** The reason, where the plugin is quarantined. */
  readonly quarantined: string | undefined
}

interface Entry {
  /** When each strike fell, in ms of a clock that nobody sets. */
  strikes: number[]
  /** When it took a process down, for certain. */
  losses: number[]
  /** When it was last among several that may have taken a process down. */
  suspectedMs: number
  probationUntilMs: number
  quarantined: string | undefined
}

export interface ConductOptions {
  readonly logger: Logger
  readonly nowMs?: () => number
  /** Quarantines that earlier runs of the host left. */
  readonly quarantined: ReadonlyMap<string, string>
  /** Told when a plugin is quarantined or let out, to be kept. */
  readonly onQuarantine: (plugin: string, reason: string | undefined) => void
}

/** Good behaviour for this long ends probation and forgets a strike. */
const FORGET_MS = 10 * 60_000
/**
 * Somebody who may be innocent is on probation for this long. It is enough to tell: who did it and does it
 * again does it alone. Only who is suspected twice stays as long as a culprit.
 */
const SUSPICION_MS = 30_000
/** Used up budgets that end in quarantine, within {@link FORGET_MS}. */
const MOST_STRIKES = 20
/** Processes taken down that end in quarantine: each costs the others a restart. */
const MOST_LOSSES = 5

/**
 * Strikes, probation and quarantine. One used-up budget puts a plugin on probation, where it runs alone and
 * after all others; many put it into quarantine, where it stays until an admin or a new version.
 */
export class Conduct {
  readonly #options: ConductOptions
  readonly #entries = new Map<string, Entry>()
  readonly #nowMs: () => number

  constructor(options: ConductOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
    for (const [plugin, reason] of options.quarantined) this.#entry(plugin).quarantined = reason
  }

  onProbation(plugin: string): boolean {
    return (this.#entries.get(plugin)?.probationUntilMs ?? 0) > this.#nowMs()
  }

  of(plugin: string): Record {
    const entry = this.#entries.get(plugin)
    return {
      strikes: recent(entry?.strikes ?? [], this.#nowMs()).length,
      onProbation: this.onProbation(plugin),
      quarantined: entry?.quarantined,
    }
  }

  /** A plugin used up a budget. */
  strike(plugin: string, code: string, message: string): void {
    const entry = this.#entry(plugin)
    const nowMs = this.#nowMs()
    entry.strikes = [...recent(entry.strikes, nowMs), nowMs]
    entry.probationUntilMs = nowMs + FORGET_MS
    this.#options.logger.warn({ plugin, code, strikes: entry.strikes.length }, 'strike')
    if (entry.strikes.length >= MOST_STRIKES)
      this.#quarantine(
        plugin,
        `${MOST_STRIKES} times within ten minutes it broke a limit, the last time ${code}: ${message}`,
      )
  }

  /** A process was lost. Suspects go on probation; a culprit that is certain gets the strike. */
  lost(loss: Loss): void {
    this.#options.logger.warn({ ...loss }, 'process lost')
    const nowMs = this.#nowMs()
    for (const plugin of loss.suspects) {
      const entry = this.#entry(plugin)
      const again = nowMs - entry.suspectedMs < FORGET_MS
      const probationMs = loss.certain || again ? FORGET_MS : SUSPICION_MS
      entry.probationUntilMs = Math.max(entry.probationUntilMs, nowMs + probationMs)
      if (!loss.certain) {
        entry.suspectedMs = nowMs
        continue
      }
      entry.losses = [...recent(entry.losses, nowMs), nowMs]
      if (entry.losses.length >= MOST_LOSSES)
        this.#quarantine(
          plugin,
          `It took down its process ${MOST_LOSSES} times within ten minutes, the last time for: ${loss.reason}`,
        )
    }
  }

  /** How many processes a plugin took down for certain, as far as is remembered. */
  lossesOf(plugin: string): number {
    return this.#entries.get(plugin)?.losses.length ?? 0
  }

  /** Starts afresh: an admin resumed the plugin, or a new version came. */
  forgive(plugin: string): void {
    const entry = this.#entries.get(plugin)
    this.#entries.delete(plugin)
    if (entry?.quarantined !== undefined) this.#options.onQuarantine(plugin, undefined)
  }

  /** An error of the host itself, met while it served a plugin: never the plugin's fault. */
  hostError(error: unknown): void {
    this.#options.logger.error({ err: error }, 'the host failed at an op')
  }

  #quarantine(plugin: string, reason: string): void {
    const entry = this.#entry(plugin)
    if (entry.quarantined !== undefined) return
    entry.quarantined = reason
    this.#options.logger.error({ plugin, reason }, 'quarantined')
    this.#options.onQuarantine(plugin, reason)
  }

  #entry(plugin: string): Entry {
    let entry = this.#entries.get(plugin)
    if (entry === undefined) {
      entry = {
        strikes: [],
        losses: [],
        suspectedMs: Number.NEGATIVE_INFINITY,
        probationUntilMs: 0,
        quarantined: undefined,
      }
      this.#entries.set(plugin, entry)
    }
    return entry
  }
}

function recent(times: readonly number[], nowMs: number): number[] {
  return times.filter((atMs) => nowMs - atMs < FORGET_MS)
}
