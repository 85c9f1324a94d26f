import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter } from '@lyceum/sdk/testing'
import { LyceumError } from '../host/errors.ts'
import type { Host } from '../host/host.ts'
import type { ActivePlugin, CronEndpoint } from '../host/registry/plugin.ts'

const MOST_LETTERS = 1_000
const EVENT_CHARS = 300
const LOOK_MS = 2

/** How many events the handlers of a plugin have failed on. */
export async function countDeadLetters(host: Host, plugin: string): Promise<number> {
  return (await host.plugins.storeOf(plugin).deadLetters(undefined, 1)).total
}

/** The events that the handlers of a plugin failed on, oldest first; the first thousand. */
export async function deadLettersOf(host: Host, plugin: string): Promise<DeadLetter[]> {
  const { letters } = await host.plugins.storeOf(plugin).deadLetters(undefined, MOST_LETTERS)
  const shown = letters.map(async ({ endpoint, code, message, stack, version, seq }) => ({
    endpoint,
    code,
    message,
    ...(stack !== undefined && { stack: await host.authorStack(plugin, stack, version) }),
    event: JSON.parse(host.window.row(seq)?.text ?? 'null'),
  }))
  return Promise.all(shown)
}

/** A dead letter as an error that tells where in the plugin it arose. */
export async function firstFailure(host: Host, plugin: string, failed: number): Promise<LyceumError> {
  const { letters } = await host.plugins.storeOf(plugin).deadLetters(undefined, MOST_LETTERS)
  const letter = letters[0]
  if (letter === undefined) return new LyceumError('internal', 'A dead letter went while it was read.')
  const { endpoint, message, stack, version, seq } = letter
  const event = (host.window.row(seq)?.text ?? '').slice(0, EVENT_CHARS)
  return new LyceumError(
    'plugin_failed',
    `${plugin}.${endpoint} failed on ${failed === 1 ? 'an event' : `${failed} events`}: ${message}\nThe first: ${event}`,
    { plugin, version, endpoint, ...(stack !== undefined && { stack }) },
  )
}

/** Runs a job now. @throws {LyceumError} its failure, with what tells where in the plugin it arose */
export async function runJob(host: Host, plugin: ActivePlugin, job: CronEndpoint): Promise<void> {
  const failure = await host.cron.runNow(plugin, job)
  if (failure === undefined) return
  const { code, message, stack } = failure
  throw new LyceumError(code, `${plugin.id}.${job.name}: ${message}`, {
    plugin: plugin.id,
    version: plugin.version,
    endpoint: job.name,
    ...(stack !== undefined && { stack }),
  })
}

/**
 * Resolves when the handlers of all plugins are through with what the log holds.
 * @throws {LyceumError} where a handler stands still, so that what it makes stays as it is
 */
export async function handled(host: Host): Promise<void> {
  while (!host.lane.quiet) {
    // It would wait for ever for room.
    refuseStuck(host, ['full'])
    await sleep(LOOK_MS)
  }
  refuseStuck(host, ['full', 'halted', 'waiting'])
}

function refuseStuck(host: Host, states: readonly string[]): void {
  for (const plugin of host.plugins.active().keys()) {
    // It may have been stopped for what it did.
    host.plugins.get(plugin)
    const stuck = host.lane.status(plugin).find(({ state }) => states.includes(state))
    if (stuck === undefined) continue
    const { endpoint, state, lastError } = stuck
    throw new LyceumError(
      state === 'full' ? 'database_full' : 'handler_halted',
      `${plugin}.${endpoint} goes no further: ${lastError?.message ?? 'its log says why.'}`,
      { plugin, endpoint },
    )
  }
}
