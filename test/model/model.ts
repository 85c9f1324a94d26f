import { errorOf, HANDLERS, type HandlerName, type Sent, type Version } from './plugin.ts'

/** An event in the log. */
export interface Logged extends Sent {
  readonly seq: number
}

/** A dead letter as it must be shown. */
export interface Letter {
  readonly handler: HandlerName
  readonly event: Logged
  version: string
  message: string
  attempts: number
}

/** What is found out about the handlers of the real plugin. */
export interface Found {
  /** Ids of events by handler, in the order of their effects. */
  readonly seen: Readonly<Record<HandlerName, readonly string[]>>
  readonly letters: readonly { readonly handler: string; readonly event: string; readonly version: string }[]
}

const ATTEMPTS = 3

/** One handler, whichever version it is of. */
class HandlerModel {
  readonly name: HandlerName
  /** Its cursor: everything up to here is handled, put aside, or was not wanted. */
  cursor: number | undefined
  /** Events whose effects are there, in order. */
  readonly applied: Logged[] = []
  /** Versions that were active with this handler since it was last known where the cursor stands. */
  readonly candidates = new Set<string>()

  constructor(name: HandlerName) {
    this.name = name
  }
}

/**
 * What a log, its handlers and their dead letters must look like. A handler works beside the commands, so which
 * version meets an event is open until everything has settled; then what was found must be one of the ways in
 * which it may have gone.
 */
export class Model {
  readonly log: Logged[] = []
  readonly versions: { readonly name: string; readonly spec: Version }[] = []
  active: string | undefined
  paused = false
  quarantined = false
  letters: Letter[] = []
  readonly handlers = HANDLERS.map((name) => new HandlerModel(name))

  get running(): boolean {
    return this.active !== undefined && !this.paused && !this.quarantined
  }

  get activeSpec(): Version | undefined {
    return this.#specOf(this.active)
  }

  /** @param head the last event of the log */
  activate(name: string, head: number): void {
    this.active = name
    this.quarantined = false
    for (const handler of this.handlers) {
      const spec = this.activeSpec?.[handler.name]
      if (spec === undefined) continue
      handler.cursor ??= spec.from === 'now' ? head : 0
      handler.candidates.add(name)
    }
  }

  /**
   * Takes what was found after everything settled for what happened, where it may have happened.
   * @returns what is wrong with it, in words; undefined where it may be so
   */
  settle(found: Found, head: number): string | undefined {
    for (const handler of this.handlers) {
      const problem = this.#settleHandler(handler, found, head)
      if (problem !== undefined) return `${handler.name}: ${problem}`
    }
    return undefined
  }

  #settleHandler(handler: HandlerModel, found: Found, head: number): string | undefined {
    if (handler.cursor === undefined) return undefined
    const { name, applied, candidates } = handler
    const before = handler.cursor
    const new_ = this.log.filter(({ seq }) => seq > before)
    const seen = new Set(found.seen[name].slice(applied.length))
    const aside = new Map(
      found.letters
        .filter((letter) => letter.handler === name)
        .map((letter) => [letter.event, letter.version]),
    )
    const done = this.running && this.activeSpec?.[name] !== undefined
    // A handler that stands still may have got as far as the last event of which there is a trace.
    const reached = done
      ? head
      : Math.max(before, ...new_.filter(({ id }) => seen.has(id) || aside.has(id)).map(({ seq }) => seq))
    for (const event of new_) {
      if (event.seq > reached) break
      const ways = [...candidates].map((version) => this.#wayOf(event, name, version))
      const version = aside.get(event.id)
      if (seen.has(event.id)) {
        if (!ways.includes('applied')) return `${event.id} was handled, but by no version that takes it`
        applied.push(event)
      } else if (version !== undefined) {
        const poison = event.poison
        if (poison === undefined || !candidates.has(version) || this.#wayOf(event, name, version) !== 'aside')
          return `${event.id} was put aside by ${version}, which takes it`
        this.letters.push({
          handler: name,
          event,
          version,
          message: errorOf(version, poison),
          attempts: ATTEMPTS,
        })
      } else if (!ways.includes('passed')) return `${event.id} is lost`
    }
    handler.cursor = reached
    if (done) {
      candidates.clear()
      if (this.active !== undefined) candidates.add(this.active)
    }
    return undefined
  }

  #wayOf(event: Logged, handler: HandlerName, version: string): 'applied' | 'aside' | 'passed' {
    const spec = this.#specOf(version)
    const least = spec?.[handler]?.least
    if (!event.wanted || least === undefined || event.n < least) return 'passed'
    return event.poison !== undefined && spec?.fails.includes(event.poison) ? 'aside' : 'applied'
  }

  /** What a retry of a dead letter comes to; it is done to the model. */
  retry(letter: Letter): 'committed' | 'failed' | 'no handler' {
    const { active } = this
    if (active === undefined || this.activeSpec?.[letter.handler] === undefined) return 'no handler'
    const { poison } = letter.event
    if (poison !== undefined && this.activeSpec.fails.includes(poison)) {
      Object.assign(letter, {
        version: active,
        message: errorOf(active, poison),
        attempts: letter.attempts + 1,
      })
      return 'failed'
    }
    // A dead letter is retried whatever its handler's filter wants by now.
    this.letters = this.letters.filter((other) => other !== letter)
    this.handlers.find(({ name }) => name === letter.handler)?.applied.push(letter.event)
    return 'committed'
  }

  #specOf(name: string | undefined): Version | undefined {
    return this.versions.find((version) => version.name === name)?.spec
  }
}
