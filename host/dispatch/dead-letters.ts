import { LyceumError } from '../errors.ts'
import type { ActivePlugin, EventEndpoint } from '../registry/plugin.ts'
import type { DeadLetter } from '../storage/store-protocol.ts'
import { inputOf } from './batch.ts'
import type { Invoker } from './invoker.ts'
import type { LogWindow } from './log-window.ts'
import { runWriting } from './run-writing.ts'

/** What became of a dead letter that was tried again. */
export interface Retried {
  readonly id: number
  readonly seq: number
  readonly state: 'committed' | 'failed'
  readonly error?: { readonly code: string; readonly message: string }
}

/**
 * Runs a handler on an event that was put aside. Its effects and the end of the dead letter are one
 * transaction, so it counts once, however often it is tried.
 */
export async function retryDeadLetter(
  plugin: ActivePlugin,
  letter: DeadLetter,
  window: LogWindow,
  invoker: Invoker,
): Promise<Retried> {
  const about = { id: letter.id, seq: letter.seq }
  const endpoint = handlerOf(plugin, letter.endpoint)
  const text = window.text(letter.seq)
  if (text === undefined)
    throw new LyceumError('not_found', `Event ${letter.seq} is not in the log any more.`)
  const batch = { from: letter.seq - 1, to: letter.seq, rows: [{ seq: letter.seq, type: '', text }] }
  const failure = await runWriting(invoker, {
    plugin,
    endpoint,
    transaction: plugin.store.begin({ deadLetter: letter.id }),
    input: inputOf(batch, endpoint.plugins),
    traceWrites: true,
  })
  if (failure === undefined) return { ...about, state: 'committed' }
  return { ...about, state: 'failed', error: { code: failure.code, message: failure.message } }
}

function handlerOf(plugin: ActivePlugin, name: string): EventEndpoint {
  const endpoint = plugin.endpoints.get(name)
  if (endpoint?.kind === 'onEvent') return endpoint
  throw new LyceumError(
    'endpoint_unknown',
    `The active version of ${plugin.id} has no handler "${name}" any more.`,
  )
}
