import { LyceumError } from '../errors.ts'
import type { ActivePlugin, EventEndpoint } from '../registry/plugin.ts'
import type { PluginStore } from '../storage/plugin-store.ts'
import type { DeadLetter } from '../storage/store-protocol.ts'
import { inputOf } from './batch.ts'
import { HandlerProperties } from './enrich/handler-properties.ts'
import type { Properties } from './enrich/properties.ts'
import type { EndedFailure, Invoker } from './invoker.ts'
import type { LogWindow } from './log-window.ts'
import { runWriting } from './run-writing.ts'

/** What became of a dead letter that was tried again. */
export interface Retried {
  readonly id: number
  readonly seq: number
  readonly state: 'committed' | 'failed'
  readonly error?: { readonly code: string; readonly message: string }
}

/** Which dead letters to retry: where nothing is said, all. */
export interface RetryChoice {
  readonly endpoint?: string | undefined
  readonly ids?: readonly number[] | undefined
}

/** Dead letters that one request may retry. */
const MOST_RETRIES = 1_000
const EMPTY = Buffer.alloc(0)

/**
 * Runs handlers on events that were put aside. The effects and the end of the dead letter are one transaction,
 * so it counts once, however often it is tried.
 */
export class DeadLetterRetries {
  readonly #window: LogWindow
  readonly #invoker: Pick<Invoker, 'run'>
  readonly #properties: Pick<Properties, 'enrich'>
  /** Settles when the last request for a plugin has been served. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(window: LogWindow, invoker: Pick<Invoker, 'run'>, properties: Pick<Properties, 'enrich'>) {
    this.#window = window
    this.#invoker = invoker
    this.#properties = properties
  }

  /**
   * Retries dead letters, oldest first. Who asks while others are retried waits for those, and is then told of
   * what was left only.
   *
   * @param find the plugin as it is when its turn comes
   * @throws {LyceumError} what `find` throws at first, store_lost
   */
  async retry(id: string, choice: RetryChoice, find: () => ActivePlugin): Promise<Retried[]> {
    const before = this.#last.get(id) ?? Promise.resolve()
    const served = before.then(() => this.#retryAll(find, choice))
    const settled = served.catch(() => {})
    this.#last.set(id, settled)
    try {
      return await served
    } finally {
      if (this.#last.get(id) === settled) this.#last.delete(id)
    }
  }

  async #retryAll(find: () => ActivePlugin, { endpoint, ids }: RetryChoice): Promise<Retried[]> {
    const retry = ids === undefined ? {} : { ids }
    const { store } = find()
    const { letters } = await store.deadLetters(endpoint, MOST_RETRIES, retry)
    const retried: Retried[] = []
    for (const letter of letters) {
      const { id, seq } = letter
      const error = await this.#retryOne(find, store, letter)
      retried.push(
        error === undefined ? { id, seq, state: 'committed' } : { id, seq, state: 'failed', error },
      )
    }
    return retried
  }

  /** Resolves with what kept a dead letter from coming to its end: that of one must not hide what became of others. */
  async #retryOne(
    find: () => ActivePlugin,
    store: PluginStore,
    letter: DeadLetter,
  ): Promise<Retried['error']> {
    try {
      const plugin = find()
      // Other data have letters of their own, which have the same numbers and are about other events.
      refuseReplaced(plugin, store)
      const endpoint = handlerOf(plugin, letter.endpoint)
      const row = this.#window.row(letter.seq)
      if (row === undefined)
        throw new LyceumError('not_found', `Event ${letter.seq} is not in the log any more.`)
      const enriched = await new HandlerProperties(endpoint, this.#properties).enrich([row])
      if ('failure' in enriched) return { code: enriched.failure.code, message: enriched.failure.message }
      const batch = { from: letter.seq - 1, to: letter.seq, rows: enriched.rows }
      const failure = await runWriting(this.#invoker, {
        plugin,
        endpoint,
        transaction: plugin.store.begin({ deadLetter: letter.id }),
        input: inputOf(batch, endpoint.plugins),
        traceWrites: true,
      })
      // What it did may be in data that nobody reads any more.
      const after = found(find)
      if (after !== undefined) refuseReplaced(after, store)
      if (failure === undefined) return undefined
      // What only kept it from being tried says nothing about the event: the error that put it aside stays.
      if (!failure.passing) await keep(plugin, letter, failure)
      return { code: failure.code, message: failure.message }
    } catch (error) {
      if (!(error instanceof LyceumError)) throw error
      return { code: error.code, message: error.message }
    }
  }
}

/** A plugin that may have been paused meanwhile, which says nothing of its data. */
function found(find: () => ActivePlugin): ActivePlugin | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}

/** @throws {LyceumError} not_found where other data are read now */
function refuseReplaced({ id, store }: ActivePlugin, before: PluginStore): void {
  if (store !== before)
    throw new LyceumError(
      'not_found',
      `The data of ${id} were replaced meanwhile, and this dead letter with them. List those that there are now.`,
    )
}

/** Puts a dead letter in its own place again, with the error that it has now. */
async function keep(plugin: ActivePlugin, letter: DeadLetter, failure: EndedFailure): Promise<void> {
  const { stack: _, ...about } = letter
  await plugin.store.begin({ deadLetter: letter.id }).commit(EMPTY, {
    ...about,
    version: plugin.version,
    code: failure.code,
    message: failure.message,
    ...(failure.stack !== undefined && { stack: failure.stack }),
    attempts: letter.attempts + 1,
    atMs: Date.now(),
  })
}

function handlerOf(plugin: ActivePlugin, name: string): EventEndpoint {
  const endpoint = plugin.endpoints.get(name)
  if (endpoint?.kind === 'onEvent') return endpoint
  throw new LyceumError(
    'endpoint_unknown',
    `The active version of ${plugin.id} has no handler "${name}" any more.`,
  )
}
