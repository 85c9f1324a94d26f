import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { withoutControls } from '../text.ts'
import type { OpImplementation } from './capability.ts'
import { LogFollower } from './log-follower.ts'

const Line = z.object({ level: z.enum(['debug', 'info', 'warn', 'error']), line: z.string() })

/** One line that a plugin logged, or that the host logged about it. */
export interface LogLine {
  readonly atMs: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** The plugin, or the host about it: whatever a plugin writes, it cannot pass for the host's. */
  readonly by: 'plugin' | 'host'
  /** The version of the plugin that logged it. */
  readonly version: string
  readonly endpoint: string
  readonly line: string
}

/** Who logged a line. */
type Source = Pick<LogLine, 'by' | 'version' | 'endpoint'>

interface PluginLog {
  lines: LogLine[]
  /** Of each, so that a plugin that floods its log does not hide what the host says about it. */
  readonly rates: Readonly<Record<LogLine['by'], Rate>>
}

interface Rate {
  /** When the second began in which lines are counted; a clock that is set must not make it an hour. */
  secondMs: number
  inSecond: number
  dropped: number
}

/**
 * What plugins log: the newest lines of each, in memory, capped in rate and length and without control
 * characters, so that no plugin fills a disk or forges a line of another.
 */
export class PluginLogs {
  readonly #logs = new Map<string, PluginLog>()
  readonly #followers = new Map<string, Set<LogFollower>>()

  add(plugin: string, source: Source, level: LogLine['level'], text: string): void {
    const atMs = Date.now()
    const nowMs = performance.now()
    const log = this.#of(plugin)
    const rate = log.rates[source.by]
    if (nowMs - rate.secondMs >= 1_000) {
      if (rate.dropped > 0)
        this.#push(plugin, log, {
          ...source,
          atMs,
          level: 'warn',
          line: `${rate.dropped} more lines in a second were dropped`,
        })
      Object.assign(rate, { secondMs: nowMs, inSecond: 0, dropped: 0 })
    }
    if (++rate.inSecond > LIMITS.logLinesPerSecond) {
      rate.dropped += 1
      return
    }
    this.#push(plugin, log, {
      ...source,
      atMs,
      level,
      line: withoutControls(text.slice(0, LIMITS.logLineChars)),
    })
  }

  /** The newest lines of a plugin, oldest first. */
  tail(plugin: string, limit: number): readonly LogLine[] {
    const lines = this.#logs.get(plugin)?.lines ?? []
    return lines.slice(Math.max(0, lines.length - limit))
  }

  /**
   * The lines of a plugin as they come, after `first`.
   * @throws {LyceumError} `over_concurrency` where as many follow it as may
   */
  follow(plugin: string, first: readonly LogLine[]): LogFollower {
    const followers = this.#followers.get(plugin) ?? new Set()
    if (followers.size >= LIMITS.logFollowers)
      throw new LyceumError(
        'over_concurrency',
        `${followers.size} others follow the log of ${plugin}, which is the most. Wait until one of them ends.`,
      )
    this.#followers.set(plugin, followers)
    const follower = new LogFollower(first, (closed) => {
      followers.delete(closed)
      if (followers.size === 0) this.#followers.delete(plugin)
    })
    followers.add(follower)
    return follower
  }

  /** Ends all that follow a log. */
  close(): void {
    for (const plugin of this.#followers.keys()) this.#endFollowing(plugin)
  }

  /** Lets go of all lines of a plugin, and of whoever follows them: its name may be somebody else's tomorrow. */
  forget(plugin: string): void {
    this.#logs.delete(plugin)
    this.#endFollowing(plugin)
  }

  #endFollowing(plugin: string): void {
    for (const follower of this.#followers.get(plugin) ?? []) follower.close()
  }

  /** `log` as an op. */
  readonly op: OpImplementation = (payload, { plugin, endpoint }) => {
    // A line is bounded by the guest; from a process that lies it is cut before it is parsed.
    if (payload.length > LIMITS.logLineChars * 16) throw malformed()
    const parsed = Line.safeParse(jsonOf(payload))
    if (!parsed.success) throw malformed()
    const { level, line } = parsed.data
    this.add(plugin.id, { by: 'plugin', version: plugin.version, endpoint: endpoint.name }, level, line)
    return ''
  }

  #push(plugin: string, log: PluginLog, line: LogLine): void {
    log.lines.push(line)
    // Cut now and then rather than on every line.
    if (log.lines.length > LIMITS.logLinesPerPlugin * 2)
      log.lines = log.lines.slice(-LIMITS.logLinesPerPlugin)
    for (const follower of this.#followers.get(plugin) ?? []) follower.add(line)
  }

  #of(plugin: string): PluginLog {
    let log = this.#logs.get(plugin)
    if (log === undefined) {
      log = { lines: [], rates: { plugin: fresh(), host: fresh() } }
      this.#logs.set(plugin, log)
    }
    return log
  }
}

function fresh(): Rate {
  return { secondMs: Number.NEGATIVE_INFINITY, inSecond: 0, dropped: 0 }
}

function malformed(): LyceumError {
  return new LyceumError('op_malformed', 'A log line is a level and a text.')
}

function jsonOf(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString())
  } catch {
    throw malformed()
  }
}
