import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Usage } from './plugin.ts'
import { inTransaction } from './transaction.ts'

const HOUR_MS = 3_600_000
const KEPT_HOURS = 31 * 24

const SUMS = `sum(calls) AS calls, sum(failures) AS failures, sum(cpu_ms) AS cpuMs, sum(store_cpu_ms) AS storeCpuMs,
  sum(ops) AS ops, sum(bytes) AS bytes, sum(events) AS events FROM usage_hours`

/** What plugins have used in each hour of the last month, kept in `registry.db`. An hour of rest has no row. */
export class UsageHours {
  readonly #db: DatabaseSync
  readonly #add: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#add = db.prepare(
      `INSERT INTO usage_hours (plugin, hour, calls, failures, cpu_ms, store_cpu_ms, ops, bytes, events)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (plugin, hour) DO UPDATE SET
       calls = calls + excluded.calls, failures = failures + excluded.failures, cpu_ms = cpu_ms + excluded.cpu_ms,
       store_cpu_ms = store_cpu_ms + excluded.store_cpu_ms, ops = ops + excluded.ops,
       bytes = bytes + excluded.bytes, events = events + excluded.events`,
    )
  }

  /** Adds what was used lately, all of it or nothing. @param nowMs ms since the epoch */
  add(used: ReadonlyMap<string, Usage>, nowMs: number): void {
    const hour = Math.floor(nowMs / HOUR_MS)
    inTransaction(this.#db, () => {
      for (const [plugin, { calls, failures, cpuMs, storeCpuMs, ops, bytes, events }] of used)
        this.#add.run(plugin, hour, calls, failures, cpuMs, storeCpuMs, ops, bytes, events)
      this.#db.prepare('DELETE FROM usage_hours WHERE hour <= ?').run(hour - KEPT_HOURS)
    })
  }

  /**
   * What each plugin used in the last hours, the one that runs included; without those that used nothing.
   * @param only one of them
   */
  last(hours: number, nowMs: number, only?: string): Map<string, Usage> {
    const since = Math.floor(nowMs / HOUR_MS) - hours
    const rows =
      only === undefined
        ? this.#db.prepare(`SELECT plugin, ${SUMS} WHERE hour > ? GROUP BY plugin`).all(since)
        : this.#db
            .prepare(`SELECT plugin, ${SUMS} WHERE plugin = ? AND hour > ? GROUP BY plugin`)
            .all(only, since)
    return new Map(rows.map((row) => [String(row.plugin), usageOf(row)]))
  }

  forget(plugin: string): void {
    this.#db.prepare('DELETE FROM usage_hours WHERE plugin = ?').run(plugin)
  }
}

function usageOf(row: Readonly<Record<string, unknown>>): Usage {
  return {
    calls: Number(row.calls),
    failures: Number(row.failures),
    cpuMs: Number(row.cpuMs),
    storeCpuMs: Number(row.storeCpuMs),
    ops: Number(row.ops),
    bytes: Number(row.bytes),
    events: Number(row.events),
  }
}
