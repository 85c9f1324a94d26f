import type { Bridge } from './bridge.ts'

type Listener = (event: { readonly type: 'abort'; readonly target: Signal }) => void

/**
 * `signal`: an `AbortSignal` as the web has it, as far as a handler needs one. It is aborted shortly before
 * the call's time is over, so that there is time to give back what there is.
 */
export class Signal {
  #reason: Error | undefined
  #listeners = new Set<Listener>()
  onabort: Listener | null = null

  constructor(bridge: Bridge) {
    bridge.call('signal', '').then(
      () => this.#abort(),
      () => {}, // the call is over
    )
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#reason !== undefined) throw this.#reason
  }

  /** @param type only 'abort' ever happens */
  addEventListener(type: string, listener: Listener): void {
    if (type === 'abort') this.#listeners.add(listener)
  }

  removeEventListener(_type: string, listener: Listener): void {
    this.#listeners.delete(listener)
  }

  #abort(): void {
    this.#reason = Object.assign(new Error('The time of this call is nearly over.'), { name: 'TimeoutError' })
    const event = { type: 'abort', target: this } as const
    this.onabort?.(event)
    for (const listener of this.#listeners) listener(event)
  }
}
