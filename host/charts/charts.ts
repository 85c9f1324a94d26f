import { Supervisor, type SupervisorOptions } from '../../sandbox/supervisor.ts'
import type { OpContext, OpImplementation, OpTable } from '../capabilities/capability.ts'
import type { CpuRates } from '../dispatch/cpu-rates.ts'
import { type EndedFailure, Invoker } from '../dispatch/invoker.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Conduct } from '../registry/conduct.ts'
import type { QueryEndpoint } from '../registry/plugin.ts'
import { drawingBundle } from './bundle.ts'

export interface ChartsServices {
  readonly conduct: Conduct
  readonly cpuRates: CpuRates
  readonly nowMs: () => number
  readonly onOutput: SupervisorOptions['onOutput']
  readonly onLoss: SupervisorOptions['onLoss']
  /** What plugins may ask the host for. A chart asks for nothing. */
  readonly ops: OpTable
}

/** What draws, as if it were a query of the plugin whose chart it is: it destructures nothing, so it may do nothing. */
const DRAW: QueryEndpoint = {
  kind: 'query',
  name: 'draw',
  title: 'Chart',
  description: '',
  facilities: [],
  dimensions: [],
  plugins: [],
  replicas: [],
  options: { names: [], params: new Map() },
}

/** Of what is left of a view's time: with the rest it gets the reason why a chart was not drawn. */
const MOST_OF_TIME = 0.8

/**
 * Draws the charts of views, in processes that only do this: they start with the first chart, and go when nobody
 * draws any more. What draws is code of ours, but the specification may do with it what it wants; so it runs as a
 * plugin's code does, in an isolate that this plugin shares with nobody, and is charged to the call of the view.
 */
export class Charts {
  readonly #supervisor: Supervisor
  readonly #invoker: Invoker
  readonly #conduct: Conduct

  constructor({ conduct, cpuRates, nowMs, onOutput, onLoss, ops }: ChartsServices) {
    this.#conduct = conduct
    this.#supervisor = new Supervisor({
      sandboxes: 1,
      onDemand: true,
      rssCapMb: LIMITS.sandboxRssMb,
      heartbeatMs: LIMITS.heartbeatLostMs,
      maxIsolates: LIMITS.chartIsolates,
      probationSandboxes: LIMITS.probationSandboxes,
      idleMs: LIMITS.sandboxIdleMs,
      onOutput,
      onLoss,
    })
    this.#invoker = new Invoker(this.#supervisor, conduct, ops, cpuRates, nowMs)
  }

  /** The process ids of those that draw. */
  get pids(): number[] {
    return this.#supervisor.pids
  }

  /** `chartDraw`: the payload is the input of the call that draws; the answer is `{ svg, vega }`. */
  readonly op: OpImplementation = (payload, context) => {
    if (payload.length > LIMITS.chartBytes)
      throw new LyceumError(
        'chart_refused',
        `A chart has ${payload.length} bytes with its data, and may have ${LIMITS.chartBytes}. Show fewer rows, or sums of them, for example by day.`,
      )
    const depth = context.depth + 1
    return context.tree.inTurn(depth, () => this.#draw(payload, context, depth))
  }

  close(): void {
    this.#supervisor.close()
  }

  async #draw(input: Buffer, { plugin, caller, tree }: OpContext, depth: number): Promise<Buffer> {
    const { text, hash } = drawingBundle()
    const { chartMemoryMb, chartLoadMs } = LIMITS
    const code = {
      plugin: plugin.id,
      hash: `${plugin.id} ${hash}`,
      bundle: text,
      load: { memoryMb: chartMemoryMb, cpuMs: chartLoadMs, wallMs: chartLoadMs },
    }
    const { cpuMs, wallMs } = tree.budget(plugin.quota)
    const quota = {
      ...plugin.quota,
      cpuMsPerCall: Math.ceil(cpuMs * MOST_OF_TIME),
      wallMs: Math.ceil(wallMs * MOST_OF_TIME),
    }
    const lossesBefore = this.#conduct.lossesOf(plugin.id)
    const { result, failure } = await this.#invoker.run({
      context: {
        plugin: { ...plugin, code, quota },
        endpoint: DRAW,
        caller,
        transaction: undefined,
        tree,
        depth,
      },
      input,
      eachEvent: false,
      plainJson: true,
      traceWrites: false,
    })
    if (failure === undefined) return result
    if (failure.code === 'sandbox_lost' && this.#conduct.lossesOf(plugin.id) > lossesBefore)
      throw new LyceumError('chart_refused', `A chart took down the process that draws it. ${LESS}`)
    throw refusal(failure)
  }
}

const LESS = 'Show fewer rows or sums of them, and look for a sequence or an expression that makes too much.'

/** A failure of what draws, in words for whoever wrote the chart. */
function refusal({ code, message, details }: EndedFailure): LyceumError {
  switch (code) {
    case 'over_cpu':
      return new LyceumError(code, `A chart took too much CPU time. ${LESS}`)
    case 'over_wall':
      return new LyceumError(code, `A chart was not drawn in time. ${LESS}`)
    case 'over_memory':
      return new LyceumError(code, `A chart took too much memory. ${LESS}`)
    case 'over_output':
      return new LyceumError(code, `A chart is too large as a picture. ${LESS}`)
    case 'plugin_failed':
      return new LyceumError('chart_refused', `A chart cannot be drawn: ${message}`)
    default:
      return new LyceumError(code, message, details)
  }
}
