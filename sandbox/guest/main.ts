import { Html } from '@lyceum/sdk'
import { decode, encode } from '@lyceum/sdk/ejson'
import type { EndpointKind, GuestInput, InvokeRequest } from '../protocol.ts'
import { checkAnswer, mistakeOf } from './answer.ts'
import { type Invocation, type Out, openBridge } from './bridge.ts'
import { withCharts } from './charts.ts'
import { describeEndpoints } from './describe.ts'
import { Facilities } from './facilities.ts'
import { describeFailure } from './failure.ts'
import { type Arrived, derive } from './property.ts'
import { WriteQueue } from './write-queue.ts'

/**
 * What runs inside an isolate beside the plugin. The isolate is the boundary, not this code: whatever a
 * plugin does to it, it does to itself. Two things hold even so, because they live in closures that no
 * plugin code reaches: the host function behind the bridge, and the counters in front of it.
 */
export interface Guest {
  /** Starts an invocation; the result leaves by `out`. Returns how many messages have left this isolate. */
  start(invocation: number, request: string, input: string, nowMs: number): number
  /** Delivers the answer to an op. Returns the same count. */
  settle(invocation: number, call: number, failed: boolean, text: string, nowMs: number): number
  /** Forgets an invocation that nobody waits for. */
  forget(invocation: number): void
}

const { parse, stringify } = JSON

/**
 * @param send the host function of the sandbox process
 * @param setClock sets what `Date` shows until the next turn
 * @param plugin the namespace of the plugin's module
 */
export function boot(
  send: Out,
  setClock: (nowMs: number) => void,
  plugin: Readonly<Record<string, unknown>>,
): Guest {
  const open: Record<number, Invocation> = Object.create(null)
  let sent = 0
  const out: Out = (invocation, op, call, text) => {
    send(invocation, op, call, text)
    // Only now: on a stack that overflows nothing has left, and whoever waits for it would wait for ever.
    sent += 1
  }

  const run = async (invocation: number, request: InvokeRequest, input: string) => {
    const bridge = openBridge(out, invocation, request.budget)
    open[invocation] = bridge
    let text: string
    let failed = false
    try {
      text = await perform(plugin, bridge, request, input, setClock)
      const failure = bridge.failure()
      if (failure !== undefined) throw failure.error
      const unawaited = bridge.unawaited()
      if (unawaited !== undefined) throw unawaited
    } catch (error) {
      failed = true
      text = stringify(describeFailure(bridge.failure()?.error ?? error))
    }
    delete open[invocation]
    bridge.end(failed, text)
  }

  return {
    start(invocation, request, input, nowMs) {
      setClock(nowMs)
      void run(invocation, parse(request) as InvokeRequest, input)
      return sent
    },
    settle(invocation, call, failed, text, nowMs) {
      setClock(nowMs)
      open[invocation]?.settle(call, failed, text)
      return sent
    },
    forget(invocation) {
      delete open[invocation]
    },
  }
}

const WRITING: ReadonlySet<EndpointKind> = new Set(['onEvent', 'cron'])

/** Runs one endpoint and gives back what leaves the isolate: a page, JSON, or the last writes. */
async function perform(
  plugin: Readonly<Record<string, unknown>>,
  bridge: Invocation,
  request: InvokeRequest,
  inputText: string,
  setClock: (nowMs: number) => void,
): Promise<string> {
  // A function would be left out, and `params: { from: t.date }` would be no parameter at all.
  if (request.kind === 'describe')
    return stringify(describeEndpoints(plugin), (_, value: unknown) =>
      typeof value === 'function' ? 'a function' : value,
    )
  const endpoint = plugin[request.endpoint] as { handler(context: Facilities): unknown }
  const input = parse(inputText) as GuestInput
  const queue = new WriteQueue(bridge, WRITING.has(request.kind), request.traceWrites)
  bridge.flush = () => queue.flush()
  const context = Object.assign(new Facilities(bridge, queue, input), decode(input.named))
  if (WRITING.has(request.kind)) {
    const events = input.events ?? []
    if (request.eachEvent)
      for (const event of events) await endpoint.handler(Object.assign(context, { event }))
    else await endpoint.handler(Object.assign(context, { events }))
    return queue.last()
  }
  if (request.kind === 'property') {
    const property = (event: Arrived) => endpoint.handler(Object.assign(context, { event }))
    return derive(property, (input.events ?? []) as readonly Arrived[], input.valueChars ?? 0, setClock)
  }
  const result = await endpoint.handler(context)
  if (request.kind === 'view') return withCharts(page(result), bridge)
  checkAnswer(result)
  if (request.plainJson && !request.bothForms) return stringify(result) ?? 'null'
  const typed = encode(result ?? null)
  if (!request.bothForms) return typed
  const plain = stringify(result) ?? 'null'
  return plain === typed ? plain : `${plain}\n${typed}`
}

/** A view's result as the inside of a page. A string is markup only where it starts like markup. */
function page(result: unknown): string {
  if (result === null || result === undefined || result === false) return ''
  if (result instanceof Html) return result.toString()
  if (Array.isArray(result)) return result.map(page).join('\n')
  if (typeof result === 'string') return result.trimStart().startsWith('<') ? result : escapeText(result)
  // A view is awaited itself, so what is a promise here stands in a list.
  if (result instanceof Promise)
    throw new TypeError(
      'A promise is in the list that the view returned: await it first, or return Promise.all(list).',
    )
  const mistake = mistakeOf(result)
  if (mistake !== undefined) throw new TypeError(`The view returned ${mistake}`)
  throw new TypeError(
    `A view returns html\`…\`, a chart, a table, a string, null or a list of these, but this returned ${typeof result === 'object' ? 'an object' : `a ${typeof result}`}. To show data, return table(rows); to return it, make it a query.`,
  )
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
