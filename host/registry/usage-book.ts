import { noUsage, type Usage } from './plugin.ts'
import type { UsageHours } from './usage-hours.ts'

/** What a plugin has used lately. */
export interface RecentUsage {
  readonly day: Usage
  readonly month: Usage
}

const DAY_HOURS = 24
const MONTH_HOURS = 30 * 24

/**
 * What each plugin has used: counted in memory where it is used, and added to what is kept now and then. A host
 * that is killed loses the last moments of it and nothing else.
 */
export class UsageBook {
  readonly #hours: UsageHours
  readonly #nowMs: () => number
  readonly #sinceStart = new Map<string, Usage>()
  readonly #kept = new Map<string, Usage>()

  /** @param nowMs ms since the epoch; tests set it */
  constructor(hours: UsageHours, nowMs: () => number = Date.now) {
    this.#hours = hours
    this.#nowMs = nowMs
  }

  /** What a plugin has used since the host started; whoever sees it use something counts here. */
  of(plugin: string): Usage {
    let usage = this.#sinceStart.get(plugin)
    if (usage === undefined) {
      usage = noUsage()
      this.#sinceStart.set(plugin, usage)
    }
    return usage
  }

  /** Keeps what was used since it was called last. */
  flush(): void {
    const used = this.#unkept()
    if (used.size === 0) return
    this.#hours.add(used, this.#nowMs())
    for (const plugin of used.keys()) this.#kept.set(plugin, { ...this.of(plugin) })
  }

  /** What plugins used in the last 24 hours and 30 days; one that used nothing is not there. @param only one of them */
  recent(only?: string): Map<string, RecentUsage> {
    const unkept = this.#unkept()
    const nowMs = this.#nowMs()
    const day = this.#hours.last(DAY_HOURS, nowMs, only)
    const month = this.#hours.last(MONTH_HOURS, nowMs, only)
    const ids = only === undefined ? new Set([...month.keys(), ...unkept.keys()]) : [only]
    const recent = (plugin: string): RecentUsage => {
      const lately = unkept.get(plugin) ?? noUsage()
      return { day: sum(lately, day.get(plugin)), month: sum(lately, month.get(plugin)) }
    }
    return new Map([...ids].map((plugin) => [plugin, recent(plugin)]))
  }

  /** What was used since it was kept last. */
  #unkept(): Map<string, Usage> {
    const used = new Map<string, Usage>()
    for (const [plugin, usage] of this.#sinceStart) {
      const more = difference(usage, this.#kept.get(plugin))
      if (NAMES.some((name) => more[name] > 0)) used.set(plugin, more)
    }
    return used
  }

  forget(plugin: string): void {
    this.#sinceStart.delete(plugin)
    this.#kept.delete(plugin)
  }
}

const NAMES: readonly (keyof Usage)[] = ['calls', 'failures', 'cpuMs', 'storeCpuMs', 'ops', 'bytes', 'events']

function difference(now: Usage, before: Usage | undefined): Usage {
  const more = { ...now }
  for (const name of NAMES) more[name] -= before?.[name] ?? 0
  return more
}

function sum(one: Usage, other: Usage | undefined): Usage {
  const both = { ...one }
  for (const name of NAMES) both[name] += other?.[name] ?? 0
  return both
}
