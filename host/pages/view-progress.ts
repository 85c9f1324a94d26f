import type { Progress } from '../capabilities/progress.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

type Watcher = (progress: Progress | 'over') => void

interface Shown {
  latest: Progress | undefined
  readonly watchers: Set<Watcher>
}

/** How far the views are that frames wait for, by the frame's ticket: the page around a frame asks for it. */
export class ViewProgress {
  readonly #shown = new Map<string, Shown>()
  #watchers = 0

  /** Answers a frame; whoever watches its ticket is told how far it is. */
  async during<Result>(
    ticket: string,
    work: (onProgress: (progress: Progress) => void) => Promise<Result>,
  ): Promise<Result> {
    const shown: Shown = { latest: undefined, watchers: new Set() }
    this.#shown.set(ticket, shown)
    try {
      return await work((progress) => {
        shown.latest = progress
        for (const tell of shown.watchers) tell(progress)
      })
    } finally {
      if (this.#shown.get(ticket) === shown) this.#shown.delete(ticket)
      for (const tell of shown.watchers) tell('over')
    }
  }

  /**
   * Tells how far a view is, at once and whenever it says something new.
   * @returns what stops it; undefined where no frame waits with this ticket
   * @throws {LyceumError} `over_concurrency` where too many watch
   */
  watch(ticket: string, tell: Watcher): (() => void) | undefined {
    const shown = this.#shown.get(ticket)
    if (shown === undefined) return undefined
    if (this.#watchers >= LIMITS.progressWatchers)
      throw new LyceumError(
        'over_concurrency',
        'Too many pages watch a view being made. It comes all the same.',
      )
    this.#watchers += 1
    shown.watchers.add(tell)
    if (shown.latest !== undefined) tell(shown.latest)
    return () => {
      if (shown.watchers.delete(tell)) this.#watchers -= 1
    }
  }
}
