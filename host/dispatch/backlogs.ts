import type { Logger } from 'pino'
import type { Plugins } from '../registry/plugins.ts'
import type { FeedStatus } from './handler-feed.ts'

export interface BacklogServices {
  readonly plugins: Plugins
  readonly logger: Logger
  readonly status: (plugin: string) => readonly FeedStatus[]
  /** The last event of the log. */
  readonly head: () => number
}

const LOOK_EVERY_MS = 60_000

/**
 * Pauses plugins that are further behind than their quota of events, and fall further behind. One that catches up,
 * from the start of a long log or after a pause, is let do so. The log keeps every event: an admin who resumes it
 * loses none.
 */
export class Backlogs {
  readonly #services: BacklogServices
  /** How far each plugin above its quota was behind at the last look. */
  #above = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  constructor(services: BacklogServices) {
    this.#services = services
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** Looks at all plugins. Who was above its quota at the last look, and is further behind now, is paused. */
  async look(): Promise<void> {
    const { plugins, logger, status, head } = this.#services
    const above = new Map<string, number>()
    for (const [id, { quota }] of plugins.active()) {
      if (!plugins.mayRun(id)) continue
      const behind = Math.max(0, ...status(id).map(({ cursor }) => head() - cursor))
      if (behind <= quota.backlogEvents) continue
      above.set(id, behind)
      const before = this.#above.get(id)
      if (before === undefined || behind <= before) continue
      const reason = `It is ${behind} events behind, more than the ${quota.backlogEvents} of its quota, and falls further behind. The events wait in the log. Resume it once it can keep up: with a version that does less per event, or with a higher quota.`
      logger.warn({ plugin: id, behind }, 'paused for its backlog')
      // It may be uninstalled just now, or the disk be full: it is looked at again.
      await plugins
        .pause(id, reason)
        .catch((error: unknown) => logger.warn({ err: error, plugin: id }, 'could not be paused'))
      above.delete(id)
    }
    this.#above = above
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
