import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Port } from '../../process/port.ts'
import type { Call, Outcome } from '../../sandbox/supervisor.ts'
import type { TestHost } from '../support/host.ts'

/** One time that a plugin ran, by the host's own record. */
export interface Run {
  readonly plugin: string
  readonly tookMs: number
  readonly wallMs: number
  readonly cpuMs: number
  /** The code of its failure, or `ok`. */
  readonly code: string
}

/** What must never be seen by a plugin or its author. */
export interface Canary {
  readonly what: string
  readonly text: string
}

const ROOT = join(import.meta.dirname, '../..')

/**
 * Stands between a host and its sandboxes and looks at all that enters and leaves the isolates of plugins
 * that are watched: a text in which a canary sings is an escape.
 */
export class HostWatch {
  readonly runs: Run[] = []
  readonly sightings: string[] = []
  /** How many texts were looked at. */
  looked = 0
  readonly #canaries: Canary[]
  readonly #isWatched: (plugin: string) => boolean
  readonly #scopes = new Set<bigint>()

  constructor(lyceum: TestHost, secrets: readonly Canary[], isWatched: (plugin: string) => boolean) {
    this.#isWatched = isWatched
    const keys: unknown = JSON.parse(readFileSync(join(lyceum.dataDir, 'keys.json'), 'utf8'))
    this.#canaries = [
      ...secrets,
      { what: "the project's folder", text: ROOT },
      { what: 'the data folder', text: lyceum.dataDir },
      { what: 'the path of Node', text: process.execPath },
      { what: 'a path of a package', text: 'node_modules' },
      { what: 'a module of Node', text: 'node:internal' },
      { what: 'a file of the host', text: 'file://' },
      { what: 'the process id of the host', text: `pid ${process.pid}` },
      ...stringsIn(keys).map((text) => ({ what: 'a key of the host', text })),
    ]
    this.#watchScopes()
    this.#watchCalls(lyceum)
  }

  /** Looks at a text that a plugin or its author gets to see. */
  look(plugin: string, where: string, text: string): void {
    this.looked += 1
    for (const canary of this.#canaries)
      if (text.includes(canary.text)) this.sightings.push(`${plugin} sees ${canary.what} in ${where}`)
    for (const [digits] of text.matchAll(/\d{15,20}/g))
      if (this.#scopes.has(BigInt(digits))) this.sightings.push(`${plugin} sees an invocation id in ${where}`)
  }

  /** The runs of a plugin. */
  runsOf(plugin: string): Run[] {
    return this.runs.filter((run) => run.plugin === plugin)
  }

  /** Notes the ids of all invocations, which are known to host and process only. */
  #watchScopes(): void {
    const send = Port.prototype.send
    const scopes = this.#scopes
    Port.prototype.send = function (header, payload) {
      if (header.scope !== undefined && header.scope > 2n ** 48n) scopes.add(header.scope)
      send.call(this, header, payload)
    }
  }

  #watchCalls({ host: { supervisor } }: TestHost): void {
    const run = supervisor.run.bind(supervisor)
    supervisor.run = (call, onProbation) => this.#watched(call, (watched) => run(watched, onProbation))
    const runAlone = supervisor.runAlone.bind(supervisor)
    supervisor.runAlone = (call) => this.#watched(call, runAlone)
  }

  async #watched(call: Call, run: (call: Call) => Promise<Outcome>): Promise<Outcome> {
    const { plugin } = call.code
    if (!this.#isWatched(plugin)) return run(call)
    this.look(plugin, 'its input', call.input.toString())
    const startMs = performance.now()
    const outcome = await run({
      ...call,
      onOp: (op) => {
        this.look(plugin, `its ${op.name}`, op.payload.toString('latin1'))
        call.onOp({
          ...op,
          reply: (payload) => {
            this.look(plugin, `the answer to ${op.name}`, textOf(payload))
            op.reply(payload)
          },
          refuse: (failure) => {
            this.look(plugin, `the refusal of ${op.name}`, JSON.stringify(failure))
            op.refuse(failure)
          },
        })
      },
    })
    const { budget } = call.request
    this.runs.push({
      plugin,
      tookMs: performance.now() - startMs,
      wallMs: budget.wallMs,
      cpuMs: budget.cpuMs,
      code: outcome.failure?.code ?? 'ok',
    })
    this.look(plugin, 'its result', outcome.result.toString())
    this.look(plugin, 'its failure', JSON.stringify(outcome.failure ?? null))
    return outcome
  }
}

function textOf(payload: string | Buffer | readonly [string, Buffer | string]): string {
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.toString() : payload.join('\n')
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.length >= 24 ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(stringsIn)
}
