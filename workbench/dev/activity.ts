import type { Host } from '../../host/host.ts'
import type { DevRecord, HandlerActivity } from './records.ts'

const LOOK_MS = 500

/** How far a plugin's handlers are and how fast they go, told whenever that changed. */
export class Activity {
  readonly #host: Host
  readonly #plugin: string
  readonly #timer: NodeJS.Timeout
  #latest: Extract<DevRecord, { type: 'activity' }> = { type: 'activity', head: 0, handlers: [] }
  #lookedMs = performance.now()

  constructor(host: Host, plugin: string, tell: (record: DevRecord) => void) {
    this.#host = host
    this.#plugin = plugin
    this.#timer = setInterval(() => {
      const before = JSON.stringify(this.#latest)
      this.look()
      if (JSON.stringify(this.#latest) !== before) tell(this.#latest)
    }, LOOK_MS).unref()
  }

  get latest(): Extract<DevRecord, { type: 'activity' }> {
    return this.#latest
  }

  /** How far in the log the results reach: the slowest handler. */
  get position(): number {
    return Math.min(this.#host.log.head(), ...this.#latest.handlers.map(({ cursor }) => cursor))
  }

  look(): void {
    const nowMs = performance.now()
    const seconds = (nowMs - this.#lookedMs) / 1_000
    this.#lookedMs = nowMs
    const before = new Map(this.#latest.handlers.map((handler) => [handler.endpoint, handler.cursor]))
    const handlers = this.#host.lane
      .status(this.#plugin)
      .map(({ endpoint, state, cursor: at }): HandlerActivity => {
        // One that starts has not read yet where it is.
        const cursor = state === 'starting' ? (before.get(endpoint) ?? at) : at
        const moved = cursor - (before.get(endpoint) ?? cursor)
        return { endpoint, state, cursor, eventsPerSecond: Math.max(0, Math.round(moved / seconds)) }
      })
    this.#latest = { type: 'activity', head: this.#host.log.head(), handlers }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
