import { LRUCache } from 'lru-cache'
import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ActivePlugin, Endpoint } from '../registry/plugin.ts'

const MOST_REMEMBERED = 10_000

/**
 * Counts how often views and queries broke their limits for one person. After a few times that person waits,
 * so that nobody drives somebody else's plugin into quarantine by asking it for too much.
 */
export class BrokenLimits {
  readonly #counts = new LRUCache<string, number>({
    max: MOST_REMEMBERED,
    ttl: LIMITS.brokenLimitsMinutes * 60_000,
  })

  /** @throws {LyceumError} `asked_too_much` */
  check(plugin: ActivePlugin, endpoint: Endpoint, caller: Caller): void {
    const times = this.#counts.get(keyOf(plugin, endpoint, caller)) ?? 0
    if (times >= LIMITS.brokenLimitsPerPerson)
      throw new LyceumError(
        'asked_too_much',
        `${plugin.id}.${endpoint.name} broke its limits ${times} times for you. Try again in ${LIMITS.brokenLimitsMinutes} minutes; its author can publish a version that does less.`,
      )
  }

  /** Counts one more time. */
  note(plugin: ActivePlugin, endpoint: Endpoint, caller: Caller): void {
    const key = keyOf(plugin, endpoint, caller)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }
}

function keyOf(plugin: ActivePlugin, endpoint: Endpoint, { role, user }: Caller): string {
  return JSON.stringify([plugin.id, plugin.activation, endpoint.name, role, user])
}
