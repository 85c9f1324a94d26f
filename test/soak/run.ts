import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../sdk/testing/random.ts'
import { Machine, type Request } from '../kill/spawned.ts'

const RETRY_MS = 30
const MOST_PROBLEMS = 20
/** A host that is killed over and over again answers within this time all the same. */
const PATIENCE_MS = 120_000
/** Answers that say nothing but: again later. */
const PASSING_STATUS: ReadonlySet<number> = new Set([429, 503])

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape; what is expected of each is checked where it is used
  readonly json: any
}

/** What all parts of a soak share: the machine, random numbers, and what went wrong so far. */
export class Run {
  readonly machine: Machine
  readonly seed: string
  readonly problems: string[] = []
  /** How often what happened, for the summary. */
  readonly counts = new Map<string, number>()
  /** Set where the load is to end. */
  stopped = false

  private constructor(machine: Machine, seed: string) {
    this.machine = machine
    this.seed = seed
  }

  static async start(dataDir: string, seed: string): Promise<Run> {
    return new Run(await Machine.start(dataDir, ['--no-samples']), seed)
  }

  /** Random numbers for one part, the same with each seed, whatever the other parts do. */
  random(part: string): Random {
    return new Random(`${this.seed} ${part}`)
  }

  count(what: string, n = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + n)
  }

  problem(text: string): void {
    if (this.problems.length >= MOST_PROBLEMS) return
    this.problems.push(text)
    console.error(`PROBLEM: ${text}`)
  }

  /** One request; undefined where the host is down or goes down before it has answered. */
  async try(path: string, request: Request = {}): Promise<Reply | undefined> {
    try {
      const answer = await this.machine.fetch(path, request)
      const text = await answer.text()
      const json = JSON.parse(text)
      if (answer.status >= 300) this.count(`answered: ${json.code}`)
      return { status: answer.status, headers: answer.headers, json }
    } catch {
      this.count('unanswered')
      return undefined
    }
  }

  /**
   * Asks until there is an answer that is one: 503 and 429, and a host that is down, mean again.
   * @throws where that takes too long
   */
  async ask(path: string, request: Request = {}): Promise<Reply> {
    const startMs = performance.now()
    for (;;) {
      const reply = await this.try(path, request)
      if (reply !== undefined && !PASSING_STATUS.has(reply.status)) return reply
      if (performance.now() - startMs > PATIENCE_MS)
        throw new Error(`${path} has no answer but ${reply?.status} ${JSON.stringify(reply?.json)}`)
      await sleep(RETRY_MS)
    }
  }

  post(path: string, body: unknown = {}): Promise<Reply> {
    const headers = { 'content-type': 'application/json' }
    return this.ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
  }
}
