import type { OpContext } from '../../host/capabilities/capability.ts'
import { dbOps } from '../../host/capabilities/db.ts'
import { type Ended, type Invocation, Invoker } from '../../host/dispatch/invoker.ts'
import { Lane } from '../../host/dispatch/lane.ts'
import type { Host } from '../../host/host.ts'
import type { ActivePlugin } from '../../host/registry/plugin.ts'
import { boot, type Guest } from '../../sandbox/guest/main.ts'
import { DONE, OPS } from '../../sandbox/protocol.ts'

type Plugin = Readonly<Record<string, unknown>>

interface Running {
  readonly context: OpContext
  readonly end: (text: string) => void
}

/**
 * Calls handlers in this process: the guest's own runtime with its queue of writes, but no isolate, no
 * process, no pipe and no limits. What is left is the least that a host could do for a handler.
 */
class InProcessInvoker extends Invoker {
  readonly #guest: Guest
  readonly #running = new Map<number, Running>()
  #last = 0

  constructor(host: Host, plugin: Plugin) {
    super(host.supervisor, host.conduct, host.ops)
    this.#guest = boot(
      (id, op, call, text) => this.#receive(id, op, call, text),
      () => {},
      plugin,
    )
  }

  override async run({ context, input }: Invocation): Promise<Ended> {
    const id = ++this.#last
    const { endpoint, tree, plugin } = context
    const request = {
      endpoint: endpoint.name,
      kind: endpoint.kind,
      budget: tree.budget(plugin.quota),
      nowMs: Date.now(),
      eachEvent: false,
      plainJson: false,
      traceWrites: false,
    }
    const text = await new Promise<string>((end) => {
      this.#running.set(id, { context: { ...context, deadlineMs: tree.deadlineMs, onEnd: () => {} }, end })
      this.#guest.start(id, JSON.stringify(request), String(input), request.nowMs)
    })
    this.#running.delete(id)
    return { cpuMs: 0, result: Buffer.from(text), failure: undefined }
  }

  #receive(id: number, op: number, call: number, text: string): void {
    const running = this.#running.get(id)
    if (running === undefined) return
    if (op === DONE && call === 0) running.end(text)
    else if (op === OPS.dbWrite.code) void dbOps.dbWrite(Buffer.from(text), running.context)
    else throw new Error(`the handler failed or asked for more than writes: ${text}`)
  }
}

/**
 * A lane over the host's own log that calls a handler in this process, with a database of its own.
 * @param type the type of the events that it handles
 */
export function inProcessLane(
  host: Host,
  like: ActivePlugin,
  module: Plugin,
  name: string,
  type: string,
): Lane {
  const endpoint = like.endpoints.get(name)
  if (endpoint?.kind !== 'onEvent') throw new Error(`${name} handles no events`)
  const lane = new Lane(host.log, host.window, {
    logId: host.log.id,
    window: host.window,
    properties: host.properties,
    halts: host.catalogue.halts,
    invoker: new InProcessInvoker(host, module),
    logger: host.logger,
    logIsBehind: (seq) => host.log.refuseBehind(seq),
    mayRun: () => true,
    onFailure: (plugin, name, { message }) => {
      throw new Error(`${plugin.id}.${name}: ${message}`)
    },
  })
  const options = { ...endpoint.options, where: { event_type: type } }
  lane.add({
    ...like,
    id: 'inProcess',
    store: host.stores.plugin('inProcess', 1),
    endpoints: new Map([[name, { ...endpoint, options }]]),
  })
  return lane
}
