interface Waiting<Request, Result> {
  request: Request
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Collects what arrives together and commits it at once: a disk takes about as long for one event as for
 * a thousand. Nobody is answered before the commit; if it fails, it fails for everyone in the group.
 */
export class GroupCommit<Request extends { readonly count: number }, Result> {
  #commit: (requests: readonly Request[]) => readonly Result[]
  #groupRows: number
  #waiting: Waiting<Request, Result>[] = []
  #rows = 0

  /** @param groupRows a group with so many rows is committed without waiting for more. */
  constructor(commit: (requests: readonly Request[]) => readonly Result[], groupRows: number) {
    this.#commit = commit
    this.#groupRows = groupRows
  }

  add(request: Request): Promise<Result> {
    return new Promise((resolve, reject) => {
      // Messages that wait at the thread's port are all delivered before an immediate runs.
      if (this.#waiting.length === 0) setImmediate(() => this.flush())
      this.#waiting.push({ request, resolve, reject })
      this.#rows += request.count
      if (this.#rows >= this.#groupRows) this.flush()
    })
  }

  /** Commits what is waiting now. */
  flush(): void {
    if (this.#waiting.length === 0) return
    const group = this.#waiting
    this.#waiting = []
    this.#rows = 0
    try {
      const results = this.#commit(group.map(({ request }) => request))
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as Result)
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }
}
