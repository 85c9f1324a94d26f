import { readFileSync } from 'node:fs'
import type { Budget, EndpointKind, GuestInput } from '../../sandbox/protocol.ts'
import {
  type GuestOp,
  type Loss,
  type Outcome,
  type PluginCode,
  Supervisor,
} from '../../sandbox/supervisor.ts'

/**
 * Small, so that whatever runs into a limit does so soon, but for the time: on a busy machine, above all at nice 19,
 * what is quick may take long. Who wants that to run out says so.
 */
export const BUDGET: Budget = {
  cpuMs: 150,
  wallMs: 30_000,
  ops: 1_000,
  bytes: 1_000_000,
  outputBytes: 100_000,
}

export interface Ask {
  readonly onProbation?: boolean
  readonly budget?: Partial<Budget>
  readonly kind?: EndpointKind
  readonly endpoint?: string
  readonly memoryMb?: number
  /** How long the top level may take. */
  readonly loadWallMs?: number
  readonly input?: Partial<GuestInput>
  /** Answers ops; by default each is answered with an empty result. */
  readonly onOp?: (op: GuestOp) => void
}

/** How a call ended, as tests read it. */
export interface Told {
  /** The code of the failure, or 'ok'. */
  readonly code: string
  readonly message: string
  readonly stack: string
  /** What the plugin returned, from its JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly result: any
  readonly cpuMs: number
  readonly tookMs: number
}

/** A real supervisor with real processes, into which tests throw source text. */
export class Lab {
  readonly supervisor: Supervisor
  readonly losses: Loss[] = []
  readonly output: string[] = []

  constructor(options: { sandboxes?: number; rssCapMb?: number; probationSandboxes?: number } = {}) {
    this.supervisor = new Supervisor({
      sandboxes: 1,
      rssCapMb: 1_024,
      heartbeatMs: 2_000,
      maxIsolates: 64,
      probationSandboxes: 2,
      idleMs: 30_000,
      onOutput: (text) => this.output.push(text),
      onLoss: (loss) => this.losses.push(loss),
      ...options,
    })
  }

  /** Runs the endpoint `run` of a plugin, whose module is `source`. */
  async run(plugin: string, source: string, ask: Ask = {}): Promise<Told> {
    const startMs = performance.now()
    const call = callOf(plugin, source, ask)
    return told(await this.supervisor.run(call, ask.onProbation === true), startMs)
  }

  /** Runs a handler whose body is given; `c` is its context. */
  handler(plugin: string, body: string, ask: Ask = {}): Promise<Told> {
    return this.run(plugin, `export const run = { handler: async (c) => { ${body} } }`, ask)
  }

  close(): void {
    this.supervisor.close()
  }
}

export function callOf(plugin: string, source: string, ask: Ask = {}) {
  const bundle = Buffer.from(source)
  const code: PluginCode = {
    plugin,
    hash: `${plugin}:${source}:${ask.memoryMb}`,
    bundle,
    load: { memoryMb: ask.memoryMb ?? 32, cpuMs: 500, wallMs: ask.loadWallMs ?? 30_000 },
  }
  return {
    code,
    input: JSON.stringify({ named: '{}', ...ask.input }),
    request: {
      endpoint: ask.endpoint ?? 'run',
      kind: ask.kind ?? 'query',
      budget: { ...BUDGET, ...ask.budget },
      nowMs: Date.UTC(2026, 0, 1),
      eachEvent: false,
      plainJson: true,
      traceWrites: false,
    },
    onOp: ask.onOp ?? ((op: GuestOp) => op.reply('[]')),
  }
}

export function told({ failure, result, cpuMs }: Outcome, startMs: number): Told {
  return {
    code: failure?.code ?? 'ok',
    message: failure?.message ?? '',
    stack: failure?.stack ?? '',
    result: failure === undefined && result.length > 0 ? JSON.parse(result.toString()) : undefined,
    cpuMs,
    tookMs: performance.now() - startMs,
  }
}

/** Resident memory of a process in MB; 0 where it has gone. */
export function residentMb(pid: number): number {
  return memoryMb(pid, 'VmRSS')
}

/** The most that a process has ever held in memory. */
export function peakMb(pid: number): number {
  return memoryMb(pid, 'VmHWM')
}

function memoryMb(pid: number, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
